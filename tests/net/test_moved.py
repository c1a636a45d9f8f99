"""A peer that comes again from elsewhere has left the connection it had before."""

from __future__ import annotations

import pytest
import trio
from libp2p.crypto.ed25519 import create_new_key_pair

from p2pcommons.net import limits
from raw_peer import secured, select
from tests.net.hosts import connect, host, says_back, seed, until

pytestmark = [pytest.mark.trio, pytest.mark.network]


async def test_a_connection_that_its_peer_left_behind_is_not_kept_for_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PROBE_SECONDS", 0.5)
    async with host("alice") as alice, host("bob") as bob:
        old = secured(alice.addresses()[0], create_new_key_pair(seed("bob")))
        async with old as (_, connection):  # answers nothing, like one whose address is gone
            await select(connection, "/yamux/1.0.0")
            await until(lambda: alice.connected_peers() == (bob.peer_id,))
            await connect(bob, alice)
            await until(lambda: len(alice.remote_addresses(bob.peer_id)) == 2)
            with trio.fail_after(45):
                while len(alice.remote_addresses(bob.peer_id)) == 2:
                    await trio.sleep(0.05)
            assert await says_back(alice, bob)


async def test_a_peer_that_comes_again_while_its_old_connection_ends_is_let_in() -> None:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        old = alice.swarm.get_connections()[0].muxed_conn
        async with trio.open_nursery() as ended:
            ended.cancel_scope.cancel()
        old._nursery = ended  # as it is for a moment, before the connection is forgotten
        address = bob.swarm.get_connections()[0].get_transport_addresses()[0]
        with trio.fail_after(3):
            await bob.swarm.dial_addr(address, alice.library_host.get_id())
            await until(lambda: len(alice.swarm.get_connections()) == 2)
            old.abort("it has ended")
            await until(lambda: len(bob.swarm.get_connections()) == 1)
            assert await says_back(bob, alice)
