"""Members of a commons tell each other where connected members can be met, in mode `open` alone.

A node passes on what a connected peer signed about itself, and only to peers that share a commons
with that peer; nobody learns of members of what they are not a member of. Who is not in mode
`open` gives no record, so is never passed on.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from p2pcommons.config import Mode
from p2pcommons.errors import NetworkError, RejectedError, StoreError
from p2pcommons.node.directory import heard_at
from p2pcommons.node.meeting import EXCHANGED
from p2pcommons.protocol.addresses import scope_of, without_peer
from p2pcommons.protocol.peer_records import (
    PEERS_PROTOCOL,
    RECORDS_BYTES_MAX,
    RECORDS_MAX,
    PeerRecord,
    decode_records,
    encode_records,
    fitting_addresses,
    make_record,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import HostPort, StreamPort
    from p2pcommons.store import PeerRow

log = logging.getLogger(__name__)

ASK_SECONDS = 600.0
"""Between two exchanges with one peer, unless the other side begins."""
ANSWER_SECONDS_MIN = 20.0
"""Whoever asks more often gets no answer."""
ANSWER_SECONDS_MAX = 10.0
KNOWN_BY_EXCHANGE_MAX = 64
"""Peers in the address book that others named; beyond it nobody new is taken."""
FAILURES_MAX = 8
"""Tries after which a peer that others named, and was never reached, is forgotten."""


class Introducing:
    """Exchanges signed addresses with peers that share something."""

    def __init__(
        self,
        context: NodeContext,
        host: HostPort,
        blame: Callable[[str, str], None],
        found: Callable[[], None],
    ) -> None:
        self._context = context
        self._host = host
        self._blame = blame
        self._found = found
        self._records: dict[str, PeerRecord] = {}
        self._asked: dict[str, float] = {}
        self._answered: dict[str, float] = {}

    def serve(self) -> None:
        """Answer others, in mode `open`."""
        if self._context.mode is Mode.OPEN:
            self._host.set_stream_handler(PEERS_PROTOCOL, self._answer)

    async def introduce(self, peer_id: str) -> None:
        """Exchange records with a peer with which a session ended, unless that was just done."""
        now = trio.current_time()
        recently = now - self._asked.get(peer_id, -ASK_SECONDS) < ASK_SECONDS
        if self._context.mode is not Mode.OPEN or recently:
            return
        self._forget_strangers()
        self._asked[peer_id] = now
        try:
            stream = await self._host.open_stream(peer_id, PEERS_PROTOCOL)
            try:
                with trio.fail_after(ANSWER_SECONDS_MAX):
                    await stream.write_frame(self._known_to(peer_id))
                    await self._take(stream)
                await stream.close()
            except BaseException:
                await stream.reset()
                raise
        except StoreError as error:
            self._context.note_trouble(error)
        except (NetworkError, trio.TooSlowError) as error:
            # In another mode it does not speak this; that is its choice.
            log.debug("no introductions by %s: %s", peer_id, error)
        except RejectedError as error:
            self._blame(peer_id, str(error))

    async def _answer(self, stream: StreamPort) -> None:
        peer_id = stream.peer_id
        now = trio.current_time()
        since = now - self._answered.get(peer_id, -ANSWER_SECONDS_MIN)
        if since < ANSWER_SECONDS_MIN or not self._context.state.peer(peer_id).shared:
            await stream.reset()
            return
        self._answered[peer_id] = now
        try:
            with trio.fail_after(ANSWER_SECONDS_MAX):
                await self._take(stream)
                await stream.write_frame(self._known_to(peer_id))
            await stream.close()
        except (NetworkError, trio.TooSlowError) as error:
            log.debug("introductions for %s ended: %s", peer_id, error)
            await stream.reset()
        except RejectedError as error:
            self._blame(peer_id, str(error))
        except StoreError as error:
            self._context.note_trouble(error)
            await stream.reset()

    async def _take(self, stream: StreamPort) -> None:
        """Read records: the peer's own is kept to be passed on, others go into the address book."""
        frame = await stream.read_frame(RECORDS_BYTES_MAX)
        if frame is None:
            raise NetworkError("the stream ended before the records")
        where = heard_at(self._host, stream.peer_id)
        book = await self._context.storage.read(lambda store: store.peers())
        await self._forget_unreachable([row.peer_id for row in book if _is_dead(row)])
        known = {row.peer_id: row.addresses for row in book}
        room = KNOWN_BY_EXCHANGE_MAX - sum(row.source == EXCHANGED for row in book)
        for record in decode_records(frame):
            if record.peer_id == stream.peer_id:
                self._keep(record)
            addresses = fitting_addresses(record, where)
            news = set(addresses) - set(known.get(record.peer_id, ()))
            if record.peer_id == self._host.peer_id or not news:
                continue
            if record.peer_id not in known:
                if room <= 0:
                    continue
                room -= 1
            await self._note(record.peer_id, addresses)

    async def _note(self, peer_id: str, addresses: tuple[str, ...]) -> None:
        now = self._context.now()
        await self._context.attempt(
            lambda store: store.upsert_peer(peer_id, addresses, source=EXCHANGED, now=now)
        )
        self._found()

    async def _forget_unreachable(self, peer_ids: list[str]) -> None:
        for peer_id in peer_ids:
            await self._context.attempt(lambda store, peer_id=peer_id: store.remove_peer(peer_id))

    def _keep(self, record: PeerRecord) -> None:
        known = self._records.get(record.peer_id)
        if known is None or record.seq >= known.seq:
            self._records[record.peer_id] = record

    def _known_to(self, peer_id: str) -> bytes:
        """Return this node's own record and those of connected peers this one shares with."""
        shared = self._context.state.peer(peer_id).shared or frozenset()
        told = [
            self._records[each.peer_id]
            for each in self._context.state.connected()
            if each.peer_id != peer_id
            and each.peer_id in self._records
            and shared & (each.shared or frozenset())
        ]
        self._context.chance.shuffle(told)
        return encode_records([self._own(), *told[: RECORDS_MAX - 1]])

    def _own(self) -> PeerRecord:
        sign = self._context.sign_as_peer
        assert sign is not None, "a node in mode open has its key"
        addresses = [without_peer(each, self._host.peer_id) for each in self._host.addresses()]
        # What most can use comes first: a record has no room for every interface of a router.
        addresses.sort(key=scope_of)
        return make_record(self._host.peer_id, self._context.now(), addresses, sign)

    def _forget_strangers(self) -> None:
        connected = {peer.peer_id for peer in self._context.state.connected()}
        for kept in (self._records, self._asked, self._answered):
            for peer_id in [peer_id for peer_id in kept if peer_id not in connected]:
                del kept[peer_id]


def _is_dead(row: PeerRow) -> bool:
    return row.source == EXCHANGED and row.last_success is None and row.failures >= FAILURES_MAX
