"""How far the node goes to meet others, and for how long it rests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.tui.screens.dialog import Dialog
from p2pcommons.tui.standing import MODE_WORDS
from p2pcommons.tui.widgets.choice_list import Choice, ChoiceList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from p2pcommons.tui.context import Context

PAUSES = (
    Choice("0", "Until it is resumed", "P again"),
    Choice("3600", "For an hour"),
    Choice("28800", "For eight hours"),
    Choice("86400", "For a day"),
)
"""What can be chosen; the keys are seconds, 0 for no end."""


class ChooseMode(Dialog[str]):
    """Off, friends, lan, open."""

    HELP_TITLE = "Mode"
    HELP_TEXT = (
        "Off is silence. Friends meets the peers of your invites and address book and accepts "
        "whoever speaks the protocol. Lan also announces this node on the local network, without "
        "any name. Open also meets peers that others name."
    )
    HELP_COMMANDS = ("p2pcommons node run --mode friends",)

    DEFAULT_CSS = """
    ChooseMode ChoiceList { height: auto; }
    """

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context

    def title_words(self) -> str:
        """What stands in the frame."""
        return "How far does your node go?"

    def content(self) -> Iterable[Widget]:
        """The four modes."""
        choices = [
            Choice(mode, told, chosen=mode == self.context.news.mode)
            for mode, told in MODE_WORDS.items()
        ]
        yield ChoiceList(choices, self.context.glyphs, widget_id="modes")

    def on_choice_list_chosen(self, event: ChoiceList.Chosen) -> None:
        """That one."""
        self.dismiss(event.choice.key)


class ChoosePause(Dialog[str]):
    """For how long; the seconds as text, "0" for until it is resumed."""

    HELP_TITLE = "Pause"
    HELP_TEXT = (
        "A paused node closes its connections, dials nobody and answers nobody. What you write is "
        "kept and goes out afterwards. The pause outlives a restart of the node."
    )
    HELP_COMMANDS = ("p2pcommons pause --for 2h", "p2pcommons resume")

    DEFAULT_CSS = """
    ChoosePause ChoiceList { height: auto; }
    """

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context

    def title_words(self) -> str:
        """What stands in the frame."""
        return "Pause the network"

    def content(self) -> Iterable[Widget]:
        """A few lengths of time."""
        yield ChoiceList(PAUSES, self.context.glyphs, widget_id="pauses")

    def on_choice_list_chosen(self, event: ChoiceList.Chosen) -> None:
        """That long."""
        self.dismiss(event.choice.key)
