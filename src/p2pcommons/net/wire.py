"""TCP sockets that count what passes through them: lengths, encryption and all.

A subclass of the library's class; `hardening.py` puts it in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libp2p.io.trio import TrioTCPStream

if TYPE_CHECKING:
    from p2pcommons.net.pacing import Pace
    from p2pcommons.net.traffic import Traffic


class CountedSocket(TrioTCPStream):
    """A TCP connection with two numbers."""

    bytes_in = 0
    bytes_out = 0

    async def write(self, data: bytes) -> None:
        """Send all of `data`; see the library for what it raises."""
        await super().write(data)
        self.bytes_out += len(data)

    async def read(self, n: int | None = None) -> bytes:
        """Receive up to `n` bytes, none at the end; see the library for what it raises."""
        data = await super().read(n)
        self.bytes_in += len(data)
        return data


def follow(traffic: Traffic, muxed: Any, pace: Pace | None = None) -> None:
    """Count a connection that has shaken hands for its peer, and keep it to the pace.

    One that runs through a relay is paced where its bytes are: on the relay's connection.
    """
    outer = _socket_under(muxed.secured_conn)
    muxed.pace = None if outer is None else pace
    traffic.begin(outer or muxed, str(muxed.peer_id), is_inner=outer is None)


def forget(traffic: Traffic, muxed: Any) -> None:
    """A connection is closed; its sums stay."""
    traffic.end(_socket_under(muxed.secured_conn) or muxed)


def _socket_under(secured_conn: object) -> CountedSocket | None:
    """Return the socket under a secured connection, layer by layer; None under a relayed one."""
    layer: Any = secured_conn
    for name in ("conn", "read_writer", "read_write_closer", "stream"):
        layer = getattr(layer, name, None)
    return layer if isinstance(layer, CountedSocket) else None
