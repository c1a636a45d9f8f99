"""Streams of protocols: who serves them, how many one peer may have, and how one is opened.

What goes wrong in a stream, through the peer or through us, ends that stream and nothing else.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import trio

from p2pcommons.errors import NetworkError, RejectedError
from p2pcommons.net.closing import CLOSE_SECONDS
from p2pcommons.net.frames import FrameStream
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.library import (
    LIBRARY_ERRORS,
    MultiselectClient,
    MultiselectCommunicator,
    NetStream,
    StreamState,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from p2pcommons.net.limits import ConnectionGate, HostLimits

log = paced_logger(__name__)

_UNSUPPORTED = "not supported"
"""How the library says that the other side does not speak a protocol."""


class NotSpokenError(NetworkError):
    """The other side does not speak the protocol, and will not as long as it runs."""


class Streams:
    """The protocols of one host."""

    def __init__(self, library_host: Any, limits: HostLimits, gate: ConnectionGate) -> None:
        self._library_host = library_host
        self._limits = limits
        self._gate = gate
        self._open: Counter[tuple[str, str]] = Counter()

    def serve(
        self,
        protocol: str,
        handler: Callable[[FrameStream], Awaitable[None]],
        per_peer_max: int | None = None,
    ) -> None:
        """Serve a protocol; streams of one peer beyond `per_peer_max` are reset."""
        most = self._limits.protocol_streams_per_peer_max if per_peer_max is None else per_peer_max

        async def on_stream(stream: Any) -> None:
            peer_id = str(stream.muxed_conn.peer_id)
            key = (peer_id, protocol)
            if self._open[key] >= most:
                self._gate.note_excess_stream(peer_id)
                await stream.reset()
                return
            self._open[key] += 1
            wrapped = FrameStream(stream, peer_id, protocol, self._limits.stream_writes_seconds_max)
            try:
                await _serve(wrapped, handler)
            finally:
                self._open[key] -= 1
                if not self._open[key]:
                    del self._open[key]

        self._library_host.set_stream_handler(protocol, on_stream)

    def stop_serving(self, protocol: str) -> None:
        """Do not serve a protocol any more; streams that are open go on."""
        self._library_host.remove_stream_handler(protocol)

    async def open(self, connection: Any, protocol: str) -> FrameStream:
        """Open a stream on a connection.

        Raises:
            NetworkError: the peer does not speak the protocol (NotSpokenError), or does not answer.
        """
        stream: Any = None
        agreed = False
        try:
            with trio.move_on_after(self._limits.negotiate_seconds_max) as scope:
                stream = _of_library(connection, await connection.muxed_conn.open_stream())
                stream.set_protocol(protocol)
                await MultiselectClient().select_one_of(
                    [protocol],  # pyright: ignore[reportArgumentType] - a str with another name
                    MultiselectCommunicator(stream),
                )
                agreed = True
        except LIBRARY_ERRORS as error:
            kind = NotSpokenError if _UNSUPPORTED in str(error) else NetworkError
            raise kind(f"no {protocol} stream: {str(error)[:200]}") from error
        finally:
            if stream is not None and not agreed:
                with trio.move_on_after(CLOSE_SECONDS) as closing:
                    closing.shield = True
                    await stream.reset()
        if scope.cancelled_caught:
            raise NetworkError(f"no {protocol} stream: no answer in time")
        peer_id = str(connection.muxed_conn.peer_id)
        return FrameStream(stream, peer_id, protocol, self._limits.stream_writes_seconds_max)


def _of_library(connection: Any, muxed_stream: Any) -> Any:
    """The library's stream around the muxer's, in one step: one that is cancelled would lose it."""
    stream: Any = NetStream(muxed_stream, connection, None)
    stream._state = StreamState.OPEN  # noqa: SLF001
    connection.streams.add(stream)
    return stream


async def _serve(stream: FrameStream, handler: Callable[[FrameStream], Awaitable[None]]) -> None:
    served = False
    try:
        await handler(stream)
        served = True
    except (RejectedError, NetworkError) as error:
        log.info("%s stream of %s ended: %s", stream.protocol, stream.peer_id, error)
    except Exception:
        log.exception("%s stream of %s failed", stream.protocol, stream.peer_id)
    finally:
        await (stream.close() if served else stream.reset())
