"""Dates as people write them in a search: a year, a month, a day, or from one to another. UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

DATE_FORMS = "2024, 2024-03 or 2024-03-05"
"""How a date is written, for whoever got it wrong."""

_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?\Z")
_YEAR_MAX = 9998
"""The last year after which another one begins that Python can count."""


def span_of(text: str, *, ranges: bool = False) -> tuple[int, int] | None:
    """Return the first second of a date and the first one after it, since 1970 UTC.

    With `ranges`, `2024-03..2024-05` means the whole of both and what lies between; one side may
    be missing. None for what is no date.
    """
    if ranges and ".." in text:
        first, _, last = text.partition("..")
        if not first and not last:
            return None
        start = span_of(first) if first else (_start(1), 0)
        end = span_of(last) if last else (0, _start(_YEAR_MAX + 1))
        return None if start is None or end is None else (start[0], end[1])
    found = _DATE.match(text)
    if found is None:
        return None
    year, month, day = (int(part) if part else None for part in found.groups())
    assert year is not None
    if not 1 <= year <= _YEAR_MAX:
        return None
    try:
        start = _start(year, month or 1, day or 1)
    except ValueError:
        return None
    if day is not None:
        return start, start + 86_400
    if month is not None:
        return start, _start(year + month // 12, month % 12 + 1)
    return start, _start(year + 1)


def _start(year: int, month: int = 1, day: int = 1) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())
