"""The 24 words: shown until two of them have been typed back, then never again.

Nothing here writes them anywhere; confirming removes them from this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from p2pcommons.errors import P2PCommonsError
from p2pcommons.tui.command import command
from p2pcommons.tui.screens.dialog import Dialog, words
from p2pcommons.tui.widgets.field import Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from p2pcommons.tui.context import Context

WORDS_TO_CHECK = 2


class WordsCard(Dialog[bool]):
    """Shows the words and asks for two of them; True when they were confirmed."""

    HELP_TITLE = "Your 24 words"
    HELP_TEXT = (
        "The words are your identity. Whoever has them can write as you, on any machine, for "
        "ever; nobody can give them back to you. Write them on paper. Until two of them have "
        "been typed back they wait in the file root.key beside your replica, readable only by "
        "your account; after that they are nowhere on this machine."
    )
    HELP_COMMANDS = ("p2pcommons init --words", "p2pcommons doctor")

    DEFAULT_CSS = """
    WordsCard > .frame { width: 80; }
    WordsCard .sheet { margin: 1 0; color: $accent; height: auto; }
    WordsCard .check { height: 1; }
    WordsCard .check Input { width: 18; }
    WordsCard .check .ask { width: auto; padding: 0 1 0 0; }
    WordsCard .check .ask.-second { padding: 0 1 0 3; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "confirm", "Confirm", id="words.confirm"),
        Binding("escape", "leave", "Later", id="dialog.leave"),
    ]
    KEY_ORDER = ("words.confirm", "dialog.leave")

    def __init__(self, context: Context, secret: tuple[str, ...]) -> None:
        super().__init__()
        self.context = context
        self._secret = secret
        self._asked = tuple(sorted(context.pick(len(secret), WORDS_TO_CHECK)))

    def title_words(self) -> str:
        """What stands in the frame."""
        return "Your 24 words"

    def content(self) -> Iterable[Widget]:
        """The words in four columns and two questions."""
        yield words("Write these down on paper. They are your identity: with them you write as")
        yield words("yourself on any machine, and nobody else can ever give them back to you.")
        yield words(_sheet(self._secret), "sheet")
        yield words(
            "Until two are typed back they wait in root.key on this machine; then they are gone.",
            "quiet",
        )
        yield words("")
        first, second = self._asked
        yield Horizontal(
            words(f"word {first + 1}", "ask"),
            Field(id="first", compact=True, select_on_focus=False),
            words(f"word {second + 1}", "ask -second"),
            Field(id="second", compact=True, select_on_focus=False),
            classes="check",
        )
        yield words("", "wrong", "wrong")

    @on(Input.Submitted)
    def submitted(self) -> None:
        """Enter in a field goes on to the next, and confirms in the last."""
        second = self.query_one("#second", Input)
        if self.focused is not second and not second.value:
            second.focus()
        else:
            self.action_confirm()

    def action_confirm(self) -> None:
        """Compare the two words."""
        typed = [
            self.query_one(f"#{name}", Input).value.strip().lower() for name in ("first", "second")
        ]
        wrong = [
            str(place + 1)
            for place, given in zip(self._asked, typed, strict=True)
            if given != self._secret[place]
        ]
        if wrong:
            numbers = " and ".join(wrong)
            self.query_one("#wrong", Static).update(f"word {numbers} is not what is written above")
            return
        self._confirm()

    @command("confirm-words")
    async def _confirm(self) -> None:
        try:
            await self.context.desk.write.run(lambda replica: replica.confirm_words())
        except P2PCommonsError as error:
            self.query_one("#wrong", Static).update(str(error))
            return
        self.notify("Your words are removed from this machine. Keep the paper.", markup=False)
        self.dismiss(True)


def _sheet(secret: tuple[str, ...]) -> str:
    """The words numbered in four columns of six, read downwards."""
    rows = -(-len(secret) // 4)
    lines: list[str] = []
    for row in range(rows):
        cells = [f"{place + 1:>2} {secret[place]:<13}" for place in range(row, len(secret), rows)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
