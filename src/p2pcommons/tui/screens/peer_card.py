"""Everything known about one peer; it can be copied, and forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Input, Static

from p2pcommons.errors import P2PCommonsError
from p2pcommons.tui.command import command
from p2pcommons.tui.peer_lines import called, peer_lines, words_of
from p2pcommons.tui.screens.dialog import Confirm, Dialog, words
from p2pcommons.tui.screens.styled import styled
from p2pcommons.tui.widgets.field import Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from p2pcommons.tui.context import Context
    from p2pcommons.tui.node_status import PeerStatus
    from p2pcommons.tui.screens.page import Page

FORGET, NAME = "forget", "name"


async def show_peer(page: Page, context: Context, peer_id: str) -> bool:
    """Show the card of a peer; True when it was named or forgotten."""
    found = [peer for peer in context.news.status.peers if peer.peer_id == peer_id]
    asked = await page.app.push_screen_wait(PeerCard(context, found[0])) if found else None
    if asked == NAME:
        return bool(await page.app.push_screen_wait(NamePeer(context, peer_id)))
    return asked == FORGET and await _forget(page, context, peer_id)


async def _forget(page: Page, context: Context, peer_id: str) -> bool:
    who = context.glyphs.spelled(called(peer_id, given_name(context, peer_id)))
    sure = await page.app.push_screen_wait(
        Confirm(
            f"Forget {who}?",
            "Its addresses go from the address book of this machine, and the name you gave it. "
            "Others may still name it, and it may come back by itself: this keeps nobody out.",
        )
    )
    if not sure:
        return False
    try:
        await context.desk.write.run(lambda replica: replica.remove_peer(peer_id))
    except P2PCommonsError as error:
        page.notify(str(error), severity="warning", markup=False)
        return False
    page.notify(f"{who} is forgotten.", markup=False)
    return True


def given_name(context: Context, peer_id: str) -> str:
    """What this person calls a node; empty where they gave it no name."""
    return dict(context.news.overview.peer_names).get(peer_id, "")


class PeerCard(Dialog[str]):
    """The card; its answer is `FORGET` or nothing."""

    AUTO_FOCUS = "VerticalScroll"
    HELP_TITLE = "A peer"
    HELP_TEXT = (
        "A peer is a node, not a person: its id names no author. The four key words come from "
        "its id: when the other screen shows the same four as its own, it is that node. Addresses "
        "are tried in turn; what each answered is listed."
    )
    HELP_COMMANDS = (
        "p2pcommons peers",
        "p2pcommons peers add MULTIADDR",
        "p2pcommons peers name P NAME",
        "p2pcommons peers remove P",
    )

    DEFAULT_CSS = """
    PeerCard VerticalScroll { height: auto; max-height: 75vh; scrollbar-size-vertical: 1; }
    PeerCard VerticalScroll > Static { height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "name", "Name it", id="peer.name"),
        Binding("y", "copy", "Copy address", id="peer.copy"),
        Binding("Y", "copy_id", "Copy id", id="peer.copy-id"),
        Binding("D", "forget", "Forget…", id="peer.forget"),
    ]
    KEY_ORDER = ("peer.name", "peer.copy", "peer.copy-id", "peer.forget", "dialog.leave")

    def __init__(self, context: Context, peer: PeerStatus) -> None:
        super().__init__()
        self.context = context
        self._peer = peer

    def title_words(self) -> str:
        """What stands in the frame."""
        return self.context.glyphs.spelled(
            f"Peer {called(self._peer.peer_id, given_name(self.context, self._peer.peer_id))}"
        )

    def content(self) -> Iterable[Widget]:
        """The lines."""
        yield VerticalScroll(words("", widget_id="card"))

    def on_mount(self) -> None:
        """Show it, and keep it as it is now."""
        self._show()
        self.set_interval(1.0, self._show)

    def _show(self) -> None:
        status = self.context.news.status
        self._peer = next(
            (peer for peer in status.peers if peer.peer_id == self._peer.peer_id), self._peer
        )
        lines = peer_lines(self._peer, status, self.context.now())
        spelled = self.context.glyphs.spelled
        told = styled([(spelled(said), look) for said, look in lines])
        self.query_one("#card", Static).update(told)

    def action_copy(self) -> None:
        """Copy an address that somebody else can add."""
        if not self._peer.addresses:
            self.notify("No address of it is known.", markup=False)
            return
        address = self._peer.addresses[0]
        whole = address if "/p2p/" in address else f"{address}/p2p/{self._peer.peer_id}"
        self.app.copy_to_clipboard(whole)
        self.notify("The address is copied; others add it with a.", markup=False)

    def action_copy_id(self) -> None:
        """Copy the id."""
        self.app.copy_to_clipboard(self._peer.peer_id)
        self.notify("Copied.", markup=False)

    def action_name(self) -> None:
        """Say so to whoever opened this card; it asks for the name."""
        self.dismiss(NAME)

    def action_forget(self) -> None:
        """Say so to whoever opened this card; it asks once more."""
        self.dismiss(FORGET)


class NamePeer(Dialog[bool]):
    """Asks what this person calls a node; True when that was kept."""

    HELP_TITLE = "The name of a peer"
    HELP_TEXT = (
        "A name for a node, seen on this machine alone. Its key words stay beside it: they come "
        "from its key, and nobody chooses them. An empty name takes yours away."
    )
    HELP_COMMANDS = ("p2pcommons peers name P NAME",)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "keep", "Call it so", id="peer.keep-name"),
    ]
    KEY_ORDER = ("peer.keep-name", "dialog.leave")

    def __init__(self, context: Context, peer_id: str) -> None:
        super().__init__()
        self.context = context
        self._peer_id = peer_id

    def title_words(self) -> str:
        """What stands in the frame."""
        return f"What do you call {words_of(self._peer_id)}?"

    def content(self) -> Iterable[Widget]:
        """One field."""
        name = given_name(self.context, self._peer_id)
        yield Field(name, id="name", compact=True, placeholder="Rui's old laptop")
        yield words("Only you see it. Empty takes it away.", "label")
        yield words("", "wrong", "wrong")

    @on(Input.Submitted)
    def action_keep(self) -> None:
        """Keep the name."""
        self._keep(self.query_one("#name", Input).value)

    @command("name")
    async def _keep(self, name: str) -> None:
        peer_id = self._peer_id
        try:
            await self.context.desk.write.run(lambda replica: replica.name_peer(peer_id, name))
        except P2PCommonsError as error:
            self.query_one("#wrong", Static).update(str(error))
            return
        self.dismiss(True)
