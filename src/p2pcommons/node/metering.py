"""What one peer may cost this node over time, whatever session it belongs to and however it ends.

Beyond it the peer is served more slowly and a person can see why; nothing is refused, because a
slow machine or a large commons looks the same from here as malice.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

import trio

from p2pcommons.protocol.budget import ServedBudget, TokenBucket
from p2pcommons.protocol.limits import (
    METERED_PEERS_MAX,
    PAUSE_SECONDS_MAX,
    WORK_S_BURST,
    WORK_S_PER_S,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.node.context import NodeContext

T = TypeVar("T")

MUCH_WORK = "its messages take much work: answered slowly"
MUCH_SENT = "asks for more than all there is: served slowly"
NOTICED_SECONDS = 0.5
"""A pause that is worth a word."""


class _Meter:
    def __init__(self) -> None:
        self.work = TokenBucket(WORK_S_PER_S, WORK_S_BURST)
        self.served = ServedBudget()
        self.files = ServedBudget()


class Meters:
    """The meters of the peers met lately; they outlive connections."""

    def __init__(self) -> None:
        self._meters: OrderedDict[str, _Meter] = OrderedDict()

    def of(self, peer_id: str) -> _Meter:
        """Return a peer's meter; the longest unused is forgotten for a new one."""
        meter = self._meters.get(peer_id)
        if meter is None:
            meter = self._meters[peer_id] = _Meter()
            if len(self._meters) > METERED_PEERS_MAX:
                self._meters.popitem(last=False)
        self._meters.move_to_end(peer_id)
        return meter


class Metered:
    """The way of one session, or of one stream on which files are served, to its peer's meter."""

    def __init__(self, context: NodeContext, meters: Meters, peer_id: str) -> None:
        self._context = context
        self._meter = meters.of(peer_id)
        self._peer_id = peer_id

    async def turn(self) -> None:
        """Wait until the work that this peer has caused is paid for."""
        await self._pause(self._meter.work.spend(0, trio.current_time()), MUCH_WORK)

    def worked(self, call: Callable[[], T]) -> T:
        """Call, and charge the processor time of this thread to the peer."""
        began = self._context.processor()
        try:
            return call()
        finally:
            self._meter.work.spend(self._context.processor() - began, trio.current_time())

    def charge(self, seconds: float) -> None:
        """Charge work that was done elsewhere."""
        self._meter.work.spend(seconds, trio.current_time())

    async def until_served(self) -> None:
        """Wait until what this peer was given is paid for."""
        await self._pause(self._spend_served(0), MUCH_SENT)

    def served(self, size: int) -> None:
        """Charge bytes of contributions that are sent now."""
        self._spend_served(size)

    async def until_file_served(self, held_bytes: int) -> None:
        """Wait until what this peer was given of files is paid for; all of them take so much."""
        owed = self._meter.files.spend(0, held_bytes, trio.current_time())
        await self._pause(owed, MUCH_SENT)

    def file_served(self, size: int, held_bytes: int) -> None:
        """Charge bytes of files that are sent now."""
        self._meter.files.spend(size, held_bytes, trio.current_time())

    def _spend_served(self, size: int) -> float:
        held = self._context.storage.size_bytes()
        return self._meter.served.spend(size, held, trio.current_time())

    async def _pause(self, seconds: float, why: str) -> None:
        if seconds <= 0:
            return
        if seconds >= NOTICED_SECONDS:
            self._context.state.peer(self._peer_id).slow(why, self._context.now())
        await trio.sleep(min(seconds, PAUSE_SECONDS_MAX))
