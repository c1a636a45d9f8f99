"""The sets in memory follow the store, whatever other processes do to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.node.nodes import equal, running, until


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
