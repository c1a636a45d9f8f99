"""What a host does about NATs, in one place: dialling back, and connections through two NATs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from p2pcommons.net.hole_punching import HolePunching, PunchReport
from p2pcommons.net.interfaces import expand_wildcards
from p2pcommons.net.notices import SwarmNotices
from p2pcommons.net.reachability import DialBack, DialBackReport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from p2pcommons.net.host import Host


class Nat:
    """Made for one host after it listens. `blame(peer_id, what)` is told who breaks the rules."""

    def __init__(self, host: Host, blame: Callable[[str, str], None] | None = None) -> None:
        self._host = host
        self._blame = blame
        self._dial_back = DialBack(host, blame)
        self._punching: HolePunching | None = None
        self.changes = 0
        """Grows whenever somebody connects or disconnects."""
        self.changed = trio.Event()
        """Set, and replaced, at the same time."""
        host.swarm.register_notifee(SwarmNotices(self._note_change, self._note_change))

    def _note_change(self, _muxed: Any) -> None:
        self.changes += 1
        changed, self.changed = self.changed, trio.Event()
        changed.set()

    async def run(
        self,
        own_addresses: Callable[[], Awaitable[Sequence[str]]],
        is_welcome: Callable[[str], bool],
    ) -> None:
        """Help others, until cancelled.

        `own_addresses` tells where this node is seen from outside, without /p2p/ID; `is_welcome`
        with whom direct connections are sought.
        """
        self._dial_back.serve()
        self._punching = HolePunching(self._host, own_addresses, is_welcome, self._blame)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._punching.run)

    def listening(self) -> tuple[str, ...]:
        """The addresses of this machine that the host listens on now, without /p2p/ID."""
        listeners: Any = self._host.swarm.listeners
        bound = [str(each) for one in listeners.values() for each in one.get_addrs()]
        return tuple(dict.fromkeys(expand_wildcards(bound)))

    async def seen_as(self, peer_id: str) -> str | None:
        """The IP under which a directly connected peer sees this node; None when not told."""
        return await self._dial_back.seen_as(peer_id)

    async def ask(self, peer_id: str, addresses: Sequence[str]) -> DialBackReport:
        """Let a directly connected peer dial back at one of some addresses without /p2p/ID."""
        return await self._dial_back.ask(peer_id, addresses)

    def is_ours_to_punch(self, peer_id: str) -> bool:
        """Whether a peer dialled us over a relay, and there is no direct connection with it."""
        return self._punching is not None and self._punching.is_ours_to_begin(peer_id)

    def has_hole_for(self, peer_id: str) -> bool:
        """Whether our NAT may let this peer in where it keeps others out."""
        return self._punching is not None and self._punching.has_hole_for(peer_id)

    async def punch(self, peer_id: str) -> PunchReport:
        """Try once to get a direct connection with a peer that is connected over a relay."""
        if self._punching is None:
            return PunchReport(False, "not yet")
        return await self._punching.punch(peer_id)
