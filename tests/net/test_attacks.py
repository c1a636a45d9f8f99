"""A raw peer sends its worst; two nodes that talk meanwhile must not notice."""

from __future__ import annotations

import attacks_connections
import attacks_streams
import pytest
import raw_peer
import trio

from p2pcommons.net.limits import HostLimits

from .hosts import connect, gossiping, host, says_back

assert attacks_connections
assert attacks_streams

pytestmark = pytest.mark.network


@pytest.mark.trio
@pytest.mark.parametrize("name", sorted(raw_peer.ATTACKS))
async def test_node_survives(name: str) -> None:
    async with gossiping("victim") as (victim, gossip), host("friend") as friend:
        received = await gossip.subscribe(raw_peer.TOPIC, lambda _topic, data: data == b"good")
        await connect(friend, victim)
        address = victim.addresses()[0]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(raw_peer.ATTACKS[name], address)
            for _ in range(5):
                with trio.fail_after(8):
                    assert await says_back(friend, victim)
                await trio.sleep(0.05)

        async with host("newcomer") as newcomer:
            await connect(newcomer, victim)
            assert await says_back(newcomer, victim, bytes(100_000))
        async with gossiping("talker") as (talker, talk):
            await talk.subscribe(raw_peer.TOPIC, lambda _topic, _data: True)
            await connect(talker, victim)
            await talk.publish(raw_peer.TOPIC, b"good")
            with trio.fail_after(5):
                assert (await received.receive()).data == b"good"
        held = sum(count() for count in victim.swarm.buffer_budget.holders.values())
        assert held < 1024 * 1024
        assert victim.connected_peers() == (friend.peer_id,) or len(victim.gate.by_peer) < 5
