"""Gossip over real hosts: anonymous, lossy on purpose, and not to be bent by a neighbour."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import trio
from libp2p.pubsub.mcache import MessageCache
from libp2p.pubsub.pb import rpc_pb2

from p2pcommons.net import gossip as inboxes
from p2pcommons.net import gossip_caches, pubsub
from p2pcommons.net.gossip import Gossip, GossipMessage, Verdict, open_gossip
from p2pcommons.net.gossip_caches import SeenIds, message_id
from p2pcommons.net.muxer import socket_of
from raw_peer import GOSSIP, RST, WINDOW, Muxer, muxed, prefixed

from .hosts import connect, gossiping, host, until

if TYPE_CHECKING:
    from p2pcommons.net.host import Host

pytestmark = pytest.mark.network

TOPIC = "/p2pcommons/1/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
Channel = trio.MemoryReceiveChannel[GossipMessage]


def all_good(_topic: str, _data: bytes) -> bool:
    return True


async def crowd(stack: AsyncExitStack, *names: str) -> list[tuple[Host, Gossip, Channel]]:
    nodes: list[tuple[Host, Gossip, Channel]] = []
    for name in names:
        opened, gossip = await stack.enter_async_context(gossiping(name))
        nodes.append((opened, gossip, await gossip.subscribe(TOPIC, all_good)))
    return nodes


async def receive(channel: Channel, seconds: float = 5) -> bytes:
    with trio.fail_after(seconds):
        return (await channel.receive()).data


async def nothing_comes(channel: Channel) -> bool:
    with trio.move_on_after(0.3):
        await channel.receive()
        return False
    return True


def messages(*datas: bytes) -> bytes:
    publish = [rpc_pb2.Message(data=data, topicIDs=[TOPIC]) for data in datas]
    return prefixed(rpc_pb2.RPC(publish=publish).SerializeToString())


async def neighbour(muxer: Muxer) -> int:
    return await muxer.open(GOSSIP)


@pytest.mark.trio
@pytest.mark.parametrize("shape", ["line", "star"])
async def test_message_of_each_reaches_all_others_once(shape: str) -> None:
    async with AsyncExitStack() as stack:
        nodes = await crowd(stack, "ana", "bob", "cem", "dia", "eve")
        for number in range(1, 5):
            hub = number - 1 if shape == "line" else 0
            await connect(nodes[number][0], nodes[hub][0])
        links = {"line": (1, 2, 2, 2, 1), "star": (4, 1, 1, 1, 1)}[shape]
        for (_, gossip, _), count in zip(nodes, links, strict=True):
            await until(lambda g=gossip, n=count: len(g.router.mesh[TOPIC]) == n)
        for number, (_, gossip, own) in enumerate(nodes):
            await gossip.publish(TOPIC, b"from %d" % number)
            for _, _, channel in nodes:
                if channel is not own:
                    assert await receive(channel) == b"from %d" % number
        for _, _, channel in nodes:
            assert await nothing_comes(channel)


@pytest.mark.trio
async def test_message_on_the_wire_names_nobody() -> None:
    seen: list[Any] = []
    async with AsyncExitStack() as stack:
        (ana, gossip, _), (bob, other, channel) = await crowd(stack, "ana", "bob")
        handle = other.pubsub._handle_rpc

        async def spy(rpc: Any, peer_id: Any) -> None:
            seen.append(rpc)
            await handle(rpc, peer_id)

        other.pubsub._handle_rpc = spy
        await connect(ana, bob)
        await until(lambda: bool(gossip.router.mesh[TOPIC]))
        await gossip.publish(TOPIC, b"hello")
        assert await receive(channel) == b"hello"
    (message,) = (each for rpc in seen for each in rpc.publish)
    assert [field.name for field, _ in message.ListFields()] == ["data", "topicIDs"]
    assert not any(rpc.HasField("senderRecord") for rpc in seen)


@pytest.mark.trio
async def test_message_after_a_restart_with_the_same_identity_is_not_taken_for_an_old_one() -> None:
    async with AsyncExitStack() as stack:
        ((bob, _, channel),) = await crowd(stack, "bob")
        for number in range(2):
            async with AsyncExitStack() as life:
                ((ana, gossip, _),) = await crowd(life, "ana")
                await connect(ana, bob)
                await until(lambda g=gossip: bool(g.router.mesh[TOPIC]))
                for each in range(5):
                    await gossip.publish(TOPIC, b"life %d: %d" % (number, each))
                    assert await receive(channel) == b"life %d: %d" % (number, each)


@pytest.mark.trio
async def test_late_subscriber_gets_the_newest_of_the_last_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And no more than a little: reconciliation brings it all, and it would come twice."""
    async with AsyncExitStack() as stack:
        (ana, gossip, _), (bob, late, _) = await crowd(stack, "ana", "bob")
        await late.unsubscribe(TOPIC)
        await connect(ana, bob)
        await until(lambda: bob.peer_id in map(str, gossip.pubsub.peers))
        monkeypatch.setattr(gossip.router.mcache, "shift", lambda: None)  # it stays that moment
        for number in range(40):
            await gossip.publish(TOPIC, bytes([number]) * 15_000)
        channel = await late.subscribe(TOPIC, all_good)
        assert [(await receive(channel))[0] for _ in range(4)] == [36, 37, 38, 39]
        assert await nothing_comes(channel)


@pytest.mark.trio
@pytest.mark.parametrize("cache", ["ours", "library"])
async def test_node_outside_the_mesh_asks_for_what_it_missed(cache: str) -> None:
    async with AsyncExitStack() as stack:
        (ana, gossip, _), (bob, other, channel) = await crowd(stack, "ana", "bob")
        if cache == "library":  # keyed by author and number, which anonymous messages lack
            gossip.router.mcache = MessageCache(3, 5)
        for router in (gossip.router, other.router):
            router._check_back_off = lambda _peer, _topic: True  # nobody grafts
        await connect(ana, bob)
        await until(lambda: bob.peer_id in gossip.listeners(TOPIC))
        await trio.sleep(0.2)
        for each in (gossip, other):
            each.router.mesh[TOPIC].clear()
        datas = {b"one", b"two", b"three"}
        for data in datas:
            await gossip.publish(TOPIC, data)
        received: set[bytes] = set()
        with trio.move_on_after(20 if cache == "ours" else 3.5):
            while received != datas:
                received.add((await channel.receive()).data)
        assert (received == datas) == (cache == "ours")


@pytest.mark.trio
async def test_verdicts_decide_what_is_passed_on_and_who_is_blamed() -> None:
    faults: list[tuple[str, str]] = []
    verdicts = {b"good": Verdict.ACCEPT, b"old": Verdict.IGNORE, b"bad": Verdict.REJECT}

    def judge(_topic: str, data: bytes) -> Verdict:
        if data == b"bug":
            raise RuntimeError("ours")
        return verdicts[data]

    async with AsyncExitStack() as stack:
        (ana, gossip, _), (cem, _, behind) = await crowd(stack, "ana", "cem")
        bob = await stack.enter_async_context(host("bob"))
        middle = await stack.enter_async_context(
            open_gossip(bob, lambda peer_id, what: faults.append((peer_id, what)))
        )
        channel = await middle.subscribe(TOPIC, judge)
        await connect(ana, bob)
        await connect(cem, bob)
        await until(lambda: len(middle.router.mesh[TOPIC]) == 2)
        for data in (b"bug", b"bad", b"old", b"bad", b"good"):
            await gossip.publish(TOPIC, data)
        assert await receive(behind) == b"good"
        assert await receive(channel) == b"good"
        assert await nothing_comes(behind)
        assert faults == [(ana.peer_id, "invalid gossip message")]


@pytest.mark.trio
async def test_slow_reader_loses_the_newest_and_memory_stays_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inboxes, "INBOX_BYTES_MAX", 600_000)
    monkeypatch.setattr(gossip_caches, "CACHED_BYTES_MAX", 300_000)
    async with AsyncExitStack() as stack:
        ((bob, gossip, channel),) = await crowd(stack, "bob")
        async with muxed(bob.addresses()[0]) as muxer:
            stream = await neighbour(muxer)
            for number in range(30):
                await muxer.data(stream, messages(number.to_bytes(4, "big") + bytes(60_000)))
            await until(lambda: gossip.dropped(TOPIC) >= 15)
        first = [int.from_bytes((await receive(channel))[:4], "big") for _ in range(10)]
        assert first == list(range(10))
        assert len(gossip.router.mcache.msgs) <= 5


@pytest.mark.trio
async def test_neighbour_cannot_make_us_keep_topics_ids_or_back_offs() -> None:
    async with AsyncExitStack() as stack:
        ((bob, gossip, _),) = await crowd(stack, "bob")
        topics = [os.urandom(16).hex() for _ in range(1000)]
        control = rpc_pb2.ControlMessage(
            graft=[rpc_pb2.ControlGraft(topicID=each) for each in topics],
            prune=[rpc_pb2.ControlPrune(topicID=each, backoff=2**40) for each in topics],
            ihave=[rpc_pb2.ControlIHave(topicID=each, messageIDs=[b"x" * 32]) for each in topics],
        )
        changes = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=each) for each in topics]
        changes += [rpc_pb2.RPC.SubOpts(subscribe=True, topicid="long" * 1000)]
        rpc = rpc_pb2.RPC(control=control, subscriptions=changes)
        async with muxed(bob.addresses()[0]) as muxer:
            stream = await neighbour(muxer)
            await muxer.data(stream, prefixed(rpc.SerializeToString()) + messages(b"after"))
            await until(lambda: gossip.pubsub.seen_messages.has(message_id_of(b"after")))
            assert len(gossip.pubsub.peer_topics) <= pubsub.SUBSCRIPTIONS_MAX
            assert not gossip.router.back_off
            assert not gossip.router.graft_flood_tracking
            assert not gossip.router.ihave_message_limits
        await until(lambda: not gossip.pubsub.neighbours)
        assert not gossip.pubsub.peer_topics


def message_id_of(data: bytes) -> bytes:
    return message_id(rpc_pb2.Message(data=data))


@pytest.mark.trio
async def test_unsubscribed_neighbour_leaves_the_mesh() -> None:
    async with AsyncExitStack() as stack:
        (ana, gossip, _), (bob, other, _) = await crowd(stack, "ana", "bob")
        await connect(ana, bob)
        await until(lambda: len(gossip.router.mesh[TOPIC]) == 1)
        await other.unsubscribe(TOPIC)
        await until(lambda: not gossip.router.mesh[TOPIC])
        assert gossip.listeners(TOPIC) == ()


def endpoints(stream: Any) -> set[Any]:
    """Both ends of the connection that carries a stream, the same seen from either side."""
    connected = socket_of(stream.muxed_conn.secured_conn)
    assert connected is not None
    return {connected.socket.getsockname(), connected.socket.getpeername()}


@pytest.mark.trio
@pytest.mark.parametrize("carries", ["both directions", "one direction"])
async def test_gossip_goes_on_when_one_of_two_connections_is_cut(
    carries: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        (ana, gossip, back), (bob, other, channel) = await crowd(stack, "ana", "bob")
        await connect(ana, bob)
        await until(lambda: gossip.pubsub.peers and other.pubsub.peers)
        await ana.swarm.dial_addr(
            ana.swarm.get_connections()[0].get_transport_addresses()[0], bob.library_host.get_id()
        )
        await until(lambda: len(bob.swarm.get_connections()) == 2)
        (ours,) = gossip.pubsub.peers.values()
        (peer_id, theirs), *_ = other.pubsub.peers.items()
        is_shared = carries == "both directions"
        if (endpoints(ours) == endpoints(theirs)) != is_shared:
            free = [each for each in bob.swarm.get_connections() if each is not theirs.swarm_conn]
            monkeypatch.setattr(bob.swarm, "_select_connection", lambda *_: free[0])
            other.pubsub._handle_dead_peer(peer_id)
            await until(lambda: other.pubsub.peers.get(peer_id) not in (None, theirs))
            theirs = other.pubsub.peers[peer_id]
            monkeypatch.undo()
        assert (endpoints(ours) == endpoints(theirs)) == is_shared
        await until(lambda: len(gossip.router.mesh[TOPIC]) == 1 and other.listeners(TOPIC) != ())
        carrying = next(iter(gossip.pubsub.peers.values())).swarm_conn
        carrying.muxed_conn.abort("cut")
        await until(lambda: len(bob.swarm.get_connections()) == 1)
        for each in (gossip, other):
            await until(lambda each=each: len(each.router.mesh[TOPIC]) == 1)
        await gossip.publish(TOPIC, b"still here")
        assert await receive(channel) == b"still here"
        await other.publish(TOPIC, b"and here")
        assert await receive(back) == b"and here"


@pytest.mark.trio
async def test_end_of_a_replaced_stream_does_not_make_a_neighbour_forgotten() -> None:
    async with AsyncExitStack() as stack:
        ((bob, gossip, _),) = await crowd(stack, "bob")
        changes = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=TOPIC)]
        hello = prefixed(rpc_pb2.RPC(subscriptions=changes).SerializeToString())
        async with muxed(bob.addresses()[0]) as muxer:
            old, new = await neighbour(muxer), await neighbour(muxer)
            for stream in (old, new):
                await muxer.data(stream, hello)
                await until(lambda: len(gossip.listeners(TOPIC)) == 1)
            await until(lambda: len(gossip.pubsub._hearing) == 1)
            await muxer.frame(WINDOW, RST, old, 0)
            await muxer.data(new, messages(b"read after it"))
            seen = gossip.pubsub.seen_messages
            await until(lambda: seen.has(message_id_of(b"read after it")))
            assert len(gossip.listeners(TOPIC)) == 1
            await muxer.frame(WINDOW, RST, new, 0)
            await until(lambda: gossip.listeners(TOPIC) == ())


@pytest.mark.trio
async def test_neighbour_that_ends_our_streams_gets_new_ones_at_a_bounded_pace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gossip_caches, "REOPENED_PER_SECOND", 4)
    async with AsyncExitStack() as stack:
        (ana, gossip, _), (bob, other, channel) = await crowd(stack, "ana", "bob")
        await connect(ana, bob)
        opened: set[int] = set()
        with trio.move_on_after(1):
            while True:
                for stream in tuple(other.pubsub._hearing.values()):
                    opened.add(stream.muxed_stream.stream_id)
                    await stream.reset()
                await trio.sleep(0.01)
        assert 3 <= len(opened) <= 9
        assert len(list(ana.swarm.get_connections()[0].get_streams())) <= 3
        # On one that was ended just now, and ana has not heard so, the message would be lost.
        hearing = other.pubsub._hearing
        await until(lambda: any(not each.muxed_stream.closed for each in hearing.values()))
        await until(lambda: len(gossip.router.mesh[TOPIC]) == 1)
        await gossip.publish(TOPIC, b"on a new one")
        assert await receive(channel) == b"on a new one"


@pytest.mark.trio
async def test_dead_service_does_not_go_unnoticed() -> None:
    async def dies() -> None:
        raise RuntimeError("a service of the library died")

    async def run() -> None:
        async with gossiping("ana") as (_, gossip):
            gossip.pubsub.manager.run_daemon_task(dies)
            await trio.sleep(5)

    with pytest.raises(RuntimeError, match="died"):
        await run()


@pytest.mark.trio
async def test_message_too_large_is_refused_before_it_is_sent() -> None:
    async with gossiping("ana") as (_, gossip):
        with pytest.raises(ValueError, match="73729 of 73728"):
            await gossip.publish(TOPIC, bytes(pubsub.DATA_BYTES_MAX + 1))


def test_seen_ids_are_forgotten_by_age_and_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    seen = SeenIds(lambda: now)
    assert seen.add(b"a")
    assert not seen.add(b"a")
    now = gossip_caches.SEEN_SECONDS + 1
    assert not seen.has(b"a")
    monkeypatch.setattr(gossip_caches, "SEEN_IDS_MAX", 3)
    for each in (b"b", b"c", b"d", b"e"):
        seen.add(each)
    assert not seen.has(b"b")
    assert seen.has(b"e")
    assert len(seen.ids) == 3
