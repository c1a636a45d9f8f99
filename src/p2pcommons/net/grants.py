"""How fast the other side of a connection may send, where this host has a limit.

Its window is granted in portions, when it is this connection's turn. Reading from the socket is
never slowed: what stands in a queue before a ping would make the connection look dead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from p2pcommons.net.pacing import Pace

DRIP_SECONDS = 3.0
"""A stream gets a little at least so often, whatever is owed: libp2p gives up a stream on which
it may not send for five seconds."""
DRIP_BYTES = 512


class Grants:
    """The windows of one connection's streams that are to be opened again."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._wanted: dict[int, Any] = {}
        self._is_running = False
        self._paid = 0
        """Bytes granted and paid for that have not come yet."""

    def unpaid(self, length: int) -> int:
        """Return how much of what comes was not granted here: the first window of a stream."""
        paid = min(self._paid, length)
        self._paid -= paid
        return length - paid

    def wanted(self, stream: Any) -> None:
        """Open the window of a stream again, when there is room for it."""
        if self._connection.event_shutting_down.is_set():
            return
        self._wanted[stream.stream_id] = stream
        if not self._is_running:
            self._is_running = True
            self._connection.spawn(self._grant)

    async def _grant(self) -> None:
        pace: Pace = self._connection.pace
        try:
            while self._wanted and not self._connection.event_shutting_down.is_set():
                stream_id, stream = next(iter(self._wanted.items()))
                del self._wanted[stream_id]
                lacking = _lacking(stream)
                if lacking <= 0:
                    continue
                portion = min(lacking, pace.portion)
                if lacking > portion:
                    self._wanted[stream_id] = stream
                await self._wait_for_turn(pace, portion, stream)
                await self._open(stream, portion)
        finally:
            self._is_running = False

    async def _wait_for_turn(self, pace: Pace, portion: int, stream: Any) -> None:
        """Return when a portion is paid for; meanwhile those who wait get drips."""
        paid = False
        while not paid:
            with trio.move_on_after(DRIP_SECONDS):
                await pace.claim(str(self._connection.peer_id), portion)
                paid = True
            if not paid:
                for each in {**self._wanted, stream.stream_id: stream}.values():
                    pace.charge(DRIP_BYTES)
                    await self._open(each, DRIP_BYTES)

    async def _open(self, stream: Any, size: int) -> None:
        size = min(size, _lacking(stream))
        if size > 0 and not stream.closed:
            stream.recv_window += size
            self._paid += size
            await stream.send_window_update(size)


def _lacking(stream: Any) -> int:
    """Return how far the window of a stream is from what it should be; 0 of one that is over."""
    buffered = stream.conn.stream_buffers.get(stream.stream_id)
    if stream.closed or stream.recv_closed or buffered is None:
        return 0
    return stream.target_recv_window - (stream.recv_window + len(buffered))
