"""The list of entries: any number of rows, only those on the screen are ever read."""

from __future__ import annotations

from array import array

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult

from p2pcommons.tui import look
from p2pcommons.tui.records import EntryLine
from p2pcommons.tui.widgets.cells import clip, clip_who, fit
from p2pcommons.tui.widgets.entry_list import PAGE_ROWS, EntryList

NOW = 1_790_000_000


def line(rowid: int) -> EntryLine:
    return EntryLine(
        rowid,
        rowid.to_bytes(32, "big"),
        bytes(32),
        f"Entry {rowid}",
        "ana~7fq2Xy",
        NOW - rowid,
        ("solar",),
        "example.org",
    )


class ListApp(App[int]):
    """A list and whoever reads its rows."""

    def __init__(self, ids: array[int]) -> None:
        super().__init__()
        self.ids = ids
        self.read: list[int] = []
        self.opened: list[int] = []

    def get_css_variables(self) -> dict[str, str]:
        return {**look.FALLBACK_VARIABLES, **super().get_css_variables()}

    def compose(self) -> ComposeResult:
        yield EntryList(lambda: NOW)

    def on_mount(self) -> None:
        self.entries.set_ids(self.ids)
        self.entries.focus()

    @property
    def entries(self) -> EntryList:
        return self.query_one(EntryList)

    def on_entry_list_pages_needed(self, event: EntryList.PagesNeeded) -> None:
        self.read.extend(event.rowids)
        event.control.supply(event.generation, [line(rowid) for rowid in event.rowids])

    def on_entry_list_opened(self, event: EntryList.Opened) -> None:
        self.opened.append(event.row.rowid)


def ids(count: int) -> array[int]:
    return array("q", range(1, count + 1))


@pytest.mark.asyncio
async def test_a_hundred_thousand_rows_read_two_pages() -> None:
    app = ListApp(ids(100_000))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        assert len(app.read) <= 2 * PAGE_ROWS
        await pilot.press("end")
        await pilot.pause()
        assert app.entries.row is not None
        assert app.entries.row.rowid == 100_000
        assert len(app.read) <= 4 * PAGE_ROWS


@pytest.mark.asyncio
async def test_held_keys_stop_at_the_ends() -> None:
    app = ListApp(ids(3))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*["down"] * 9)
        assert app.entries.cursor == 2
        await pilot.press(*["k"] * 9)
        assert app.entries.cursor == 0
        await pilot.press("pagedown", "enter")
        assert app.opened == [3]


@pytest.mark.asyncio
async def test_an_empty_list_takes_every_key() -> None:
    app = ListApp(ids(0))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "up", "end", "home", "pagedown", "space", "enter")
        assert app.entries.row is None
        assert not app.opened


@pytest.mark.asyncio
async def test_the_cursor_stays_on_its_entry_when_others_arrive_above() -> None:
    app = ListApp(ids(500))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*["down"] * 30)
        await pilot.pause()
        top = app.entries.scroll_offset.y
        newer = array("q", [*range(9_000, 9_005), *range(1, 501)])
        app.entries.set_ids(newer, keep_place=True)
        await pilot.pause()
        assert app.entries.row is not None
        assert app.entries.row.rowid == 31
        assert app.entries.scroll_offset.y == top + 5


@pytest.mark.asyncio
async def test_rows_for_an_earlier_view_are_not_taken() -> None:
    app = ListApp(ids(10))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        old = app.entries.generation
        app.entries.set_ids(array("q", [77]))
        app.entries.supply(old, [EntryLine(77, b"", b"", "stale", "", 0)])
        assert app.entries.row is None
        await pilot.pause()
        assert app.entries.row == line(77)


@pytest.mark.asyncio
async def test_space_marks_and_goes_on() -> None:
    app = ListApp(ids(5))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("space", "space")
        assert app.entries.marks == {1, 2}
        await pilot.press("up", "space")
        assert app.entries.marks == {1}


@pytest.mark.asyncio
@pytest.mark.parametrize(("width", "height"), [(120, 1), (80, 1), (60, 2), (30, 2)])
async def test_narrow_rows_take_two_lines(width: int, height: int) -> None:
    app = ListApp(ids(50))
    async with app.run_test(size=(width, 20)) as pilot:
        await pilot.pause()
        assert app.entries.row_height == height
        for y in range(20):
            assert app.entries.render_line(y).cell_length == app.entries.size.width


@pytest.mark.parametrize(
    "text", ["plain words", "日本語のタイトル", "e\u0301e\u0301e\u0301", "👩‍🌾👩‍🌾 ok"]
)
@pytest.mark.parametrize("cells", [0, 1, 2, 3, 5, 40])
def test_words_fit_exactly(text: str, cells: int) -> None:
    assert cell_len(fit(text, cells)) == cells
    assert cell_len(clip(text, cells)) <= cells


def test_a_long_name_is_cut_and_its_suffix_never() -> None:
    assert clip_who("somebody with a long name~7fq2Xy", 16) == "somebody…~7fq2Xy"
    assert clip_who("ana~7fq2Xy", 16) == "ana~7fq2Xy"
