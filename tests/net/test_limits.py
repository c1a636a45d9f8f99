"""Bookkeeping of what peers may cost, without a network."""

from __future__ import annotations

from functools import partial

from p2pcommons.net.limits import (
    BufferBudget,
    ConnectionGate,
    Handshake,
    Held,
    HostLimits,
)


def test_full_house_of_handshakes_puts_out_the_oldest_of_the_busiest_address() -> None:
    gate = ConnectionGate(HostLimits(handshakes_max=4))
    evicted: list[str] = []

    def arrive(name: str, address: str) -> Handshake:
        handshake = Handshake(address, lambda: evicted.append(name))
        assert gate.begin(handshake)
        return handshake

    honest = arrive("honest", "10.0.0.9")
    for number in range(10):
        arrive(f"idle{number}", "10.0.0.1")
    assert evicted == [f"idle{number}" for number in range(7)]
    gate.end(honest)
    assert len(gate.handshakes) == 3


def test_blocks_end_by_themselves() -> None:
    gate = ConnectionGate(HostLimits())
    gate.block("eve", until=100.0)
    assert gate.refusal("eve", "10.0.0.1", True, now=99.0) == "blocked"
    assert gate.refusal("eve", "10.0.0.1", True, now=100.0) is None
    assert not gate.blocked


def test_counts_return_to_nothing() -> None:
    gate = ConnectionGate(HostLimits())
    for key in (1, 2):
        gate.opened(key, Held("bob", "x", is_inbound=True, evict=lambda: None))
    assert gate.by_peer == {"bob": 2}
    for key in (1, 2, 2):
        gate.closed(key)
    assert not gate.held
    assert not gate.by_peer
    assert not gate.by_address


def test_full_house_gives_up_the_oldest_of_the_busiest_address_and_no_friend() -> None:
    gate = ConnectionGate(HostLimits(connections_max=6, outbound_reserved=2))
    evicted: list[str] = []
    gate.kept.add("friend")
    for key, (peer_id, address) in enumerate(
        [("friend", "x"), ("eve1", "x"), ("bob", "y"), ("eve2", "x")]
    ):
        gate.opened(key, Held(peer_id, address, True, partial(evicted.append, peer_id)))
    assert gate.refusal("newcomer", "z", True, now=0.0) is None
    assert evicted == ["eve1"]
    gate.opened(9, Held("newcomer", "z", True, lambda: None))
    assert gate.refusal("we dial", "z", False, now=0.0) is None


def test_house_full_of_friends_takes_nobody_in() -> None:
    gate = ConnectionGate(HostLimits(connections_max=1, outbound_reserved=0))
    gate.kept.add("friend")
    gate.opened(1, Held("friend", "x", is_inbound=True, evict=lambda: None))
    assert gate.refusal("eve", "y", True, now=0.0) == "too many connections"


def test_streams_are_counted_for_each_peer_and_for_all() -> None:
    gate = ConnectionGate(HostLimits(streams_per_peer_max=2, streams_max=3))
    assert [gate.begin_stream("eve") for _ in range(3)] == [True, True, False]
    assert [gate.begin_stream("bob") for _ in range(2)] == [True, False]
    for peer in ("eve", "eve", "bob"):
        gate.end_stream(peer)
    assert not gate.streams


def test_over_the_sum_of_all_the_largest_holder_is_named() -> None:
    held = {1: 10, 2: 70}
    budget = BufferBudget(host_bytes_max=100)
    budget.holders.update({1: lambda: held[1], 2: lambda: held[2]})
    assert budget.over(50) is None
    assert budget.over(60) == 2
    held[2] = 0
    assert budget.over(60) is None
