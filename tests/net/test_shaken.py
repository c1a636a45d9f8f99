"""Hosts that are shaken: cut, dialled from both sides, paused and probed at once; then all is well.

What is done is drawn by a seed, what it meets depends on the machine: a failure is a real one.
"""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import trio

from p2pcommons.errors import NetworkError

from .hosts import ECHO, says_back, until
from .test_gossip import TOPIC, crowd

if TYPE_CHECKING:
    from p2pcommons.net.host import Host

pytestmark = [pytest.mark.trio, pytest.mark.network]

DEEDS = ("cut", "cut", "both", "talk", "give up", "hang up", "probe", "pause")
PAUSES = (0.0, 0.0, 0.001, 0.01, 0.05)


async def talk(one: Host, other: Host, seconds: float = 5.0) -> None:
    with trio.move_on_after(seconds):
        try:
            async with await one.open_stream(other.peer_id, ECHO) as stream:
                await stream.write_frame(bytes(50_000))
                await stream.read_frame(1 << 20)
        except NetworkError:
            return


async def pause(one: Host) -> None:
    one.gate.is_paused = True
    for peer_id in one.connected_peers():
        await one.disconnect(peer_id)
    one.gate.is_paused = False


async def dial(one: Host, other: Host) -> None:
    """Connect once more, connected or not."""
    await one._dial(other.peer_id, other.addresses(), 5)


def shake(nursery: trio.Nursery, chance: random.Random, hosts: list[Host]) -> None:
    one, other = chance.sample(hosts, 2)
    deed = chance.choice(DEEDS)
    connections = one.swarm.get_connections()
    if deed == "cut" and connections:
        chance.choice(connections).muxed_conn.abort("shaken")
    elif deed == "both":
        nursery.start_soon(dial, one, other)
        nursery.start_soon(dial, other, one)
    elif deed == "talk":
        nursery.start_soon(talk, one, other)
    elif deed == "give up":
        nursery.start_soon(talk, one, other, chance.uniform(0, 0.02))
    elif deed == "hang up":
        nursery.start_soon(one.disconnect, other.peer_id)
    elif deed == "probe":
        nursery.start_soon(one.probe)
    elif deed == "pause":
        nursery.start_soon(pause, one)


def is_tidy(host: Host) -> bool:
    """Whether what is counted and kept is what there is."""
    connections = host.swarm.get_connections()
    streams = [each for one in connections for each in one.get_streams()]
    muxed = [each for one in connections for each in one.muxed_conn.streams.values()]
    theirs = [each for each in streams if not each.muxed_stream.is_initiator]
    return (
        not any(each.is_closed for each in connections)
        and host.gate.by_peer.total() == len(connections)
        and host.gate.streams.total() == len(theirs)
        and len([each for each in muxed if not each.closed]) == len(streams)
        and not +host._streams._open
    )


async def test_after_a_shake_everybody_is_connected_hears_all_and_keeps_nothing() -> None:
    chance = random.Random(1)
    async with AsyncExitStack() as stack:
        nodes = await crowd(stack, "ana", "bob", "cyd")
        hosts = [host for host, _, _ in nodes]
        pairs = [(one, other) for one in hosts for other in hosts if one is not other]
        async with trio.open_nursery() as nursery:
            for _ in range(60):
                shake(nursery, chance, hosts)
                await trio.sleep(chance.choice(PAUSES))
        with trio.fail_after(20):
            while not all(b.peer_id in a.connected_peers() for a, b in pairs):
                for one, other in pairs:
                    await one.dial(other.peer_id, other.addresses())
        for one, gossip, _ in nodes:
            others = {each.peer_id for each in hosts if each is not one}
            await until(lambda g=gossip, o=others: set(g.listeners(TOPIC)) == o, 20)
            await until(lambda g=gossip, o=others: {str(each) for each in g.pubsub.peers} == o, 20)
        await until(lambda: all(map(is_tidy, hosts)), 20)
        for one, other in pairs:
            assert await says_back(one, other)
        for _, gossip, _ in nodes:
            await hears_from(gossip, nodes)


async def hears_from(gossip: Any, nodes: list[Any]) -> None:
    """What one says reaches the two others."""
    said = str(id(gossip)).encode()
    await gossip.publish(TOPIC, said)
    for _, other, channel in nodes:
        if other is not gossip:
            with trio.fail_after(10):
                while (await channel.receive()).data != said:
                    pass
