"""Opens TCP connections outside of the swarm: to dial somebody back, or through two NATs at once.

For the latter a connection must leave from the port that this node listens on. The listening
socket shares its port for that with sockets that ask to share it; since it was bound alone, and
another node asks for the port alone as well, still nobody else can listen there.
"""

from __future__ import annotations

import socket
from typing import Any

import trio

from p2pcommons.net.library import RawConnection
from p2pcommons.net.wire import CountedSocket

CAN_SHARE_PORTS = hasattr(socket, "SO_REUSEPORT")


def raw_connection(stream: trio.SocketStream, *, is_initiator: bool) -> Any:
    """The library's view of a socket, counted as all are; the initiator speaks first."""
    return RawConnection(CountedSocket(stream), is_initiator)


def share_port(listener: trio.SocketListener) -> None:
    """Let sockets of this node leave from a port on which it listens already."""
    if CAN_SHARE_PORTS:
        listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


async def open_from_port(ip: str, port: int, source: tuple[str, int]) -> trio.SocketStream:
    """Connect to an IP from an address of ours, which may be one that we listen on.

    Raises:
        OSError: it cannot leave from there, or nobody answers.
    """
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if CAN_SHARE_PORTS:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        await sock.bind(source)
        await sock.connect((ip, port))
    except BaseException:
        sock.close()
        raise
    return trio.SocketStream(sock)


def tcp_endpoint(address: str) -> tuple[str, int] | None:
    """IP and port of /ip4/…/tcp/… or /ip6/…/tcp/…, with /p2p/… or without; None for others."""
    parts = address.split("/")
    if len(parts) not in (5, 7) or parts[1] not in ("ip4", "ip6") or parts[3] != "tcp":
        return None
    if len(parts) == 7 and parts[5] != "p2p":
        return None
    port = int(parts[4])
    return (parts[2], port) if port else None
