"""What was pledged is kept: texts that went come back, files come by themselves, within a size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from tests.node.nodes import Node, equal, running, until

from p2pcommons.model.keys import grant_device
from p2pcommons.model.kinds import AttachBody
from p2pcommons.node import keeping
from p2pcommons.replica import open_replica

pytestmark = [pytest.mark.trio, pytest.mark.network]

EVE = grant_device(b"e" * 32, b"f" * 32)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LOOK_SECONDS", 0.1)


def attached(
    node: Node, commons: bytes, entry: bytes, folder: Path, size: int, *, by_eve: bool
) -> bytes:
    source = folder / f"{size}.bin"
    source.write_bytes(os.urandom(size))
    if not by_eve:
        return node.replica.attach(commons, entry, source).sha256
    made = node.replica.blobs.add(source)
    body = AttachBody("eve.bin", made.size, made.sha256, made.chunks)
    at = node.replica.now() - 1_000
    node.replica.contribute(body, commons=commons, target=entry, identity=EVE, claimed_at=at)
    return made.sha256


async def test_texts_that_went_for_room_come_back_to_who_keeps_the_commons(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id
        other = ana.replica.create_commons("Other").id
        for number in range(30):
            ana.replica.add_entry(garden, title=f"Bed {number}", text="long " * 200)
            ana.replica.add_entry(other, title=f"Else {number}")
        ana.replica.add_entry(other, title="Else and more")
        for commons in (garden, other):
            ben.replica.join(ana.invite(commons))
        await until(lambda: equal(garden, ana, ben) and equal(other, ana, ben))
        ben.replica.set_budget(garden, 1)
        assert ben.replica.space(garden).not_kept == 30
        ben.replica.pledge(garden, keep=True)
        await until(lambda: ben.replica.space(garden).not_kept == 0)
        kept = ben.replica.kept(garden)
        assert kept is not None
        assert kept.texts_lacking == 0
        # What is kept is exchanged before what is larger.
        joined = ben.runtime._context.joined  # pyright: ignore[reportPrivateUsage]
        assert joined == (garden, other)
        await until(lambda: bool(ana.replica.pledges(garden)))
        assert [(each.who[:3], each.keeps) for each in ana.replica.pledges(garden)] == [
            ("ben", True)
        ]


async def test_files_are_kept_up_to_the_size_given_and_those_of_known_people_first(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id
        entry = ana.replica.add_entry(garden, title="Plans").id
        of_eve = attached(ana, garden, entry, tmp_path, 3_000, by_eve=True)
        of_ana = attached(ana, garden, entry, tmp_path, 2_900, by_eve=False)
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        ben.replica.pledge(garden, keep=True, files=4_000)
        await until(lambda: ben.replica.blobs.holds(of_ana))
        await trio.sleep(0.3)
        assert not ben.replica.blobs.holds(of_eve)
        ben.replica.pledge(garden, keep=True, files=6_000)
        await until(lambda: ben.replica.blobs.holds(of_eve))
        kept = ben.replica.kept(garden)
        assert kept is not None
        assert (kept.files, kept.files_here, kept.files_bytes) == (2, 2, 5_900)


async def test_a_flood_of_files_by_strangers_is_not_thought_of_before_those_of_known_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "FILES_MAX", 10)
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id
        entry = ana.replica.add_entry(garden, title="Plans").id
        with ana.replica.batch():
            for number in range(30):
                of_eve = AttachBody("junk", 5, bytes([number]) * 32, bytes(32))
                ana.replica.contribute(of_eve, commons=garden, target=entry, identity=EVE)
        of_ana = attached(ana, garden, entry, tmp_path, 2_900, by_eve=False)
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        ben.replica.pledge(garden, keep=True, files=10_000)
        await until(lambda: ben.replica.blobs.holds(of_ana))


async def test_a_file_that_nobody_has_gives_its_place_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "FETCHES_MAX", 1)
    monkeypatch.setattr(keeping, "PATIENCE_SECONDS", 0.8)
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id
        entry = ana.replica.add_entry(garden, title="Plans").id
        lost = AttachBody("lost.bin", 5, bytes(32), bytes(32))
        ana.replica.contribute(
            lost, commons=garden, target=entry, claimed_at=ana.replica.now() - 1_000
        )
        of_ana = attached(ana, garden, entry, tmp_path, 2_900, by_eve=False)
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        ben.replica.pledge(garden, keep=True, files=10_000)
        await until(lambda: ben.replica.blobs.holds(of_ana))


async def test_a_pledge_to_keep_ends_with_leaving_for_good_and_others_hear_of_it(
    tmp_path: Path,
) -> None:
    def leave(commons: bytes) -> bool:
        with open_replica(tmp_path / "ben") as replica:
            heard = replica.end_pledge(commons)
            replica.leave_commons(commons, delete=True)
            return heard

    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        ben.replica.pledge(garden, keep=True)
        await until(lambda: bool(ana.replica.pledges(garden)))
        assert await trio.to_thread.run_sync(leave, garden)
        assert ana.replica.pledges(garden) == ()
        # Who comes in again has promised nothing.
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        assert (ben.replica.pledges(garden), ben.replica.kept(garden)) == ((), None)
