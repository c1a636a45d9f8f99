"""What simulated worlds have found, and what they must find, each as a test of its own."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import trio

from p2pcommons.errors import RejectedError
from p2pcommons.model.contribution import Contribution, Envelope, decode_header
from p2pcommons.model.limits import CLAIMED_AT_MAX
from p2pcommons.node import ingesting
from p2pcommons.node.context import within_format
from p2pcommons.node.reconciling import Reconciling

from .liars import LIES
from .stores import open_store
from .world import Plan, World

BREAK_RULES = {
    "garbage",
    "duplicates",
    "huge frames",
    "flipped bits",
    "bad signatures",
    "other bodies",
    "wrong commons",
    "floods",
    "invalid gossip",
}
"""Lies that show when they are told; the others are kept by what can also be a slow friend."""

LYING = Plan(
    nodes=3,
    liars=1,
    minutes=12,
    calm_minutes=8,
    reconcile_seconds=300,
    writes=5,
    commons=2,
    has_troubles=False,
)


@pytest.mark.parametrize("lie", LIES)
def test_a_liar_keeps_nobody_from_being_equal(lie: str) -> None:
    world = World(3, replace(LYING, lie=lie))
    liar = world.nodes[-1]
    # Without gossip everything comes by reconciliation, and some of it from the liar alone.
    world.net.weather.gossip_loss = 1.0 if lie != "invalid gossip" else 0.0
    world.timeline.at(60, world.write_many, liar, 10)
    world.run()
    blamed = [faults for node in world.honest if (faults := world.faults_of(node, liar))]
    assert blamed or lie not in BREAK_RULES


def test_what_is_due_with_a_peer_whose_session_goes_on_waits_for_its_end() -> None:
    """It made the node spin: nothing else happened until that session was over."""
    plan = Plan(nodes=2, liars=0, minutes=30, writes=0, has_troubles=False, reconcile_seconds=300)
    world = World(1, plan)
    world.timeline.at(90, world.nodes[0].set_speed, 20.0)
    for second in range(100, 400, 20):
        world.timeline.at(second, world.write_something)
    world.timeline.at(900, world.nodes[0].set_speed, float("inf"))
    world.run()
    assert len(world.made) > 10


def test_a_power_cut_after_an_invite_still_leaves_somebody_to_meet() -> None:
    store = open_store(keeps_images=True)
    store.join_commons(bytes(32), now=1)
    store.upsert_peer("somebody", ["/ip4/10.0.0.1/tcp/4001"], source="invite", now=1)
    store.upsert_peer("neighbour", ["/ip4/10.0.0.2/tcp/4001"], source="connected", now=1)
    with open_store(store.database.on_disk) as after:
        assert [row.peer_id for row in after.peers()] == ["somebody"]
    store.close()


def test_a_clock_outside_the_years_of_the_format_is_taken_for_the_nearest() -> None:
    assert within_format(-5) == 0
    assert within_format(1_790_000_000.9) == 1_790_000_000
    assert {within_format(2.0**63), within_format(2**64)} == {CLAIMED_AT_MAX}


def test_a_world_notices_when_signatures_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(envelope: Envelope, _grants: object = None) -> Contribution:
        identifier = hashlib.sha256(envelope.header).digest()
        header = decode_header(envelope.header)
        return Contribution(
            identifier, header, envelope.header, envelope.signature, envelope.grant, envelope.body
        )

    monkeypatch.setattr(ingesting, "verify", trusting)
    world = World(3, replace(LYING, lie="bad signatures"))
    world.net.weather.gossip_loss = 1.0
    world.timeline.at(60, world.write_many, world.nodes[-1], 10)
    with pytest.raises(ExceptionGroup) as failure:
        world.run()
    assert failure.group_contains((AssertionError, RejectedError))


def test_a_world_notices_when_nobody_reconciles(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_self: Reconciling) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(Reconciling, "run", nothing)
    world = World(3, replace(LYING, liars=0))
    with pytest.raises(ExceptionGroup) as failure:
        world.run()
    assert failure.group_contains(AssertionError, match="lacks")


def test_a_world_notices_when_something_acknowledged_is_lost() -> None:
    world = World(3, replace(LYING, liars=0))
    writer = world.nodes[0]
    world.timeline.at(30, world.write_many, writer, 3)
    world.timeline.at(31, lambda: setattr(writer.store.database, "on_disk", b""))
    world.timeline.at(32, writer.cut_power)
    world.timeline.at(33, world.start, writer)
    with pytest.raises(ExceptionGroup) as failure:
        world.run()
    assert failure.group_contains(AssertionError, match="of its own")


def test_what_was_withdrawn_before_it_was_published_does_not_stop_the_node() -> None:
    """Gossip carries bodies, and this one is gone already: reconciliation takes it along."""
    world = World(3, replace(LYING, liars=0, writes=0))
    node = world.nodes[0]

    def write_and_withdraw() -> None:
        commons, at = world.commons[0], node.now()
        (entry,) = node.writer.entries(commons, at, 1)
        withdrawal = node.writer.withdrawal(entry, at)
        world.commit(node, [entry, withdrawal])

    world.timeline.at(60, write_and_withdraw)
    world.run()
    assert len(world.made) >= 4
