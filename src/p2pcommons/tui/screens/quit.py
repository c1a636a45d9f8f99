"""Before leaving: what is only on this machine, what the node does then, how to come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from p2pcommons.tui import wording
from p2pcommons.tui.screens.dialog import Dialog, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from p2pcommons.tui.context import Context

KEEP = "keep"
LEAVE = "leave"


class Quit(Dialog[str]):
    """`keep` leaves the node running, `leave` stops it; None stays."""

    HELP_TITLE = "Quit"
    HELP_TEXT = (
        "What you wrote is safe on this machine. While the node runs it goes to peers as they "
        "are met; without it, it waits until you open the program again."
    )
    HELP_COMMANDS = ("p2pcommons node start", "p2pcommons node status", "p2pcommons node stop")

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "quit", "Quit", id="quit.leave"),
        Binding("k", "keep", "Quit, keep the node running", id="quit.keep"),
        Binding("escape", "leave", "Stay", id="dialog.leave"),
    ]
    KEY_ORDER = ("quit.leave", "quit.keep", "dialog.leave")

    DEFAULT_CSS = """
    Quit .count { color: $warning; text-style: bold; }
    Quit .install { color: $accent; margin: 0 0 0 2; }
    """

    def __init__(self, context: Context, *, can_keep: bool) -> None:
        super().__init__()
        self.context = context
        self._can_keep = can_keep

    def title_words(self) -> str:
        """What stands in the frame."""
        return "Quit?"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Keeping the node is offered only where this program started it."""
        return self._can_keep if action == "keep" else True

    def content(self) -> Iterable[Widget]:
        """What is only here, or how to install."""
        only_here = self.context.news.overview.only_here
        demo = self.context.demo
        if only_here:
            yield words(f"{wording.only_here(only_here)}.", "count")
        if only_here and demo is None:
            when = "when a peer is met while the node runs" if self._can_keep else "when one is met"
            yield words(
                "No other node is known to hold them. They are safe on this machine, and go to "
                f"peers {when}."
            )
        if demo is not None:
            yield words("This was the demo; its folder is removed now. To keep the program:")
            for command in (*demo.install, "p2pcommons"):
                yield words(command, "install")

    def action_quit(self) -> None:
        """Leave, and stop the node that this program started."""
        self.dismiss(LEAVE)

    def action_keep(self) -> None:
        """Leave, and let the node go on."""
        self.dismiss(KEEP)
