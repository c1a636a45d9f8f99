"""Notices that the machine slept: connections look open afterwards, and nobody is there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LOOK_SECONDS = 2.0
JUMP_SECONDS = 10.0
"""The clock on the wall ran on so much longer than ours: a sleep, or somebody set the clock."""


async def watch_for_sleep(
    woke: Callable[[], Awaitable[None]], wall_clock: Callable[[], float] = time.time
) -> None:
    """Call `woke` after each jump of the clock on the wall, for ever."""
    seen = wall_clock()
    while True:
        await trio.sleep(LOOK_SECONDS)
        now = wall_clock()
        if abs(now - seen - LOOK_SECONDS) > JUMP_SECONDS:
            await woke()
        seen = now
