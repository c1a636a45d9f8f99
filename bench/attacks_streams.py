"""Attacks on streams and on gossip, and crowds of connections."""

from __future__ import annotations

import os
import struct
from typing import Any

import trio
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]
from libp2p.pubsub.pb import rpc_pb2

import raw_peer
from raw_peer import (
    FIN,
    GOSSIP,
    IDENTIFY,
    IDENTIFY_PUSH,
    PING,
    RECONCILE,
    RST,
    WINDOW,
    attack,
    line,
    muxed,
    peer_of,
    prefixed,
    times,
    varint,
)

# On streams


@attack
async def garbage_in_stream_negotiation(address: str) -> None:
    async with muxed(address) as muxer:
        for body in (os.urandom(300), line(b"\xff\xfe"), varint(2**50), b"\x00", line(b"/nothing")):
            stream = await muxer.open()
            await muxer.data(stream, body)
            await muxer.frame(WINDOW, FIN, stream, 0)
        await trio.sleep(0.2)


@attack
async def stalled_negotiations(address: str) -> None:
    async with muxed(address) as muxer:
        for _ in range(300):
            await muxer.open()
        await trio.sleep(0.5)


@attack
async def handler_torture(address: str) -> None:
    """Every way to end a stream of our own protocol early."""
    async with muxed(address) as muxer:
        for body in (
            b"",
            b"\x00",
            struct.pack(">I", 2**32 - 1),
            struct.pack(">I", 100) + b"half",
            struct.pack(">I", 0),
            struct.pack(">I", 50) + os.urandom(50),
            struct.pack(">I", 5) + b"\xc1\xc1\xc1\xc1\xc1",
            os.urandom(5000),
        ):
            for flag in (FIN, RST):
                stream = await muxer.open(RECONCILE)
                await muxer.data(stream, body)
                await muxer.frame(WINDOW, flag, stream, 0)
                await trio.sleep(0.02)
        await trio.sleep(0.3)


@attack
async def identify_flood(address: str) -> None:
    async with muxed(address) as muxer:
        for _ in range(500):
            await muxer.open(IDENTIFY)
        await trio.sleep(0.5)


@attack
async def identify_push_garbage(address: str) -> None:
    async with muxed(address) as muxer:
        for body in (os.urandom(500), prefixed(os.urandom(100_000)), varint(2**40)):
            stream = await muxer.open(IDENTIFY_PUSH)
            await muxer.data(stream, body)
            await muxer.frame(WINDOW, FIN, stream, 0)
        await trio.sleep(0.2)


@attack
async def ping_stream_torture(address: str) -> None:
    async with muxed(address) as muxer:
        for body in (bytes(31), bytes(33), bytes(32 * 2000), b""):
            stream = await muxer.open(PING)
            await muxer.data(stream, body)
            await muxer.frame(WINDOW, FIN, stream, 0)
        await trio.sleep(0.2)


# In gossip


async def _gossip(address: str, *bodies: bytes, wait: float = 0.2) -> None:
    for body in bodies:
        async with muxed(address) as muxer:
            stream = await muxer.open(GOSSIP)
            await muxer.data(stream, body)
            await trio.sleep(wait)


def _rpc(**fields: Any) -> bytes:
    return prefixed(rpc_pb2.RPC(**fields).SerializeToString())


def _control(**fields: Any) -> bytes:
    return _rpc(control=rpc_pb2.ControlMessage(**fields))


@attack
async def undecodable_gossip(address: str) -> None:
    await _gossip(
        address,
        prefixed(b"\xff" * 100),
        prefixed(os.urandom(1000)),
        prefixed(b"\x12\x05\x22\x03\xff\xfe\xfd"),  # a topic that is no UTF-8
        varint(2**20 * 2),
        b"\xff" * 12,
        prefixed(b""),
    )


@attack
async def gossip_with_bad_keys(address: str) -> None:
    topic = raw_peer.TOPIC
    fields: list[dict[str, bytes]] = [
        {"key": os.urandom(36), "signature": os.urandom(64), "from_id": os.urandom(38)},
        {"key": b"\x08\x01\x12\x01\x00", "signature": b"x", "from_id": b"\x00"},
        {"from_id": b"", "seqno": b""},
        {"seqno": b"1", "from_id": ID.from_string(peer_of(address)).to_bytes()},
    ]
    messages = [rpc_pb2.Message(data=os.urandom(10), topicIDs=[topic], **each) for each in fields]
    messages.append(rpc_pb2.Message(data=b"x", topicIDs=[topic, topic]))
    messages.append(rpc_pb2.Message(data=b"x"))
    messages.append(rpc_pb2.Message(topicIDs=[topic]))
    await _gossip(address, _rpc(publish=messages))


@attack
async def bad_signed_record(address: str) -> None:
    await _gossip(address, *(_rpc(senderRecord=each) for each in (b"", b"\xff", os.urandom(3000))))


@attack
async def many_tiny_messages(address: str) -> None:
    publish = [
        rpc_pb2.Message(data=each.to_bytes(4, "big"), topicIDs=[raw_peer.TOPIC])
        for each in range(5000)
    ]
    await _gossip(address, _rpc(publish=publish), *(_rpc(publish=publish[:3]) for _ in range(3)))


@attack
async def subscription_flood(address: str) -> None:
    def change(topic: str, subscribe: bool) -> Any:
        return rpc_pb2.RPC.SubOpts(subscribe=subscribe, topicid=topic)

    long = [change(f"{each}".rjust(2000, "x"), True) for each in range(200)]
    many = [change(f"topic{each}", True) for each in range(5000)]
    flapping = [change(raw_peer.TOPIC, each % 2 == 0) for each in range(5000)]
    await _gossip(address, _rpc(subscriptions=long), _rpc(subscriptions=many))
    await _gossip(address, _rpc(subscriptions=flapping) * 5)


@attack
async def control_flood(address: str) -> None:
    ours = raw_peer.TOPIC
    ids = [os.urandom(32) for _ in range(5000)]
    topics = [os.urandom(16).hex() for _ in range(3000)]
    peers = [rpc_pb2.PeerInfo(peerID=os.urandom(38), signedPeerRecord=os.urandom(50))] * 100
    await _gossip(
        address,
        _control(ihave=[rpc_pb2.ControlIHave(topicID=ours, messageIDs=ids)]) * 5,
        _control(iwant=[rpc_pb2.ControlIWant(messageIDs=ids)]) * 5,
        _control(ihave=[rpc_pb2.ControlIHave(topicID=each, messageIDs=ids[:2]) for each in topics]),
        _control(graft=[rpc_pb2.ControlGraft(topicID=each) for each in topics]),
        _control(prune=[rpc_pb2.ControlPrune(topicID=each, backoff=2**63) for each in topics]),
        _control(prune=[rpc_pb2.ControlPrune(topicID=ours, backoff=2**64 - 1, peers=peers)]),
        _control(ihave=[rpc_pb2.ControlIHave(topicID=ours, messageIDs=[b"", b"\xff", b"zz"])]),
        _control(graft=[rpc_pb2.ControlGraft(topicID=ours)]) * 500,
    )


@attack
async def many_gossip_streams(address: str) -> None:
    async with muxed(address) as muxer:
        for _ in range(100):
            stream = await muxer.open(GOSSIP)
            await muxer.data(stream, _rpc(subscriptions=[]) + varint(100))
        await trio.sleep(0.3)


# Connections


@attack
async def three_hundred_connections(address: str) -> None:
    """One after another: dial, shake hands, hang up."""

    async def one() -> None:
        async with muxed(address):
            pass

    await times(300, 3, one)


@attack
async def crowd_of_peers(address: str) -> None:
    """Many peers at once that shake hands and then do nothing."""

    async def one() -> None:
        async with muxed(address):
            await trio.sleep(2)

    await times(60, 60, one)
