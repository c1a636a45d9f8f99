"""From a relay to a direct connection, on loopback: what is said, who dials, what is refused.

That two NATs let each other in shows only where there are NATs; see `bench/nat.py`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
from libp2p.relay.circuit_v2.dcutr import DCUtRProtocol

from p2pcommons.errors import NetworkError
from p2pcommons.net import hole_punching
from p2pcommons.net.hole_punching import HolePunching
from p2pcommons.net.nat_messages import DCUTR_PROTOCOL, PunchMessage, encode_punch
from p2pcommons.net.relay import Relay, RelayLimits
from tests.net.hosts import connect, host, says_back, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from p2pcommons.net.host import Host

pytestmark = pytest.mark.network

NOBODY = ("/ip4/127.0.0.1/tcp/1",)


def where(one: Host) -> tuple[str, ...]:
    return tuple(each.partition("/p2p/")[0] for each in one.addresses() if "circuit" not in each)


def told(addresses: Sequence[str]) -> Callable[[], object]:
    async def tell() -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        return addresses

    return tell


class Pair:
    """Alice, whom bob has dialled over a relay."""

    def __init__(self, alice: Host, bob: Host, tasks: trio.Nursery) -> None:
        self.alice, self.bob = alice, bob
        self._tasks = tasks
        self.blamed: list[str] = []

    def punching(
        self,
        one: Host,
        *addresses: str,
        welcome: bool = True,
        is_allowed: Callable[[str], bool] = lambda ip: ip.startswith("127."),
    ) -> HolePunching:
        made = HolePunching(
            one,
            told(addresses or where(one)),  # type: ignore[arg-type]
            lambda _peer: welcome,
            lambda peer_id, _what: self.blamed.append(peer_id),
            is_allowed,
        )
        self._tasks.start_soon(made.run)
        return made


@asynccontextmanager
async def over_a_relay() -> AsyncGenerator[Pair]:
    async with host("relay") as relay, host("alice") as alice, host("bob") as bob:
        Relay(relay, RelayLimits()).serve()
        await connect(alice, relay)
        await alice.circuits.reserve(relay.peer_id)
        circuit = f"{relay.addresses()[0]}/p2p-circuit/p2p/{alice.peer_id}"
        assert (await bob.dial(alice.peer_id, [circuit])).connected
        await until(lambda: bob.peer_id in alice.connected_peers())
        async with trio.open_nursery() as nursery:
            yield Pair(alice, bob, nursery)
            nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_connection_over_a_relay_becomes_a_direct_one() -> None:
    async with over_a_relay() as pair:
        alices, bobs = pair.punching(pair.alice), pair.punching(pair.bob)
        assert alices.is_ours_to_begin(pair.bob.peer_id)
        assert not bobs.is_ours_to_begin(pair.alice.peer_id)
        report = await alices.punch(pair.bob.peer_id)
        assert report.connected, report.words
        await until(lambda: pair.bob.path_to(pair.alice.peer_id)[0] == "direct")
        assert not alices.is_ours_to_begin(pair.bob.peer_id)
        assert await says_back(pair.alice, pair.bob)
        before = pair.alice.traffic.total()[1]
        assert await says_back(pair.bob, pair.alice, bytes(50_000))
        assert pair.alice.traffic.total()[1] > before + 50_000
        assert (await alices.punch(pair.bob.peer_id)).connected


@pytest.mark.trio
async def test_who_is_told_to_dial_leaves_from_the_port_it_listens_on() -> None:
    async with over_a_relay() as pair:
        alices = pair.punching(pair.alice)
        pair.punching(pair.bob, *NOBODY)
        assert (await alices.punch(pair.bob.peer_id)).connected
        assert f"{where(pair.bob)[0]}" in pair.alice.remote_addresses(pair.bob.peer_id)


@pytest.mark.trio
async def test_when_both_begin_at_once_one_talk_goes_on() -> None:
    async with over_a_relay() as pair:
        alices, bobs = pair.punching(pair.alice), pair.punching(pair.bob)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alices.punch, pair.bob.peer_id)
            nursery.start_soon(bobs.punch, pair.alice.peer_id)
        assert pair.alice.path_to(pair.bob.peer_id)[0] == "direct"
        assert await says_back(pair.bob, pair.alice)


@pytest.mark.trio
async def test_who_can_be_reached_is_dialled_without_ado() -> None:
    async with over_a_relay() as pair:
        alices = pair.punching(pair.alice, *NOBODY)
        pair.punching(pair.bob)
        assert (await alices.punch(pair.bob.peer_id)).connected
        await until(lambda: pair.bob.path_to(pair.alice.peer_id)[0] == "direct")


@pytest.mark.trio
async def test_where_nobody_gets_through_the_connection_over_the_relay_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hole_punching, "PUNCH_SECONDS_MAX", 0.3)
    async with over_a_relay() as pair:
        alices = pair.punching(pair.alice, *NOBODY)
        pair.punching(pair.bob, *NOBODY)
        assert not (await alices.punch(pair.bob.peer_id)).connected
        assert pair.alice.path_to(pair.bob.peer_id)[0] == "relayed"
        assert await says_back(pair.alice, pair.bob)


@pytest.mark.trio
async def test_addresses_that_are_not_of_the_internet_are_not_dialled() -> None:
    async with over_a_relay() as pair:
        alices = pair.punching(pair.alice, is_allowed=hole_punching.is_outside)
        pair.punching(pair.bob, is_allowed=hole_punching.is_outside)
        report = await alices.punch(pair.bob.peer_id)
        assert report == hole_punching.PunchReport(False, "it names no address of the internet")
        assert pair.bob.path_to(pair.alice.peer_id)[0] == "relayed"


@pytest.mark.trio
async def test_with_whom_nothing_is_shared_nothing_is_punched() -> None:
    async with over_a_relay() as pair:
        alices = pair.punching(pair.alice)
        pair.punching(pair.bob, welcome=False)
        assert not (await alices.punch(pair.bob.peer_id)).connected


@pytest.mark.trio
async def test_attempts_with_one_peer_are_rationed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hole_punching, "PUNCH_SECONDS_MAX", 0.01)
    async with over_a_relay() as pair:
        alices = pair.punching(pair.alice, *NOBODY)
        pair.punching(pair.bob, *NOBODY)
        words = [
            (await alices.punch(pair.bob.peer_id)).words
            for _ in range(hole_punching.PEER_PUNCHES_BURST + 1)
        ]
        assert words[-1] == "not so often"
        assert "not so often" not in words[:-1]


@pytest.mark.trio
async def test_a_talk_out_of_turn_or_without_sense_ends_and_is_blamed() -> None:
    async with over_a_relay() as pair:
        pair.punching(pair.alice)
        for junk in (encode_punch(PunchMessage(True)), b"\xff\xff\xff"):
            async with await pair.bob.open_stream(pair.alice.peer_id, DCUTR_PROTOCOL) as stream:
                await stream.write_message(junk)
                assert await stream.read_message(4096) is None
        assert pair.blamed == [pair.bob.peer_id] * 2
        assert await says_back(pair.bob, pair.alice)


@pytest.mark.trio
async def test_over_a_direct_connection_nobody_is_told_addresses() -> None:
    async with host("alice") as alice, host("bob") as bob, trio.open_nursery() as nursery:
        await connect(alice, bob)
        Pair(alice, bob, nursery).punching(bob)
        await trio.testing.wait_all_tasks_blocked(0.01)
        async with await alice.open_stream(bob.peer_id, DCUTR_PROTOCOL) as stream:
            assert await stream.read_message(4096) is None
        with pytest.raises(NetworkError):
            await alice.open_stream(bob.peer_id, DCUTR_PROTOCOL, relayed=True)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_sharing_the_port_for_dials_lets_no_second_node_listen_there() -> None:
    async with over_a_relay() as pair:
        alices = pair.punching(pair.alice)
        pair.punching(pair.bob)
        assert (await alices.punch(pair.bob.peer_id)).connected
        with pytest.raises(NetworkError, match="already in use"):
            async with host("second", where(pair.alice)[0]):
                pass


@pytest.mark.trio
async def test_libp2ps_own_dcutr_understands_us() -> None:
    async with over_a_relay() as pair:
        alices = pair.punching(pair.alice)
        theirs = DCUtRProtocol(pair.bob.library_host)
        pair.bob.library_host.set_stream_handler(DCUTR_PROTOCOL, theirs._handle_dcutr_stream)
        report = await alices.punch(pair.bob.peer_id)
        assert report.connected, report.words
        await until(lambda: pair.bob.path_to(pair.alice.peer_id)[0] == "direct")
