"""The node's part in the directory of who holds what, which all nodes in mode `open` keep together.

It answers others from what it was told, within budgets, and asks them in turn. What it learns are
hints: where somebody may be met who may hold something. Strangers' addresses are dialled only if
they mean the same here, and who was dialled for a question alone is let go again.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import trio

from p2pcommons.errors import NetworkError, RejectedError, RejectReason
from p2pcommons.protocol.addresses import fitting, is_circuit, is_dialled, without_peer
from p2pcommons.protocol.budget import TokenBucket
from p2pcommons.protocol.kademlia import (
    BUCKET_PEERS_MAX,
    ProviderStore,
    RoutingTable,
    networks_of,
    place_of,
)
from p2pcommons.protocol.kademlia_messages import (
    ADDRESSES_MAX,
    KAD_PROTOCOL,
    MESSAGE_BYTES_MAX,
    Contact,
    Kind,
    Message,
    decode_message,
    encode_message,
)
from p2pcommons.protocol.lookup import ASKED_MAX, Lookup
from p2pcommons.protocol.multiaddrs import peer_id_to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import HostPort, StreamPort

log = logging.getLogger(__name__)

DIAL_SECONDS = 5.0
"""For reaching somebody who is to be asked: others are there to be asked."""
ANSWER_SECONDS = 5.0
"""For a question and its answer, or for the next question on a stream."""
WALK_SECONDS = 45.0
"""For one search: forty dead peers, three at a time, take longer and are not worth it."""
WALKS_MAX = 2
"""Searches at the same time."""
MESSAGES_PER_STREAM_MAX = 64
"""Messages of one peer on one stream; then it opens another."""
QUESTIONS_PER_SECOND = 10
QUESTIONS_BURST = 200
"""Messages of one peer: a search asks each once, a holder tells each of its commons."""
ALL_QUESTIONS_PER_SECOND = 50
ALL_QUESTIONS_BURST = 500
"""Messages of all peers together: half a millisecond each, up to five where every address in the
answer is a new one."""
BUDGETS_MAX = 1_024
CONNECTED_ASKED_MAX = 8
"""Connected peers that are asked in any case: peers of peers."""
LINGER_SECONDS = 10.0
"""After a search: who turns out to share something stays connected, the others are let go."""


class Directory:
    """Answers, asks, and searches."""

    def __init__(
        self, context: NodeContext, host: HostPort, blame: Callable[[str, str], None]
    ) -> None:
        self._context = context
        self._host = host
        self._blame = blame
        self.table = RoutingTable(host.peer_id)
        self.hints = ProviderStore(host.peer_id)
        self.held: frozenset[bytes] = frozenset()
        """Keys of what this node holds and says so."""
        self.remembered: list[Contact] = []
        """Peers of the time before the last start, asked while nobody else is known."""
        self.kept: Collection[str] = ()
        """Peers that a person wants to be connected with."""
        self.own_key = peer_id_to_bytes(host.peer_id)
        self._budgets: dict[str, TokenBucket] = {}
        self._budget = TokenBucket(ALL_QUESTIONS_PER_SECOND, ALL_QUESTIONS_BURST)
        self._silent: set[str] = set()
        """Connected peers that do not speak this."""
        self.visited: dict[str, float] = {}
        """Peers that were dialled to be asked, or because others named them, and when last."""
        self._visiting = trio.Event()
        self._walks = trio.CapacityLimiter(WALKS_MAX)

    # --- answering -----------------------------------------------------------------------------

    def serve(self) -> None:
        """Answer others."""
        self._host.set_stream_handler(KAD_PROTOCOL, self._answer)

    async def _answer(self, stream: StreamPort) -> None:
        peer_id = stream.peer_id
        for _ in range(MESSAGES_PER_STREAM_MAX):
            try:
                with trio.move_on_after(ANSWER_SECONDS) as scope:
                    frame = await stream.read_frame(MESSAGE_BYTES_MAX)
                    if frame is None:
                        return
                    if not self._may_ask(peer_id):
                        break
                    answer = self.reply(peer_id, decode_message(frame))
                    if answer is not None:
                        await stream.write_frame(encode_message(answer))
            except RejectedError as error:
                self._blame(peer_id, str(error))
                break
            if scope.cancelled_caught:
                break
        await stream.reset()

    def _may_ask(self, peer_id: str) -> bool:
        now = trio.current_time()
        if len(self._budgets) >= BUDGETS_MAX and peer_id not in self._budgets:
            del self._budgets[next(iter(self._budgets))]
        budget = self._budgets.setdefault(
            peer_id, TokenBucket(QUESTIONS_PER_SECOND, QUESTIONS_BURST)
        )
        if not budget.take(1, now):
            peer = self._context.state.peer(peer_id)
            peer.slow("asks the directory again and again", self._context.now())
            return False
        return self._budget.take(1, now)

    def reply(self, peer_id: str, message: Message) -> Message | None:
        """Return the answer to a message of a peer, None where none is due.

        Raises RejectedError for a question about nothing.
        """
        now = trio.current_time()
        where = heard_at(self._host, peer_id)
        for contact in self._fitting(message.closer, where):
            if contact.peer_id == peer_id:
                self._heard(contact)
        if message.kind is Kind.PING:
            return Message(Kind.PING)
        if not message.key:
            raise RejectedError(RejectReason.MESSAGE_SHAPE, "a question about nothing")
        if message.kind is Kind.ADD_PROVIDER:
            for contact in self._fitting(message.providers, where):
                if contact.peer_id == peer_id:
                    self.hints.add(message.key, contact, now, self._networks(peer_id))
            return None
        nearest = self.table.closest(place_of(message.key), BUCKET_PEERS_MAX + 1)
        closer = [each for each in self._fitting(nearest, where) if each.peer_id != peer_id]
        if message.kind is Kind.FIND_NODE:
            return Message(message.kind, message.key, tuple(closer))
        holders = self.hints.providers(message.key, now)
        if message.key in self.held:
            holders = [self._own(where), *holders]
        named = tuple(self._fitting(holders, where))
        return Message(message.kind, message.key, tuple(closer), named)

    def _own(self, where: Sequence[str]) -> Contact:
        """Return this node's own addresses as far as they mean something to another."""
        bare = (without_peer(each, self._host.peer_id) for each in self._host.addresses())
        known = [each for each in bare if is_dialled(each)]
        return Contact(self._host.peer_id, fitting(known, where)[:ADDRESSES_MAX])

    def _heard(self, contact: Contact) -> None:
        direct = tuple(each for each in contact.addresses if not is_circuit(each))
        contact = Contact(contact.peer_id, direct)
        self.table.heard(contact, trio.current_time(), self._networks(contact.peer_id))
        self._context.state.finding.dht_peers = len(self.table)

    def _networks(self, peer_id: str) -> frozenset[str]:
        """Return what a peer cannot make up: the networks, or the relay, that it comes from."""
        kind, relay = self._host.path_to(peer_id)
        if kind == "relayed":
            return frozenset((f"relay {relay}",))
        return networks_of(Contact(peer_id, self._host.remote_addresses(peer_id)))

    @staticmethod
    def _fitting(contacts: Iterable[Contact], where: Sequence[str]) -> list[Contact]:
        fit = (Contact(each.peer_id, fitting(each.addresses, where)) for each in contacts)
        return [each for each in fit if each.addresses]

    # --- asking --------------------------------------------------------------------------------

    async def ask(self, contact: Contact, kind: Kind, key: bytes) -> Message:
        """Ask a peer, dialled if need be. Raises NetworkError, RejectedError."""
        stream = await self._open(contact)
        try:
            with trio.fail_after(ANSWER_SECONDS):
                where = heard_at(self._host, contact.peer_id)
                own = self._own(where)
                # Whoever is met over a relay alone is not asked: circuits are for better things.
                direct = tuple(each for each in own.addresses if not is_circuit(each))
                asker = (Contact(own.peer_id, direct),) if direct else ()
                await stream.write_frame(encode_message(Message(kind, key, asker)))
                frame = await stream.read_frame(MESSAGE_BYTES_MAX)
            if frame is None:
                raise NetworkError("no answer")
            answer = decode_message(frame)
        except BaseException as error:
            await stream.reset()
            if isinstance(error, trio.TooSlowError):
                raise NetworkError("no answer in time") from error
            raise
        await stream.close()
        dialled = self._host.dialled_addresses(contact.peer_id)
        bare = [without_peer(each, contact.peer_id) for each in dialled]
        bare = tuple(each for each in bare if is_dialled(each))
        self._heard(Contact(contact.peer_id, bare or contact.addresses))
        return Message(
            answer.kind,
            answer.key,
            tuple(self._fitting(answer.closer, where)),
            tuple(self._fitting(answer.providers, where)),
        )

    async def tell(self, contact: Contact, keys: Iterable[bytes]) -> None:
        """Tell a peer that this node holds something. Raises NetworkError."""
        stream = await self._open(contact)
        try:
            own = self._own(heard_at(self._host, contact.peer_id))
            for key in keys if own.addresses else ():
                message = Message(Kind.ADD_PROVIDER, key, (own,), (own,))
                await stream.write_frame(encode_message(message))
        except BaseException:
            await stream.reset()
            raise
        await stream.close()

    async def _open(self, contact: Contact) -> StreamPort:
        peer_id = contact.peer_id
        if peer_id not in self._host.connected_peers():
            self._silent.discard(peer_id)
            await self._dial(contact)
        elif peer_id in self.visited:
            self._visit(peer_id)
        try:
            return await self._host.open_stream(peer_id, KAD_PROTOCOL)
        except NetworkError:
            self._silent.add(peer_id)
            raise

    async def _dial(self, contact: Contact) -> None:
        peer_id = contact.peer_id
        if self._host.gate.blocked_until(peer_id) > trio.current_time() or not contact.addresses:
            raise NetworkError("not dialled")
        # Noted first: a search that is cut short leaves nobody connected either.
        self._visit(peer_id)
        connected = False
        with trio.move_on_after(DIAL_SECONDS):
            report = await self._host.dial(peer_id, contact.addresses[:ADDRESSES_MAX])
            connected = report.connected
        if not connected:
            raise NetworkError("not reached")

    # --- searching -----------------------------------------------------------------------------

    async def walk(self, kind: Kind, key: bytes, *, asked_max: int = ASKED_MAX) -> Lookup:
        """Search for a key to the end."""
        lookup = self.begin(key, asked_max)
        await self.pursue(lookup, kind, key)
        return lookup

    def begin(self, key: bytes, asked_max: int = ASKED_MAX) -> Lookup:
        """Return a search for a key, with those to be asked first."""
        place = place_of(key)
        near = self.table.closest(place)
        self._silent.intersection_update(self._host.connected_peers())
        connected = [each for each in self._host.connected_peers() if each not in self._silent]
        self._context.chance.shuffle(connected)
        known = {each.peer_id for each in near}
        seeds = [*near, *(Contact(each) for each in connected if each not in known)]
        return Lookup(
            place,
            self._host.peer_id,
            seeds if len(near) >= BUCKET_PEERS_MAX else [*seeds, *self.remembered],
            first=connected[:CONNECTED_ASKED_MAX],
            asked_max=asked_max,
        )

    async def pursue(
        self,
        lookup: Lookup,
        kind: Kind,
        key: bytes,
        on_named: Callable[[Contact], None] | None = None,
    ) -> None:
        """Search; `on_named` is told of each holder as soon as somebody names it."""
        async with self._walks:
            with trio.move_on_after(WALK_SECONDS):
                await self._ask_all(lookup, kind, key, on_named)
        if lookup.answered:
            # Where nobody answers it is this machine that has no network.
            for peer_id in lookup.failures:
                self.table.failed(peer_id)
        self._context.state.finding.dht_peers = len(self.table)

    async def _ask_all(
        self,
        lookup: Lookup,
        kind: Kind,
        key: bytes,
        on_named: Callable[[Contact], None] | None,
    ) -> None:
        changed = trio.Event()

        async def ask_one(contact: Contact) -> None:
            try:
                answer = await self.ask(contact, kind, key)
                for holder in lookup.heard(contact.peer_id, answer.closer, answer.providers):
                    if on_named is not None:
                        on_named(holder)
            except NetworkError as error:
                log.debug("%s does not answer: %s", contact.peer_id, error)
                lookup.failed(contact.peer_id)
            except RejectedError as error:
                lookup.failed(contact.peer_id)
                self._blame(contact.peer_id, str(error))
            finally:
                changed.set()

        async with trio.open_nursery() as nursery:
            while not lookup.is_over:
                changed = trio.Event()
                while (contact := lookup.next()) is not None:
                    nursery.start_soon(ask_one, contact)
                await changed.wait()

    def about_to_visit(self, peer_id: str) -> None:
        """Note a peer that is dialled because others named it; not one that is here already.

        Else whoever names our relay, or a friend who has just come, could have it let go.
        """
        if peer_id not in self._host.connected_peers():
            self._visit(peer_id)

    def _visit(self, peer_id: str) -> None:
        self.visited[peer_id] = trio.current_time()
        self._visiting.set()

    async def keep_letting_go(self) -> None:
        """Let go of those that nobody asked for a while, until cancelled."""
        while True:
            if not self.visited:
                self._visiting = trio.Event()
                await self._visiting.wait()
            await trio.sleep_until(min(self.visited.values()) + LINGER_SECONDS)
            await self.let_go()

    async def let_go(self) -> None:
        """End the connections that were made to ask, brought nothing else, and are not used."""
        idle_since = trio.current_time() - LINGER_SECONDS
        for peer_id in [each for each, used in self.visited.items() if used <= idle_since]:
            # Letting go of the one before took a while: this one may be asked again by now.
            if self.visited.get(peer_id, math.inf) > idle_since:
                continue
            del self.visited[peer_id]
            # Whoever became a relay of ours meanwhile stays, too.
            is_kept = peer_id in self.kept or peer_id in self._host.gate.kept
            if not is_kept and not self._context.state.peer(peer_id).shared:
                await self._host.disconnect(peer_id)


def heard_at(host: HostPort, peer_id: str) -> tuple[str, ...]:
    """Return where a peer is connected from, as far as that says which addresses it can know.

    Over a relay it says nothing: the relay may stand next to us, and the peer anywhere.
    """
    kind, _ = host.path_to(peer_id)
    return () if kind == "relayed" else host.remote_addresses(peer_id)
