"""Rows of the attack table that need no protocol of ours: half-open connections, frames too large,
handlers that raise, limits that are evaded.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from attack_rows import LIMITED, PAUSED, PLAIN, PUBLIC, RAISING, Field, row
from attacks_connections import (
    garbage_after_noise,
    garbage_before_multistream,
    garbage_in_noise,
    garbage_in_yamux,
)
from p2pcommons.errors import NetworkError
from p2pcommons.net.host import open_host
from p2pcommons.net.nat_messages import AUTONAT_PROTOCOL, DCUTR_PROTOCOL
from p2pcommons.net.relay_messages import HOP_PROTOCOL, STOP_PROTOCOL
from p2pcommons.protocol.blobs import BLOB_PROTOCOL
from p2pcommons.protocol.kademlia_messages import KAD_PROTOCOL
from p2pcommons.protocol.limits import RECONCILE_PROTOCOL
from p2pcommons.protocol.offers import OFFERS_PROTOCOL
from p2pcommons.protocol.peer_records import PEERS_PROTOCOL
from raising_node import RAISING_PROTOCOLS
from raw_peer import (
    GOSSIP,
    IDENTIFY,
    IDENTIFY_PUSH,
    host_and_port,
    is_hangup,
    line,
    muxed,
    peer_of,
    varint,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HALF_OPEN = 500
"""Sockets that one attacker holds."""
FRAME_BYTES = 60_000
"""Sent of each frame that is announced as one of gigabytes."""
KNOCK_SECONDS = 0.05


@row(PLAIN, "nothing: what the node costs by itself")
async def quiet(field: Field) -> None:
    del field
    await trio.sleep_forever()


@row(PLAIN, "random bytes before, in and after Noise, and in the muxer")
async def garbage_at_the_port(field: Field) -> None:
    while True:
        for attack in (
            garbage_before_multistream,
            garbage_in_noise,
            garbage_after_noise,
            garbage_in_yamux,
        ):
            await attack(field.address)
            field.count("rounds")


# --- half-open connections --------------------------------------------------------------------


async def half_open(field: Field, first_words: bytes) -> None:
    """Hold 500 sockets that have said so much and say no more; replace those that are ended."""
    async with trio.open_nursery() as nursery:
        for _ in range(HALF_OPEN):
            nursery.start_soon(_hold_one, field, first_words)


async def _hold_one(field: Field, first_words: bytes) -> None:
    while True:
        with suppress(OSError, trio.BrokenResourceError):
            async with await trio.open_tcp_stream(*host_and_port(field.address)) as stream:
                field.count("sockets")
                if first_words:
                    await stream.send_all(first_words)
                while await stream.receive_some(4_096):
                    pass
        await trio.sleep(0.5)


@row(PLAIN, "500 TCP connections that say nothing")
async def half_open_tcp(field: Field) -> None:
    await half_open(field, b"")


@row(PLAIN, "500 that stop after agreeing on Noise")
async def half_open_multistream(field: Field) -> None:
    await half_open(field, line(b"/multistream/1.0.0") + line(b"/noise"))


@row(PLAIN, "500 that stop after the first message of Noise")
async def half_open_noise(field: Field) -> None:
    hello = struct.pack(">H", 32) + os.urandom(32)
    await half_open(field, line(b"/multistream/1.0.0") + line(b"/noise") + hello)


# --- frames that are too large ----------------------------------------------------------------


def oversized(flavour: str, protocol: str, prefix: bytes) -> None:
    """Add a row: frames of gigabytes on one protocol, stream after stream."""

    async def attack(field: Field) -> None:
        while True:
            try:
                async with muxed(field.address) as muxer:
                    for _ in range(50):
                        stream = await muxer.open(protocol)
                        await muxer.data(stream, prefix + bytes(FRAME_BYTES))
                        field.count("frames")
                        await trio.sleep(KNOCK_SECONDS)
            except Exception as error:
                if not is_hangup(error):
                    raise
            await trio.sleep(KNOCK_SECONDS)

    parts = [each for each in protocol.split("/") if each and not each[0].isdigit()]
    what = "-".join(parts[1:] or parts)
    row(flavour, f"frames of gigabytes on {protocol}", name=f"frames too large: {what}")(attack)


_FOUR_BYTES, _VARINT = struct.pack(">I", 2**32 - 1), varint(2**31)
for _protocol in (RECONCILE_PROTOCOL, BLOB_PROTOCOL, PEERS_PROTOCOL, OFFERS_PROTOCOL):
    oversized(PUBLIC, _protocol, _FOUR_BYTES)
for _protocol in (
    *(GOSSIP, KAD_PROTOCOL, HOP_PROTOCOL, STOP_PROTOCOL, AUTONAT_PROTOCOL, DCUTR_PROTOCOL),
    *(IDENTIFY, IDENTIFY_PUSH),
):
    oversized(PUBLIC, _protocol, _VARINT)


# --- handlers that raise ----------------------------------------------------------------------


@row(RAISING, "four handlers of this node raise whatever is sent to them")
async def handlers_that_raise(field: Field) -> None:
    async with open_host(os.urandom(32), []) as host:
        while True:
            if not host.connected_peers():
                await host.dial(peer_of(field.address), [field.address])
            for protocol in RAISING_PROTOCOLS:
                with suppress(NetworkError):
                    stream = await host.open_stream(peer_of(field.address), protocol)
                    field.count("streams")
                    await stream.write_frame(b"anything")
                    await stream.read_frame(4_096)
                    await stream.reset()
            await trio.sleep(KNOCK_SECONDS)


# --- evading what a person set ----------------------------------------------------------------


@row(PAUSED, "dials a node that its person has paused, with fresh identities")
async def dials_a_paused_node(field: Field) -> None:
    async def knock() -> None:
        async with open_host(os.urandom(32), []) as host:
            field.count("dials")
            report = await host.dial(peer_of(field.address), [field.address], 2.0)
            if report.connected:
                await trio.sleep(0.5)
                field.must(not host.connected_peers(), "a paused node let somebody stay")

    await _again_and_again(knock)


@row(LIMITED, "sends as much as it can to a node limited to 50 kB a second")
async def evades_the_limit(field: Field) -> None:
    async def flood() -> None:
        async with muxed(field.address) as muxer:
            while True:
                stream = await muxer.open(RECONCILE_PROTOCOL)
                await muxer.data(stream, struct.pack(">I", 200_000) + bytes(200_000))
                field.count("kB", 200)

    async with trio.open_nursery() as nursery:
        for _ in range(16):
            nursery.start_soon(_again_and_again, flood)


async def _again_and_again(what: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await what()
        except Exception as error:
            if not is_hangup(error):
                raise
        await trio.sleep(KNOCK_SECONDS)
