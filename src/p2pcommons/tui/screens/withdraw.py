"""Withdrawing: what it does, what it cannot do, and the key that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from p2pcommons.errors import P2PCommonsError
from p2pcommons.tui.command import command
from p2pcommons.tui.screens.dialog import Dialog, words
from p2pcommons.tui.widgets.field import Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from p2pcommons.replica import Replica
    from p2pcommons.tui.context import Context
    from p2pcommons.tui.records import EntryLine

REASON_CHARS_MAX = 500


class ConfirmWithdraw(Dialog[bool]):
    """Says what withdrawing means; F9 does it."""

    HELP_TITLE = "Withdraw"
    HELP_TEXT = (
        "A withdrawal asks every node to drop the text. Honest nodes obey; a copy somebody made "
        "elsewhere stays where it is. That you wrote something, and when, remains."
    )
    HELP_COMMANDS = ("p2pcommons withdraw ID",)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f9", "withdraw", "Withdraw", id="withdraw.confirm"),
    ]
    KEY_ORDER = ("withdraw.confirm", "dialog.leave")

    def __init__(self, context: Context, row: EntryLine) -> None:
        super().__init__()
        self.context = context
        self._row = row

    def title_words(self) -> str:
        """What stands in the frame."""
        return "Withdraw your versions?"

    def content(self) -> Iterable[Widget]:
        """The title of the entry and the consequences."""
        yield words(self._row.title)
        yield words("")
        yield words(
            "Every node is asked to drop your text. Honest nodes obey; copies that somebody "
            "made elsewhere stay. That you wrote something here, and when, remains."
        )
        yield words("Why? (may stay empty; everybody can read it)", "label")
        yield Field(id="reason", compact=True)
        yield words("", "wrong", "wrong")

    @command("withdraw")
    async def action_withdraw(self) -> None:
        """Sign the withdrawal."""
        row, reason = self._row, self.query_one("#reason", Input).value.strip() or None

        def write(replica: Replica) -> None:
            replica.withdraw(replica.resolve_entry(row.entry.hex()), reason)

        try:
            await self.context.desk.write.run(write)
        except P2PCommonsError as error:
            self.query_one("#wrong", Static).update(str(error))
            return
        self.dismiss(True)
