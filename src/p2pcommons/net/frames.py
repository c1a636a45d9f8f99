"""Frames on a libp2p stream: a length of four bytes, big-endian, then that many bytes.

Where a protocol is that of other libp2p programs as well, the length is a varint, as theirs is.
Close, reset and the end of the other process look alike on the wire. So a stream that ends between
two frames has ended; one that ends inside a frame is an error. The protocol says its own goodbye.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Self

import trio

from p2pcommons.errors import NetworkError, RejectedError, RejectReason
from p2pcommons.net.library import LIBRARY_ERRORS
from p2pcommons.net.limits import SLOWEST_BYTES_PER_S
from p2pcommons.net.muxer import GuardedStream, socket_of
from p2pcommons.net.pacing import PORTION_BYTES_MIN
from p2pcommons.protocol.identify import IDENTIFY_PROTOCOL
from p2pcommons.protocol.kademlia_messages import KAD_PROTOCOL
from p2pcommons.protocol.varint import write_varint

if TYPE_CHECKING:
    from types import TracebackType

    from p2pcommons.net.pacing import Pace

VARINT_PROTOCOLS = frozenset({KAD_PROTOCOL, IDENTIFY_PROTOCOL})
_LENGTH = struct.Struct(">I")
_READ_BYTES = 65_536
_VARINT_BYTES_MAX = 4
"""Of a message's length: 256 MiB, more than any message is allowed."""
_GOODBYE_SECONDS = 2.0


class ByteStream:
    """One stream to one peer, as bytes. One task may read while another writes.

    A read may be cancelled and tried again. A write that is cancelled or fails resets the stream,
    because half of it has gone out.
    """

    def __init__(self, stream: Any, peer_id: str, protocol: str, write_seconds_max: float) -> None:
        self.peer_id = peer_id
        self.protocol = protocol
        self._stream = stream
        self._write_seconds_max = write_seconds_max
        self._unread = bytearray()
        self.bytes_read = 0
        """What has come on this stream so far, also of a frame that is not complete."""
        inner = getattr(stream, "muxed_stream", None)
        if isinstance(inner, GuardedStream):
            inner.patience_s = write_seconds_max
        self._write_lock = trio.Lock()
        self._is_over = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error_type is None:
            await self.close()
        else:
            await self.reset()

    @property
    def address(self) -> str:
        """The other end of the connection that carries this stream; empty when not known."""
        found = self._stream.muxed_conn.get_transport_addresses()
        return str(found[0]) if found else ""

    def remote_endpoint(self) -> tuple[str, int] | None:
        """IP and port of the other end of the TCP connection; None over a relay."""
        stream = socket_of(getattr(self._stream.muxed_conn, "secured_conn", None))
        try:
            name = None if stream is None else stream.socket.getpeername()
        except OSError:
            return None
        return None if name is None else (str(name[0]).removeprefix("::ffff:"), int(name[1]))

    async def read(self, bytes_max: int) -> bytes:
        """Read some bytes; none at the end, however the stream ended."""
        if not self._unread:
            await self._fill(_READ_BYTES)
        data = bytes(self._unread[:bytes_max])
        del self._unread[:bytes_max]
        return data

    async def _fill(self, bytes_max: int) -> bool:
        if self._is_over:
            return False
        try:
            data: bytes = await self._stream.read(bytes_max)
        except LIBRARY_ERRORS:
            return False
        self._unread += data
        self.bytes_read += len(data)
        return bool(data)

    async def write(self, data: bytes) -> None:
        """Write all of `data`.

        Raises:
            NetworkError: the stream is closed, or the other side took too long to take it.
        """
        async with self._write_lock:
            if self._is_over:
                raise NetworkError("the stream is closed")
            done = False
            try:
                done = await self._write_in_turn(data)
            except LIBRARY_ERRORS as error:
                raise NetworkError(f"the stream was cut: {_reason(error)}") from error
            finally:
                if not done:
                    await self.reset()
            if not done:
                raise NetworkError("the other side does not read")

    async def _write_in_turn(self, data: bytes) -> bool:
        """Write, portion by portion where this host has a limit; False when it takes too long."""
        connection = self._stream.muxed_conn
        pace: Pace | None = getattr(connection, "pace", None)
        if pace is None or len(data) <= PORTION_BYTES_MIN:
            return await self._write_in_time(data)
        for start in range(0, len(data), pace.portion):
            portion = data[start : start + pace.portion]
            await pace.claim(self.peer_id, len(portion))
            connection.paid_out += len(portion)
            if not await self._write_in_time(portion):
                return False
        return True

    async def _write_in_time(self, data: bytes) -> bool:
        # One that takes nothing at all is given up sooner, by the stream itself.
        with trio.move_on_after(self._write_seconds_max + len(data) / SLOWEST_BYTES_PER_S):
            await self._stream.write(data)
            return True
        return False

    async def close(self) -> None:
        """Say that nothing more will be written. What the other side still writes can be read."""
        if not self._is_over:
            await self._shielded(self._stream.close)

    async def reset(self) -> None:
        """Give the stream up at once, in both directions."""
        if not self._is_over:
            self._is_over = True
            await self._shielded(self._stream.reset)

    async def _shielded(self, action: Any) -> None:
        with trio.move_on_after(_GOODBYE_SECONDS) as scope:
            scope.shield = True
            try:
                await action()
            except LIBRARY_ERRORS:
                self._is_over = True


class FrameStream(ByteStream):
    """One stream to one peer, as frames."""

    async def read_frame(self, bytes_max: int) -> bytes | None:
        """Read the next frame; None when the stream ended before it began.

        Raises:
            RejectedError: the frame claims more than `bytes_max` bytes; the stream is reset.
            NetworkError: the stream ended inside the frame.
        """
        if self.protocol in VARINT_PROTOCOLS:
            return await self.read_message(bytes_max)
        while len(self._unread) < _LENGTH.size:
            if not await self._fill(_READ_BYTES):
                if self._unread:
                    raise NetworkError("the stream ended inside a frame")
                return None
        (length,) = _LENGTH.unpack_from(self._unread)
        return await self._take(_LENGTH.size, length, bytes_max)

    async def read_message(self, bytes_max: int) -> bytes | None:
        """Read the next message as libp2p's own protocols frame them, with a varint of its length.

        Raises what `read_frame` raises; a length of more than four bytes is too large.
        """
        length = 0
        for place in range(_VARINT_BYTES_MAX):
            while len(self._unread) <= place:
                if not await self._fill(_READ_BYTES):
                    if self._unread:
                        raise NetworkError("the stream ended inside a message")
                    return None
            length |= (self._unread[place] & 0x7F) << (7 * place)
            if self._unread[place] < 0x80:
                return await self._take(place + 1, length, bytes_max)
        await self.reset()
        raise RejectedError(RejectReason.FRAME_TOO_LARGE, "a length without end")

    async def _take(self, begin: int, length: int, bytes_max: int) -> bytes:
        if length > bytes_max:
            await self.reset()
            raise RejectedError(RejectReason.FRAME_TOO_LARGE, f"{length} of {bytes_max} bytes")
        end = begin + length
        while len(self._unread) < end:
            if not await self._fill(max(_READ_BYTES, end - len(self._unread))):
                raise NetworkError("the stream ended inside a frame")
        frame = bytes(self._unread[begin:end])
        del self._unread[:end]
        return frame

    async def write_frame(self, data: bytes) -> None:
        """Write one frame.

        Raises:
            NetworkError: the stream is closed, or the other side took too long to take it.
        """
        if self.protocol in VARINT_PROTOCOLS:
            await self.write_message(data)
        else:
            await self.write(_LENGTH.pack(len(data)) + data)

    async def write_message(self, data: bytes) -> None:
        """Write one message with a varint of its length. Raises NetworkError."""
        await self.write(write_varint(len(data)) + data)


def _reason(error: BaseException) -> str:
    """The innermost cause in words, or the kind of error when it has none."""
    while error.__cause__ is not None and not str(error):
        error = error.__cause__
    return str(error)[:200] or type(error).__name__
