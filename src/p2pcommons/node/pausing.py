"""Being away on purpose: no connection, no dial, no announcement, until a time or a word.

What is written meanwhile stays in the store and goes out afterwards. The pause itself is kept
there too, so that a restart of the node does not end it. A person pauses; so does the limit of
the day, until midnight, unless the person says to go on for today.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from p2pcommons.errors import UserError
from p2pcommons.net.limits import PAUSED
from p2pcommons.store.days import WAIVED_META, DayWaived, day_of, midnight_after
from p2pcommons.store.pauses import (
    DAY,
    PAUSE_SECONDS_MAX,
    PERSON,
    Paused,
    read_pause,
    write_pause,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import HostPort

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
"""Between two looks at the clock, which may be set or stand still while the machine sleeps."""


class Pausing:
    """Pauses and resumes a node."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        self._host: HostPort | None = None
        self._on_resume: Callable[[], None] | None = None
        self._changed = trio.Event()
        self._waived = ""
        self._day_bytes_max = context.config.number("network.megabytes_per_day") * 1_000_000

    @property
    def day_is_limited(self) -> bool:
        """Whether there is a limit of the day, so that the sums have to be looked at often."""
        return self._day_bytes_max > 0

    async def load(self) -> None:
        """Take up what the store keeps; before anybody is met. Raises StoreError."""
        now = self._context.now()
        self._context.state.paused, waived = await self._context.storage.read(
            lambda store: (read_pause(store, now), store.meta(WAIVED_META))
        )
        self._waived = waived or ""

    def attach(self, host: HostPort, on_resume: Callable[[], None]) -> None:
        """Say what is to be paused; `on_resume` is called when it goes on."""
        self._host, self._on_resume = host, on_resume
        host.gate.is_paused = self._context.state.paused is not None

    async def run(self) -> None:
        """End pauses when their time has come."""
        await self._hang_up()
        while True:
            changed, paused, now = self._changed, self._context.state.paused, self._context.now()
            if paused is not None and paused.is_over(now):
                log.info("the pause is over")
                await self._set(None)
                continue
            left = None if paused is None else paused.until
            seconds = float("inf") if left is None else left - now
            with trio.move_on_after(min(seconds, LOOK_SECONDS)):
                await changed.wait()

    async def run_unless_paused(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run something for ever; it is cancelled for pauses and begins anew after them."""
        while True:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._cancel_at_pause, scope)
                    await self.until_resumed()
                    await run()

    async def until_resumed(self) -> None:
        """Return when there is no pause."""
        while self._context.state.paused is not None:
            await self._changed.wait()

    async def _cancel_at_pause(self, scope: trio.CancelScope) -> None:
        await self.until_resumed()
        while self._context.state.paused is None:
            await self._changed.wait()
        scope.cancel()

    async def pause(self, seconds: object = None) -> None:
        """Pause for so long, or until somebody resumes. Raises UserError for no such time."""
        until: int | None = None
        if seconds is not None:
            # JSON as Python reads it has NaN, and integers that no float can hold.
            if type(seconds) not in (int, float) or not 0 < seconds <= PAUSE_SECONDS_MAX:  # pyright: ignore[reportOperatorIssue]
                raise UserError("a pause lasts more than nothing and at most 366 days")
            until = self._context.now() + max(1, round(float(seconds)))  # pyright: ignore[reportArgumentType]
        await self._set(Paused(PERSON, until))

    async def resume(self) -> tuple[bool, DayWaived | None]:
        """Go on; where the limit of the day is reached, without it for today.

        Return whether there was a pause, and what was set aside.
        """
        paused, now, waived = self._context.state.paused, self._context.now(), None
        if self._is_day_used_up():
            self._waived = day = day_of(now)
            await self._context.attempt(lambda store: store.set_meta(WAIVED_META, day))
            used = self._context.state.traffic.day.total
            waived = DayWaived(used, self._day_bytes_max, midnight_after(now))
            log.info("the limit of the day is set aside until midnight")
        await self._set(None)
        return paused is not None, waived

    async def look_at_day(self) -> None:
        """Pause until midnight where the limit of the day is reached."""
        if self._context.state.paused is None and self._is_day_used_up():
            now = self._context.now()
            if self._waived != day_of(now):
                log.info("the limit of the day is reached")
                await self._set(Paused(DAY, midnight_after(now)))

    def _is_day_used_up(self) -> bool:
        day = self._context.state.traffic.day
        day.turn(day_of(self._context.now()))
        return 0 < self._day_bytes_max <= day.total

    async def _set(self, paused: Paused | None) -> None:
        self._context.state.paused = paused
        if self._host is not None:
            self._host.gate.is_paused = paused is not None
        self._changed.set()
        self._changed = trio.Event()
        # Kept before it is answered; a store that fails keeps nobody from pausing.
        await self._context.attempt(lambda store: write_pause(store, paused))
        await self._hang_up()
        if paused is None and self._on_resume is not None:
            self._on_resume()

    async def _hang_up(self) -> None:
        """Close all connections, in a pause."""
        if self._host is None or self._context.state.paused is None:
            return
        async with trio.open_nursery() as nursery:
            for peer_id in self._host.connected_peers():
                self._context.state.peer(peer_id).drop(PAUSED, self._context.now())
                nursery.start_soon(self._host.disconnect, peer_id)
