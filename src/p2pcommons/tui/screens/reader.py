"""The reader: one entry on the whole screen, its heads side by side, and where it comes from.

Below or beside the text stand tags with their taggers, the versions, and provenance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from p2pcommons.errors import P2PCommonsError
from p2pcommons.tui import shaping, wording
from p2pcommons.tui.command import command
from p2pcommons.tui.messages import Wrote
from p2pcommons.tui.screens.dialog import words
from p2pcommons.tui.screens.entry_actions import EntryActions
from p2pcommons.tui.screens.provenance import sidebar_text
from p2pcommons.tui.screens.withdraw import ConfirmWithdraw
from p2pcommons.tui.widgets.preview import missing_words, preview_text
from p2pcommons.tui.widgets.reader_view import ReaderView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from textual import events
    from textual.widget import Widget

    from p2pcommons.tui.context import Context
    from p2pcommons.tui.records import EntryLine, EntryPage, VersionLine

HEADS_BESIDE_MAX = 3


class Reader(EntryActions):
    """Reads one entry."""

    AUTO_FOCUS = "ReaderView"

    HELP_TITLE = "Reader"
    HELP_TEXT = (
        "You read one entry. When two people changed it without knowing of each other, both "
        "versions stand side by side; e writes yours, M one that replaces all of them. Links "
        "carry letters: press l and then the letter. d shows tags, versions and provenance."
    )
    HELP_COMMANDS = (
        "p2pcommons show ID",
        "p2pcommons tag ID +winter",
        "p2pcommons edit ID --merge --file F",
        "p2pcommons withdraw ID",
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Back", id="reader.close"),
        Binding("l", "label", "Follow link", id="reader.label"),
        Binding("d", "details", "Details", id="reader.details"),
        Binding("right_square_bracket", "beside(1)", "Next entry", id="reader.next", show=False),
        Binding(
            "left_square_bracket", "beside(-1)", "Previous entry", id="reader.previous", show=False
        ),
        Binding("M", "merge", "Merge", id="reader.merge", show=False),
        Binding("X", "withdraw", "Withdraw", id="reader.withdraw", show=False),
    ]
    KEY_ORDER = (
        "reader.close",
        "entry.tag",
        "entry.edit",
        "reader.label",
        "reader.details",
        "entry.link",
        "reader.merge",
    )

    DEFAULT_CSS = """
    Reader #head { height: auto; padding: 1 2 0 2; border-bottom: solid $line; }
    Reader #title { text-style: bold; color: $foreground; height: auto; max-height: 3; }
    Reader #byline { color: $muted; height: auto; max-height: 2; }
    Reader #tagline { color: $secondary; height: auto; max-height: 2; }
    Reader #beside { color: $warning; height: auto; }
    Reader #text { height: 1fr; }
    Reader #columns { width: 1fr; height: 1fr; padding-top: 1; }
    Reader .version { width: 1fr; height: 1fr; }
    Reader .version.-second { border-left: solid $line; }
    Reader .version .who { color: $accent; height: auto; padding: 0 2 1 2; }
    Reader .version ReaderView { height: 1fr; }
    Reader #details { width: 42; border-left: solid $line; padding: 1 2; }
    Reader #details { scrollbar-size-vertical: 1; }
    Reader #details Static { height: auto; }
    Reader.-narrow #text { layout: vertical; }
    Reader.-narrow #head { padding: 0 1; }
    Reader.-narrow #details {
        display: none; width: 1fr; height: 10; padding: 0 1;
        border-left: none; border-top: solid $line;
    }
    Reader.-narrow.-details #details { display: block; }
    Reader.-wide.-bare #details { display: none; }
    """

    def __init__(
        self, context: Context, row: EntryLine, step: Callable[[int], int | None] | None = None
    ) -> None:
        super().__init__(context)
        self._step = step
        self._row = row
        self._page: EntryPage | None = None
        self._awaited: str | None = None

    def body(self) -> Iterable[Widget]:
        """Head, text, details."""
        yield Vertical(
            words(self._row.title, widget_id="title"),
            words("", widget_id="byline"),
            words("", widget_id="tagline"),
            words("", widget_id="beside"),
            id="head",
        )
        yield Horizontal(
            Horizontal(id="columns"),
            VerticalScroll(words("", widget_id="detail-text"), id="details", can_focus=True),
            id="text",
        )

    def store_changed(self) -> None:
        """Read again; the text stays where it is when it is the same."""
        if self.is_mounted:
            self._read()

    def on_mount(self) -> None:
        """Read the entry."""
        self._read()

    @command("read")
    async def _read(self) -> None:
        row = self._row
        try:
            page = await self.context.desk.read.run(
                lambda replica: shaping.entry_page(replica, row.commons, row.entry)
            )
        except P2PCommonsError as error:
            self.notify(str(error), severity="warning", markup=False)
            return
        # Not here: a newer read cancels this one, and widgets must not be half mounted.
        self.call_later(self._show_if_new, page)

    async def _show_if_new(self, page: EntryPage) -> None:
        if page != self._page:
            self._page = page
            self._row = page.line
            await self._show(page)

    async def _show(self, page: EntryPage) -> None:
        now = self.context.now()
        dot = f" {self.context.glyphs.dot} "
        heads = page.heads[:HEADS_BESIDE_MAX]
        byline = [page.line.who, wording.ago(page.line.when, now)]
        byline += [page.line.form] if page.line.form else []
        byline += [wording.count(len(page.versions), "version")] if len(page.versions) > 1 else []
        byline += [page.licence] if page.licence else []
        byline += ["pinned"] if page.pinned else []
        byline += [f"{wording.count(page.files, 'file')} (F)"] if page.files else []
        if heads and heads[0].url:
            byline.append(heads[0].url)
        self.query_one("#title", Static).update(page.line.title)
        self.query_one("#byline", Static).update(dot.join(byline))
        tagline = self.query_one("#tagline", Static)
        tagline.update(" ".join(f"#{tagger.tag}" for tagger in page.taggers) or "no tags yet")
        beside = self.query_one("#beside", Static)
        beside.display = len(page.heads) > 1
        beside.update(
            f"{len(page.heads)} versions side by side: nobody's is lost. "
            "e writes yours anew, M one that replaces all."
        )
        self.query_one("#detail-text", Static).update(sidebar_text(page, now))
        await self._show_heads(heads, page)

    async def _show_heads(self, heads: tuple[VersionLine, ...], page: EntryPage) -> None:
        columns = self.query_one("#columns", Horizontal)
        views = list(self.query(ReaderView))
        wanted = max(1, len(heads))
        if len(views) != wanted:
            await columns.remove_children()
            await columns.mount_all(self._column(index, wanted) for index in range(wanted))
            views = list(self.query(ReaderView))
            views[0].focus()
        self.set_class(wanted > 1, "-bare")
        for index, view in enumerate(views):
            head = heads[index] if index < len(heads) else None
            if wanted > 1 and head is not None:
                who = f"{head.who}, {wording.ago(head.when, self.context.now())}"
                parts = [who, head.title if head.title != page.line.title else "", head.note]
                told = "\n".join(part for part in parts if part)
                self.query_one(f"#who-{index}", Static).update(told)
            first = index == 0
            view.show(preview_text(page) if first or head is None else _text_of(head))

    def _column(self, index: int, wanted: int) -> Vertical:
        who = words("", "who", f"who-{index}")
        who.display = wanted > 1
        column = Vertical(who, ReaderView(self.context.glyphs), classes="version")
        column.set_class(index > 0, "-second")
        return column

    # What the person does

    def current(self) -> EntryLine:
        """The entry that is read."""
        return self._row

    def action_close(self) -> None:
        """Back to the list, or out of waiting for a letter."""
        if self._awaited is not None:
            self._await_label(None)
        else:
            self.dismiss()

    @command("beside")
    async def action_beside(self, by: int) -> None:
        """Read the next or previous entry of the list this one was opened from."""
        rowid = self._step(by) if self._step else None
        if rowid is None:
            self.notify("That was the last one." if by > 0 else "This is the first.", markup=False)
            return
        rows = await self.context.desk.read.run(
            lambda replica: shaping.entry_lines(replica, (rowid,))
        )
        if rows:
            self._row = rows[0]
            await self._read().wait()

    def action_details(self) -> None:
        """Show or hide tags, versions and provenance."""
        self.toggle_class("-bare" if self.is_wide else "-details")

    def action_label(self) -> None:
        """Wait for the letter of a link."""
        if any(view.links for view in self.query(ReaderView)):
            self._await_label("")
            self.notify("Type the letter of a link.", timeout=2, markup=False)
        else:
            self.notify("This text has no links.", markup=False)

    def on_key(self, event: events.Key) -> None:
        """Take the letters of a link's label while one is awaited."""
        if self._awaited is None or event.character is None or not event.character.isalpha():
            return
        event.stop()
        event.prevent_default()
        label = self._awaited + event.character.lower()
        view = self._focused_view()
        address = view.link_named(label)
        longer = len(view.links) > 26 and len(label) == 1
        if address is None or longer:
            self._await_label(label if longer else None)
            return
        self._await_label(None)
        self._follow(address)

    @command("dialog")
    async def _follow(self, address: str) -> None:
        await self.open_address(address)

    def _await_label(self, typed: str | None) -> None:
        self._awaited = typed
        for view in self.query(ReaderView):
            view.show_labels(typed is not None)

    def _focused_view(self) -> ReaderView:
        views = list(self.query(ReaderView))
        return next((view for view in views if view.has_focus), views[0])

    def removed(self) -> None:
        """What was read is not here any more: back to the list."""
        self.dismiss()

    @command("dialog")
    async def action_merge(self) -> None:
        """Write a version that replaces all heads."""
        from p2pcommons.tui.screens.open_compose import open_compose

        await open_compose(self, self.context, self._row, merge=True)

    @command("dialog")
    async def action_withdraw(self) -> None:
        """Ask everybody to drop one's own versions, after saying what that means."""
        if self._page is None or not any(version.mine for version in self._page.versions):
            self.notify("Nothing of this entry is yours to withdraw.", markup=False)
            return
        if await self.app.push_screen_wait(ConfirmWithdraw(self.context, self._row)):
            self.app.post_message(Wrote())


def _text_of(head: VersionLine) -> str:
    return missing_words(head) if head.missing else head.text
