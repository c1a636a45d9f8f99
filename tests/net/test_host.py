"""A host: who comes and goes, who is refused, how it starts and stops."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack

import pytest
import trio

from p2pcommons.errors import NetworkError
from p2pcommons.net import limits as net_limits
from p2pcommons.net import sleep
from p2pcommons.net.circuits import Circuits
from p2pcommons.net.events import PeerEvent
from p2pcommons.net.host import open_host
from p2pcommons.net.limits import HostLimits
from raw_peer import ATTACKS, muxed

from .hosts import LOOPBACK, connect, host, says_back, seed, until

assert ATTACKS is not None

pytestmark = pytest.mark.network


@pytest.mark.trio
async def test_coming_and_going_is_told_to_both() -> None:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        assert await alice.events.receive() == PeerEvent(bob.peer_id, True)
        assert await bob.events.receive() == PeerEvent(alice.peer_id, True)
        assert alice.dialled_addresses(bob.peer_id) == ()
        assert len(alice.remote_addresses(bob.peer_id)) == 1
        await bob.disconnect(alice.peer_id)
        with trio.fail_after(5):
            assert await bob.events.receive() == PeerEvent(alice.peer_id, False)
            assert await alice.events.receive() == PeerEvent(bob.peer_id, False)
        assert bob.connected_peers() == alice.connected_peers() == ()


@pytest.mark.trio
async def test_slow_reader_of_events_holds_up_nobody_and_learns_how_it_ended() -> None:
    async with host("alice") as alice, host("bob") as bob:
        for _ in range(10):
            await connect(bob, alice)
            await bob.disconnect(alice.peer_id)
            await until(lambda: not alice.connected_peers())
        last = None
        with trio.move_on_after(0.5):
            while True:
                last = await alice.events.receive()
        assert last == PeerEvent(bob.peer_id, False)


@pytest.mark.trio
async def test_blocked_peer_is_put_out_and_refused_both_ways_until_the_time_is_over() -> None:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        await alice.block(bob.peer_id, 1000)
        assert alice.is_blocked(bob.peer_id)
        await until(lambda: not bob.connected_peers())
        report = await bob.dial(alice.peer_id, alice.addresses())
        assert "hung up at once" in report.summary
        await until(lambda: not bob.connected_peers())
        report = await alice.dial(bob.peer_id, bob.addresses())
        assert not report.connected
        assert "refused here" in report.summary
        await until(lambda: not bob.connected_peers())
        await alice.block(bob.peer_id, -1)
        assert not alice.is_blocked(bob.peer_id)
        await connect(bob, alice)


@pytest.mark.trio
async def test_too_many_connections_of_one_address_or_peer_are_refused() -> None:
    limits = HostLimits(connections_per_address_max=3, connections_per_peer_max=2)
    async with host("alice", limits=limits) as alice:
        address = alice.addresses()[0]
        async with muxed(address), muxed(address), host("bob") as bob:
            await connect(bob, alice)
            async with host("eve") as eve:
                await eve.dial(alice.peer_id, alice.addresses())
                await trio.sleep(0.2)
                assert eve.peer_id not in alice.connected_peers()
            assert await says_back(bob, alice)
            assert alice.gate.by_address.total() == 3


@pytest.mark.trio
async def test_idle_sockets_do_not_keep_an_honest_dial_out() -> None:
    limits = HostLimits(handshakes_max=20, handshake_seconds_max=60)
    async with host("alice", limits=limits) as alice, host("bob") as bob:
        _, _, ip, _, port, *_ = alice.addresses()[0].split("/")
        idle = [await trio.open_tcp_stream(ip, int(port)) for _ in range(60)]
        await connect(bob, alice)
        assert await says_back(bob, alice)
        assert len(alice.gate.handshakes) <= 20
        for stream in idle:
            await stream.aclose()


@pytest.mark.trio
async def test_nobody_connects_without_noise() -> None:
    """The library also offers /plaintext/2.0.0, where anyone is who he says he is."""
    from raw_peer import line, tcp

    async with host("alice") as alice, tcp(alice.addresses()[0]) as stream:
        for protocol in (b"/plaintext/2.0.0", b"/secio/1.0.0", b"/tls/1.0.0"):
            await stream.send_all(line(b"/multistream/1.0.0") if protocol[1:2] == b"p" else b"")
            await stream.send_all(line(protocol))
        received = b""
        with trio.move_on_after(1):
            while received.count(b"na\n") < 3:
                received += await stream.receive_some(1000)
        assert received.count(b"na\n") == 3


@pytest.mark.trio
async def test_port_is_free_as_soon_as_the_host_is_closed() -> None:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        address = alice.addresses()[0].partition("/p2p/")[0]
    port = int(address.split("/")[4])
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", port))
    async with host("alice", address) as again:
        assert again.addresses()[0].startswith(address)


@pytest.mark.trio
@pytest.mark.parametrize(
    "address",
    ["/ip4/192.0.2.1/tcp/0", "/ip4/127.0.0.1/udp/0", "/ip4/127.0.0.1/tcp/70000", "nonsense", ""],
)
async def test_address_that_cannot_be_listened_on_is_named(address: str) -> None:
    with pytest.raises(NetworkError, match="cannot listen on"):
        async with open_host(seed("alice"), [LOOPBACK, address]):
            pass


@pytest.mark.trio
async def test_error_inside_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with host("alice"):
            raise KeyError("mine")


@pytest.mark.trio
async def test_host_that_is_cancelled_stops_at_once() -> None:
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:

            async def run() -> None:
                async with host("alice") as alice, host("bob") as bob:
                    await connect(bob, alice)
                    nursery.cancel_scope.cancel()
                    await trio.sleep_forever()

            nursery.start_soon(run)


@pytest.mark.trio
async def test_crowd_that_fills_the_house_keeps_nobody_out() -> None:
    limits = HostLimits(connections_max=6, outbound_reserved=1)
    dropped: list[tuple[str, str]] = []
    async with host("alice", limits=limits) as alice, host("bob") as bob:
        alice.keep(bob.peer_id)
        alice.gate.on_dropped = lambda peer_id, why: dropped.append((peer_id, why))
        await connect(bob, alice)
        async with AsyncExitStack() as stack:
            for _ in range(9):
                await stack.enter_async_context(muxed(alice.addresses()[0]))
            async with host("newcomer") as newcomer:
                await connect(newcomer, alice)
                assert await says_back(newcomer, alice)
            assert await says_back(bob, alice)
            assert len(alice.gate.held) <= 6
            assert {why for _, why in dropped} == {"making room for others"}
            assert bob.peer_id not in {peer_id for peer_id, _ in dropped}


@pytest.mark.trio
async def test_peer_that_is_gone_is_noticed_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net_limits, "PROBE_SECONDS", 0.3)
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        async with muxed(alice.addresses()[0], reads=False) as muxer:  # never answers a ping
            await until(lambda: len(alice.connected_peers()) == 2)
            await alice.probe()
            await until(lambda: alice.connected_peers() == (bob.peer_id,))
            assert muxer
        assert await says_back(bob, alice)


@pytest.mark.trio
async def test_waking_up_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sleep, "LOOK_SECONDS", 0.01)
    wall = iter([100.0, 100.1, 4000.0, *(4000.0 + each for each in range(1000))])
    woke = trio.Event()

    async def note() -> None:
        woke.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sleep.watch_for_sleep, note, lambda: next(wall))
        with trio.fail_after(5):
            await woke.wait()
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_same_seed_is_the_same_peer() -> None:
    async with host("alice") as alice:
        first = alice.peer_id
    async with host("alice") as alice:
        assert alice.peer_id == first


@pytest.mark.trio
async def test_what_goes_on_beside_a_host_never_ends_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With it the notices of who comes and goes ended, and the host seemed to go on."""

    async def boom(_circuits: Circuits) -> None:
        await trio.sleep(0.05)
        raise RuntimeError("boom")

    monkeypatch.setattr(Circuits, "retire", boom)
    with trio.fail_after(5), pytest.raises(RuntimeError, match="boom"):
        async with host("alice"):
            await trio.sleep_forever()
