"""One search for somebody who holds a commons: the holders others name are dialled as they come.

Being named proves nothing: a holder counts as met when a session with it shows the commons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from p2pcommons.protocol.kademlia_messages import ADDRESSES_MAX, Contact

if TYPE_CHECKING:
    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import HostPort

HOLDERS_DIALLED_MAX = 8
"""Of those named in one search: eight that all lie are eight dials, each few minutes."""
HOLDERS_AT_ONCE_MAX = 3
DIAL_SECONDS = 10.0
SHARED_SECONDS = 8.0
"""For a session with a holder to show what it shares."""
_LOOK_SECONDS = 0.1


@dataclass(slots=True)
class Search:
    """What is known of the searches for one commons."""

    due: float
    times: int = 0
    began: float = float("-inf")


@dataclass
class HolderDials:
    """The holders that one search brought."""

    context: NodeContext
    host: HostPort
    commons: bytes
    tried: int = 0
    reached: int = 0
    met: int = 0
    """How many show the commons."""
    success: trio.Event = field(default_factory=trio.Event)
    _limiter: trio.CapacityLimiter = field(
        default_factory=lambda: trio.CapacityLimiter(HOLDERS_AT_ONCE_MAX)
    )

    def takes(self, contact: Contact) -> bool:
        """Tell whether a holder that was named is dialled, and count it."""
        blocked = self.host.gate.blocked_until(contact.peer_id) > trio.current_time()
        if blocked or self.tried >= HOLDERS_DIALLED_MAX or self.success.is_set():
            return False
        self.tried += 1
        return True

    async def dial(self, contact: Contact) -> None:
        """Dial a holder and see whether it is one."""
        async with self._limiter:
            if self.success.is_set():
                return
            connected = contact.peer_id in self.host.connected_peers()
            if not connected:
                with trio.move_on_after(DIAL_SECONDS):
                    report = await self.host.dial(
                        contact.peer_id, contact.addresses[:ADDRESSES_MAX]
                    )
                    connected = report.connected
                    peer = self.context.state.peer(contact.peer_id)
                    peer.tried, peer.tried_at = report.tried, self.context.now()
            if not connected:
                return
            self.reached += 1
            with trio.move_on_after(SHARED_SECONDS):
                # A session says what is shared at its beginning, and tells nobody then. What is
                # known of a stranger may have been forgotten meanwhile, and begun anew.
                while not self._is_shown_by(contact.peer_id):  # noqa: ASYNC110
                    await trio.sleep(_LOOK_SECONDS)
                self.met += 1
                self.success.set()

    def _is_shown_by(self, peer_id: str) -> bool:
        return self.commons in (self.context.state.peer(peer_id).shared or ())

    def words(self, asked: int) -> str:
        """Return what came of the search, for a person."""
        if self.met:
            return "found somebody else who holds it"
        of = f"{asked} {'peer' if asked == 1 else 'peers'} asked"
        if not self.tried:
            return f"{of}, none knows who else holds it"
        named = f"{self.tried} {'holder' if self.tried == 1 else 'holders'} named"
        if not self.reached:
            return f"{of}, {named}, none answers"
        return f"{of}, {named}, none shares it"
