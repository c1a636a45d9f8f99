"""Browse: the commons, the tags of the view, the entries, and a preview.

Searching happens in the same screen: the line above the list is the query, and
Escape brings back the place one came from.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from p2pcommons.errors import P2PCommonsError
from p2pcommons.store import Order
from p2pcommons.tui import shaping
from p2pcommons.tui.command import command
from p2pcommons.tui.messages import SelectedCommons
from p2pcommons.tui.screens.browse_panes import ALL, START, BrowsePanes
from p2pcommons.tui.screens.welcome import Welcome
from p2pcommons.tui.widgets.choice_list import ChoiceList
from p2pcommons.tui.widgets.entry_list import EntryList
from p2pcommons.tui.widgets.preview import Preview

if TYPE_CHECKING:
    from p2pcommons.replica import Replica
    from p2pcommons.replica.records import Selection
    from p2pcommons.store import Facets
    from p2pcommons.tui.records import EntryLine

FIRST_IDS = 512
"""Entries found before the others, which may be a million: some screens full, in whole pages."""

TYPING_PAUSE_SECONDS = 0.12
"""A search starts when the fingers rest this long."""


class Browse(BrowsePanes):
    """The main screen."""

    AUTO_FOCUS = "EntryList"

    HELP_TITLE = "Browse"
    HELP_TEXT = (
        "Everything that is on this machine, newest first. Choose a commons or a tag at the left "
        "(f at narrow screens), move with the arrows, read with Enter. / searches as you type: "
        'words, "a phrase", #tag, by:name, after:2024-03, before:2024, on:2024-03-05, and - before '
        "any of them for what must not be there. b (in the search ^r) puts the best first instead "
        "of the newest. Mark several entries with Space and the next tag goes to all of them."
    )
    HELP_COMMANDS = (
        "p2pcommons list --limit 20",
        "p2pcommons search solar #repair -winter after:2024",
        "p2pcommons search --sort relevance solar oven",
        "p2pcommons add URL --title T --tag t",
        "p2pcommons tags --prefix s",
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", id="browse.search", key_display="/"),
        Binding("b,ctrl+r", "order", "Best first or newest", id="browse.order", show=False),
        Binding("f", "facets", "Commons and tags", id="browse.facets"),
        Binding("enter", "results", "To the results", id="browse.results"),
        Binding("escape", "back", "Back", id="browse.back"),
    ]
    KEY_ORDER = (
        "browse.results",
        "browse.back",
        "list.open",
        "choice.choose",
        "browse.search",
        "entry.new",
        "entry.tag",
        "browse.facets",
        "list.mark",
        "entry.edit",
        "entry.link",
        "entry.copy",
    )

    def on_mount(self) -> None:
        """Read what is there."""
        self.query_one(Welcome).display = False
        self.store_changed()

    # What the store says

    def store_changed(self) -> None:
        """Look again: overview and list, keeping the place."""
        if self.is_mounted:
            self._show_commons()
            self._select(keep_place=True)
            self.query_one(Preview).look_again()

    def standing_changed(self) -> None:
        """Numbers of the side and words about what is arriving."""
        super().standing_changed()
        if self.is_mounted:
            self._show_commons()
            self._show_emptiness()

    @command("select")
    async def _select(self, *, keep_place: bool = False, pause: float = 0.0) -> None:
        if pause:
            await asyncio.sleep(pause)
        await self._look(keep_place=keep_place)

    async def _look(self, *, keep_place: bool) -> None:
        """Find the first entries of the view, show them, count their tags, find the others."""
        entry_list = self.query_one(EntryList)
        # Somebody deep in a list keeps their place only in the whole of it.
        whole = keep_place and entry_list.deepest > FIRST_IDS
        try:
            found = await self._find(limit=None if whole else FIRST_IDS)
            entry_list.terms = search_terms(self._query)
            entry_list.set_ids(found.ids, keep_place=keep_place)
            self._looked = True
            self._problems = found.problems
            self._more = found.older_than is not None
            self._show_total()
            self._show_emptiness()
            self._show_tags(await self._count())
            if found.older_than is not None:
                entry_list.extend((await self._find(older_than=found.older_than)).ids)
                self._more = False
                self._show_total()
        except P2PCommonsError as error:
            self.app.notify(str(error), severity="error", markup=False)

    async def _find(self, *, limit: int | None = None, older_than: int | None = None) -> Selection:
        query, commons, tags, order = self._query, self._scope(), self._tags, self._order
        typing = self.query_one("#query", Input).has_focus

        def find(replica: Replica) -> Selection:
            return replica.select(
                query,
                commons=commons,
                tags=tags,
                typing=typing,
                order=order if older_than is None else Order.NEWEST,
                limit=limit,
                older_than=older_than,
            )

        return await self.context.desk.search.run(find)

    async def _count(self) -> Facets:
        query, commons, tags = self._query, self._scope(), self._tags
        typing = self.query_one("#query", Input).has_focus

        def count(replica: Replica) -> Facets:
            return replica.facets(query, commons=commons, tags=tags, typing=typing)

        return await self.context.desk.search.run(count)

    def _scope(self) -> tuple[bytes, ...]:
        return () if self._commons is None else (self._commons,)

    # What the person does

    @on(Input.Changed, "#query")
    def query_typed(self, event: Input.Changed) -> None:
        """Search when the fingers rest."""
        if event.value != self._query:
            self._query = event.value
            self._select(pause=TYPING_PAUSE_SECONDS)

    @on(Input.Submitted, "#query")
    def action_results(self) -> None:
        """Go down to the results."""
        self._focus_middle()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enter leads to the results from the query only; Escape needs something to leave."""
        if action == "results":
            return self.is_mounted and self.query_one("#query", Input).has_focus
        if action == "back":
            return self.is_mounted and self._can_go_back()
        return super().check_action(action, parameters)

    def _can_go_back(self) -> bool:
        inside = self.query_one("#side").has_focus_within or self.has_class("-drawer")
        marked = bool(self.query_one(EntryList).marks)
        typing = self.query_one("#query", Input).has_focus
        return bool(inside or marked or typing or self._query or self._tags)

    def action_search(self) -> None:
        """Put the cursor into the query; the place in the list is remembered."""
        if not self._query:
            self._place_before = self.query_one(EntryList).place()
        self.query_one("#query", Input).focus()

    def action_order(self) -> None:
        """Put the best first, or the newest again."""
        best = self._order is Order.NEWEST
        self._order = Order.RELEVANCE if best else Order.NEWEST
        if best and not self._query.strip():
            self.app.notify("Searches show the best first now; b again: the newest.", markup=False)
        self._select()

    def action_facets(self) -> None:
        """Go to the side, which is a drawer on a narrow screen, and back."""
        if self.has_class("-drawer"):
            self._close_drawer()
        else:
            self.add_class("-drawer")
            self.query_one("#tags" if self._tags else "#commons", ChoiceList).focus()

    def action_back(self) -> None:
        """One step back: out of the drawer, the marks, the query, the tags."""
        entry_list = self.query_one(EntryList)
        if self.has_class("-drawer") or self.query_one("#side").has_focus_within:
            self._close_drawer()
        elif entry_list.marks:
            entry_list.clear_marks()
        elif self._query or self.query_one("#query", Input).has_focus:
            self._clear_query()
        elif self._tags:
            self._tags = ()
            self._select()

    @command("select")
    async def _clear_query(self) -> None:
        """Empty the query and go back to where the search began."""
        self._query = ""
        self.query_one("#query", Input).value = ""
        place, self._place_before = self._place_before, None
        entry_list = self.query_one(EntryList)
        entry_list.focus()
        await self._look(keep_place=False)
        if place is not None:
            entry_list.restore(place)

    def _close_drawer(self) -> None:
        self.remove_class("-drawer")
        self._focus_middle()

    @on(ChoiceList.Chosen, "#commons")
    def commons_chosen(self, event: ChoiceList.Chosen) -> None:
        """Show one commons, or all."""
        self._close_drawer()
        if event.choice.key == START:
            self.action_commons()
        else:
            key = event.choice.key
            self.show_commons(None if key == ALL else bytes.fromhex(key))

    def show_commons(self, commons: bytes | None) -> None:
        """Show one commons, or all with None."""
        self._commons = commons
        self.context.news.selected = commons
        self._tags = ()
        self._show_commons()
        self._select()
        self.app.post_message(SelectedCommons())

    @on(ChoiceList.Chosen, "#tags")
    def tag_chosen(self, event: ChoiceList.Chosen) -> None:
        """Narrow the view by a tag, or widen it again."""
        self.show_tag(event.choice.key)

    def show_tag(self, tag: str) -> None:
        """Narrow the view by a tag; by one that is there already, widen it again."""
        if tag in self._tags:
            self._tags = tuple(each for each in self._tags if each != tag)
        else:
            self._tags = (*self._tags, tag)
        self._select()

    @on(EntryList.PagesNeeded)
    def pages_needed(self, event: EntryList.PagesNeeded) -> None:
        """Read rows for the list."""
        self._fetch(event.generation, event.rowids)

    @command("rows", exclusive=False)
    async def _fetch(self, generation: int, rowids: tuple[int, ...]) -> None:
        entry_list = self.query_one(EntryList)
        if generation == entry_list.generation:
            rows = await self.context.desk.read.run(
                lambda replica: shaping.entry_lines(replica, rowids)
            )
            entry_list.supply(generation, rows)

    @on(EntryList.Moved)
    def cursor_moved(self, event: EntryList.Moved) -> None:
        """Let the preview follow."""
        if (event.row is None) != self._nothing_under_cursor:
            self._nothing_under_cursor = event.row is None
            self.refresh_bindings()
        self.query_one(Preview).follow(event.row)

    @on(EntryList.Marked)
    def marks_changed(self) -> None:
        """Say how many are marked."""
        self._show_total()

    @on(EntryList.Opened)
    def opened(self, event: EntryList.Opened) -> None:
        """Read the entry."""
        self.open_reader(event.row)

    def step(self, by: int) -> int | None:
        """Move on in the list while an entry of it is read."""
        return self.query_one(EntryList).step(by)

    def current(self) -> EntryLine | None:
        """The entry under the cursor."""
        return self.query_one(EntryList).row

    def chosen(self) -> tuple[int, ...]:
        """Row ids of the marked entries, else of the one under the cursor."""
        entry_list = self.query_one(EntryList)
        if entry_list.marks:
            return tuple(sorted(entry_list.marks))
        return (entry_list.row.rowid,) if entry_list.row else ()

    def chosen_done(self) -> None:
        """The marked entries have been acted on."""
        self.query_one(EntryList).clear_marks()


NOT_WORDS = ("-", "#", "tag:", "by:", "after:", "before:", "on:")
"""What parts of a query begin with that are no words of an entry."""


def search_terms(query: str) -> tuple[str, ...]:
    """The words of a query to be pointed out in titles, folded for comparison."""
    terms = (word.strip('"').casefold() for word in query.split())
    plain = (term for term in terms if len(term) > 1)
    return tuple(term for term in plain if not term.startswith(NOT_WORDS))
