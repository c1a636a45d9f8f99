"""A list of any number of entries that mounts in the same time for ten and for 100,000.

It holds row ids only. Rows are asked for by page, as a message to whoever can read
the store in a worker, and drawn when they come; until then a line stays empty.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from p2pcommons.tui.look import FULL, Glyphs
from p2pcommons.tui.widgets.entry_row import RowStyles, one_line, two_lines
from p2pcommons.tui.widgets.framed import ENDS, PAGES, UP_DOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from textual import events

    from p2pcommons.tui.records import EntryLine

PAGE_ROWS = 64
"""Rows fetched at once: more than a tall screen shows, few enough to be quick."""

ROWS_KEPT_MAX = 4_096
"""Rows remembered; the oldest go first."""

ONE_LINE_CELLS_MIN = 78
"""From this width on a row takes one line in columns; below it two lines."""


class EntryList(ScrollView, can_focus=True):
    """The entries of a view, newest first, with a cursor and marks."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "entry-list--row",
        "entry-list--cursor",
        "entry-list--cursor-idle",
        "entry-list--title",
        "entry-list--meta",
        "entry-list--tags",
        "entry-list--mine",
        "entry-list--warn",
        "entry-list--bar",
        "entry-list--hit",
    }

    DEFAULT_CSS = """
    EntryList {
        scrollbar-size-vertical: 1;
        overflow-x: hidden;
        & > .entry-list--cursor { background: $cursor; }
        & > .entry-list--cursor-idle { background: $cursor-idle; }
        & > .entry-list--title { color: $foreground; }
        & > .entry-list--meta { color: $muted; }
        & > .entry-list--tags { color: $secondary; }
        & > .entry-list--mine { color: $primary; }
        & > .entry-list--warn { color: $warning; }
        & > .entry-list--bar { color: $primary; }
        & > .entry-list--hit { color: $accent; text-style: bold; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Next", id="list.next", show=False, tooltip=UP_DOWN),
        Binding("up,k", "move(-1)", "Previous", id="list.previous", show=False, tooltip=UP_DOWN),
        Binding("pagedown", "page(1)", "Page down", id="list.page-down", show=False, tooltip=PAGES),
        Binding("pageup", "page(-1)", "Page up", id="list.page-up", show=False, tooltip=PAGES),
        Binding("home", "jump(0)", "First", id="list.first", show=False, tooltip=ENDS),
        Binding("end", "jump(-1)", "Last", id="list.last", show=False, tooltip=ENDS),
        Binding("enter", "open", "Read", id="list.open"),
        Binding("space", "mark", "Mark", id="list.mark"),
    ]

    cursor: reactive[int] = reactive(0, init=False)
    terms: reactive[tuple[str, ...]] = reactive((), init=False)

    class PagesNeeded(Message):
        """Rows on screen are unknown; answer with `supply(generation, rows)`."""

        def __init__(self, entry_list: EntryList, rowids: tuple[int, ...]) -> None:
            super().__init__()
            self.entry_list = entry_list
            self.rowids = rowids
            self.generation = entry_list.generation

        @property
        def control(self) -> EntryList:
            """The list that asks."""
            return self.entry_list

    class Moved(Message):
        """The cursor stands on another entry, or on none when the list is empty."""

        def __init__(self, row: EntryLine | None) -> None:
            super().__init__()
            self.row = row

    class Opened(Message):
        """The person wants to read the entry under the cursor."""

        def __init__(self, row: EntryLine) -> None:
            super().__init__()
            self.row = row

    class Marked(Message):
        """The set of marked entries changed; `marks` are row ids."""

        def __init__(self, marks: frozenset[int]) -> None:
            super().__init__()
            self.marks = marks

    def __init__(
        self, now: Callable[[], int], glyphs: Glyphs = FULL, *, widget_id: str | None = None
    ) -> None:
        super().__init__(id=widget_id)
        self.generation = 0
        self.marks: frozenset[int] = frozenset()
        self._now = now
        self._glyphs = glyphs
        self._ids: array[int] = array("q")
        self._rows: dict[int, EntryLine] = {}
        self._fresh: set[int] = set()
        self._asked: set[int] = set()
        self._styles: RowStyles | None = None

    @property
    def row_height(self) -> int:
        """Screen lines of one row at the present width."""
        return 1 if self.size.width >= ONE_LINE_CELLS_MIN else 2

    @property
    def row(self) -> EntryLine | None:
        """The entry under the cursor, when it is known already."""
        return self._rows.get(self._ids[self.cursor]) if self._ids else None

    @property
    def row_count(self) -> int:
        """How many entries the list has."""
        return len(self._ids)

    @property
    def deepest(self) -> int:
        """The last row that is on the screen or under the cursor."""
        bottom = (self.scroll_offset.y + self.size.height) // self.row_height
        return max(self.cursor, min(bottom, len(self._ids) - 1))

    def set_ids(self, ids: array[int], *, keep_place: bool = False) -> None:
        """Show other row ids; with `keep_place` the cursor stays on its entry if it is there."""
        anchor = self._ids[self.cursor] if keep_place and self._ids else None
        offset = self.cursor * self.row_height - self.scroll_offset.y
        self._ids = ids
        self.generation += 1
        self._fresh.clear()
        self._asked.clear()
        self._resize()
        place = _index_of(ids, anchor, self.cursor) if anchor is not None else 0
        if place is None:
            place = min(self.cursor, max(0, len(ids) - 1))
        self.set_reactive(EntryList.cursor, place)
        top = max(0, place * self.row_height - offset) if keep_place else 0
        if self.scroll_offset.y == 0 and (place + 1) * self.row_height <= self.size.height:
            # Who is at the top sees what arrives there.
            top = 0
        self.scroll_to(y=top, animate=False)
        self._announce()
        self.refresh()

    def extend(self, ids: array[int]) -> None:
        """Append what is older; what is shown, and where the cursor stands, stays."""
        # A page that was not full when it was asked for is asked for again.
        self._asked.discard(len(self._ids) // PAGE_ROWS)
        self._ids.extend(ids)
        self._resize()
        self.refresh()

    def supply(self, generation: int, rows: Iterable[EntryLine]) -> None:
        """Take rows that were asked for; those for an earlier set of ids are out of date."""
        if generation != self.generation:
            return
        under_cursor = self._ids[self.cursor] if self._ids else None
        for row in rows:
            moved = row.rowid == under_cursor and self._rows.get(row.rowid) != row
            self._rows.pop(row.rowid, None)
            self._rows[row.rowid] = row
            self._fresh.add(row.rowid)
            if moved:
                self._announce()
        while len(self._rows) > ROWS_KEPT_MAX:
            oldest = next(iter(self._rows))
            del self._rows[oldest]
            self._fresh.discard(oldest)
            self._asked.clear()
        self.refresh()

    def clear_marks(self) -> None:
        """Unmark everything."""
        self._set_marks(frozenset())

    def step(self, by: int) -> int | None:
        """Move the cursor and return the row id it stands on; None when it is at the end."""
        before = self.cursor
        self.cursor += by
        return self._ids[self.cursor] if self._ids and self.cursor != before else None

    def place(self) -> tuple[int, int]:
        """Cursor and scroll position, to be given back to `restore`."""
        return self.cursor, self.scroll_offset.y

    def restore(self, place: tuple[int, int]) -> None:
        """Go back to a place taken from `place` before the ids changed and changed back."""
        self.cursor = place[0]
        self.scroll_to(y=place[1], animate=False)

    # What the person does

    def action_move(self, rows: int) -> None:
        """Move the cursor by some rows."""
        self.cursor += rows

    def action_page(self, pages: int) -> None:
        """Move the cursor by as many rows as the screen shows."""
        self.cursor += pages * max(1, self.size.height // self.row_height - 1)

    def action_jump(self, place: int) -> None:
        """Move the cursor to the first row (0) or the last (-1)."""
        self.cursor = place if place >= 0 else len(self._ids) - 1

    def action_open(self) -> None:
        """Open the entry under the cursor."""
        if self.row is not None:
            self.post_message(self.Opened(self.row))

    def action_mark(self) -> None:
        """Mark or unmark the entry under the cursor and go on to the next."""
        if self._ids:
            self._set_marks(self.marks ^ {self._ids[self.cursor]})
            self.cursor += 1

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse points; a double click opens."""
        index = (event.y + self.scroll_offset.y) // self.row_height
        if index < len(self._ids):
            self.cursor = index
            if event.chain > 1:
                self.action_open()

    # Drawing

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, len(self._ids) - 1))

    def watch_cursor(self) -> None:
        """Show the row of the cursor and tell who listens."""
        height = self.row_height
        region = Region(0, self.cursor * height, self.size.width, height)
        self.scroll_to_region(region, animate=False, force=True)
        self._announce()
        self.refresh()

    def watch_terms(self) -> None:
        """Draw again with other words highlighted."""
        self.refresh()

    def on_resize(self) -> None:
        """Keep the cursor in view when the rows change their height."""
        self._resize()
        self.call_after_refresh(self.watch_cursor)

    def on_focus(self) -> None:
        """The cursor is drawn brighter."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor is drawn fainter."""
        self.refresh()

    def notify_style_update(self) -> None:
        """Take the colours of a new theme."""
        super().notify_style_update()
        self._styles = None

    def render_line(self, y: int) -> Strip:
        """One screen line of one row."""
        line = y + self.scroll_offset.y
        index, part = divmod(line, self.row_height)
        styles = self._row_styles()
        width = self.size.width
        if index >= len(self._ids):
            return Strip.blank(width, styles.base)
        rowid = self._ids[index]
        if rowid not in self._fresh:
            self._ask(index)
        at_cursor = index == self.cursor
        base = styles.cursor(at_cursor, self.has_focus)
        row = self._rows.get(rowid)
        if row is None:
            return Strip([Segment(" " * width, base)], width)
        segments = self._segments(row, part, width, at_cursor=at_cursor)
        return Strip(Segment.apply_style(segments, base)).adjust_cell_length(width, base)

    def _segments(
        self, row: EntryLine, part: int, width: int, *, at_cursor: bool
    ) -> Sequence[Segment]:
        styles = self._row_styles()
        bar = self._glyphs.bar if at_cursor else " "
        mark = self._glyphs.mark if row.rowid in self.marks else " "
        lead = [Segment(bar, styles.bar), Segment(mark, styles.bar)]
        if self.row_height == 1:
            return [*lead, *one_line(row, width - 2, self._now(), styles, self.terms)]
        if part == 1:
            lead[1] = Segment(" ")
        drawn = two_lines(row, width - 2, self._now(), styles, self.terms, self._glyphs.dot)
        return [*lead, *drawn[part]]

    def _row_styles(self) -> RowStyles:
        if self._styles is None:
            self._styles = RowStyles.of(self)
        return self._styles

    def _ask(self, index: int) -> None:
        page = index // PAGE_ROWS
        if page in self._asked:
            return
        self._asked.add(page)
        # Drawing runs on behalf of the screen, and what it posts would not come past the screen.
        self.call_later(self._request, self.generation, page)

    def _request(self, generation: int, page: int) -> None:
        if generation == self.generation:
            rowids = tuple(self._ids[page * PAGE_ROWS : (page + 1) * PAGE_ROWS])
            self.post_message(self.PagesNeeded(self, rowids))

    def _announce(self) -> None:
        self.post_message(self.Moved(self.row))

    def _set_marks(self, marks: frozenset[int]) -> None:
        self.marks = marks
        self.post_message(self.Marked(marks))
        self.refresh()

    def _resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._ids) * self.row_height)


def _index_of(ids: array[int], rowid: int, near: int) -> int | None:
    """Where `rowid` stands, looking first around where it stood."""
    for index in range(max(0, near - 64), min(len(ids), near + 64)):
        if ids[index] == rowid:
            return index
    try:
        return ids.index(rowid)
    except ValueError:
        return None
