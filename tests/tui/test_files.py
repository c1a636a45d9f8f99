"""Files of an entry on the screen: what there is, attaching one, saving one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pytest_textual_snapshot import SVGImageExtension
from textual.widgets import Input

from p2pcommons.replica import open_replica
from tests.tui.homes import NARROW, NOW, WIDE, press, running, same_chance, screen_text
from tests.tui.test_snapshots import picture

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from p2pcommons.paths import Paths

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])


@SIZES
@pytest.mark.asyncio
async def test_files_are_attached_listed_and_saved_and_nothing_is_replaced(
    garden: Paths,
    size: tuple[int, int],
    snapshot: SnapshotAssertion,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    person = tmp_path / "person"
    person.mkdir()
    monkeypatch.setenv("HOME", str(person))
    (tmp_path / "plan.pdf").write_bytes(b"lines and angles " * 1_000)
    with same_chance():
        async with running(garden, size) as pilot:
            await press(pilot, "F")
            assert "None yet" in screen_text(pilot)
            await press(pilot, "f9")
            assert "path of a file first" in screen_text(pilot)
            pilot.app.screen.query_one("#path", Input).value = str(tmp_path / "nothing")
            await press(pilot, "f9")
            assert "cannot be read" in screen_text(pilot)
            pilot.app.screen.query_one("#path", Input).value = str(tmp_path / "plan.pdf")
            await press(pilot, "f9")
            assert "17 kB" in screen_text(pilot)
            assert await picture(pilot) == snapshot.use_extension(SVGImageExtension)(name="files")
            await press(pilot, "enter")
            assert (person / "plan.pdf").stat().st_size == 17_000
            await press(pilot, "enter")
            assert "is there already" in screen_text(pilot)
    with open_replica(garden, clock=lambda: NOW) as replica:
        assert len(replica.blobs.all_held()) == 1
