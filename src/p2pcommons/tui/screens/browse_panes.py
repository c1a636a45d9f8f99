"""What the browse screen looks like: its panes, and the words and numbers in them.

Holds what is in view (a commons or all, tags, a query) and shows it; asks for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from p2pcommons.store import Order
from p2pcommons.tui import wording
from p2pcommons.tui.screens.dialog import words
from p2pcommons.tui.screens.entry_actions import EntryActions
from p2pcommons.tui.screens.welcome import Welcome, list_is_empty
from p2pcommons.tui.widgets.cells import clip
from p2pcommons.tui.widgets.choice_list import Choice, ChoiceList
from p2pcommons.tui.widgets.entry_list import EntryList
from p2pcommons.tui.widgets.field import Field
from p2pcommons.tui.widgets.preview import Preview

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from p2pcommons.store import Facets, Problem
    from p2pcommons.tui.context import Context

TAGS_SHOWN_MAX = 30
PROBLEM_CELLS_MAX = 20
"""Of a part of a query that makes no sense, so that the query beside it keeps its room."""
ALL = "all"
START = "start"


class BrowsePanes(EntryActions):
    """Side, list and preview, and what stands in them."""

    DEFAULT_CSS = """
    BrowsePanes #panes { height: 1fr; }
    BrowsePanes #side { width: 27; border-right: solid $line; padding-top: 1; }
    BrowsePanes #side ChoiceList { height: auto; }
    BrowsePanes #commons { max-height: 12; margin-bottom: 1; }
    BrowsePanes #tags { height: 1fr; }
    BrowsePanes #middle { width: 1fr; }
    BrowsePanes #search { height: 1; background: $surface; margin-top: 0; }
    BrowsePanes #query { width: 1fr; border: none; padding: 0 0; background: $surface; }
    BrowsePanes #slash { width: 3; color: $accent; background: $surface; }
    BrowsePanes #total { width: auto; color: $muted; background: $surface; padding: 0 1; }
    BrowsePanes EntryList { height: 1fr; }
    BrowsePanes Welcome { height: 1fr; }
    BrowsePanes Preview { width: 45; border-left: solid $line; }
    BrowsePanes.-narrow #side {
        display: none; layer: drawer; dock: left; width: 32; height: 100%; background: $surface;
    }
    BrowsePanes.-narrow.-drawer #side { display: block; }
    BrowsePanes.-narrow #panes { layout: vertical; layers: base drawer; }
    BrowsePanes.-narrow #middle { height: 1fr; }
    BrowsePanes.-narrow Preview {
        width: 1fr; height: 5; padding: 0; border-left: none; border-top: solid $line;
    }
    BrowsePanes.-narrow Preview #preview-title { display: none; }
    BrowsePanes.-narrow Preview #preview-tags { display: none; }
    BrowsePanes.-narrow Preview #preview-meta { max-height: 1; }
    BrowsePanes.-narrow Preview ReaderView { margin: 0; scrollbar-size-vertical: 0; }
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._commons: bytes | None = None
        self._tags: tuple[str, ...] = ()
        self._query = ""
        self._place_before: tuple[int, int] | None = None
        self._looked = False
        self._order = Order.NEWEST
        self._problems: tuple[Problem, ...] = ()
        self._more = False
        self._nothing_under_cursor = True

    def body(self) -> Iterable[Widget]:
        """Side, list and preview."""
        glyphs = self.context.glyphs
        side = Vertical(
            words("COMMONS", "heading"),
            ChoiceList(glyphs=glyphs, widget_id="commons"),
            words("TAGS", "heading", widget_id="tags-heading"),
            ChoiceList(glyphs=glyphs, widget_id="tags"),
            id="side",
        )
        search = Horizontal(
            words(" / ", widget_id="slash"),
            Field(id="query", compact=True, placeholder="search  #tag  by:name  -not"),
            words("", widget_id="total"),
            id="search",
        )
        middle = Vertical(search, EntryList(self.context.now, glyphs), Welcome(glyphs), id="middle")
        yield Horizontal(side, middle, Preview(self.context), id="panes")

    def _show_commons(self) -> None:
        overview = self.context.news.overview
        total = sum(line.entries for line in overview.commons)
        choices = [
            Choice(ALL, "All of them", f"{total:,}", chosen=self._commons is None),
            *(
                Choice(
                    line.commons.hex(),
                    line.title,
                    f"{line.entries:,}",
                    chosen=line.commons == self._commons,
                )
                for line in overview.commons
            ),
            Choice(START, "+ start or join", look="quiet"),
        ]
        if not overview.commons:
            choices = choices[1:]
        if len(overview.commons) == 1:
            only = overview.commons[0]
            choices[:2] = [Choice(ALL, only.title, f"{only.entries:,}", chosen=True)]
        self.query_one("#commons", ChoiceList).set_choices(choices)

    def _show_total(self) -> None:
        entry_list = self.query_one(EntryList)
        parts = [f"#{tag}" for tag in self._tags]
        parts += [
            f"{clip(problem.part, PROBLEM_CELLS_MAX)} {problem.what}"
            for problem in self._problems[:1]
        ]
        if self._order is Order.RELEVANCE and self._query.strip():
            parts.append("best first")
        parts.append(self._count_in_words(entry_list.row_count))
        if entry_list.marks:
            parts.append(f"{len(entry_list.marks)} marked")
        self.query_one("#total", Static).update(f" {self.context.glyphs.dot} ".join(parts))

    def _count_in_words(self, found: int) -> str:
        if self._more and not self._query.strip() and not self._tags:
            lines = self.context.news.overview.commons
            found = sum(line.entries for line in lines if self._commons in (None, line.commons))
        elif self._more:
            return f"more than {found:,} entries"
        return wording.count(found, "entry", "entries")

    def _show_tags(self, facets: Facets) -> None:
        partly = facets.more and not facets.tags_whole
        heading = f"TAGS of the newest {facets.counted:,}" if partly else "TAGS"
        self.query_one("#tags-heading", Static).update(heading)
        most = max((row.count for row in facets.tags), default=1)
        shown = [Choice(tag, f"#{tag}", "shown", chosen=True) for tag in self._tags]
        shown += [
            Choice(row.tag, f"#{row.tag}", f"{row.count:,}", bar=row.count / most)
            for row in facets.tags[:TAGS_SHOWN_MAX]
            if row.tag not in self._tags
        ]
        self.query_one("#tags", ChoiceList).set_choices(shown)

    def _show_emptiness(self) -> None:
        """Offer what helps when there is nothing in the list."""
        entry_list = self.query_one(EntryList)
        welcome = self.query_one(Welcome)
        empty = self._looked and entry_list.row_count == 0
        had_focus = entry_list.has_focus or welcome.has_focus_within
        filtered = bool(self._query.strip() or self._tags)
        if empty:
            problems = [str(problem) for problem in self._problems]
            welcome.show(
                list_is_empty(
                    self.context.news, self._commons, filtered=filtered, problems=problems
                )
            )
        if welcome.display != empty:
            welcome.display = empty
            entry_list.display = not empty
            self.query_one(Preview).display = not empty
            if had_focus:
                self._focus_middle()

    def _focus_middle(self) -> None:
        entry_list = self.query_one(EntryList)
        if entry_list.display:
            entry_list.focus()
        else:
            self.query_one(Welcome).focus_choices()
