"""The pause of the network as the store keeps it, so that it outlives the node's process.

`node` and `replica` both read and write it: a person may pause while no node runs, and the next
one begins paused.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from p2pcommons.store.store import Store

PAUSE_META = "network.pause"
"""Where the store keeps it: a JSON list of reason and end, or nothing."""
PERSON = "person"
DAY = "day"
PAUSE_SECONDS_MAX = 366 * 24 * 3_600
"""Longer is for ever, and what a mistyped number means."""


@dataclass(frozen=True, slots=True)
class Paused:
    """Why nobody is met for a while."""

    reason: str
    """`person`: somebody asked for it; `day`: the limit of the day is reached."""
    until: int | None = None
    """Seconds since 1970 UTC; None: until somebody ends it."""

    def is_over(self, now: int) -> bool:
        """Whether it has ended by itself."""
        return self.until is not None and now >= self.until


def read_pause(store: Store, now: int) -> Paused | None:
    """Return the pause in force; what is over or not understood is none."""
    try:
        reason, until = cast("list[object]", json.loads(store.meta(PAUSE_META) or ""))
    except (ValueError, TypeError):
        return None
    if reason not in (PERSON, DAY) or not (until is None or type(until) is int):
        return None
    pause = Paused(str(reason), until)
    return None if pause.is_over(now) else pause


def write_pause(store: Store, pause: Paused | None) -> None:
    """Keep a pause, or that there is none."""
    text = "" if pause is None else json.dumps([pause.reason, pause.until])
    if text != (store.meta(PAUSE_META) or ""):
        store.set_meta(PAUSE_META, text)


def paused_words(pause: Paused, now: int) -> str:
    """Return what a person reads: "paused", "paused until 14:30", with the day where it is far."""
    if pause.until is None:
        return "paused"
    at, today = time.localtime(pause.until), time.localtime(now)
    is_near = pause.until - now < 24 * 3_600 or at[:3] == today[:3]
    words = time.strftime("paused until %H:%M" if is_near else "paused until %Y-%m-%d %H:%M", at)
    return f"{words}: the limit of the day is reached" if pause.reason == DAY else words
