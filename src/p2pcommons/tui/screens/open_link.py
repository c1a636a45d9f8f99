"""Ask before an address leaves for the browser: once per host, in words.

Only http and https are ever opened; anything else can be copied and looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from textual.binding import Binding, BindingType

from p2pcommons.tui.screens.dialog import Dialog, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from p2pcommons.tui.context import Context


class OpenLink(Dialog[bool]):
    """Shows the whole address; True when it was opened."""

    HELP_TITLE = "Opening a link"
    HELP_TEXT = (
        "Links are other people's words. Nothing is opened by looking at an entry; before a "
        "browser opens a host for the first time you see the whole address. The host then sees "
        "your internet address."
    )
    HELP_COMMANDS = ("p2pcommons show ID",)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open in the browser", id="link.open"),
        Binding("y", "copy", "Copy", id="link.copy"),
        Binding("escape", "leave", "Close", id="dialog.leave"),
    ]
    KEY_ORDER = ("link.open", "link.copy", "dialog.leave")

    def __init__(self, context: Context, address: str) -> None:
        super().__init__()
        self.context = context
        self._address = address
        self._host = openable_host(address)

    def title_words(self) -> str:
        """What stands in the frame."""
        return f"Open {self._host}?" if self._host else "A link that is not opened"

    def content(self) -> Iterable[Widget]:
        """The address and what opening it means."""
        yield words(self._address)
        yield words("")
        if self._host:
            yield words(f"{self._host} will see your internet address.", "quiet")
            yield words("You are asked once per host while the program runs.", "quiet")
        else:
            yield words("Only http and https are opened. You can copy it.", "quiet")

    def action_open(self) -> None:
        """Hand the address to the browser."""
        if self._host:
            self.context.hosts_allowed.add(self._host)
            self.app.open_url(self._address)
            self.dismiss(True)

    def action_copy(self) -> None:
        """Copy the address through the terminal."""
        self.app.copy_to_clipboard(self._address)
        self.notify("Copied.", markup=False)
        self.dismiss(False)


def openable_host(address: str) -> str:
    """The host of an http or https address, else an empty text."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return parts.hostname or "" if parts.scheme in ("http", "https") else ""
