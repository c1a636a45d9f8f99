"""Seeks direct connections with peers that are connected over a relay, a few times and then rarely.

Whoever was dialled over the relay begins, so that both sides do not begin at once.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import HostPort
    from p2pcommons.node.reachability import NatPort

log = logging.getLogger(__name__)

PAUSES = (1.0, 3.0, 10.0, 1_800.0)
"""Seconds before each try; the last one repeats. NATs that refuse thrice will not change soon."""
JITTER = 0.5
"""Part of a pause by which it may be longer."""
LOOK_SECONDS = 0.5
"""How often it is looked whether one of those over a relay is due; costs microseconds."""


@dataclass(slots=True)
class _Tries:
    """With one peer, as long as it is connected over a relay."""

    due: float
    count: int = 0
    under_way: bool = False


class Punching:
    """Tries with each peer when it is due."""

    def __init__(self, context: NodeContext, host: HostPort, nat: NatPort) -> None:
        self._context = context
        self._host = host
        self._nat = nat
        self._tries: dict[str, _Tries] = {}
        self._looked_at = -1
        self._relayed: list[str] = []
        """Peers to begin with, as they were when somebody connected or went last."""

    async def run(self) -> None:
        """Seek direct connections until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._look(nursery)
                with trio.move_on_after(LOOK_SECONDS if self._relayed else math.inf):
                    await self._nat.changed.wait()

    def addresses_changed(self) -> None:
        """Behind another router it may be otherwise: begin anew with everybody."""
        for tries in self._tries.values():
            tries.count, tries.due = 0, trio.current_time() + self._pause(0)

    def is_welcome(self, peer_id: str) -> bool:
        """Tell whether something is shared with a peer; others stay on the relay."""
        peer = self._context.state.peers.get(peer_id)
        return peer is not None and bool(peer.shared)

    def _look(self, tasks: trio.Nursery) -> None:
        now = trio.current_time()
        if self._looked_at != self._nat.changes:
            self._looked_at = self._nat.changes
            self._relayed = [
                peer_id
                for peer_id in self._host.connected_peers()
                if self._nat.is_ours_to_punch(peer_id)
            ]
        relayed = self._relayed
        for peer_id in [each for each in self._tries if each not in relayed]:
            if not self._tries[peer_id].under_way:
                del self._tries[peer_id]
        for peer_id in relayed:
            if not self.is_welcome(peer_id):
                continue
            tries = self._tries.get(peer_id)
            if tries is None:
                self._tries[peer_id] = _Tries(now + self._pause(0))
            elif not tries.under_way and tries.due <= now:
                tries.under_way, tries.due = True, math.inf
                tasks.start_soon(self._try, peer_id, tries)

    async def _try(self, peer_id: str, tries: _Tries) -> None:
        report = await self._nat.punch(peer_id)
        log.info("a direct connection with %s instead of the relay: %s", peer_id, report.words)
        tries.count += 1
        tries.due = trio.current_time() + self._pause(tries.count)
        tries.under_way = False

    def _pause(self, count: int) -> float:
        pause = PAUSES[min(count, len(PAUSES) - 1)]
        return pause * self._context.chance.uniform(1.0, 1.0 + JITTER)
