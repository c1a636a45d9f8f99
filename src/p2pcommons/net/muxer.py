"""Yamux as we run it: a peer can neither fill our memory, nor stall us, nor cut a write in half.

Subclasses of the library's classes; `hardening.py` puts them in place and tells why.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import trio
from libp2p.io.exceptions import ConnectionClosedError, IOException
from libp2p.stream_muxer.exceptions import MuxedStreamError
from libp2p.stream_muxer.yamux import yamux
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream

from p2pcommons.net import limits
from p2pcommons.net.grants import Grants
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.paths import machine_of
from p2pcommons.protocol.budget import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from libp2p.abc import IMuxedStream

    from p2pcommons.net.limits import BufferBudget
    from p2pcommons.net.pacing import Pace

log = paced_logger(__name__)

_HEADER = struct.Struct(yamux.YAMUX_HEADER_FORMAT)
_WINDOW_LOOK_SECONDS = 0.01
HOLD_SECONDS_MAX = 20.0
"""As long as a connection may be read later for what it sent too much; well below the silence
after which it would look dead."""
NOISE_BYTES = 18
"""What a Noise message adds to a frame: length and authentication."""
_REPLY_FLAGS = yamux.FLAG_ACK | yamux.FLAG_RST


def socket_of(secured_conn: object) -> trio.SocketStream | None:
    """The TCP socket under a secured connection, found layer by layer; None for anything else."""
    layer = getattr(_carrier_of(secured_conn), "stream", None)
    return layer if isinstance(layer, trio.SocketStream) else None


def _carrier_of(secured_conn: object) -> Any:
    """What carries a secured connection: the library's TCP stream, or a circuit over a relay."""
    layer: Any = secured_conn
    for name in ("conn", "read_writer", "read_write_closer", "stream"):
        layer = getattr(layer, name, None)
    return layer


class GuardedStream(YamuxStream):
    """A stream whose read can be cancelled without losing what it took from the buffer."""

    half_closed_at: float = 0.0
    patience_s: float = limits.STALL_SECONDS_MAX
    """How long the other side may take nothing of what is written; those who write set it."""

    async def write(self, data: bytes) -> None:
        """Write all of `data`, as long as the other side takes some of it now and then.

        The library gives up after five seconds. A peer on a slow line, or one that was told to
        go slowly, grants its window in small portions.
        """
        connection: Any = self.conn
        sent = 0
        while sent < len(data):
            size = await self._take_window(len(data) - sent)
            header = _HEADER.pack(0, yamux.TYPE_DATA, 0, self.stream_id, size)
            await connection._write_frame(header + data[sent : sent + size])  # noqa: SLF001
            sent += size

    async def _take_window(self, wanted: int) -> int:
        """Return how much may go out in one frame now, waiting for it."""
        deadline = trio.current_time() + self.patience_s
        while True:
            if self.send_closed or self.closed:
                raise MuxedStreamError("stream is closed for sending")
            if self.send_window > 0:
                frame = yamux.MAX_MESSAGE_SIZE - yamux.HEADER_SIZE
                size = min(self.send_window, frame, wanted)
                self.send_window -= size
                return size
            if trio.current_time() >= deadline:
                raise MuxedStreamError("the other side does not read")
            await trio.sleep(_WINDOW_LOOK_SECONDS)

    async def read(self, n: int | None = -1) -> bytes:
        """Read up to `n` bytes; see the library for what it raises."""
        if n is None or n < 0:
            return await super().read(n)
        data = await self.conn.read_stream(self.stream_id, n)
        # Between taking the bytes and returning them the library awaits a write. A cancellation
        # that lands there would lose them.
        with trio.move_on_after(limits.WRITE_SECONDS_MAX) as scope:
            scope.shield = True
            await self._auto_tune_and_send_window_update(bytes_read=len(data))
        return data

    async def _auto_tune_and_send_window_update(self, *, bytes_read: int = 0) -> None:
        """Grant window by halves, as go-yamux does.

        The library means to, but grants each small read for itself: a frame to encrypt, to send
        and to take for every frame that comes, before the reader gets to see what was read.
        """
        self._pending_recv_release += bytes_read
        buffered = len(self.conn.stream_buffers.get(self.stream_id, b""))
        slack = self.target_recv_window - (self.recv_window + buffered)
        if slack < self._grow_threshold():
            return
        connection: Any = self.conn
        if connection.pace is not None:
            connection.grants.wanted(self)
            return
        async with self.window_lock:
            granted = self._grow_to_delta(buffered) + self._apply_autotune_epoch(buffered)
            self._pending_recv_release = 0
        await self.send_window_update(granted)


class GuardedYamux(Yamux):
    """A muxed connection that ends itself when the other side misuses it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._replies = TokenBucket(limits.REPLIES_PER_SECOND, limits.REPLIES_BURST)
        self._buffered_bytes = 0
        self.ended_because = ""
        """Why this side cut it, in words that are shown."""
        self.bytes_in = self.bytes_out = 0
        """Of all frames; without what encryption adds, and of those that came only the data."""
        self._heard_at = 0.0
        self.pace: Pace | None = None
        """How fast this host may be; none where there is no limit."""
        self.grants = Grants(self)
        self.paid_out = 0
        """Bytes about to be written that had their turn and are paid for."""

    @property
    def budget(self) -> BufferBudget | None:
        """The host's buffer budget; the swarm hangs itself onto each connection it takes."""
        budget: BufferBudget | None = getattr(getattr(self, "swarm", None), "buffer_budget", None)
        return budget

    async def start(self) -> None:
        """Run the connection; an error ends it and nothing else."""
        budget = self.budget
        self._heard_at = trio.current_time()
        if budget is not None:
            budget.holders[id(self)] = self.buffered_bytes
            _connections[id(self)] = self
            self._doubt_others()
        try:
            await super().start()
        except Exception as error:  # noqa: BLE001 - border: whatever a peer's bytes caused
            log.info("connection to %s failed: %r", self.peer_id, error)
        finally:
            _connections.pop(id(self), None)
            if budget is not None:
                budget.holders.pop(id(self), None)
            if not self.event_closed.is_set():  # the library forgets this on some ways out
                with trio.move_on_after(1) as scope:
                    scope.shield = True
                    await self._cleanup_on_error()
            self._let_waiting_go()

    def _let_waiting_go(self) -> None:
        """Also where the end came while a frame was taken in, or somebody kept it from coming."""
        self.event_closed.set()
        for stream in self.streams.values():
            stream.closed = stream.send_closed = stream.recv_closed = stream.reset_received = True
        for event in tuple(self.stream_events.values()):
            event.set()

    def _finalize_stream_locked(self, stream: YamuxStream, *, fully_closed: bool) -> None:
        """Whoever reads from a stream that another task resets gets its end; not so the library."""
        reading = self.stream_events.get(stream.stream_id)
        super()._finalize_stream_locked(stream, fully_closed=fully_closed)
        if fully_closed and reading is not None:
            reading.set()

    def spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run something as long as the connection; nothing when that is ending already."""
        if self._nursery is not None and not self._nursery.cancel_scope.cancel_called:
            self._nursery.start_soon(self._beside, task)

    async def _beside(self, task: Callable[[], Awaitable[None]]) -> None:
        """An error would cut short what else runs here: the end of the connection, for one."""
        try:
            await task()
        except (IOException, MuxedStreamError, OSError) as error:
            log.debug("beside the connection to %s: %r", self.peer_id, error)

    def _doubt_others(self) -> None:
        """Ping the other connections with this peer: who comes again may have moved away."""
        for other in tuple(_connections.values()):
            if other is not self and other.peer_id == self.peer_id and other.budget is self.budget:
                other.spawn(other.probe)

    def buffered_bytes(self) -> int:
        """Bytes received on all streams and not yet read."""
        return sum(len(buffer) for buffer in self.stream_buffers.values())

    def abort(self, why: str) -> None:
        """Cut the connection below now, without a word to the other side."""
        log.info("connection to %s ended: %s", self.peer_id, why)
        self.ended_because = self.ended_because or why
        self.event_shutting_down.set()
        stream = socket_of(self.secured_conn)
        if stream is not None:
            stream.socket.close()
        else:
            cut: Any = getattr(_carrier_of(self.secured_conn), "cut", None)
            if cut is not None:
                cut()

    async def _write_frame(self, data: bytes) -> None:
        if _HEADER.unpack_from(data)[2] & _REPLY_FLAGS and not self._may_reply():
            raise ConnectionClosedError("too many frames that need an answer")
        self.bytes_out += len(data)
        if self.pace is not None:
            await self._pay(self.pace, len(data))
        async with self._write_lock:
            # A write that is cancelled half-way leaves half a Noise message on the wire, and with
            # it the whole connection is lost. So a write once begun is finished, or it ends the
            # connection itself.
            with trio.move_on_after(limits.WRITE_SECONDS_MAX) as scope:
                scope.shield = True
                try:
                    await self.secured_conn.write(data)
                except Exception:
                    # The library goes on reading what the other side left behind, one frame each
                    # 10 ms, and the connection looks alive for minutes.
                    self.abort(limits.HUNG_UP)
                    raise
            if scope.cancelled_caught:
                self.abort("it took nothing for too long")
                raise ConnectionClosedError("write timed out")
        await trio.lowlevel.checkpoint()

    async def _pay(self, pace: Pace, size: int) -> None:
        """Pay for a frame; what had no turn yet and is not small may have to wait for one."""
        paid = min(self.paid_out, size)
        self.paid_out -= paid
        if size <= _HEADER.size or paid == size:
            pace.charge(size - paid + NOISE_BYTES)
        else:
            await pace.promptly(str(self.peer_id), size - paid + NOISE_BYTES)

    def _may_reply(self) -> bool:
        if self._replies.take(1, trio.current_time()):
            return True
        self.abort("flooded with frames that need an answer")
        return False

    async def _hold(self, pace: Pace, unpaid: int) -> None:
        """Read on later where somebody sends more than was granted; of a stranger perhaps never."""
        peer_id = str(self.peer_id)
        owed = pace.ungranted(peer_id, machine_of(self), unpaid)
        if owed > HOLD_SECONDS_MAX and peer_id not in pace.kept:
            self.abort("sends far more than it may")
        elif owed > 0:
            with trio.move_on_after(min(owed, HOLD_SECONDS_MAX)):
                await self.event_shutting_down.wait()

    async def _read_data_body(self, length: int) -> bytes:
        self._heard_at = trio.current_time()
        self.bytes_in += length
        if self.pace is not None:
            unpaid = self.grants.unpaid(length)
            self.pace.charge(unpaid + _HEADER.size + NOISE_BYTES)
            if unpaid:
                await self._hold(self.pace, unpaid)
        self._buffered_bytes += length
        if self._buffered_bytes > limits.CONNECTION_BUFFER_BYTES_MAX:
            self._buffered_bytes = self.buffered_bytes() + length
        if self._buffered_bytes > limits.CONNECTION_BUFFER_BYTES_MAX:
            self.abort("sent more than it was allowed to")
        budget = self.budget
        if budget is not None:
            largest = budget.over(length)
            holder = None if largest is None else _connections.get(largest)
            if holder is not None:
                holder.abort("holds the most unread bytes, and there are too many")
        if self.event_shutting_down.is_set():
            raise ConnectionClosedError("over its receive window")
        return await super()._read_data_body(length)

    async def open_stream(self) -> YamuxStream:
        """Open a stream. The library keeps one for ever whose opener is cancelled meanwhile."""
        await self.stream_backlog_semaphore.acquire()
        stream: Any = yamux.YamuxStream(self.next_stream_id, self, True)
        stream._owns_backlog_slot = True  # noqa: SLF001
        self.next_stream_id += 2
        self.streams[stream.stream_id] = stream
        self.stream_buffers[stream.stream_id] = bytearray()
        self.stream_events[stream.stream_id] = trio.Event()
        try:
            if self.event_shutting_down.is_set():
                raise MuxedStreamError("Connection is shutting down")
            flags = yamux.TYPE_WINDOW_UPDATE, yamux.FLAG_SYN
            await self._write_frame(_HEADER.pack(0, *flags, stream.stream_id, 0))
        except BaseException as error:
            if not isinstance(error, Exception):  # cancelled: perhaps it has been announced
                with trio.move_on_after(1) as scope:
                    scope.shield = True
                    await stream.reset()
            self.stream_buffers[stream.stream_id] = bytearray()
            self._finalize_stream_locked(stream, fully_closed=True)
            if isinstance(error, Exception):
                raise MuxedStreamError(f"Failed to send SYN: {error}") from error
            raise
        return stream

    async def accept_stream(self) -> IMuxedStream:
        """Wait for the next stream of the other side; resets those over the limit."""
        while True:
            stream = await super().accept_stream()
            if len(self.streams) <= limits.STREAM_ENTRIES_MAX:
                return stream
            await stream.reset()

    async def probe(self) -> None:
        """Ping now; end the connection when no answer comes within seconds."""
        answered = self._answer_to_ping()
        with trio.move_on_after(limits.PROBE_SECONDS):
            await self._ping()
            await answered.wait()
        if not answered.is_set() and not self.event_shutting_down.is_set():
            self.abort("no answer to a probe")

    def _answer_to_ping(self) -> trio.Event:
        """What the next answer sets. All who wait for one share it: answers name no question."""
        if self._ping_event.is_set():
            self._ping_event = trio.Event()
        return self._ping_event

    async def _ping(self) -> None:
        self._ping_id += 1
        self._ping_sent_time = trio.current_time()
        header = _HEADER.pack(0, yamux.TYPE_PING, yamux.FLAG_SYN, 0, self._ping_id)
        try:
            await self._write_frame(header)
        except (IOException, OSError):
            return  # of a circuit too, whose end is no closed socket

    async def _measure_rtt_loop(self) -> None:
        """Ping now and then; a connection that stays silent all the same is dead."""
        await trio.sleep(0.5)
        while not self.event_shutting_down.is_set():
            answered = self._answer_to_ping()
            await self._ping()
            with trio.move_on_after(limits.PING_INTERVAL_SECONDS):
                await answered.wait()
                self._heard_at = trio.current_time()
            if trio.current_time() - self._heard_at > limits.SILENCE_SECONDS_MAX:
                self.abort("silent for too long")
            with trio.move_on_after(limits.PING_INTERVAL_SECONDS):
                await self.event_shutting_down.wait()

    def _sweep_stale_streams(self, now: float | None = None) -> int:
        """Also forget streams that we closed and that the other side left open."""
        at = trio.current_time() if now is None else now
        for stream in list(self.streams.values()):
            if not isinstance(stream, GuardedStream) or not stream.send_closed or stream.closed:
                continue
            if stream.half_closed_at == 0.0:
                stream.half_closed_at = at
            elif at - stream.half_closed_at >= limits.HALF_CLOSED_SECONDS_MAX:
                stream.closed = stream.recv_closed = stream.reset_received = True
                self.stream_buffers[stream.stream_id].clear()
                self.stream_events[stream.stream_id].set()
        # A reader that is woken by the end of its stream leaves an event for the next one.
        for stream_id in [each for each in self.stream_events if each not in self.streams]:
            del self.stream_events[stream_id]
        return super()._sweep_stale_streams(now)


_connections: dict[int, GuardedYamux] = {}
"""Running connections by id, so that a host's budget can name the one to end."""
