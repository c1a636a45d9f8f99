"""A node whose store was damaged and mended becomes equal again with a real peer."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from random import Random

import pytest

from p2pcommons.replica import open_replica
from p2pcommons.replica.repairing import repair_store
from tests.node.nodes import equal, running, titles, until

pytestmark = [pytest.mark.trio, pytest.mark.network]

PAGE = 4_096


def _damage(path: Path, words: bytes) -> None:
    """Change words where they stand, and overwrite half of the pages of contributions."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    root = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'contribution'"
    ).fetchone()[0]
    connection.close()
    content = bytearray(path.read_bytes())
    place = content.index(words)
    content[place : place + len(words)] = words.swapcase()
    chance = Random(7)
    touched = place // PAGE
    leaves = [
        number
        for number in range(1, len(content) // PAGE)
        if content[number * PAGE] == 13 and b"words words" in content[number * PAGE :][:PAGE]
    ]
    for number in [root - 1, *chance.sample(leaves, len(leaves) // 2)]:
        if number != touched:
            content[number * PAGE : (number + 1) * PAGE] = chance.randbytes(PAGE)
    path.write_bytes(content)


async def test_damaged_node_is_equal_again_after_repair_and_meeting_a_peer(tmp_path: Path):
    async with running(tmp_path / "ana") as ana:
        garden = ana.replica.create_commons("Garden").id
        with ana.replica.batch():
            for number in range(120):
                ana.replica.add_entry(garden, title=f"Note {number}", text="words " * 60)
        async with running(tmp_path / "ben") as ben:
            ben.replica.join(ana.invite(garden))
            await until(lambda: equal(garden, ana, ben), 60)
            own = ben.replica.add_entry(garden, title="By Ben", text="Written by Ben").id
            ben.replica.nudge()
            await until(lambda: ana.replica.store.known([own]) == {own})
        _damage(tmp_path / "ben" / "replica.db", b"Note 77")
        with open_replica(tmp_path / "ben") as replica:
            done = repair_store(replica)
            assert done.salvaged is not None
            assert done.kept_as is not None
            assert replica.identity is not None
            assert [row.title or row.title_hint for row in replica.commons()] == ["Garden"]
        async with running(tmp_path / "ben") as ben:
            await until(lambda: equal(garden, ana, ben), 60)
            await until(lambda: titles(ben, garden) == titles(ana, garden))
            assert ben.replica.digest(garden) == ana.replica.digest(garden)
            assert ben.replica.store.views_differences() == []
            assert ben.replica.entry(garden, own).text == "Written by Ben"
