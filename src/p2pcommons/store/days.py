"""What a day has cost, as the store keeps it, and the limit of the day that a person set aside.

A day is one of this machine's own time zone: it ends at the midnight of the person. `node` counts
and keeps to the limit; `replica` looks at both where no node runs.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from p2pcommons.store.store import Store

DAY_META = "traffic.day"
"""Where the store keeps the sums of the day, as a JSON list: date, bytes in, bytes out."""
WAIVED_META = "network.day_waived"
"""The day for which the person said to go on although its limit is reached."""


class DaySums:
    """Bytes of one day."""

    def __init__(self, day: str = "", came: int = 0, went: int = 0) -> None:
        self.day: str = day
        self.came: int = came
        self.went: int = went

    @property
    def total(self) -> int:
        """Both directions."""
        return self.came + self.went

    def add(self, came: int, went: int, day: str) -> None:
        """Count bytes of a day; a new one begins with nothing."""
        self.turn(day)
        self.came += came
        self.went += went

    def turn(self, day: str) -> None:
        """Say which day it is."""
        if day != self.day:
            self.day, self.came, self.went = day, 0, 0

    def as_text(self) -> str:
        """Return what the store keeps."""
        return json.dumps([self.day, self.came, self.went])

    @classmethod
    def from_text(cls, text: str | None) -> DaySums:
        """Read what the store kept; what is not understood counts as nothing."""
        try:
            day, came, went = cast("list[object]", json.loads(text or ""))
        except (ValueError, TypeError):
            return cls()
        if isinstance(day, str) and isinstance(came, int) and isinstance(went, int):
            return cls(day, came, went)
        return cls()


@dataclass(frozen=True, slots=True)
class DayWaived:
    """A limit of the day that is reached and set aside: bytes, and seconds since 1970 UTC."""

    used: int
    limit: int
    until: int

    def as_fields(self) -> dict[str, object]:
        """Return it as JSON; see docs/cli.md."""
        return asdict(self)


def waive_day(store: Store, limit: int, now: int) -> DayWaived | None:
    """Set the limit of the day aside where it is reached, and say how far; None where it is not.

    `limit` is in bytes, 0 for none; the sums are those the store keeps.
    """
    day = DaySums.from_text(store.meta(DAY_META))
    day.turn(day_of(now))
    if not 0 < limit <= day.total:
        return None
    store.set_meta(WAIVED_META, day.day)
    return DayWaived(day.total, limit, midnight_after(now))


def day_of(now_s: float) -> str:
    """Return the date of a time in seconds since 1970 UTC, here."""
    return time.strftime("%Y-%m-%d", time.localtime(now_s))


def midnight_after(now_s: float) -> int:
    """Return when the day of a time ends here, in seconds since 1970 UTC."""
    at = time.localtime(now_s)
    return int(time.mktime((at.tm_year, at.tm_mon, at.tm_mday + 1, 0, 0, 0, 0, 0, -1)))
