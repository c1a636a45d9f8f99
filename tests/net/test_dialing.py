"""Dialling every address a peer may have, and saying what failed."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
import trio

from p2pcommons.net.closing import close_all
from p2pcommons.net.dialing import DialReport, clean_address, dial_all
from p2pcommons.net.library import peer_id_of_seed

from .hosts import connect, host, says_back, seed, until

if TYPE_CHECKING:
    from collections.abc import Sequence

ALICE = peer_id_of_seed(seed("alice"))
BOB = peer_id_of_seed(seed("bob"))


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("nonsense", "not a multiaddress"),
        ("", "not a TCP address"),
        ("/ip4/10.0.0.1", "not a TCP address"),
        ("/ip4/10.0.0.1/udp/1", "not a TCP address"),
        ("/ip4/10.0.0.1/tcp/1/ws", "cannot dial /ws"),
        (f"/ip4/10.0.0.1/tcp/1/p2p/{ALICE}/p2p-circuit/p2p/{BOB}", "cannot dial /p2p"),
        (f"/ip4/10.0.0.1/tcp/1/p2p/{BOB}", "names another peer"),
        ("/ip4/10.0.0.999/tcp/1", "not a multiaddress"),
        ("/unix/%2Fetc%2Fpasswd", "not a TCP address"),
    ],
)
def test_addresses_that_cannot_be_dialled_say_why(address: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        clean_address(address, ALICE)


def test_peer_part_is_cut_off() -> None:
    assert clean_address(f"/dns4/example.org/tcp/1/p2p/{ALICE}", ALICE) == "/dns4/example.org/tcp/1"


@pytest.mark.network
@pytest.mark.trio
async def test_one_good_address_among_bad_ones_is_enough() -> None:
    async with host("alice") as alice, host("bob") as bob, host("eve") as eve:
        silent = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = silent[0].socket.getsockname()[1]
        other = eve.addresses()[0].partition("/p2p/")[0]
        addresses = ["nonsense", "/ip4/127.0.0.1/tcp/1", other, f"/ip4/127.0.0.1/tcp/{port}"]
        report = await bob.dial(alice.peer_id, [*addresses, *alice.addresses()])
        outcomes = dict(report.tried)
        assert report.connected
        assert outcomes["nonsense"] == "not a multiaddress"
        assert outcomes["/ip4/127.0.0.1/tcp/1"] == "nobody listens there"
        assert outcomes[other] == "another peer answers there"
        assert outcomes[alice.addresses()[0]] == "connected"
        assert bob.dialled_addresses(alice.peer_id) == tuple(
            each.partition("/p2p/")[0] for each in alice.addresses()
        )
        assert await says_back(bob, alice)
        await silent[0].aclose()


@pytest.mark.network
@pytest.mark.trio
async def test_silent_address_is_given_up_in_time_and_tried_again_at_once() -> None:
    async with host("alice") as alice, host("bob") as bob:
        silent = await trio.open_tcp_listeners(0, host="127.0.0.1")
        address = f"/ip4/127.0.0.1/tcp/{silent[0].socket.getsockname()[1]}"
        report = await bob.dial(alice.peer_id, [address], timeout_s=0.5)
        assert report == DialReport(False, ((address, "no answer in time"),))
        assert report.summary == f"{address}: no answer in time"
        # The library would refuse this peer for a minute now.
        await connect(bob, alice)
        await silent[0].aclose()


@pytest.mark.network
@pytest.mark.trio
async def test_dialling_oneself_or_nobody_fails_in_words() -> None:
    async with host("alice") as alice, host("bob") as bob:
        assert not (await alice.dial(alice.peer_id, alice.addresses())).connected
        assert (await alice.dial("nobody", ["/ip4/127.0.0.1/tcp/1"])).summary.endswith(
            "not a peer id: 'nobody'"
        )
        assert (await alice.dial(bob.peer_id, [])).summary == "no address"


@pytest.mark.network
@pytest.mark.trio
async def test_both_dial_at_once_and_it_does_not_matter() -> None:
    async with host("alice") as alice, host("bob") as bob:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(alice.dial, bob.peer_id, bob.addresses())
                nursery.start_soon(bob.dial, alice.peer_id, alice.addresses())
        await until(lambda: alice.connected_peers() == (bob.peer_id,))
        assert bob.connected_peers() == (alice.peer_id,)
        for _ in range(5):
            assert await says_back(alice, bob)
            assert await says_back(bob, alice)
        assert (await alice.events.receive()).connected
        with trio.move_on_after(0.2):
            pytest.fail(f"a second event: {await alice.events.receive()}")


class OddError(Exception):
    """An exception of a kind that nobody thought of."""


class OddDialler:
    async def dial_straight(self, head: str, peer_id: str) -> None:
        await trio.lowlevel.checkpoint()
        raise OddError(head)

    async def dial_through(self, relay: str, heads: Sequence[str], peer_id: str) -> None:
        await trio.lowlevel.checkpoint()
        raise ExceptionGroup(relay, [OddError(peer_id)])


@pytest.mark.trio
async def test_whatever_the_library_raises_while_dialling_is_an_outcome_and_no_end() -> None:
    straight, over = "/ip4/10.0.0.1/tcp/1", f"/ip4/10.0.0.2/tcp/1/p2p/{BOB}/p2p-circuit"
    report = await dial_all(OddDialler(), ALICE, [straight, over], 5)
    assert not report.connected
    assert dict(report.tried) == {straight: "failed (OddError)", over: "failed (ExceptionGroup)"}


class OddConnection:
    def __init__(self) -> None:
        self.muxed_conn = self
        self.aborted: list[str] = []

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()
        raise OddError

    def abort(self, why: str) -> None:
        self.aborted.append(why)


@pytest.mark.trio
async def test_whatever_the_library_raises_while_closing_the_others_are_closed_too() -> None:
    connections = [OddConnection(), OddConnection()]
    await close_all(connections)
    assert all(each.aborted for each in connections)


@pytest.mark.network
@pytest.mark.trio
async def test_a_dial_given_up_in_the_handshake_leaves_no_socket_open() -> None:
    async with host("bob") as bob:
        (silent,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with silent, trio.open_nursery() as nursery:
            where = f"/ip4/127.0.0.1/tcp/{silent.socket.getsockname()[1]}"
            gc.disable()  # it would close what was forgotten, some time
            try:
                nursery.start_soon(bob.dial, ALICE, [where], 0.5)
                accepted = await silent.accept()
                with trio.fail_after(10):
                    while await accepted.receive_some():
                        pass
            finally:
                gc.enable()
            await accepted.aclose()
