"""How one entry looks in a list: one line in columns, or two lines where it is narrow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment

from p2pcommons.tui import wording
from p2pcommons.tui.widgets.cells import clip, clip_who, fit, fit_right, matched

if TYPE_CHECKING:
    from rich.style import Style
    from textual.widget import Widget

    from p2pcommons.tui.records import EntryLine

WHO_CELLS = 15
AGE_CELLS = 8
TAGS_CELLS = 16


@dataclass(frozen=True, slots=True)
class RowStyles:
    """The looks of the parts of a row; all but the first three have no background."""

    base: Style
    active: Style
    idle: Style
    title: Style
    meta: Style
    tags: Style
    mine: Style
    warn: Style
    bar: Style
    hit: Style

    @classmethod
    def of(cls, widget: Widget) -> RowStyles:
        """Read the component styles of an entry list."""

        def part(name: str) -> Style:
            return widget.get_component_rich_style(f"entry-list--{name}", partial=True)

        return cls(
            widget.get_component_rich_style("entry-list--row"),
            widget.get_component_rich_style("entry-list--cursor"),
            widget.get_component_rich_style("entry-list--cursor-idle"),
            *(part(name) for name in ("title", "meta", "tags", "mine", "warn", "bar", "hit")),
        )

    def cursor(self, at_cursor: bool, focused: bool) -> Style:
        """The background of a row."""
        if not at_cursor:
            return self.base
        return self.active if focused else self.idle


def one_line(
    row: EntryLine, width: int, now: int, styles: RowStyles, terms: tuple[str, ...]
) -> list[Segment]:
    """Title, tags, author and age in columns, `width` cells in all."""
    tags_cells = TAGS_CELLS + max(0, (width - 80) // 4)
    title_cells = width - WHO_CELLS - AGE_CELLS - tags_cells - 3
    return [
        *_title(row, title_cells, styles, terms),
        Segment(" "),
        Segment(fit(" ".join(row.tags), tags_cells), styles.tags),
        Segment(" "),
        Segment(
            fit(clip_who(row.who, WHO_CELLS), WHO_CELLS), styles.mine if row.mine else styles.meta
        ),
        Segment(fit_right(wording.age(row.when, now), AGE_CELLS), styles.meta),
        Segment(" "),
    ]


def two_lines(
    row: EntryLine, width: int, now: int, styles: RowStyles, terms: tuple[str, ...], dot: str
) -> tuple[list[Segment], list[Segment]]:
    """Title and age above author, tags and address, each `width` cells."""
    when = wording.age(row.when, now)
    title = _title(row, width - len(when) - 2, styles, terms)
    upper = [*title, Segment(f" {when} ", styles.meta)]
    host = clip(row.host, max(0, width // 3))
    room = width - cell_len(host) - 2
    who = clip_who(row.who, min(room, WHO_CELLS + 6))
    tags = clip(" ".join(f"#{tag}" for tag in row.tags), room - cell_len(who) - 3)
    used = cell_len(who) + (cell_len(tags) + 3 if tags else 0)
    lower = [
        Segment(who, styles.mine if row.mine else styles.meta),
        Segment(f" {dot} " if tags else "", styles.meta),
        Segment(tags, styles.tags),
        Segment(" " * max(1, width - used - cell_len(host) - 1), styles.meta),
        Segment(f"{host} ", styles.meta),
    ]
    return upper, lower


def _title(row: EntryLine, cells: int, styles: RowStyles, terms: tuple[str, ...]) -> list[Segment]:
    beside = f" {row.heads} versions" if row.heads > 1 else ""
    text = fit(row.title, cells - len(beside))
    shown = matched(text, terms, styles.title, styles.hit)
    return [*shown, Segment(beside, styles.warn)] if beside else shown
