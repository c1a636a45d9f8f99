"""A relay whose circuits strangers take: those it knows still get through."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from p2pcommons.net import relay as relay_module
from p2pcommons.net.relay import Relay, RelayLimits

from .hosts import connect, host, says_back, until

pytestmark = pytest.mark.network


def circuit_to(relay: str, peer_id: str) -> str:
    return f"{relay}/p2p-circuit/p2p/{peer_id}"


@pytest.mark.trio
async def test_strangers_cannot_take_the_circuits_of_those_the_relay_knows() -> None:
    async with AsyncExitStack() as stack:
        relay, alice, friend, *strangers = [
            await stack.enter_async_context(host(name))
            for name in ("relay", "alice", "friend", "eve", "mallory")
        ]
        known = {friend.peer_id}
        service = Relay(relay, RelayLimits(circuits_max=2), known.__contains__)
        service.serve()
        await connect(alice, relay)
        await alice.circuits.reserve(relay.peer_id)
        address = circuit_to(relay.addresses()[0], alice.peer_id)
        for stranger in strangers:
            assert (await stranger.dial(alice.peer_id, [address])).connected
        assert service.circuits == 2
        assert (await friend.dial(alice.peer_id, [address])).connected
        assert await says_back(friend, alice)
        # The oldest circuit of a stranger made room for it; the other one stands.
        await until(lambda: strangers[0].peer_id not in alice.connected_peers())
        assert service.circuits == 2
        assert await says_back(strangers[1], alice)
        refused = await strangers[0].dial(alice.peer_id, [address])
        assert "limit reached" in refused.summary


@pytest.mark.trio
async def test_strangers_at_one_machine_do_not_get_all_circuits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_module, "STRANGERS_CIRCUITS_PER_ADDRESS_MAX", 2)
    async with AsyncExitStack() as stack:
        relay, alice, friend, *strangers = [
            await stack.enter_async_context(host(name))
            for name in ("relay", "alice", "friend", "eve", "mallory", "trudy")
        ]
        known: set[str] = set()
        service = Relay(relay, RelayLimits(), known.__contains__)
        service.serve()
        await connect(alice, relay)
        await alice.circuits.reserve(relay.peer_id)
        address = circuit_to(relay.addresses()[0], alice.peer_id)
        got = [(await each.dial(alice.peer_id, [address])).connected for each in strangers]
        assert got == [True, True, False]
        known.add(friend.peer_id)
        assert (await friend.dial(alice.peer_id, [address])).connected
        assert service.circuits == 3
