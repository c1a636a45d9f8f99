"""The sets in memory follow the store, whatever other processes do to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.node.nodes import equal, running, until

from p2pcommons.node import sets as sets_module
from p2pcommons.node.sets import Sets
from p2pcommons.node.storage import Storage
from p2pcommons.protocol.blocks import BLOCK_OVERHEAD_BYTES, KEY_BYTES
from p2pcommons.replica import Replica, open_replica
from p2pcommons.store import Store

NOW = 1_790_000_000
BEN = "ben's peer id"


@pytest.mark.trio
async def test_commons_deleted_and_joined_again_at_once_is_fetched_again(tmp_path: Path):
    async with running(tmp_path / "ana") as ana, running(tmp_path / "bo") as bo:
        garden = ana.replica.create_commons("Garden").id
        ana.replica.add_entry(garden, title="Compost")
        ana.replica.nudge()
        invite = ana.invite(garden)
        bo.replica.join(invite)
        bo.replica.nudge()
        await until(lambda: equal(garden, ana, bo))
        await bo.ask("sync", timeout=10)
        bo.replica.store.delete_commons(garden)
        bo.replica.join(invite)
        bo.replica.nudge()
        await bo.ask("sync", timeout=10)
        assert equal(garden, ana, bo)


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Replica]:
    with open_replica(tmp_path / "ana") as replica:
        replica.create_identity("ana")
        yield replica


def planted(replica: Replica, title: str, count: int) -> bytes:
    """Return a commons with so many entries, each an hour later than the one before."""
    commons = replica.create_commons(title).id
    grow(replica, commons, count)
    return commons


def grow(replica: Replica, commons: bytes, count: int) -> None:
    with replica.batch():
        for number in range(count):
            replica.add_entry(commons, title=f"Note {number}")


@asynccontextmanager
async def sets_of(replica: Replica, **options: int) -> AsyncGenerator[Sets]:
    storage = Storage(replica.store.path)
    await storage.open()
    try:
        yield Sets(storage, **options)
    finally:
        await storage.close()


class Readings:
    """Counts the items that are read out of the store."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.items = 0
        self.largest = 0
        for name in ("items", "items_after", "items_part", "dropped_part"):
            self._count(patch, name)

    def _count(self, patch: pytest.MonkeyPatch, name: str) -> None:
        real = getattr(Store, name)

        def counted(store: Store, *values: object) -> object:
            result = real(store, *values)
            items = result[0] if isinstance(result, tuple) else result
            self.items += len(items)
            self.largest = max(self.largest, len(items))
            return result

        patch.setattr(Store, name, counted)


@pytest.mark.trio
async def test_a_set_is_read_once_and_then_only_what_came_since(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
):
    garden = planted(replica, "Garden", 60)
    readings = Readings(monkeypatch)
    async with sets_of(replica) as sets:
        for wanted in (replica.digest(garden).count, 0, 0):
            readings.items = 0
            fresh = await sets.fresh(garden, NOW)
            assert fresh is not None
            assert fresh.state.snapshot.fingerprint() == replica.digest(garden).fingerprint
            assert readings.items == wanted
        grow(replica, garden, 5)
        await sets.follow()
        assert readings.items == 5
        fresh = await sets.fresh(garden, NOW)
        assert readings.items == 5, "what came was added before the session asked"
        assert fresh is not None
        assert fresh.state.snapshot.count == replica.digest(garden).count


@pytest.mark.trio
async def test_a_large_set_is_read_in_parts_and_misses_nothing_that_comes_meanwhile(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
):
    garden = planted(replica, "Garden", 90)
    monkeypatch.setattr(sets_module, "PART_ITEMS", 20)
    readings = Readings(monkeypatch)
    real = Store.items_part
    left = [3]

    def write_meanwhile(store: Store, *values: object) -> object:
        if left[0]:
            left[0] -= 1
            grow(replica, garden, 2)
        return real(store, *values)

    monkeypatch.setattr(Store, "items_part", write_meanwhile)
    async with sets_of(replica) as sets:
        fresh = await sets.fresh(garden, NOW)
        assert fresh is not None
        assert readings.largest <= 20
        assert left == [0]
        assert fresh.state.snapshot.count == replica.digest(garden).count > 96
        assert fresh.state.snapshot.fingerprint() == replica.digest(garden).fingerprint


@pytest.mark.trio
async def test_what_was_dropped_for_room_stays_in_the_set(replica: Replica):
    garden = planted(replica, "Garden", 8)
    first = replica.entries(commons=[garden])[0].id
    async with sets_of(replica) as before:
        assert await before.fresh(garden, NOW) is not None
        count = replica.digest(garden).count
        replica.store.remove_entry(garden, first)
        assert replica.digest(garden).count == count
        async with sets_of(replica) as after:
            for sets in (before, after):
                fresh = await sets.fresh(garden, NOW)
                assert fresh is not None
                assert fresh.state.snapshot.count == count
                assert fresh.state.snapshot.fingerprint() == replica.digest(garden).fingerprint


@pytest.mark.trio
async def test_over_the_memory_budget_the_longest_unused_set_is_let_go_and_read_again(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
):
    places = [planted(replica, f"Place {number}", 20) for number in range(4)]
    count = replica.digest(places[0]).count
    one = BLOCK_OVERHEAD_BYTES + count * KEY_BYTES
    readings = Readings(monkeypatch)
    async with sets_of(replica, bytes_max=3 * one) as sets:
        for place in places[:3]:
            assert await sets.fresh(place, NOW) is not None
        assert sets.bytes_used == 3 * one
        assert await sets.fresh(places[0], NOW) is not None
        readings.items = 0
        assert await sets.fresh(places[3], NOW) is not None
        assert sets.bytes_used == 3 * one
        assert readings.items == count
        assert await sets.fresh(places[0], NOW) is not None
        assert readings.items == count, "it was used after the one that went"
        assert await sets.fresh(places[1], NOW) is not None
        assert readings.items == 2 * count


@pytest.mark.trio
async def test_a_set_that_a_session_uses_is_never_let_go(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
):
    used, other = (planted(replica, title, 20) for title in ("Used", "Other"))
    readings = Readings(monkeypatch)
    async with sets_of(replica, bytes_max=1) as sets:
        held = await sets.fresh(used, NOW)
        assert held is not None
        assert await sets.fresh(other, NOW) is not None
        assert await sets.fresh(used, NOW) is not None
        assert readings.items == 2 * replica.digest(used).count
        del held
        await sets.follow()
        assert sets.bytes_used == 0


@pytest.mark.trio
async def test_what_came_since_a_peer_was_equal_is_known_for_the_next_session(replica: Replica):
    garden = planted(replica, "Garden", 5)
    async with sets_of(replica) as sets:
        fresh = await sets.fresh(garden, NOW, BEN)
        assert fresh is not None
        assert fresh.state.equal_before is None
        replica.store.mark_equal(BEN, garden, rowid=fresh.rowid, now=NOW)
        fresh = await sets.fresh(garden, NOW, BEN)
        assert fresh is not None
        assert fresh.state.equal_before is not None
        assert fresh.state.snapshot.count_since(fresh.state.equal_before) == 0
        replica.add_entry(garden, title="Later")
        fresh = await sets.fresh(garden, NOW, BEN)
        assert fresh is not None
        assert fresh.state.equal_before is not None
        claimed_at = replica.entries(commons=[garden])[0].claimed_at
        assert fresh.state.equal_before == claimed_at
        fresh = await sets.fresh(garden, NOW, "somebody else")
        assert fresh is not None
        assert fresh.state.equal_before is None
