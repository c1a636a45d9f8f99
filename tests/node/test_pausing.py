"""In a pause nobody is met, in either direction; afterwards what was written meanwhile goes out."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from tests.net.hosts import LOOPBACK, seed
from tests.node.nodes import Node, all_have, equal, running, until

from p2pcommons.config import Config
from p2pcommons.errors import UserError
from p2pcommons.net.host import open_host
from p2pcommons.node.pausing import Pausing
from p2pcommons.node.state import NodeState
from p2pcommons.node.status import status_of
from p2pcommons.protocol.reachability import Standing
from p2pcommons.replica import open_replica
from p2pcommons.store.days import (
    DAY_META,
    WAIVED_META,
    DaySums,
    DayWaived,
    day_of,
    midnight_after,
)
from p2pcommons.store.pauses import (
    DAY,
    PAUSE_META,
    PERSON,
    Paused,
    paused_words,
    read_pause,
    write_pause,
)


def connected(node: Node) -> bool:
    return bool(node.runtime._context.state.connected())


async def peer_of(node: Node) -> dict[str, Any]:
    (found,) = (await node.now())["peers"]
    return found


@pytest.mark.trio
@pytest.mark.network
async def test_a_pause_ends_every_connection_and_lets_nobody_in(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana, running(tmp_path / "bob") as bob:
        garden = ana.replica.create_commons("Garden").id
        bob.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, bob))
        assert (await ana.ask("pause"))["paused"] == {"until": None, "reason": "person"}
        await until(lambda: not connected(ana) and not connected(bob))
        status = await ana.now()
        assert status["activity"] == "paused"
        assert (await peer_of(ana))["reason"] == "paused"
        ana.replica.add_entry(garden, title="Written in the pause")
        await bob.ask("dial")
        async with open_host(seed("eva"), (LOOPBACK,)) as eva:
            assert not (await eva.dial(ana.status["peer_id"], ana.addresses)).connected
        # Nor does it dial: bob is there, and in its book.
        ana.replica.add_peer(bob.addresses[0])
        await ana.ask("dial")
        await until(lambda: bob.runtime._context.state.peer(ana.status["peer_id"]).failures > 0)
        assert not connected(ana)
        assert not (await ana.now())["handshakes"]["open"]
        assert (await ana.now())["handshakes"]["refused"] > 0
        assert (await ana.ask("sync"))["peers"] == 0
        resumed = await ana.ask("resume")
        assert resumed == {"paused": None, "was_paused": True, "day_waived": None}
        await until(lambda: all_have("Written in the pause", garden, bob))
        assert (await ana.now())["paused"] is None
        assert (await peer_of(ana))["reason"] == ""


@pytest.mark.trio
@pytest.mark.network
async def test_a_pause_outlives_the_node_and_ends_by_itself(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana, running(tmp_path / "bob") as bob:
        garden = ana.replica.create_commons("Garden").id
        bob.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, bob))
        invite = ana.invite(garden)
        await bob.ask("pause", seconds=3600)
        ends = (await bob.now())["paused"]["until"]
        assert 3590 < ends - time.time() <= 3601
    async with running(tmp_path / "bob") as bob:
        assert (await bob.now())["paused"] == {"until": ends, "reason": "person"}
        assert "paused until" in (await bob.now())["activity"]
        await bob.ask("pause", seconds=1)
        async with running(tmp_path / "ana") as ana:
            bob.replica.join(ana.invite(garden))
            await until(lambda: connected(ana))
            assert (await bob.now())["paused"] is None
            assert bob.replica.paused() is None
    assert invite


@pytest.mark.trio
@pytest.mark.network
async def test_a_pause_while_no_node_runs_is_kept_for_the_next(tmp_path: Path) -> None:
    with open_replica(tmp_path / "ana") as replica:
        assert not replica.resume().was_paused
        result = replica.pause(600)
        assert (result.running, result.words[:13]) == (False, "paused until ")
        assert replica.paused() == result.paused
    async with running(tmp_path / "ana") as ana:
        assert (await ana.now())["paused"]["reason"] == "person"
    with open_replica(tmp_path / "ana") as replica:
        assert replica.resume().was_paused
    async with running(tmp_path / "ana") as ana:
        assert (await ana.now())["paused"] is None


@pytest.mark.trio
@pytest.mark.network
async def test_the_limit_of_the_day_pauses_until_midnight_unless_set_aside_for_today(
    tmp_path: Path,
) -> None:
    home = tmp_path / "ana"
    with open_replica(home) as replica:
        replica.paths.make()
        replica.config.set("network.megabytes_per_day", 1)
        now = replica.now()
        replica.store.set_meta(DAY_META, DaySums(day_of(now), 400_000, 600_000).as_text())
    async with running(home) as ana:
        await until(lambda: ana.runtime._context.state.paused is not None)
        status = await ana.now()
        assert status["paused"] == {"until": midnight_after(now), "reason": "day"}
        assert status["activity"] == "paused until 00:00: the limit of the day is reached"
        assert status["traffic"]["per_day_max"] == 1_000_000
        waived = (await ana.ask("resume"))["day_waived"]
        assert waived["used"] >= 1_000_000
        assert (waived["limit"], waived["until"]) == (1_000_000, midnight_after(now))
        await ana.runtime._network.pausing.look_at_day()  # type: ignore[union-attr]
        assert (await ana.now())["paused"] is None
    async with running(home) as ana:
        await trio.testing.wait_all_tasks_blocked(0.05)
        await ana.runtime._network.pausing.look_at_day()  # type: ignore[union-attr]
        assert (await ana.now())["traffic"]["day_in"] >= 400_000
        assert (await ana.now())["paused"] is None


def test_resuming_without_a_node_sets_the_limit_of_the_day_aside_for_the_next_one(
    tmp_path: Path,
) -> None:
    now = int(time.mktime((2026, 11, 23, 13, 0, 0, 0, 0, -1)))
    with open_replica(tmp_path / "ana", clock=lambda: now) as replica:
        replica.paths.make()
        replica.config.set("network.megabytes_per_day", 1)
        assert replica.resume().waived is None
        assert not replica.store.meta(WAIVED_META)
        replica.store.set_meta(DAY_META, DaySums(day_of(now), 400_000, 700_000).as_text())
        write_pause(replica.store, Paused(DAY, midnight_after(now)))
        resumed = replica.resume()
        assert (resumed.was_paused, resumed.running) == (True, False)
        assert resumed.waived == DayWaived(1_100_000, 1_000_000, midnight_after(now))
        assert resumed.words == (
            "1.1 MB of 1.0 MB for today are used; the limit is set aside until 00:00"
        )
        assert replica.store.meta(WAIVED_META) == "2026-11-23"
        # What yesterday cost is nothing today.
        replica.store.set_meta(DAY_META, DaySums("2026-11-22", 400_000, 700_000).as_text())
        assert replica.resume().waived is None


@pytest.mark.trio
@pytest.mark.network
async def test_while_paused_nobody_is_said_to_relay(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana:
        standing = Standing(
            "relayed", "behind NAT, relayed by …abc123", ("abc123",), "none", ("x",)
        )
        ana.runtime._context.state.paused = Paused(PERSON)
        ana.runtime._context.state.reachability = standing
        told = status_of(
            ana.runtime._context, peer_id="", addresses=(), next_try=None, book=(), commons=()
        )["reachability"]
        assert told == {
            "state": "paused",
            "words": "paused",
            "relays": [],
            "upnp": "none",
            "public": [],
        }


@pytest.mark.trio
@pytest.mark.network
@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "2h", True, 10**400, []])
async def test_a_time_that_is_none_is_refused_in_words(tmp_path: Path, seconds: object) -> None:
    async with running(tmp_path / "ana") as ana:
        with pytest.raises(UserError, match="more than nothing"):
            await ana.ask("pause", seconds=seconds)
        assert (await ana.now())["paused"] is None


def test_words_name_the_time_and_a_far_day() -> None:
    now = int(time.mktime((2026, 11, 23, 13, 0, 0, 0, 0, -1)))
    assert paused_words(Paused(PERSON), now) == "paused"
    assert paused_words(Paused(PERSON, now + 5_400), now) == "paused until 14:30"
    assert paused_words(Paused(PERSON, now + 172_800), now) == "paused until 2026-11-25 13:00"
    assert paused_words(Paused(DAY, midnight_after(now)), now).startswith("paused until 00:00: ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "7",
        "{",
        "[]",
        '["person"]',
        "[1, 2]",
        '["person", 1.5]',
        '["night", null]',
        "{}",
    ],
)
def test_a_pause_that_is_not_understood_is_none(text: str) -> None:
    class Kept:
        def meta(self, _key: str) -> str:
            return text

    assert read_pause(Kept(), 10) is None  # type: ignore[arg-type]


def test_a_pause_is_read_as_it_was_written(tmp_path: Path) -> None:
    with open_replica(tmp_path / "ana") as replica:
        for pause in (Paused(PERSON), Paused(DAY, 20), Paused(PERSON, 11), None):
            write_pause(replica.store, pause)
            assert read_pause(replica.store, 10) == pause
        write_pause(replica.store, Paused(PERSON, 10))
        assert read_pause(replica.store, 10) is None
        assert replica.store.meta(PAUSE_META)


def test_a_limit_below_nothing_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[network]\nmegabytes_per_day = -1\n")
    with pytest.raises(UserError, match="no limit"):
        Config.load(config)


@pytest.mark.trio
async def test_a_clock_that_jumps_over_the_end_of_a_pause_ends_the_pause_and_not_the_node(
    autojump_clock: trio.testing.MockClock,
) -> None:
    times = [100, 9_000]

    async def attempt(_call: object) -> None:
        await trio.lowlevel.checkpoint()

    context: Any = SimpleNamespace(
        state=NodeState(),
        now=lambda: times.pop(0) if len(times) > 1 else times[0],
        attempt=attempt,
        config=SimpleNamespace(number=lambda _name: 0),
    )
    context.state.paused = Paused(PERSON, 102)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Pausing(context).run)
        with trio.fail_after(100):
            while context.state.paused is not None:
                await trio.sleep(1)
        nursery.cancel_scope.cancel()
