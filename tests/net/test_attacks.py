"""A raw peer sends its worst; nodes that talk meanwhile must not notice.

`bench/remote_kill_hosts.py` sends the same to a process of its own, watches its memory, and shows
what each does to the library without our workarounds.
"""

from __future__ import annotations

import pytest
import trio

import attacks_connections
import attacks_streams
import raw_peer
from p2pcommons.net.limits import HostLimits

from .hosts import connect, gossiping, host, says_back, until

MODULES = (attacks_connections, attacks_streams)
AT_ONCE = 6
NAMES = list(raw_peer.ATTACKS)
BATCHES = [NAMES[start : start + AT_ONCE] for start in range(0, len(NAMES), AT_ONCE)]
QUICK = HostLimits(
    connections_per_address_max=200, handshake_seconds_max=1.0, negotiate_seconds_max=2.0
)

pytestmark = pytest.mark.network


@pytest.mark.trio
async def test_node_survives() -> None:
    async with (
        gossiping("victim", limits=QUICK) as (victim, gossip),
        gossiping("friend") as (friend, talk),
    ):
        received = await gossip.subscribe(raw_peer.TOPIC, lambda _topic, data: data[:4] == b"good")
        await talk.subscribe(raw_peer.TOPIC, lambda _topic, _data: True)
        await connect(friend, victim)
        for batch in BATCHES:
            async with trio.open_nursery() as nursery:
                for name in batch:
                    nursery.start_soon(raw_peer.ATTACKS[name].run, victim.addresses()[0])
                await trio.sleep(0.1)
                async with host("newcomer") as newcomer:
                    with trio.fail_after(10):
                        await connect(newcomer, victim)
                        assert await says_back(newcomer, victim), batch
            with trio.fail_after(10):
                assert await says_back(friend, victim, bytes(100_000)), batch
                await talk.publish(raw_peer.TOPIC, b"good" + batch[0].encode())
                assert (await received.receive()).data.endswith(batch[0].encode())
        # Nothing of the attackers is left.
        await until(lambda: victim.connected_peers() == (friend.peer_id,))
        await until(lambda: victim.gate.by_peer.total() == 1)
        await until(lambda: [str(each) for each in gossip.pubsub.neighbours] == [friend.peer_id])
        await until(lambda: victim.gate.streams.total() <= 1)
        assert not victim.gate.handshakes
        assert sum(count() for count in victim.swarm.buffer_budget.holders.values()) == 0
