"""What goes over the wire is counted, with whom and in all, however a connection ends."""

from __future__ import annotations

import pytest
import trio

from p2pcommons.net.traffic import PEERS_REMEMBERED_MAX, Traffic

from .hosts import ECHO, connect, host, says_back, until


class _Wire:
    def __init__(self, bytes_in: int = 0, bytes_out: int = 0) -> None:
        self.bytes_in = bytes_in
        self.bytes_out = bytes_out


def test_sums_of_closed_connections_stay() -> None:
    traffic = Traffic()
    first, second = _Wire(), _Wire(5, 7)
    traffic.begin(first)
    first.bytes_in, first.bytes_out = 10, 20
    traffic.begin(first, "bob")
    traffic.begin(second, "bob")
    assert traffic.total() == traffic.of("bob") == (15, 27)
    traffic.end(first)
    traffic.end(first)
    assert traffic.total() == traffic.of("bob") == (15, 27)
    assert traffic.of("carol") == (0, 0)


def test_bytes_inside_another_connection_count_for_the_peer_alone() -> None:
    traffic = Traffic()
    relayed = _Wire(100, 200)
    traffic.begin(_Wire(120, 230), "relay")
    traffic.begin(relayed, "bob", is_inner=True)
    assert (traffic.total(), traffic.of("bob")) == ((120, 230), (100, 200))
    traffic.end(relayed)
    assert (traffic.total(), traffic.of("bob")) == ((120, 230), (100, 200))


def test_a_crowd_that_comes_and_goes_costs_bounded_memory() -> None:
    traffic = Traffic()
    for number in range(PEERS_REMEMBERED_MAX + 10):
        wire = _Wire(1, 1)
        traffic.begin(wire, f"peer {number}")
        traffic.end(wire)
    assert len(traffic._gone_with) == PEERS_REMEMBERED_MAX
    assert traffic.total() == (PEERS_REMEMBERED_MAX + 10, PEERS_REMEMBERED_MAX + 10)


@pytest.mark.trio
@pytest.mark.network
async def test_both_sides_count_the_same_bytes_on_the_wire() -> None:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        async with await bob.open_stream(alice.peer_id, ECHO) as stream:
            await stream.write_frame(bytes(300_000))
            assert len(await stream.read_frame(1 << 20) or b"") == 300_000
        came, went = bob.traffic.of(alice.peer_id)
        assert 300_000 < went < 305_000
        assert 300_000 < came < 305_000
        await until(lambda: alice.round_trip_ms(bob.peer_id) is not None)
        assert await says_back(bob, alice)
        await bob.disconnect(alice.peer_id)
        await until(lambda: not alice.connected_peers())
        await trio.sleep(0.05)
        assert alice.traffic.total() == alice.traffic.of(bob.peer_id)
        went, came = bob.traffic.total()
        # The last words of either may find nobody who reads them.
        assert all(
            abs(one - other) < 200
            for one, other in zip(alice.traffic.total(), (came, went), strict=True)
        )
        assert alice.round_trip_ms(bob.peer_id) is None
