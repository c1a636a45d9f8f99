"""The entry under the cursor, beside the list: who wrote it, its tags, its text."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.widgets import Static

from p2pcommons.errors import P2PCommonsError
from p2pcommons.tui import shaping, wording
from p2pcommons.tui.command import command
from p2pcommons.tui.widgets.reader_view import ReaderView

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from p2pcommons.tui.context import Context
    from p2pcommons.tui.records import EntryLine, EntryPage, VersionLine

PAUSE_SECONDS = 0.08
"""The preview follows the cursor when it rests, not through every row of a held key."""


class Preview(Vertical):
    """Follows a list; reads what it shows in a lane."""

    DEFAULT_CSS = """
    Preview { padding-top: 1; }
    Preview #preview-title { text-style: bold; padding: 0 2; height: auto; max-height: 4; }
    Preview #preview-meta { color: $muted; padding: 0 2; height: auto; max-height: 3; }
    Preview #preview-tags { color: $secondary; padding: 0 2; height: auto; max-height: 3; }
    Preview ReaderView { margin-top: 1; height: 1fr; }
    """

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self._row: EntryLine | None = None

    def compose(self) -> ComposeResult:
        """Title, who and when, tags, text."""
        yield Static("", id="preview-title", markup=False)
        yield Static("", id="preview-meta", markup=False)
        yield Static("", id="preview-tags", markup=False)
        reader = ReaderView(self.context.glyphs)
        reader.can_focus = False
        yield reader

    def follow(self, row: EntryLine | None) -> None:
        """Show this entry once the cursor rests on it."""
        if row is None:
            self._row = None
            self._show_nothing()
        elif row != self._row:
            self._row = row
            self._read(row, PAUSE_SECONDS, anew=True)

    def look_again(self) -> None:
        """The store has changed; what is shown may have."""
        if self._row is not None:
            self._read(self._row, 0.0)

    @command("preview")
    async def _read(self, row: EntryLine, pause: float, *, anew: bool = False) -> None:
        if pause:
            await asyncio.sleep(pause)
        try:
            page = await self.context.desk.read.run(
                lambda replica: shaping.entry_page(replica, row.commons, row.entry)
            )
        except P2PCommonsError:
            # It went between the list and now; the list is about to say so.
            self._show_nothing()
            return
        self._show(page)
        if anew:
            self.query_one(ReaderView).scroll_home(animate=False)

    def _show_nothing(self) -> None:
        for name in ("title", "meta", "tags"):
            self.query_one(f"#preview-{name}", Static).update("")
        self.query_one(ReaderView).show("")

    def _show(self, page: EntryPage) -> None:
        line = page.line
        dot = f" {self.context.glyphs.dot} "
        meta = [line.who, wording.ago(line.when, self.context.now())]
        if line.form:
            meta.append(line.form)
        if len(page.heads) > 1:
            meta.append(f"{len(page.heads)} versions side by side")
        if line.host:
            meta.append(line.host)
        self.query_one("#preview-title", Static).update(line.title)
        self.query_one("#preview-meta", Static).update(dot.join(meta))
        tags = " ".join(f"#{tag}" for tag in line.tags)
        self.query_one("#preview-tags", Static).update(tags)
        self.query_one(ReaderView).show(preview_text(page))


def missing_words(version: VersionLine) -> str:
    """What stands where a text would be that is not here."""
    if version.not_kept:
        return (
            "The text of this version is not kept here: it was old, and the room of this commons "
            "was full. **G** fetches it from a peer; **p** fetches it and keeps it."
        )
    return "The text of this version has not arrived yet."


def preview_text(page: EntryPage) -> str:
    """The Markdown to show for an entry: its text, else what is known of it."""
    if page.withdrawn:
        return page.withdrawn
    shown = page.heads[0] if page.heads else None
    if shown is None:
        return ""
    if shown.missing:
        return missing_words(shown)
    return shown.text or page.excerpt or (f"<{shown.url}>" if shown.url else "")
