"""Real nodes: a flood of strangers is bounded, texts come back on demand, both stay equal."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.node.nodes import Node, equal, running, titles, until

from p2pcommons.config import Config
from p2pcommons.model import keys
from p2pcommons.paths import find_paths

pytestmark = [pytest.mark.trio, pytest.mark.network]


def flood(node: Node, commons: bytes, count: int, now: int) -> list[bytes]:
    """Entries of as many people whom nobody knows, all newer than anything else."""
    made = []
    with node.replica.batch():
        for number in range(count):
            writer = keys.grant_device(number.to_bytes(32, "big"), bytes([7]) * 32)
            entry = node.replica.add_entry(
                commons, title=f"Spam {number}", identity=writer, claimed_at=now - count + number
            )
            made.append(entry.id)
    return made


def limit_strangers(home: Path, contributions: int) -> None:
    paths = find_paths(home)
    paths.make()
    Config.load(paths.config_file).set("strangers.contributions", contributions)


def result_of(answer: dict[str, Any]) -> dict[str, Any]:
    return answer["items"][0]


async def test_a_flood_is_declined_and_everything_of_known_people_arrives(tmp_path: Path):
    limit_strangers(tmp_path / "ben", 20)
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id
        now = ana.replica.now()
        for number in range(10):
            ana.replica.add_entry(garden, title=f"Note {number}", claimed_at=now - 5_000 + number)
        flood(ana, garden, 400, now)
        ben.replica.join(ana.invite(garden))
        await until(lambda: "Note 0" in titles(ben, garden))
        answer = await ben.ask("sync", timeout=1)
        assert not answer["equal"]
        assert {f"Note {number}" for number in range(10)} <= titles(ben, garden)
        use = ben.replica.space(garden)
        assert use.strangers_contributions <= 20 + 450
        assert use.declined > 0
        before = ben.replica.store.data_version()
        # What was declined is not wanted again: nothing is stored, nothing is declined anew.
        again = await ben.ask("sync", timeout=1)
        assert result_of(again)["received"] == 0
        assert result_of(again)["only_declined"] == use.declined
        assert ben.replica.space(garden).declined == use.declined
        assert ben.replica.store.data_version() - before <= 2
        # With nothing else left, the two meet ever more rarely by themselves.
        for node in (ana, ben):
            assert node.runtime._network is not None
            (schedule,) = node.runtime._network._reconciling._peers.values()
            assert schedule.quiet > 0
        # Somebody known gets through while the flood goes on.
        ana.replica.add_entry(garden, title="Still here")
        flood(ana, garden, 50, now + 60)
        await until(lambda: "Still here" in titles(ben, garden))
        assert ben.replica.store.views_differences() == []


async def test_a_dropped_text_is_not_refetched_by_itself_and_comes_on_demand(tmp_path: Path):
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id
        entries = [
            ana.replica.add_entry(garden, title=f"Note {number}", text="word " * 500).id
            for number in range(6)
        ]
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        assert len(ben.replica.set_budget(garden, 0).going) == 6
        bodies = ben.replica.digest(garden).bodies
        assert (await ben.ask("sync", timeout=10))["equal"]
        assert ben.replica.digest(garden).bodies == bodies
        ben.replica.pin(garden, entries[0])
        ben.replica.fetch_texts(garden, entries[1])
        for seconds in itertools.repeat(1):
            assert (await ben.ask("sync", timeout=10))["equal"]
            if ben.replica.digest(garden).bodies == bodies + 2:
                break
            await trio.sleep(0.05 * seconds)
        kept = {row.id for row in ben.replica.entries(commons=[garden]) if not row.not_kept}
        assert kept == set(entries[:2])
        assert ben.replica.pins()[0][0].lacking == 0


async def test_a_removed_entry_stays_away_until_it_is_asked_for(tmp_path: Path):
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id
        entry = ana.replica.add_entry(garden, title="Rubbish").id
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        ben.replica.remove_entry(garden, entry)
        assert (await ben.ask("sync", timeout=10))["equal"]
        assert titles(ben, garden) == set()
        assert equal(garden, ana, ben)
        ben.replica.restore_removed(entry)
        await ben.ask("sync", timeout=10)
        await until(lambda: titles(ben, garden) == {"Rubbish"})
        assert equal(garden, ana, ben)
