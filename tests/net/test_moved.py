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
