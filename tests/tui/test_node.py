"""The screens with real nodes on loopback: an invite is pasted, entries arrive, words are equal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from p2pcommons import nodeprocess
from p2pcommons.config import Config
from p2pcommons.paths import find_paths
from p2pcommons.replica import open_replica
from p2pcommons.tui.app import CommonsApp
from p2pcommons.tui.widgets.entry_list import EntryList
from tests.tui.homes import press, screen_text, settled, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from textual.pilot import Pilot

    from p2pcommons.paths import Paths

SECONDS_MAX = 30
# A started node outlives the handle it was started with; that is what it is for.
pytestmark = [pytest.mark.network, pytest.mark.filterwarnings("ignore:subprocess")]


def loopback_home(folder: Path, name: str) -> Paths:
    """Somebody whose node meets only who is on this machine."""
    paths = find_paths(folder)
    paths.make()
    config = Config.load(paths.config_file)
    config.set("network.mode", "friends")
    config.set("network.listen", ["/ip4/127.0.0.1/tcp/0"])
    with open_replica(paths) as replica:
        replica.create_identity(name)
    return paths


@pytest.fixture
def ana(tmp_path: Path) -> Iterator[tuple[Paths, str, tuple[str, ...]]]:
    """Ana's node at work, an invite of hers, and her four words."""
    paths = loopback_home(tmp_path / "ana", "ana")
    nodeprocess.start(paths)
    try:
        with open_replica(paths) as replica:
            garden = replica.create_commons("Garden").id
            replica.add_entry(garden, title="Compost in a flat", text="Turn it weekly.")
            invite = replica.make_invite(garden).text
            words = replica.four_words(garden)
            readings = replica.create_commons("Readings").id
            replica.add_entry(readings, title="The gift, chapter four")
            replica.offer_commons(readings)
        yield paths, invite, words
    finally:
        nodeprocess.stop(paths)


async def until(pilot: Pilot[int], holds: Callable[[], bool]) -> None:
    """Wait for something that comes from the network."""
    for _ in range(SECONDS_MAX * 20):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(screen_text(pilot))


@pytest.mark.asyncio
async def test_an_invite_brings_entries_j_what_is_offered_p_rests_and_quitting_stops_the_node(
    ana: tuple[Paths, str, tuple[str, ...]], tmp_path: Path
) -> None:
    _, invite, words = ana
    paths = loopback_home(tmp_path / "rui", "rui")
    app = CommonsApp(paths, poll_seconds=0.1)
    try:
        async with app.run_test(size=(120, 36)) as pilot:
            await settled(pilot)
            assert not nodeprocess.status(paths)["running"], "nothing to exchange yet"
            await pilot.press("down", "enter")
            await pilot.pause(0.2)
            await write(pilot, invite)
            await pilot.press("enter")
            await until(pilot, lambda: app.screen.query_one(EntryList).row_count == 1)
            await until(pilot, lambda: app.context.news.standing.level == "equal")
            assert app.context.news.standing.words == words
            await press(pilot, "2")
            assert "equal" in screen_text(pilot)
            await until(pilot, lambda: "Readings" in screen_text(pilot))
            await pilot.press("J")
            await until(pilot, lambda: len(app.context.news.overview.commons) == 2)
            await until(pilot, lambda: "Garden and Readings" in screen_text(pilot))
            await pilot.press("P")
            await pilot.pause(0.2)
            await pilot.press("enter")
            await until(pilot, lambda: app.context.news.standing.network == "paused")
            await until(pilot, lambda: app.context.news.status.connected == ())
            await pilot.press("P")
            await until(pilot, lambda: app.context.news.standing.level == "equal")
            assert app.bugs == []
            assert nodeprocess.status(paths)["running"]
            await pilot.press("ctrl+q")
            await until(pilot, lambda: app.return_value == 0)
        assert not nodeprocess.status(paths)["running"]
    finally:
        app.context.desk.close()
        nodeprocess.stop(paths)
