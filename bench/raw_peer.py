"""A raw peer: TCP, multistream, Noise and Yamux spoken by hand, to send what no library would.

An attack takes the multiaddress of a node with /p2p/ID, sends its worst and returns; it ignores
what comes back and that the node hangs up. Loopback only.
"""

from __future__ import annotations

import os
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_new_x25519_key_pair
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.security.noise.transport import Transport as NoiseTransport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

GOSSIP = "/meshsub/1.1.0"
IDENTIFY = "/ipfs/id/1.0.0"
IDENTIFY_PUSH = "/ipfs/id/push/1.0.0"
PING = "/ipfs/ping/1.0.0"
RECONCILE = "/p2pcommons/reconcile/1.0.0"

DATA, WINDOW, PING_FRAME, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
FRAME = struct.Struct("!BBHII")
PATIENCE_SECONDS = 20.0
"""No attack lasts longer; most end when the node hangs up."""


@dataclass(frozen=True)
class Attack:
    """One way to misbehave."""

    module: str
    function: Callable[[str], Awaitable[None]]

    async def run(self, address: str) -> None:
        """Send it to a node; being hung up on is not an error of the attacker."""
        with trio.move_on_after(PATIENCE_SECONDS):
            try:
                await self.function(address)
            except Exception as error:  # the node may answer in any way it likes
                if not is_hangup(error):
                    raise


ATTACKS: dict[str, Attack] = {}


def attack(function: Callable[[str], Awaitable[None]]) -> Callable[[str], Awaitable[None]]:
    """Register an attack under its name."""
    ATTACKS[getattr(function, "__name__", "")] = Attack(function.__module__, function)
    return function


def is_hangup(error: BaseException) -> bool:
    inner = getattr(error, "exceptions", None)
    if inner is not None:
        return all(is_hangup(each) for each in inner)
    return type(error).__module__.startswith(("libp2p", "trio", "cryptography", "noise")) or (
        isinstance(error, (OSError, EOFError))
    )


# Tools


def host_and_port(address: str) -> tuple[str, int]:
    """The TCP endpoint in a multiaddress."""
    parts = address.split("/")
    return parts[2], int(parts[4])


def peer_of(address: str) -> str:
    """The peer id in a multiaddress."""
    return address.rpartition("/p2p/")[2]


@asynccontextmanager
async def tcp(address: str) -> AsyncGenerator[trio.SocketStream]:
    """A bare TCP connection."""
    stream = await trio.open_tcp_stream(*host_and_port(address))
    try:
        yield stream
    finally:
        await trio.aclose_forcefully(stream)


async def select(connection: Any, protocol: str) -> None:
    """Multistream-select a protocol as the dialler."""
    choices: Any = [protocol]
    await MultiselectClient().select_one_of(choices, MultiselectCommunicator(connection))


@asynccontextmanager
async def secured(address: str, keys: Any = None) -> AsyncGenerator[tuple[Any, Any]]:
    """TCP and Noise with a fresh identity: the raw TCP stream and the secured connection."""
    async with tcp(address) as stream:
        raw = RawConnection(TrioTCPStream(stream), True)
        await select(raw, "/noise")
        identity = keys or create_new_key_pair(os.urandom(32))
        noise = NoiseTransport(identity, noise_privkey=create_new_x25519_key_pair().private_key)
        yield stream, await noise.secure_outbound(raw, ID.from_string(peer_of(address)))


@dataclass
class Muxer:
    """A Yamux dialler that sends whatever frame it is told to."""

    connection: Any
    next_id: int = 1

    async def frame(
        self, kind: int, flags: int, stream: int, length: int, body: bytes = b"", version: int = 0
    ) -> None:
        """Send one frame; `length` need not be that of `body`."""
        await self.connection.write(FRAME.pack(version, kind, flags, stream, length) + body)

    async def open(self, *protocols: str) -> int:
        """Open a stream and claim protocols on it without waiting for an answer."""
        stream, self.next_id = self.next_id, self.next_id + 2
        await self.frame(WINDOW, SYN, stream, 0)
        for protocol in ("/multistream/1.0.0", *protocols):
            await self.data(stream, line(protocol.encode()))
        return stream

    async def data(self, stream: int, body: bytes) -> None:
        """Send data in frames of 16 KiB, without regard to any window."""
        for start in range(0, len(body), 16_384):
            part = body[start : start + 16_384]
            await self.frame(DATA, 0, stream, len(part), part)

    async def drain(self) -> None:
        """Read and forget whatever comes, for ever."""
        while await self.connection.read(65_536):
            pass


@asynccontextmanager
async def muxed(address: str, *, reads: bool = True) -> AsyncGenerator[Muxer]:
    """A muxed connection; with `reads` false the peer never reads a byte after the handshake."""
    async with secured(address) as (_, connection):
        await select(connection, "/yamux/1.0.0")
        tasks: Any
        async with trio.open_nursery() as tasks:
            muxer = Muxer(connection)
            if reads:
                tasks.start_soon(_drain_quietly, muxer)
            yield muxer
            tasks.cancel_scope.cancel()


async def _drain_quietly(muxer: Muxer) -> None:
    try:
        await muxer.drain()
    except Exception as error:
        if not is_hangup(error):
            raise


def varint(value: int) -> bytes:
    """Encode an unsigned number as protobuf does."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def line(text: bytes) -> bytes:
    """A multistream line."""
    return varint(len(text) + 1) + text + b"\n"


def prefixed(message: bytes) -> bytes:
    """A protobuf message with its length."""
    return varint(len(message)) + message


async def times(count: int, at_once: int, function: Callable[[], Awaitable[None]]) -> None:
    """Run a function often, some at a time; hang-ups do not stop the others."""
    gate = trio.CapacityLimiter(at_once)

    async def one() -> None:
        async with gate:
            try:
                await function()
            except Exception as error:
                if not is_hangup(error):
                    raise

    tasks: Any
    async with trio.open_nursery() as tasks:
        for _ in range(count):
            tasks.start_soon(one)


async def until_hung_up(stream: trio.SocketStream, seconds: float) -> None:
    """Wait until the node closes or resets the connection, but not for ever."""
    with trio.move_on_after(seconds):
        try:
            while await stream.receive_some(65_536):
                pass
        except trio.BrokenResourceError:
            return


TOPIC = "/p2pcommons/1/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
"""A topic the victim listens to; set it to a real one for a real node."""
