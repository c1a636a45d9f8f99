"""What one attacker can do to a node, for `abuse.py`: each registers itself under its name."""

from __future__ import annotations

import hashlib
import os
import struct
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import trio

from p2pcommons.errors import NetworkError, RejectedError
from p2pcommons.model.contribution import Contribution, sign
from p2pcommons.model.keys import Signer, grant_device
from p2pcommons.model.kinds import EntryBody, encode_body
from p2pcommons.net.gossip import Gossip, open_gossip
from p2pcommons.net.host import Host, open_host
from p2pcommons.protocol.gossip import encode_gossip
from p2pcommons.protocol.limits import FRAME_BYTES_MAX, RECONCILE_PROTOCOL
from p2pcommons.protocol.messages import (
    Absent,
    Commons,
    Have,
    Hello,
    Neg,
    Open,
    Want,
    decode_message,
    encode_message,
)
from p2pcommons.protocol.negentropy_varint import encode_varint
from p2pcommons.protocol.session import blinded_commons
from p2pcommons.protocol.topic import gossip_topic
from raw_peer import host_and_port, muxed, peer_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from p2pcommons.net.frames import FrameStream


@dataclass(frozen=True)
class Scenario:
    """One way to abuse a node."""

    attack: Callable[[str, bytes], Awaitable[None]]
    is_named: bool = True
    """Whether the victim must say who it is and what it did."""
    adds: bool = False
    """Whether what it sends is valid, so that some of it is kept."""


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    *, is_named: bool = True, adds: bool = False
) -> Callable[[Callable[[str, bytes], Awaitable[None]]], Callable[[str, bytes], Awaitable[None]]]:
    """Register an attack under its name."""

    def register(
        attack: Callable[[str, bytes], Awaitable[None]],
    ) -> Callable[[str, bytes], Awaitable[None]]:
        SCENARIOS[getattr(attack, "__name__", "")] = Scenario(attack, is_named, adds)
        return attack

    return register


@asynccontextmanager
async def attacking(address: str) -> AsyncGenerator[tuple[Host, Gossip]]:
    """A host with a fresh identity, connected with the victim."""
    async with open_host(os.urandom(32), []) as host, open_gossip(host) as gossip:
        await host.dial(peer_of(address), [address])
        yield host, gossip


async def publish_all(
    address: str, commons: bytes, make: Callable[[int], list[bytes]], pause: float
) -> None:
    """Publish without end; dial again whenever the victim has hung up."""
    topic = gossip_topic(commons)
    async with attacking(address) as (host, gossip):
        await gossip.subscribe(topic, lambda _topic, _data: False)
        await trio.sleep(1.5)
        number = 0
        while True:
            if not host.connected_peers():
                await host.dial(peer_of(address), [address])
                await trio.sleep(0.5)
            for message in make(number):
                await gossip.publish(topic, message)
            number += 1
            await trio.sleep(pause)


def author() -> Signer:
    """A person nobody knows."""
    return grant_device(hashlib.sha256(os.urandom(16)).digest(), os.urandom(32))


def entry(signer: Signer, commons: bytes, at: int, title: str = "Buy this") -> Contribution:
    """A valid entry."""
    body = encode_body(EntryBody("note", title, "now " * 80), os.urandom(16))
    return sign(signer, "entry", commons=commons, body=body, claimed_at=at)


@scenario()
async def floods_with_garbage(address: str, commons: bytes) -> None:
    await publish_all(address, commons, lambda _: [os.urandom(20_000) for _ in range(10)], 0.02)


@scenario(is_named=False, adds=True)
async def floods_as_one_author(address: str, commons: bytes) -> None:
    """As fast as it can sign; what stays within the budget of gossip is nothing to be named for."""
    signer = author()

    def make(_number: int) -> list[bytes]:
        now = int(time.time())
        return encode_gossip([entry(signer, commons, now) for _ in range(100)])

    await publish_all(address, commons, make, 0.0)


@scenario(adds=True)
async def spams_as_fresh_authors(address: str, commons: bytes) -> None:
    def make(_number: int) -> list[bytes]:
        now = int(time.time())
        return [each for _ in range(20) for each in encode_gossip([entry(author(), commons, now)])]

    await publish_all(address, commons, make, 0.0)


@scenario(is_named=False, adds=True)
async def dates_back(address: str, commons: bytes) -> None:
    signer = author()

    def make(number: int) -> list[bytes]:
        return encode_gossip([entry(signer, commons, 1 + 20 * number + at) for at in range(20)])

    await publish_all(address, commons, make, 0.2)


@scenario(is_named=False, adds=True)
async def claims_the_future(address: str, commons: bytes) -> None:
    signer = author()

    def make(number: int) -> list[bytes]:
        first = 2**32 - 1 - 20 * (number + 1)
        return encode_gossip([entry(signer, commons, first + at) for at in range(20)])

    await publish_all(address, commons, make, 0.2)


async def greet(stream: FrameStream, commons: bytes) -> None:
    """Show that we know the commons, as the opener of a session, and open it."""
    nonce = os.urandom(32)
    await stream.write_frame(encode_message(Hello(nonce, int(time.time()))))
    theirs = decode_message(await stream.read_frame(FRAME_BYTES_MAX) or b"")
    if not isinstance(theirs, Hello):
        raise NetworkError("no hello")
    await stream.read_frame(FRAME_BYTES_MAX)
    blinded = blinded_commons(nonce + theirs.nonce, commons)
    await stream.write_frame(encode_message(Commons((blinded,))))
    await stream.write_frame(encode_message(Open(0, commons)))


async def sessions(
    address: str, commons: bytes, talk: Callable[[FrameStream], Awaitable[None]]
) -> None:
    """One session after another; each says what `talk` says."""
    async with attacking(address) as (host, _gossip):
        while True:
            with suppress(NetworkError, RejectedError):
                if not host.connected_peers():
                    await host.dial(peer_of(address), [address])
                async with await host.open_stream(peer_of(address), RECONCILE_PROTOCOL) as stream:
                    await greet(stream, commons)
                    await talk(stream)
            await trio.sleep(0.01)


KNOWN_IDS: list[bytes] = []
"""What the victim holds; an attacker learns it by taking part for a while."""


@scenario()
async def opens_sessions_again_and_again(address: str, commons: bytes) -> None:
    async def talk(stream: FrameStream) -> None:
        await stream.write_frame(encode_message(Want(0, tuple(KNOWN_IDS[:450]))))

    await sessions(address, commons, talk)


@scenario()
async def asks_for_everything_again_and_again(address: str, commons: bytes) -> None:
    async def talk(stream: FrameStream) -> None:
        for start in range(0, 10**9, 450):
            first = start % max(1, len(KNOWN_IDS) - 450)
            await stream.write_frame(encode_message(Want(0, tuple(KNOWN_IDS[first : first + 450]))))
            got = 0
            while got < 450:
                answer = cast(
                    "Any", decode_message(await stream.read_frame(FRAME_BYTES_MAX) or b"")
                )
                got += len(getattr(answer, "envelopes", getattr(answer, "ids", ())))

    await sessions(address, commons, talk)


@scenario()
async def announces_made_up_ids(address: str, commons: bytes) -> None:
    async def talk(stream: FrameStream) -> None:
        ids = [os.urandom(32) for _ in range(4_096)]
        await stream.write_frame(encode_message(Have(0, tuple(ids))))
        while (frame := await stream.read_frame(FRAME_BYTES_MAX)) is not None:
            message = decode_message(frame)
            if isinstance(message, Want) and message.ids:
                await stream.write_frame(encode_message(Absent(0, message.ids)))
                more = tuple(os.urandom(32) for _ in message.ids)
                await stream.write_frame(encode_message(Have(0, more)))

    await sessions(address, commons, talk)


@scenario(is_named=False)
async def sends_full_negentropy_frames(address: str, commons: bytes) -> None:
    """It is slowed, and named, once its budget of work is spent: not in a short or busy run."""

    async def talk(stream: FrameStream) -> None:
        data = bytearray(b"\x61")
        first = 2**32 - 1 - int(time.time())
        for number in range(12_000):  # a second each, none of them equal
            step = first if number == 0 else 1
            data += encode_varint(step + 1) + encode_varint(0) + encode_varint(1) + os.urandom(16)
        frame = encode_message(Neg(0, bytes(data)))
        while True:
            await stream.write_frame(frame)
            await stream.read_frame(FRAME_BYTES_MAX)

    await sessions(address, commons, talk)


@scenario()
async def sends_oversize_frames(address: str, _commons: bytes) -> None:
    async with attacking(address) as (host, _gossip):
        while True:
            with suppress(NetworkError):
                if not host.connected_peers():
                    await host.dial(peer_of(address), [address])
                stream = await host.open_stream(peer_of(address), RECONCILE_PROTOCOL)
                raw: Any = getattr(stream, "_stream")  # noqa: B009
                with suppress(Exception):
                    await raw.write(struct.pack(">I", 2**32 - 1) + bytes(60_000))
                await stream.reset()
            await trio.sleep(0.05)


@scenario()
async def opens_500_streams_and_reads_none(address: str, _commons: bytes) -> None:
    async with muxed(address) as muxer:
        for _ in range(500):
            stream = await muxer.open(RECONCILE_PROTOCOL)
            await muxer.data(stream, struct.pack(">I", 200_000) + bytes(60_000))
        await trio.sleep_forever()


@scenario(is_named=False)
async def leaves_500_connections_half_open(address: str, _commons: bytes) -> None:
    streams: list[trio.SocketStream] = []
    while True:
        with suppress(OSError):
            streams.append(await trio.open_tcp_stream(*host_and_port(address)))
        while len(streams) > 500:
            await trio.aclose_forcefully(streams.pop(0))
        await trio.sleep(0.01)
