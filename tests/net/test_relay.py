"""Circuits through a relay: real hosts on loopback of which two never see each other's address."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from p2pcommons.net.relay import Relay, RelayLimits

from .hosts import connect, host, says_back, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from p2pcommons.net.host import Host

pytestmark = pytest.mark.network


@asynccontextmanager
async def relaying(
    limits: RelayLimits | None = None,
) -> AsyncGenerator[tuple[Host, Relay, Host, Host]]:
    """A relay, and alice who has a reservation there; bob knows nobody yet."""
    async with host("relay") as relay, host("alice") as alice, host("bob") as bob:
        service = Relay(relay, limits or RelayLimits())
        service.serve()
        await connect(alice, relay)
        await alice.circuits.reserve(relay.peer_id)
        yield relay, service, alice, bob


def circuit_to(relay: Host, peer: Host) -> str:
    return f"{relay.addresses()[0]}/p2p-circuit/p2p/{peer.peer_id}"


@pytest.mark.trio
async def test_two_peers_meet_over_a_relay_that_one_of_them_reserved() -> None:
    async with relaying() as (relay, service, alice, bob):
        address = circuit_to(relay, alice)
        report = await bob.dial(alice.peer_id, [address])
        assert report.connected, report.summary
        assert bob.path_to(alice.peer_id) == ("relayed", relay.peer_id)
        await until(lambda: alice.path_to(bob.peer_id) == ("relayed", relay.peer_id))
        assert bob.path_to(relay.peer_id) == ("direct", None)
        assert await says_back(bob, alice)
        assert await says_back(alice, bob, bytes(200_000))
        assert service.circuits == service.reservations == 1
        assert service.carried_bytes > 400_000
        assert bob.dialled_addresses(alice.peer_id) == (address.rpartition("/p2p/")[0],)
        await bob.disconnect(alice.peer_id)
        await until(lambda: bob.peer_id not in alice.connected_peers())
        await until(lambda: service.circuits == 0)
        assert relay.peer_id in alice.connected_peers()
