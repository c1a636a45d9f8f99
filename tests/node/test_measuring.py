"""How much a node moved: ten minutes, a day, each peer; a restart forgets nothing of the day."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.node.nodes import all_have, running, until

from p2pcommons.node.measuring import BUCKET_SECONDS, BUCKETS, History
from p2pcommons.store.days import DaySums, day_of, midnight_after

_STEPS = st.lists(
    st.tuples(st.integers(0, 1_000), st.integers(0, 1_000), st.integers(0, 900)), max_size=40
)


@settings(max_examples=100, deadline=None)
@given(_STEPS)
def test_history_holds_what_moved_in_its_ten_minutes(steps: list[tuple[int, int, int]]) -> None:
    history, now = History(), 10_000
    moved: list[tuple[int, int, int]] = []
    latest = 0
    for came, went, seconds in steps:
        now += seconds
        history.add(came, went, now)
        latest = max(latest, now // BUCKET_SECONDS)
        moved.append((latest, came, went))
    rows = history.rows(now)
    assert len(rows) <= BUCKETS
    latest = max(latest, now // BUCKET_SECONDS)
    lasting = [each for each in moved if each[0] > latest - BUCKETS]
    assert sum(row[0] for row in rows) == sum(came for _, came, _ in lasting)
    assert sum(row[1] for row in rows) == sum(went for _, _, went in lasting)


def test_seconds_in_which_nothing_moved_are_buckets_of_nothing() -> None:
    history = History()
    history.add(1, 2, 100)
    assert history.rows(135) == [[1, 2], [0, 0], [0, 0], [0, 0]]


def test_a_clock_that_was_set_back_does_not_stop_the_history() -> None:
    history = History()
    history.add(1, 1, 100_000)
    history.add(2, 2, 99_995)  # a little is no reason for anything
    history.add(4, 4, 50_000)
    history.add(8, 8, 50_010)
    assert history.rows(50_010) == [[3, 3], [4, 4], [8, 8]]


def test_a_day_ends_at_midnight_here() -> None:
    now = 1_790_000_000
    midnight = midnight_after(now)
    assert day_of(midnight - 1) == day_of(now) != day_of(midnight)
    sums = DaySums()
    sums.add(1, 2, "2026-11-23")
    sums.add(3, 4, "2026-11-23")
    assert (sums.came, sums.went, sums.total) == (4, 6, 10)
    sums.add(5, 6, "2026-11-24")
    assert (sums.came, sums.went) == (5, 6)


@pytest.mark.parametrize("text", [None, "", "[]", "7", "null", '["2026-11-23", "1", 2]', "{}"])
def test_sums_that_are_not_understood_count_as_nothing(text: str | None) -> None:
    assert DaySums.from_text(text).total == 0


@pytest.mark.trio
@pytest.mark.network
async def test_what_moved_is_told_and_a_restart_does_not_forget_the_day(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana:
        garden = ana.replica.create_commons("Garden")
        ana.replica.add_entry(garden.id, title="Compost", text="Turn it. " * 500)
        async with running(tmp_path / "bob") as bob:
            bob.replica.join(ana.invite(garden.id))
            await until(lambda: all_have("Compost", garden.id, bob))
            status = await bob.now()
            (peer,) = status["peers"]
            traffic = status["traffic"]
            assert peer["bytes_in"] == traffic["bytes_in"] > 4_500
            assert peer["bytes_out"] == traffic["bytes_out"] > 500
            assert sum(row[0] for row in traffic["history"]) == traffic["day_in"]
            assert (traffic["per_second_max"], traffic["per_day_max"]) == (0, 0)
            assert status["paused"] is None
    async with running(tmp_path / "bob") as bob:
        await until(lambda: bob.runtime._context.state.traffic.day.came > 0)
        again = (await bob.now())["traffic"]
        assert again["day_in"] >= traffic["day_in"]
        assert again["bytes_in"] < traffic["bytes_in"]
