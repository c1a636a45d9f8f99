"""The first run asks one thing: a name. Then the product is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input, Static

from p2pcommons.errors import P2PCommonsError
from p2pcommons.tui.command import command
from p2pcommons.tui.screens.dialog import words
from p2pcommons.tui.widgets.field import Field
from p2pcommons.tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from p2pcommons.tui.context import Context

WORDS_COUNT = 24


class FirstRun(Screen[bool]):
    """Asks for a name, or for the words of somebody who was here before."""

    AUTO_FOCUS = "#name"

    KEY_ORDER: ClassVar[tuple[str, ...]] = ("first.begin", "first.words", "first.quit")
    HELP_TITLE: ClassVar[str] = "The first run"
    HELP_TEXT: ClassVar[str] = (
        "A key is made on this computer; it is you. There is no account and nobody is asked. "
        "The name is shown to others with six letters of your key, so two people may have the "
        "same name."
    )
    HELP_COMMANDS: ClassVar[tuple[str, ...]] = (
        "p2pcommons init --name NAME",
        "p2pcommons init --words",
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "begin", "Begin", id="first.begin"),
        Binding("ctrl+r", "words", "I have 24 words", id="first.words"),
        Binding("escape", "app.quit", "Quit", id="first.quit"),
    ]

    DEFAULT_CSS = """
    FirstRun { align: center middle; background: $background; }
    FirstRun KeyBar { dock: bottom; }
    FirstRun #card { width: 64; height: auto; }
    FirstRun #program { color: $primary; text-style: bold; }
    FirstRun #promise { color: $muted; margin-bottom: 2; }
    FirstRun #ask { text-style: bold; margin-bottom: 1; }
    FirstRun Input { background: $panel; }
    FirstRun #typed-words { display: none; margin-top: 1; }
    FirstRun.-words #typed-words { display: block; }
    FirstRun #why { color: $muted; margin-top: 1; height: auto; }
    FirstRun #wrong { color: $error; margin-top: 1; height: auto; }
    FirstRun #card Static { height: auto; }
    """

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context

    def compose(self) -> ComposeResult:
        """A card in the middle."""
        yield Vertical(
            words("p2pcommons", widget_id="program"),
            words("Shared knowledge that nobody owns.", widget_id="promise"),
            words("What do you want to be called?", widget_id="ask"),
            Field(id="name", compact=True, placeholder="ana"),
            Field(
                id="typed-words",
                compact=True,
                password=True,
                placeholder="your 24 words, then Enter",
            ),
            words(
                "A key is made on this computer and stays here; it is you. There is no account, "
                "and nobody is asked. Others see your name with six letters of that key.",
                widget_id="why",
            ),
            words("", widget_id="wrong"),
            id="card",
        )
        yield KeyBar()

    def action_words(self) -> None:
        """Somebody who has been here on another machine."""
        self.toggle_class("-words")
        self.query_one("#typed-words" if self.has_class("-words") else "#name", Input).focus()

    @on(Input.Submitted)
    def action_begin(self) -> None:
        """Make the identity."""
        name = self.query_one("#name", Input).value.strip()
        typed = self.query_one("#typed-words", Input).value.split()
        if self.has_class("-words"):
            if len(typed) != WORDS_COUNT:
                self._say(f"{len(typed)} of {WORDS_COUNT} words are here.")
                return
            self._make(name, tuple(typed))
        elif name:
            self._make(name, ())
        else:
            self._say("Any name will do; it can be changed later.")

    def _say(self, what: str) -> None:
        self.query_one("#wrong", Static).update(what)

    @command("make")
    async def _make(self, name: str, typed: tuple[str, ...]) -> None:
        write = self.context.desk.write
        try:
            if typed:
                await write.run(lambda replica: replica.restore_identity(typed, name))
            else:
                await write.run(lambda replica: replica.create_identity(name))
        except P2PCommonsError as error:
            self._say(str(error))
            return
        # The other lanes have read settings in which nobody had a name yet.
        self.context.desk.reload()
        self.dismiss(True)
