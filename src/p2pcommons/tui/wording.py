"""What the screens say, as plain functions from values to words.

Said as one person would tell another; numbers carry their unit; no glyph stands
without a word. Pure: the present moment is an argument.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MINUTE, _HOUR, _DAY, _WEEK = 60, 3_600, 86_400, 604_800


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 entry", "10,545 entries"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def age(then: int, now: int) -> str:
    """How long ago, short enough for a column: "now", "5 m", "3 h", "2 d", "12 Mar", "Mar 2024"."""
    seconds = now - then
    if seconds < _MINUTE:
        return "now"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} m"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h"
    if seconds < _WEEK:
        return f"{seconds // _DAY} d"
    day = datetime.fromtimestamp(then, UTC)
    if seconds < _DAY * 300:
        return f"{day.day} {day:%b}"
    return f"{day:%b %Y}"


def ago(then: int, now: int) -> str:
    """How long ago, in a sentence: "just now", "5 minutes ago", "on 12 Mar 2025"."""
    seconds = now - then
    if seconds < 10:
        return "just now"
    for limit, unit, noun in (
        (_MINUTE, 1, "second"),
        (_HOUR, _MINUTE, "minute"),
        (_DAY, _HOUR, "hour"),
        (_WEEK, _DAY, "day"),
    ):
        if seconds < limit:
            return f"{count(seconds // unit, noun)} ago"
    return f"on {date(then)}"


def wait(seconds: int) -> str:
    """How long until something: "now", "in 8 s", "in 3 min"."""
    if seconds <= 0:
        return "now"
    return f"in {seconds} s" if seconds < 100 else f"in {round(seconds / _MINUTE)} min"


def date(then: int) -> str:
    """A day as people write it: "4 Jan 2026"."""
    day = datetime.fromtimestamp(then, UTC)
    return f"{day.day} {day:%b %Y}"


def moment(then: int) -> str:
    """A minute in UTC: "4 Jan 2026 17:05 UTC"."""
    return f"{date(then)} {datetime.fromtimestamp(then, UTC):%H:%M} UTC"


def listed(words: Sequence[str], more: int = 0) -> str:
    """Words as a list in a sentence: "ana", "ana and rui", "ana, rui and 3 more"."""
    items = [*words, f"{more} more"] if more else list(words)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def size(octets: int) -> str:
    """An amount of data: "812 bytes", "12 kB", "3.4 MB"."""
    if octets < 1_000:
        return count(octets, "byte")
    if octets < 1_000_000:
        return f"{octets / 1_000:.0f} kB"
    return f"{octets / 1_000_000:.1f} MB"


def only_here(number: int) -> str:
    """How many of one's own contributions no other node is known to hold."""
    return f"{number:,} of yours {'is' if number == 1 else 'are'} only here"
