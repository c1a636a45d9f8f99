"""Hosts for tests: real libp2p on loopback, any free port."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from p2pcommons.net.gossip import Gossip, open_gossip
from p2pcommons.net.host import Host, open_host

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from p2pcommons.net.frames import FrameStream
    from p2pcommons.net.limits import HostLimits

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
ECHO = "/p2pcommons/reconcile/1.0.0"


def seed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


async def echo(stream: FrameStream) -> None:
    while (frame := await stream.read_frame(1 << 20)) is not None:
        await stream.write_frame(frame)


@asynccontextmanager
async def host(name: str, *listen: str, limits: HostLimits | None = None) -> AsyncGenerator[Host]:
    async with open_host(seed(name), listen or (LOOPBACK,), limits=limits) as opened:
        opened.set_stream_handler(ECHO, echo)
        yield opened


@asynccontextmanager
async def gossiping(
    name: str, limits: HostLimits | None = None
) -> AsyncGenerator[tuple[Host, Gossip]]:
    async with host(name, limits=limits) as opened, open_gossip(opened) as gossip:
        yield opened, gossip


async def connect(one: Host, other: Host) -> None:
    report = await one.dial(other.peer_id, other.addresses())
    assert report.connected, report.summary
    await until(lambda: one.peer_id in other.connected_peers())


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.01)


async def says_back(one: Host, other: Host, data: bytes = b"hello") -> bool:
    """Whether `other` still serves `one`."""
    async with await one.open_stream(other.peer_id, ECHO) as stream:
        await stream.write_frame(data)
        return await stream.read_frame(1 << 20) == data
