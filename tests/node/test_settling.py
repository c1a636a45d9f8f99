"""Members who get the same news from a third know soon that they are equal, at a bounded cost."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing
from tests.node.nodes import Node, all_have, running

from p2pcommons.errors import StoreError
from p2pcommons.node import settling as settling_module
from p2pcommons.node.settling import AGAIN_SECONDS, Settling
from p2pcommons.node.state import NodeState
from p2pcommons.protocol.events import Outcome, ReconcileResult

GARDEN = b"g" * 32


@pytest.mark.trio
@pytest.mark.network
async def test_two_that_got_the_same_news_by_gossip_learn_that_they_are_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """They would read "equal with 1 of 2" until their next session, for minutes."""
    monkeypatch.setattr(settling_module, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(settling_module, "SECOND_SIDE_SECONDS", 0.2)
    monkeypatch.setattr(settling_module, "AGAIN_SECONDS", 0.5)
    async with AsyncExitStack() as stack:
        names = ("ana", "ben", "cleo")
        nodes = [await stack.enter_async_context(running(tmp_path / name)) for name in names]
        ana, ben, cleo = nodes
        garden = ana.replica.create_commons("Garden").id
        ben.replica.join(ana.invite(garden))
        cleo.replica.join(ana.invite(garden))
        cleo.replica.join(ben.invite(garden))
        with trio.fail_after(60):
            await _all_know(nodes)
            ana.replica.add_entry(garden, title="News")
            while not all_have("News", garden, *nodes):
                await trio.sleep(0.02)
            await _all_know(nodes)


async def _all_know(nodes: list[Node]) -> None:
    """Wait until everybody knows of everybody that they are equal."""
    while not all([await _is_equal_with(node, len(nodes) - 1) for node in nodes]):
        await trio.sleep(0.05)


async def _is_equal_with(node: Node, count: int) -> bool:
    status = await node.now()
    views = [peer for commons in status["commons"] for peer in commons["peers"]]
    return sum(view["connected"] and view["equal"] for view in views) == count


@dataclass
class World:
    """This node, "b", with two peers, and what its store says."""

    settling: Settling = field(init=False)
    state: NodeState = field(default_factory=NodeState)
    fingerprint: bytes = b"old"
    fails: bool = False
    troubles: list[Exception] = field(default_factory=list[Exception])
    opened: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    def __post_init__(self) -> None:
        context = SimpleNamespace(
            state=self.state, chance=Random(1), storage=self, note_trouble=self.troubles.append
        )
        self.settling = Settling(cast(Any, context), "b", self.open)
        for peer_id in ("a", "c"):
            self.state.peer(peer_id).shared = frozenset({GARDEN})
            self.ran(peer_id)

    async def read(self, call: Callable[[Any], Any]) -> Any:
        await trio.lowlevel.checkpoint()
        if self.fails:
            raise StoreError("disk")
        return call(self)

    def digest(self, _commons: bytes) -> World:
        return self

    def open(self, peer_id: str) -> None:
        self.opened.append((peer_id, trio.current_time()))
        self.settling.session_begins(peer_id)
        self.ran(peer_id)

    def ran(self, peer_id: str, outcome: Outcome = Outcome.EQUAL) -> None:
        """A session found both alike, or not."""
        result = ReconcileResult(outcome, fingerprint=self.fingerprint)
        self.state.peer(peer_id).exchange(GARDEN).result = result

    def write(self) -> None:
        self.fingerprint += b"."
        self.settling.news(GARDEN, ("a", "c", "stranger"))

    @property
    def who(self) -> list[str]:
        return [peer_id for peer_id, _ in self.opened]


def in_a_world(story: Callable[[World], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of a story; its minutes pass at once."""

    async def live() -> None:
        world = World()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.settling.run)
            await story(world)
            nursery.cancel_scope.cancel()

    def test() -> None:
        trio.run(live, clock=trio.testing.MockClock(autojump_threshold=0))

    return test


@in_a_world
async def test_news_cause_one_session_with_each_and_the_side_that_keeps_its_own_is_first(
    world: World,
) -> None:
    world.write()
    await trio.sleep(40)
    assert world.who == ["c", "a"]
    await trio.sleep(600)
    assert len(world.opened) == 2


@in_a_world
async def test_a_session_that_ran_meanwhile_is_enough(world: World) -> None:
    world.write()
    await trio.sleep(5)
    for peer_id in ("a", "c"):
        world.settling.session_begins(peer_id)
        world.ran(peer_id)
    await trio.sleep(600)
    assert not world.opened


@in_a_world
async def test_news_during_a_session_that_took_them_along_cause_no_other(world: World) -> None:
    world.settling.session_begins("a")
    world.write()
    world.ran("a")
    world.ran("c")
    await trio.sleep(600)
    assert not world.opened


@in_a_world
async def test_a_stream_of_news_costs_one_session_a_minute_and_the_last_is_covered(
    world: World,
) -> None:
    for _ in range(3_000):
        world.write()
        await trio.sleep(0.2)
    await trio.sleep(2 * AGAIN_SECONDS)
    for peer_id in ("a", "c"):
        times = [at for who, at in world.opened if who == peer_id]
        assert 9 <= len(times) <= 12
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert min(gaps) > AGAIN_SECONDS - 1
        result = world.state.peer(peer_id).exchange(GARDEN).result
        assert result is not None
        assert result.fingerprint == world.fingerprint


@in_a_world
async def test_news_during_a_session_that_had_not_seen_them_cause_another(world: World) -> None:
    """It takes longer than the pause, and finds equal what both held before."""
    before = world.fingerprint
    results = {"a": None, "c": ReconcileResult(Outcome.DIFFERENT)}
    for peer_id, result in results.items():
        world.state.peer(peer_id).exchange(GARDEN).result = result
    world.write()
    await trio.sleep(100)
    assert not world.opened
    for peer_id in results:
        equal = ReconcileResult(Outcome.EQUAL, fingerprint=before)
        world.state.peer(peer_id).exchange(GARDEN).result = equal
    await trio.sleep(100)
    assert sorted(world.who) == ["a", "c"]


@in_a_world
async def test_with_whom_it_was_not_equal_nothing_is_planned(world: World) -> None:
    """One that declines what there is would be asked in vain."""
    world.ran("a", Outcome.DIFFERENT)
    world.state.peer("c").shared = frozenset()
    world.write()
    await trio.sleep(600)
    assert not world.opened


@in_a_world
async def test_who_has_gone_is_not_asked(world: World) -> None:
    world.write()
    world.settling.gone("a")
    world.settling.gone("c")
    await trio.sleep(600)
    assert not world.opened


@in_a_world
async def test_a_store_that_fails_ends_nothing(world: World) -> None:
    world.fails = True
    world.write()
    await trio.sleep(60)
    assert len(world.troubles) == 2
    world.fails = False
    world.write()
    await trio.sleep(60)
    assert world.who == ["c", "a"]
