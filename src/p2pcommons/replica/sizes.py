"""Sizes as people write them: 200MB, 1.5 GB, none. Pure."""

from __future__ import annotations

import re
from typing import Final

from p2pcommons.errors import UserError
from p2pcommons.model.words import clean_line

NO_LIMIT: Final = "none"

_UNITS: Final = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZE_MAX: Final = 10**18
"""Bytes; integers of the store and of contributions end not far above."""
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", re.IGNORECASE)


def parse_size(text: str) -> int | None:
    """Return the bytes of "200MB", or None for "none". Raises UserError saying how to write it."""
    plain = text.strip().replace(",", "").replace("_", "")
    if plain.lower() == NO_LIMIT:
        return None
    found = _SIZE.fullmatch(plain)
    if found is None or found[2].lower() not in _UNITS:
        raise UserError(f"{text!r} is no size; write it as 200MB, 1.5GB or none")
    size = float(found[1]) * _UNITS[found[2].lower()]
    if size > _SIZE_MAX:
        raise UserError(f"{clean_line(text, 40)} is more than any machine holds; leave it at none")
    return round(size)


def size_said(size: int) -> str:
    """Return "0 B", "14 kB", "3.5 MB", "200 MB": three digits at most, units of a thousand."""
    for unit, divisor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= divisor:
            value = size / divisor
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return f"{size} B"
