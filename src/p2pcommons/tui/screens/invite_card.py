"""An invite: a code to scan and a text to paste. It gives no rights and cannot be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.strip import Strip
from textual.widget import Widget

from p2pcommons.errors import P2PCommonsError
from p2pcommons.tui import wording
from p2pcommons.tui.messages import NodeWanted
from p2pcommons.tui.qr import half_blocks
from p2pcommons.tui.screens.dialog import Dialog, words
from p2pcommons.tui.widgets.choice_list import Choice, ChoiceList

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from p2pcommons.replica import InviteMade
    from p2pcommons.tui.context import Context
    from p2pcommons.tui.screens.page import Page


async def show_invite(page: Page, context: Context) -> None:
    """Show an invite to the commons in view; ask which when there are several."""
    overview = context.news.overview
    if not overview.commons:
        page.notify("There is no commons to invite to yet.", markup=False)
        return
    chosen = context.news.selected or overview.commons[0].commons
    if context.news.selected is None and len(overview.commons) > 1:
        key = await page.app.push_screen_wait(
            WhichCommons(context, "Invite to which?", commons_choices(context))
        )
        if key is None:
            return
        chosen = bytes.fromhex(key)
    page.app.post_message(NodeWanted())
    try:
        made = await context.desk.write.run(lambda replica: replica.make_invite(chosen))
        rows = await context.desk.write.run(lambda _: half_blocks(made.text))
    except P2PCommonsError as error:
        page.notify(str(error), severity="error", markup=False)
        return
    await page.app.push_screen_wait(InviteCard(made, rows))


def commons_choices(context: Context) -> list[Choice]:
    """The joined commons to choose from."""
    return [
        Choice(line.commons.hex(), line.title, wording.count(line.entries, "entry", "entries"))
        for line in context.news.overview.commons
    ]


class WhichCommons(Dialog[str]):
    """Choose one of several commons."""

    DEFAULT_CSS = """
    WhichCommons ChoiceList { height: auto; max-height: 14; }
    """

    def __init__(self, context: Context, title: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self.context = context
        self._title = title
        self._choices = tuple(choices)

    def title_words(self) -> str:
        """What stands in the frame."""
        return self._title

    def content(self) -> Iterable[Widget]:
        """The commons."""
        yield ChoiceList(self._choices, self.context.glyphs, widget_id="which")

    def on_choice_list_chosen(self, event: ChoiceList.Chosen) -> None:
        """That one."""
        self.dismiss(event.choice.key)


class QrCode(Widget):
    """A code drawn with half blocks, dark on white whatever the theme: scanners need it."""

    DEFAULT_CSS = """
    QrCode { width: auto; height: auto; }
    """

    def __init__(self, rows: Sequence[str]) -> None:
        super().__init__()
        self._rows = tuple(rows)
        self.styles.width = len(self._rows[0]) if self._rows else 0
        self.styles.height = len(self._rows)

    def render_line(self, y: int) -> Strip:
        """One row of the code, which is two rows of modules."""
        row = self._rows[y] if y < len(self._rows) else ""
        return Strip([Segment(row, Style(color="#000000", bgcolor="#ffffff"))])


class InviteCard(Dialog[bool]):
    """Shows the invite."""

    HELP_TITLE = "An invite"
    HELP_TEXT = (
        "Give it to anybody by any way: they scan it or paste it. It holds the id of the "
        "commons, its title, and addresses at which this node can be found. It gives no rights, "
        "and it cannot be taken back: the commons is public."
    )
    HELP_COMMANDS = ("p2pcommons invite C", "p2pcommons join INVITE")

    DEFAULT_CSS = """
    InviteCard > .frame { width: 80; padding: 0 1; border: none; max-height: 100%; }
    InviteCard .beside { height: auto; }
    InviteCard .told { width: 1fr; height: auto; padding: 1 0 0 2; }
    InviteCard .told Static { height: auto; }
    InviteCard .name { color: $primary; text-style: bold; }
    InviteCard .text { color: $accent; margin: 1 0; }
    InviteCard > .frame > KeyBar { margin: 0; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy the text", id="invite.copy"),
        Binding("enter", "leave", "Done", id="invite.done", show=False),
    ]
    KEY_ORDER = ("invite.copy", "dialog.leave")

    def __init__(self, made: InviteMade, rows: Sequence[str]) -> None:
        super().__init__()
        self._made = made
        self._rows = rows

    def content(self) -> Iterable[Widget]:
        """Code at the left, text at the right."""
        made = self._made
        told = [
            words("Invite to", "quiet"),
            words(made.commons.title or made.commons.title_hint or "", "name"),
            words(made.text, "text"),
            words("Scan it, or paste the text with a.", "quiet"),
        ]
        if made.note:
            told.append(words(f"\n{made.note}"))
        yield Horizontal(QrCode(self._rows), Vertical(*told, classes="told"), classes="beside")

    def action_copy(self) -> None:
        """Copy the text through the terminal."""
        self.app.copy_to_clipboard(self._made.text)
        self.notify("Copied.", markup=False)
