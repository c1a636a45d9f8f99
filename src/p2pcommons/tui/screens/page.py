"""What full screens have in common: the bars, the look, and news from outside.

A page hears of three things: the store has changed, the standing has changed, and it
is on top again. It reads the store only through the desk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.containers import Vertical
from textual.screen import Screen

from p2pcommons.tui.look import ASCII
from p2pcommons.tui.widgets.bars import StatusLine, TopBar
from p2pcommons.tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import App, ComposeResult
    from textual.widget import Widget

    from p2pcommons.tui.context import Context


class Page(Screen[None]):
    """Base of the full screens."""

    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-narrow"),
        (100, "-wide"),
    ]

    DEFAULT_CSS = """
    Page { background: $background; }
    Page > #foot { dock: bottom; height: 2; }
    Page .quiet { color: $muted; }
    Page .heading { color: $muted; text-style: bold; height: 1; padding: 0 2; }
    Page Input { background: $surface; }
    Page Input:focus { background: $panel; }
    """

    MODE: ClassVar[str] = "browse"
    KEY_ORDER: ClassVar[tuple[str, ...]] = ()
    HELP_TITLE: ClassVar[str] = ""
    HELP_TEXT: ClassVar[str] = ""
    HELP_COMMANDS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.set_class(context.glyphs is ASCII, "-ascii")

    @property
    def app(self) -> App[int]:
        """The running application; its result is an exit code."""
        return cast("App[int]", super().app)  # pyright: ignore[reportUnknownMemberType]

    def compose(self) -> ComposeResult:
        """Bars around the body."""
        yield TopBar(self.context.tabs, self.MODE, self.context.notices)
        yield Vertical(StatusLine(self.context.glyphs), KeyBar(), id="foot")
        yield from self.body()

    def body(self) -> Iterable[Widget]:
        """The widgets between the bars."""
        return ()

    def on_mount(self) -> None:
        """Show how things stand already."""
        self.standing_changed()

    def on_screen_resume(self) -> None:
        """On top again: what was missed is looked up."""
        self.standing_changed()
        self.store_changed()

    def standing_changed(self) -> None:
        """Show the newest standing."""
        for line in self.query(StatusLine):
            line.standing = self.context.news.standing

    def store_changed(self) -> None:
        """Something was committed by anybody; pages that show entries look again."""

    async def before_leaving(self) -> None:
        """The program ends; what is not saved yet is saved now."""

    @property
    def is_wide(self) -> bool:
        """True when there is room for panes side by side."""
        return self.size.width >= 100
