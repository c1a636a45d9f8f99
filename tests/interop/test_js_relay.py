"""Circuits with js-libp2p: js over our relay, and our nodes over a js relay. All on loopback."""

from __future__ import annotations

from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
from libp2p.host.ping import PingService

from p2pcommons.net.library import read_peer_id
from p2pcommons.net.relay import Relay, RelayLimits
from tests.net.hosts import host, says_back, until

from .jspeer import INSTALL_SECONDS, JsPeer, js_peer, node_program

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from p2pcommons.net.host import Host

pytestmark = [pytest.mark.network, pytest.mark.timeout(INSTALL_SECONDS + 120)]


@asynccontextmanager
async def started(node: str, **options: Any) -> AsyncGenerator[JsPeer]:
    """A js peer; our hosts go on while it starts."""
    with ExitStack() as stack:
        yield await trio.to_thread.run_sync(lambda: stack.enter_context(js_peer(node, **options)))


async def tell(js: JsPeer, op: str, **fields: object) -> dict[str, Any]:
    return await trio.to_thread.run_sync(partial(js.ask, op, **fields))


def circuit_to(relay_address: str, peer_id: str) -> str:
    return f"{relay_address}/p2p-circuit/p2p/{peer_id}"


async def pings(one: Host, js: JsPeer) -> bool:
    ping = PingService(one.library_host)
    with trio.fail_after(10):
        return bool(await ping.ping(read_peer_id(js.peer_id), ping_amt=1))


@pytest.mark.trio
async def test_js_has_a_place_at_our_relay_and_is_dialled_through_it() -> None:
    node = node_program()
    async with host("relay") as relay, host("bob") as bob:
        service = Relay(relay, RelayLimits())
        service.serve()
        address = relay.addresses()[0]
        async with started(node, listen=[f"{address}/p2p-circuit"], circuit=True) as js:
            with trio.fail_after(20):
                while not (await tell(js, "addresses"))["addresses"]:
                    await trio.sleep(0.05)
            own = (await tell(js, "addresses"))["addresses"]
            assert own == [circuit_to(address, js.peer_id)]
            assert service.reservations == 1

            report = await bob.dial(js.peer_id, own)
            assert report.connected, report.summary
            assert bob.path_to(js.peer_id) == ("relayed", relay.peer_id)
            assert await pings(bob, js)

            async with started(node, circuit=True) as other:
                dialled = await tell(other, "dial", address=own[0])
                assert dialled["peer_id"] == js.peer_id
                assert dialled["limited"], "js keeps to the limits that the relay tells"
                await tell(other, "ping", peer_id=js.peer_id)
            assert service.circuits >= 1


@pytest.mark.trio
async def test_our_node_has_a_place_at_a_js_relay_and_is_dialled_through_it() -> None:
    node = node_program()
    async with host("alice") as alice, host("bob") as bob, started(node, relay=True) as relay:
        address = relay.addresses[0]
        assert (await alice.dial(relay.peer_id, [address])).connected
        reservation = await alice.circuits.reserve(relay.peer_id)
        assert reservation.seconds > 60

        circuit = circuit_to(address, alice.peer_id)
        report = await bob.dial(alice.peer_id, [circuit])
        assert report.connected, report.summary
        assert bob.path_to(alice.peer_id) == ("relayed", relay.peer_id)
        await until(lambda: alice.path_to(bob.peer_id) == ("relayed", relay.peer_id))
        assert await says_back(bob, alice)
        assert await says_back(alice, bob, bytes(20_000))

        async with started(node, circuit=True) as other:
            dialled = await tell(other, "dial", address=circuit)
            assert dialled["peer_id"] == alice.peer_id
            await until(lambda: "/p2p-circuit" in str(alice.remote_addresses(other.peer_id)))
            # js may take the direct way once Identify has told it.
            await tell(other, "ping", peer_id=alice.peer_id)
