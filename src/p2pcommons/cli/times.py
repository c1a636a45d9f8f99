"""Times and numbers as people say them. Pure: the present moment is an argument."""

from __future__ import annotations

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_DAYS_SAID = 14


def ago(then: int, now: int) -> str:
    """Return how long ago: "just now", "5 min ago", "2 h ago", "3 d ago", else the day."""
    seconds = now - then
    if seconds < _MINUTE:
        return "just now"
    for limit, unit, word in (
        (_HOUR, _MINUTE, "min"),
        (_DAY, _HOUR, "h"),
        (_DAY * _DAYS_SAID, _DAY, "d"),
    ):
        if seconds < limit:
            return f"{seconds // unit} {word} ago"
    return day(then)


def until(then: int, now: int) -> str:
    """Return how long until something: "now", "in 8 s", "in 3 min"."""
    seconds = then - now
    if seconds <= 0:
        return "now"
    return f"in {seconds} s" if seconds < _MINUTE * 2 else f"in {seconds // _MINUTE} min"


def day(then: int) -> str:
    """Return a day: "4 Jan 2026"."""
    moment_then = datetime.fromtimestamp(then, UTC)
    return f"{moment_then.day} {moment_then:%b %Y}"


def moment(then: int) -> str:
    """Return a minute in UTC: "4 Jan 2026 17:05 UTC"."""
    return f"{day(then)} {datetime.fromtimestamp(then, UTC):%H:%M} UTC"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: "1 entry", "10,545 entries"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
