"""What a host does about NATs, in one place: dialling back, and connections through two NATs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.net.interfaces import expand_wildcards
from p2pcommons.net.reachability import DialBack, DialBackReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from p2pcommons.net.host import Host


class Nat:
    """Made for one host after it listens. `blame(peer_id, what)` is told who breaks the rules."""

    def __init__(self, host: Host, blame: Callable[[str, str], None] | None = None) -> None:
        self._host = host
        self._dial_back = DialBack(host, blame)

    def serve(self) -> None:
        """Help others."""
        self._dial_back.serve()

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
