"""From the first run to a shelf full of entries, told by keys."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from p2pcommons.replica import open_replica
from p2pcommons.tui.lanes import Desk
from p2pcommons.tui.screens import browse
from p2pcommons.tui.screens.browse import Browse, search_terms
from p2pcommons.tui.screens.first_run import FirstRun
from p2pcommons.tui.screens.reader import Reader
from p2pcommons.tui.widgets.bars import StatusLine
from p2pcommons.tui.widgets.entry_list import EntryList
from p2pcommons.tui.widgets.reader_view import ReaderView
from tests.tui.homes import NARROW, NOW, press, running, screen_text, settled, told, write

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from p2pcommons.paths import Paths
    from p2pcommons.replica import Replica


def entry_list(pilot: Pilot[int]) -> EntryList:
    return pilot.app.screen.query_one(EntryList)


def titles(pilot: Pilot[int]) -> list[str]:
    """The titles in the list, from its first row."""
    shown = entry_list(pilot)
    return [shown._rows[rowid].title for rowid in shown._ids]


@pytest.mark.asyncio
async def test_the_first_run_asks_one_thing_and_opens_the_product(empty: Paths) -> None:
    async with running(empty) as pilot:
        assert isinstance(pilot.app.screen, FirstRun)
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, FirstRun), "a name is needed"
        await write(pilot, "ana")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, Browse)
        shown = screen_text(pilot)
        for offer in ("Start a commons", "Paste an invite", "Open the handbook"):
            assert offer in shown
        assert "24 words not confirmed" in shown
        await press(pilot, "enter")
        await write(pilot, "Garden")
        await press(pilot, "enter", "enter", "n")
        await write(pilot, "Compost")
        await press(pilot, "f9")
        assert "signed as ana~" in told(pilot), "every lane knows the name by now"
        await press(pilot, "escape", "escape")
    with open_replica(empty) as replica:
        assert replica.require_identity().name == "ana"


@pytest.mark.asyncio
async def test_somebody_comes_back_with_24_words(
    empty: Paths, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with open_replica(tmp_path_factory.mktemp("laptop")) as before:
        identity, words = before.create_identity("ana")
    async with running(empty) as pilot:
        await write(pilot, "ana")
        await press(pilot, "ctrl+r")
        await write(pilot, "not the words")
        await press(pilot, "enter")
        assert "3 of 24 words" in screen_text(pilot)
        await press(pilot, "ctrl+u")
        await write(pilot, " ".join(words))
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, Browse)
    with open_replica(empty) as replica:
        assert replica.require_identity().author == identity.author


@pytest.mark.asyncio
async def test_from_nothing_to_the_first_entry(ana: Paths) -> None:
    async with running(ana, NARROW) as pilot:
        await press(pilot, "enter")
        await write(pilot, "Garden")
        await press(pilot, "enter", "enter")
        assert "No entries yet" in screen_text(pilot)
        await press(pilot, "n")
        await write(pilot, "Compost in a flat")
        await press(pilot, "f9", "f9")
        assert entry_list(pilot).row_count == 1
        assert "Compost in a flat" in screen_text(pilot)
        status = pilot.app.screen.query_one(StatusLine).standing
        assert status.only_here == 3, "the founding, the profile and the entry"
        assert len(status.words) == 4


@pytest.mark.asyncio
async def test_the_handbook_is_a_commons_to_read(ana: Paths) -> None:
    async with running(ana) as pilot:
        await press(pilot, "down", "down", "enter")
        assert entry_list(pilot).row_count >= 10
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, Reader)
        assert pilot.app.screen.query_one(ReaderView).page.lines


@pytest.mark.asyncio
async def test_search_finds_while_typing_and_escape_restores_the_place(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "down", "down")
        before = entry_list(pilot).row
        await press(pilot, "/")
        await write(pilot, "compo")
        assert entry_list(pilot).row_count == 1
        assert "Compost in a flat" in screen_text(pilot)
        await press(pilot, "enter")
        assert entry_list(pilot).has_focus
        await press(pilot, "escape")
        assert entry_list(pilot).row_count == 5
        assert entry_list(pilot).row == before


@pytest.mark.asyncio
async def test_the_best_come_first_when_asked_for_also_while_typing(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "/")
        await write(pilot, "solar")
        assert titles(pilot) == ["Drying herbs without power", "Build a solar oven from a box"]
        await press(pilot, "ctrl+r")
        assert titles(pilot) == ["Build a solar oven from a box", "Drying herbs without power"]
        assert "best first" in screen_text(pilot)
        await press(pilot, "enter", "b")
        assert titles(pilot)[0] == "Drying herbs without power"
        assert "best first" not in screen_text(pilot)


@pytest.mark.asyncio
async def test_a_part_of_a_query_that_means_nothing_is_named(garden: Paths) -> None:
    async with running(garden, NARROW) as pilot:
        await press(pilot, "/")
        await write(pilot, "compost after:20")
        assert "after:20 is no date" in screen_text(pilot)
        assert entry_list(pilot).row_count == 1
        await write(pilot, "24 by:zed")
        assert "by:zed means nobody here" in screen_text(pilot)
        await press(pilot, "space")
        await write(pilot, "before:" + "2" * 60)
        assert f"before:{'2' * 12}… is no date" in screen_text(pilot)
        assert "is no date: write 2024, 2024-03 or 2024-03-05" in told(pilot)
        await press(pilot, "ctrl+u")
        await write(pilot, "after:2024 compost")
        assert entry_list(pilot).row_count == 1
        assert "is no date" not in screen_text(pilot)


@pytest.mark.asyncio
async def test_a_long_list_comes_in_two_parts_and_is_whole(
    garden: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "FIRST_IDS", 2)
    async with running(garden) as pilot:
        assert len(titles(pilot)) == entry_list(pilot).row_count == 5
        assert "5 entries" in screen_text(pilot)
        await press(pilot, "/")
        await write(pilot, "a")
        await press(pilot, "ctrl+u", "escape", "end")
        assert entry_list(pilot).row is not None
        with open_replica(garden, clock=lambda: NOW) as replica:
            commons = replica.commons()[0].id
            replica.add_entry(commons, title="Newest of all")
        await press(pilot, "f5")
        assert entry_list(pilot).row_count == 6
        assert entry_list(pilot).cursor == 5, "the place in the second part is kept"


@pytest.mark.asyncio
async def test_a_search_nobody_waits_for_makes_room_for_the_next(garden: Paths) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    desk = Desk(garden, lambda: NOW)
    begun = threading.Event()

    def search(replica: Replica) -> None:
        begun.set()
        replica.store._database.read(endless)

    try:
        waiting = asyncio.create_task(desk.search.run(search))
        await asyncio.to_thread(begun.wait)
        waiting.cancel()
        assert await desk.search.run(lambda replica: len(replica.entries())) == 5
        assert waiting.cancelled()
    finally:
        desk.close()


@pytest.mark.asyncio
async def test_letters_typed_into_the_query_are_letters(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "/")
        await press(pilot, *"nteq12?")
        assert isinstance(pilot.app.screen, Browse)
        assert "Nothing fits" in screen_text(pilot)
        await press(pilot, "escape")
        assert entry_list(pilot).row_count == 5


@pytest.mark.asyncio
async def test_a_tag_narrows_the_view_and_widens_it_again(garden: Paths) -> None:
    async with running(garden, NARROW) as pilot:
        await press(pilot, "f", "tab")
        browse = pilot.app.screen
        assert browse.has_class("-drawer")
        await press(pilot, "enter")
        assert 0 < entry_list(pilot).row_count < 5
        await press(pilot, "escape", "escape")
        assert entry_list(pilot).row_count == 5


@pytest.mark.asyncio
async def test_a_tag_goes_to_all_marked_entries(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "space", "space", "t")
        await write(pilot, "Spring Fair")
        await press(pilot, "enter", "ctrl+s")
        assert not entry_list(pilot).marks
    with open_replica(garden, clock=lambda: NOW) as replica:
        assert len(replica.entries(tags=["spring-fair"])) == 2


@pytest.mark.asyncio
async def test_what_another_process_writes_appears_and_the_place_stays(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "down")
        before = entry_list(pilot).row
        with open_replica(garden, clock=lambda: NOW) as other:
            commons = other.commons()[0].id
            other.add_entry(commons, title="From the shell", text="a")
        await press(pilot, "f5")
        await settled(pilot)
        assert "From the shell" in screen_text(pilot)
        assert entry_list(pilot).row == before


@pytest.mark.asyncio
async def test_two_versions_stand_side_by_side(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "/")
        await write(pilot, "sharpening")
        await press(pilot, "enter", "enter")
        shown = screen_text(pilot)
        assert "2 versions side by side" in shown
        assert "Fifteen degrees." in shown
        assert "Twenty-five degrees." in shown


@pytest.mark.asyncio
async def test_a_link_opens_only_after_its_host_was_agreed_to(
    garden: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    async with running(garden) as pilot:
        monkeypatch.setattr(pilot.app, "open_url", opened.append)
        await press(pilot, "/")
        await write(pilot, "parabola")
        await press(pilot, "enter", "enter", "l", "b")
        assert "https://example.org/parabola" in screen_text(pilot)
        assert opened == []
        await press(pilot, "escape")
        assert opened == []
        await press(pilot, "l", "a", "enter")
        assert opened == ["https://example.org/repair"]
        await press(pilot, "l", "b")
        assert opened[1:] == ["https://example.org/parabola"], "asked once per host"


def test_the_words_of_a_query_are_pointed_out_and_its_filters_not() -> None:
    assert search_terms('Solar #repair by:ana -winter "oven" a') == ("solar", "oven")


@pytest.mark.asyncio
async def test_brackets_lead_through_the_list_while_reading(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "enter")
        first = screen_text(pilot)
        await press(pilot, "]")
        assert screen_text(pilot) != first
        await press(pilot, "[")
        assert screen_text(pilot) == first
        await press(pilot, "]", "]", "escape")
        assert entry_list(pilot).cursor == 2


@pytest.mark.asyncio
async def test_a_tag_that_arrives_does_not_move_the_text_one_reads(garden: Paths) -> None:
    with open_replica(garden, clock=lambda: NOW) as replica:
        commons = replica.commons()[0].id
        text = "\n\n".join(f"paragraph {number}" for number in range(300))
        long = replica.add_entry(commons, title="A long one", text=text).id
    async with running(garden) as pilot:
        await press(pilot, "enter", "pagedown", "pagedown")
        view = pilot.app.screen.query_one(ReaderView)
        place = view.scroll_offset.y
        assert place > 0
        with open_replica(garden, clock=lambda: NOW) as other:
            other.tag_entry(commons, long, add=["autumn"])
        await press(pilot, "f5")
        assert "#autumn" in screen_text(pilot)
        assert view.scroll_offset.y == place
