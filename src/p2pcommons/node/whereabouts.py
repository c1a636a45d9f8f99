"""Where a peer that came to us can be met again, when it or we have moved.

Whoever was dialled is in the address book with the address that worked. Each is asked where it
listens (libp2p's Identify), and believed of the machine from which it is connected alone, so that
nobody can point this node at somebody else; and which relays lead to it, of which few are believed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from p2pcommons.errors import NetworkError, RejectedError, StoreError
from p2pcommons.net.interfaces import ip_of
from p2pcommons.protocol.addresses import fitting, is_circuit
from p2pcommons.protocol.identify import IDENTIFY_BYTES_MAX, IDENTIFY_PROTOCOL, listen_addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import HostPort
    from p2pcommons.store import PeerRow, Store

log = logging.getLogger(__name__)

CAME = "came"
"""Source of peers that were not dialled, but came here and share something."""
CAME_MAX = 256
"""Of them in the address book; whoever can join a commons can come with any number of keys."""
ADDRESSES_MAX = 4
"""Of one peer: it listens on one port, by IPv4 and IPv6."""
CIRCUITS_MAX = 2
"""Ways over relays of one peer; a node has two relays."""
ANSWER_SECONDS_MAX = 10.0
FORGET_SECONDS = 60 * 24 * 3_600
"""A peer that a person did not enter, and that was not reached for so long, is forgotten."""
_ENTERED = ("invite", "manual")


class Whereabouts:
    """Learns addresses of peers that came here, and keeps the address book within bounds."""

    def __init__(
        self, context: NodeContext, host: HostPort, blame: Callable[[str, str], None]
    ) -> None:
        self._context = context
        self._host = host
        self._blame = blame
        self._asked: dict[str, int | None] = {}
        """The beginning of the connection on which a peer was asked."""

    def gone(self, peer_id: str) -> None:
        """A peer has disconnected."""
        self._asked.pop(peer_id, None)

    async def learn(self, peer_id: str) -> None:
        """Put a peer into the address book that came here; once for each connection."""
        since = self._context.state.peer(peer_id).connected_since
        if peer_id in self._asked and self._asked[peer_id] == since:
            return
        self._asked[peer_id] = since
        addresses = await self._where(peer_id)
        if not addresses or not await self._has_room(peer_id):
            return
        now = self._context.now()

        def note(store: Store) -> None:
            store.upsert_peer(peer_id, addresses, source=CAME, now=now)
            store.note_seen(peer_id, now=now)

        await self._context.attempt(note)

    async def _where(self, peer_id: str) -> tuple[str, ...]:
        """Ask a peer where it listens, and over which relays; nothing where it does not say."""
        remote = self._host.remote_addresses(peer_id)
        machines = {ip_of(address) for address in remote if not is_circuit(address)}
        told = await self._told(peer_id)
        machines.discard(None)  # a peer that was dialled by a name may not give other names
        listens = [each for each in told if not is_circuit(each) and ip_of(each) in machines]
        # Over this node leads nowhere: whoever has a place here is connected here.
        over_us = f"/p2p/{self._host.peer_id}/p2p-circuit"
        circuits = fitting(
            [each for each in told if is_circuit(each) and over_us not in each], remote
        )
        return (*listens[:ADDRESSES_MAX], *circuits[:CIRCUITS_MAX])

    async def _told(self, peer_id: str) -> tuple[str, ...]:
        try:
            with trio.fail_after(ANSWER_SECONDS_MAX):
                stream = await self._host.open_stream(peer_id, IDENTIFY_PROTOCOL)
                try:
                    frame = await stream.read_frame(IDENTIFY_BYTES_MAX)
                finally:
                    await stream.reset()
            return () if frame is None else listen_addresses(frame, peer_id)
        except (NetworkError, trio.TooSlowError) as error:
            log.debug("%s does not say where it listens: %s", peer_id, error)
            return ()
        except RejectedError as error:
            self._blame(peer_id, str(error))
            return ()

    async def _has_room(self, peer_id: str) -> bool:
        """Make room in the book where too many came: whoever was reached longest ago goes."""
        try:
            book = await self._context.storage.read(lambda store: store.peers())
        except StoreError as error:
            self._context.note_trouble(error)
            return False
        came = [row for row in book if row.source == CAME]
        if len(came) < CAME_MAX or any(row.peer_id == peer_id for row in book):
            return True
        connected = set(self._host.connected_peers())
        absent = [row for row in came if row.peer_id not in connected]
        if not absent:
            return False
        await self._forget(min(absent, key=_reached_at))
        return True

    async def tidy(self, book: Iterable[PeerRow]) -> None:
        """Forget peers that no person entered and that were not reached for months."""
        connected = set(self._host.connected_peers())
        # One that hung up before it was asked is noted all the same.
        self._asked = {each: since for each, since in self._asked.items() if each in connected}
        before = self._context.now() - FORGET_SECONDS
        for row in book:
            is_met = row.source not in _ENTERED and row.peer_id not in connected
            if is_met and max(_reached_at(row)) < before:
                await self._forget(row)

    async def _forget(self, row: PeerRow) -> None:
        await self._context.attempt(lambda store: store.remove_peer(row.peer_id))


def _reached_at(row: PeerRow) -> tuple[int, int]:
    """When a peer was reached last, and known first; who was never reached comes before all."""
    return row.last_success or 0, row.first_seen
