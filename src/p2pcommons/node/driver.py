"""Drive one reconcile session over one stream: frames in, effects carried out, frames out.

The session is a pure state machine. One task calls it; readers, writers and store calls run beside
it and bring their answers back as events. The reader never waits for the store.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, assert_never

import trio

from p2pcommons.errors import NetworkError, RejectedError
from p2pcommons.node.metering import Metered
from p2pcommons.protocol.events import (
    Arrived,
    CommonsDone,
    CommonsShared,
    Compute,
    EndReason,
    Event,
    FrameReceived,
    Ingested,
    IngestEnvelopes,
    Loaded,
    LoadEnvelopes,
    LoadSnapshot,
    PeerFault,
    PeerSaidHello,
    Progress,
    SendFrame,
    SessionEnded,
    SnapshotLoaded,
    Started,
    StreamEnded,
    Tick,
)
from p2pcommons.protocol.limits import (
    FRAME_BYTES_MAX,
    NONCE_BYTES,
    WANT_IDS_MAX,
    WANT_IDS_MIN,
    SessionLimits,
)
from p2pcommons.protocol.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.model.contribution import Envelope
    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import StreamPort
    from p2pcommons.protocol.events import Computed, Effect

log = logging.getLogger(__name__)

EVENTS_WAITING_MAX = 64
"""Frames and answers waiting for the session; beyond it the stream is read no further."""
FRAMES_AHEAD_MAX = 4
"""Frames waiting to be written when more is loaded: a peer that never reads costs a megabyte or
two, and the session is never kept from taking what comes in."""
TICK_SECONDS = 1.0
WANT_SECONDS = 2.0
"""What one want should take where there is a limit of bytes a second."""
WANT_BYTES_USUAL = 500
"""Of a contribution."""


class SessionDriver:
    """One session with one peer; `run` returns when it is over."""

    def __init__(
        self,
        context: NodeContext,
        stream: StreamPort,
        commons: Sequence[bytes],
        *,
        opener: bool,
        full_check: bool = False,
    ) -> None:
        self._context = context
        self._stream = stream
        self._peer = context.state.peer(stream.peer_id)
        self._metered = Metered(context, context.meters, stream.peer_id)
        self._session = Session(
            is_opener=opener,
            commons=commons,
            nonce=context.chance.randbytes(NONCE_BYTES),
            now_s=context.now(),
            jitter=context.chance.randrange,
            offered=context.offered,
            limits=_limits(context.config.number("network.kilobytes_per_second") * 1_000),
            full_check=full_check,
        )
        self._events_in, self._events = trio.open_memory_channel[Event](EVENTS_WAITING_MAX)
        self._frames_in, self._frames = trio.open_memory_channel[bytes](EVENTS_WAITING_MAX)
        self._flushed = trio.Event()
        self._frame_written = trio.Event()
        self._rowids: dict[bytes, int] = {}
        self.received = 0
        """Contributions that were new here."""
        self.bodies = 0
        """Texts that came, of new contributions and of known ones that lacked them."""
        self.again = 0
        """Contributions that came although they were here by then."""
        self.over_at = trio.current_time()
        """When the last event was handled; what is noted about it afterwards takes a commit."""
        self.sent = self.rounds = self.bytes_sent = self.bytes_received = 0
        self.ended: EndReason | None = None
        self.fault: str | None = None

    def arrived(self, commons: bytes, ids: tuple[bytes, ...]) -> None:
        """Tell the session that these came another way; it is busy enough when it misses it."""
        try:
            self._events_in.send_nowait(Arrived(commons, ids))
        except trio.WouldBlock:
            log.debug("%s fetches what came from another peer", self._stream.peer_id)

    async def run(self) -> None:
        """Run the session to its end. Raises StoreError when the store fails."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read)
                nursery.start_soon(self._write)
                nursery.start_soon(self._tick)
                await self._decide(nursery)
                nursery.cancel_scope.cancel()
        finally:
            for exchange in self._peer.exchanges.values():
                exchange.progress = None
        if self.ended is EndReason.COMPLETE:
            await self._stream.close()
        else:
            await self._stream.reset()

    async def _decide(self, nursery: trio.Nursery) -> None:
        """Hand every event to the session, in order, and carry out what it wants done."""
        await self._carry_out(self._session.handle(Started(), _now_ms()), nursery)
        async for event in self._events:
            if isinstance(event, FrameReceived):
                await self._metered.turn()
            effects = self._metered.worked(partial(self._session.handle, event, _now_ms()))
            self.over_at = trio.current_time()
            await self._carry_out(effects, nursery)
            if self.ended is not None:
                break
        await self._frames_in.aclose()
        with trio.move_on_after(TICK_SECONDS):
            await self._flushed.wait()

    async def _carry_out(self, effects: list[Effect], nursery: trio.Nursery) -> None:
        for effect in effects:
            match effect:
                case SendFrame(data):
                    await self._send(data)
                case LoadSnapshot() | LoadEnvelopes() | IngestEnvelopes() | Compute():
                    nursery.start_soon(self._work, effect)
                case PeerSaidHello(now):
                    self._peer.clock_ahead = now - self._context.now()
                case CommonsShared(shared, offered):
                    self._peer.shared = frozenset(shared)
                    self._peer.offer(offered)
                case Progress(commons, received, lacking):
                    self._peer.exchange(commons).progress = (received, lacking)
                case CommonsDone():
                    await self._note_done(effect)
                case PeerFault(reason, detail):
                    self.fault = f"{reason.value}: {detail}" if detail else reason.value
                case SessionEnded(reason, received, sent):
                    self.ended, self.bytes_received, self.bytes_sent = reason, received, sent
                case _:
                    assert_never(effect)

    async def _send(self, data: bytes) -> None:
        try:
            await self._frames_in.send(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            log.debug("a frame for %s came too late", self._stream.peer_id)

    # --- beside it ---------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            while (frame := await self._stream.read_frame(FRAME_BYTES_MAX)) is not None:
                await self._tell(FrameReceived(frame))
        except RejectedError as error:
            self.fault = str(error)
        except NetworkError as error:
            log.debug("reading from %s ended: %s", self._stream.peer_id, error)
        await self._tell(StreamEnded())

    async def _write(self) -> None:
        try:
            async for frame in self._frames:
                await self._stream.write_frame(frame)
                self._frame_written.set()
                self._frame_written = trio.Event()
        except NetworkError as error:
            log.debug("writing to %s ended: %s", self._stream.peer_id, error)
            self._frames.close()
            await self._tell(StreamEnded())
        self._flushed.set()

    async def _tick(self) -> None:
        before = 0
        while True:
            await trio.sleep(TICK_SECONDS)
            arrived = self._stream.bytes_read
            await self._tell(Tick(is_arriving=arrived > before))
            before = arrived

    async def _tell(self, event: Event) -> None:
        await self._events_in.send(event)

    async def _work(self, effect: LoadSnapshot | LoadEnvelopes | IngestEnvelopes | Compute) -> None:
        match effect:
            case LoadSnapshot(commons):
                await self._load_snapshot(commons)
            case LoadEnvelopes():
                await self._load(effect)
            case IngestEnvelopes():
                await self._ingest(effect)
            case Compute():
                answer, seconds = await self._context.storage.compute(partial(self._timed, effect))
                self._metered.charge(seconds)
                await self._tell(answer)

    def _timed(self, effect: Compute) -> tuple[Computed, float]:
        """Run where work is done, and say how much of a processor it took."""
        began = self._context.processor()
        return effect.run(), self._context.processor() - began

    async def _load_snapshot(self, commons: bytes) -> None:
        fresh = await self._context.sets.fresh(commons, self._context.now(), self._stream.peer_id)
        if fresh is not None:
            self._rowids[commons] = fresh.rowid
        state = None
        if fresh is not None:
            state = replace(fresh.state, declined=self._context.declined(commons))
        await self._tell(SnapshotLoaded(commons, state))

    async def _load(self, wanted: LoadEnvelopes) -> None:
        while self._frames.statistics().current_buffer_used > FRAMES_AHEAD_MAX:
            await self._frame_written.wait()
        await self._metered.until_served()
        envelopes = await self._context.storage.read(
            lambda store: store.envelopes(wanted.commons, wanted.ids)
        )
        self._metered.served(sum(map(_size, envelopes.values())))
        await self._tell(Loaded(wanted.request, envelopes))

    async def _ingest(self, wanted: IngestEnvelopes) -> None:
        taken = await self._context.ingest.take(
            wanted.envelopes, wanted.commons, self._stream.peer_id
        )
        self.received += len(taken.new)
        self.bodies += taken.bodies
        self.again += len(taken.known)
        self._peer.by_session += len(taken.new)
        self._context.state.by_session += len(taken.new)
        await self._tell(
            Ingested(
                wanted.request,
                new=taken.new,
                known=taken.known,
                declined=taken.declined,
                bodies=taken.bodies,
                rejected=taken.rejected,
            )
        )

    async def _note_done(self, done: CommonsDone) -> None:
        """Keep what came of a commons; an equal peer is known to hold all that we hold."""
        self.sent += done.result.sent
        self.rounds += done.result.rounds
        exchange = self._peer.exchange(done.commons)
        exchange.result, exchange.at, exchange.progress = done.result, self._context.now(), None
        peer_id, now = self._stream.peer_id, self._context.now()
        absent = done.result.bodies_absent
        rowid = self._rowids.get(done.commons)
        if absent:
            await self._context.storage.write(lambda store: store.bodies_absent(absent, now=now))
        if done.result.equal and rowid is not None:
            await self._context.storage.write(
                lambda store: store.mark_equal(peer_id, done.commons, rowid=rowid, now=now)
            )


def _size(envelope: Envelope) -> int:
    return len(envelope.header) + len(envelope.body or b"")


def _limits(bytes_per_s: int) -> SessionLimits:
    """Return the limits of a session: where a person limits the rate, it asks for less at once."""
    if bytes_per_s == 0:
        return SessionLimits()
    ids = int(bytes_per_s * WANT_SECONDS / WANT_BYTES_USUAL)
    return SessionLimits(want_ids_max=min(max(ids, WANT_IDS_MIN), WANT_IDS_MAX))


def _now_ms() -> int:
    return int(trio.current_time() * 1_000)
