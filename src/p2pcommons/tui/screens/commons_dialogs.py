"""Ways into a commons: start one, paste an invite, open the handbook; and out of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from p2pcommons.errors import P2PCommonsError
from p2pcommons.model.kinds import DEFAULT_LICENCE
from p2pcommons.model.words import clean_line
from p2pcommons.protocol.invite import decode_invite
from p2pcommons.tui.command import command
from p2pcommons.tui.messages import NodeWanted, Wrote
from p2pcommons.tui.screens.dialog import Confirm, Dialog, words
from p2pcommons.tui.screens.invite_card import WhichCommons, commons_choices
from p2pcommons.tui.screens.nearby import offer_commons
from p2pcommons.tui.screens.welcome import BEGIN, HANDBOOK, JOIN, LEAVE, NEARBY, OFFER
from p2pcommons.tui.widgets.choice_list import ChoiceList
from p2pcommons.tui.widgets.field import Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from p2pcommons.replica import JoinResult
    from p2pcommons.tui.context import Context
    from p2pcommons.tui.screens.page import Page

PURPOSE_CHARS_MAX = 2_000


async def begin(page: Page, context: Context) -> None:
    """Ask for a title and a purpose, and found a commons."""
    await page.app.push_screen_wait(BeginCommons(context))


async def join(page: Page, context: Context) -> None:
    """Ask for an invite and join."""
    await page.app.push_screen_wait(PasteInvite(context))


async def open_handbook(page: Page, context: Context) -> None:
    """Copy the handbook to this machine, or show the copy made before."""
    page.notify("Copying the handbook…", timeout=2, markup=False)
    try:
        row = await context.desk.write.run(lambda replica: replica.open_handbook())
    except P2PCommonsError as error:
        page.notify(str(error), severity="error", markup=False)
        return
    page.notify(f"{row.title} is here: read it, tag it, edit it.", markup=False)
    page.app.post_message(Wrote())


async def look_around(page: Page) -> None:
    """Start the node if need be, and go where it shows who is nearby."""
    page.app.post_message(NodeWanted(asked=True))
    await page.app.switch_mode("network")


async def more_commons(page: Page, context: Context) -> None:
    """Let the person choose among the ways in."""
    chosen = await page.app.push_screen_wait(WaysIn(context))
    if chosen == BEGIN.key:
        await begin(page, context)
    elif chosen == JOIN.key:
        await join(page, context)
    elif chosen == NEARBY.key:
        await look_around(page)
    elif chosen == OFFER.key:
        await offer_commons(page, context)
    elif chosen == HANDBOOK.key:
        await open_handbook(page, context)
    elif chosen == LEAVE.key:
        await leave(page, context)


_STILL_PLEDGED = " So does your pledge to keep it: K on the network screen takes that back first."


async def leave(page: Page, context: Context) -> None:
    """Ask which commons, and once more, and leave it."""
    key = await page.app.push_screen_wait(
        WhichCommons(context, "Leave which?", commons_choices(context))
    )
    line = context.news.overview.find(bytes.fromhex(key)) if key else None
    if line is None:
        return
    sure = await page.app.push_screen_wait(
        Confirm(
            f"Leave {line.title}?",
            "It is hidden here and no longer exchanged. Its entries stay on this machine, and "
            "an invite brings it back. What you wrote stays with the others."
            + (_STILL_PLEDGED if line.kept else ""),
        )
    )
    if sure:
        await context.desk.write.run(lambda replica: replica.leave_commons(line.commons))
        page.app.post_message(Wrote())
        page.notify(f"You left {line.title}.", markup=False)


class WaysIn(Dialog[str]):
    """Start, join, handbook, or leave; the key of what was chosen."""

    HELP_TITLE = "Commons"
    HELP_TEXT = (
        "A commons is a set of entries with a purpose. You may be in several; each is complete "
        "on this machine. Nobody lets you in and nobody can put you out."
    )
    HELP_COMMANDS = (
        "p2pcommons commons create TITLE",
        "p2pcommons join INVITE",
        "p2pcommons nearby",
        "p2pcommons commons offer C",
        "p2pcommons commons leave C",
    )

    DEFAULT_CSS = """
    WaysIn ChoiceList { height: auto; }
    """

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context

    def title_words(self) -> str:
        """What stands in the frame."""
        return "Commons"

    def content(self) -> Iterable[Widget]:
        """The ways in, and the way out."""
        ways = [BEGIN, JOIN, NEARBY, HANDBOOK]
        ways += [OFFER, LEAVE] if self.context.news.overview.commons else []
        yield ChoiceList(ways, self.context.glyphs, widget_id="ways")

    @on(ChoiceList.Chosen, "#ways")
    def way_chosen(self, event: ChoiceList.Chosen) -> None:
        """Go there."""
        self.dismiss(event.choice.key)


class BeginCommons(Dialog[bool]):
    """Title and purpose of a new commons; True when it was founded."""

    HELP_TITLE = "Start a commons"
    HELP_TEXT = (
        "A title and, if you like, a sentence about its purpose. It is public: whoever holds a "
        "copy may read it and pass it on. Others take part by an invite (i)."
    )
    HELP_COMMANDS = ("p2pcommons commons create TITLE --purpose P",)

    DEFAULT_CSS = """
    BeginCommons .small { margin-top: 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "begin", "Start it", id="commons.begin"),
    ]
    KEY_ORDER = ("commons.begin", "dialog.leave")

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context

    def title_words(self) -> str:
        """What stands in the frame."""
        return "Start a commons"

    def content(self) -> Iterable[Widget]:
        """Two fields."""
        yield words("What is it called?", "quiet")
        yield Field(id="title", compact=True, placeholder="Garden Lisboa")
        yield words("What is it for? (may stay empty)", "label")
        yield Field(
            id="purpose",
            compact=True,
            placeholder="What grows here, and how we do it",
        )
        yield words(
            f"Public, under {DEFAULT_LICENCE}, without rules. Nobody owns it, you neither.",
            "label",
        )
        yield words("", "wrong", "wrong")

    @on(Input.Submitted)
    def submitted(self, event: Input.Submitted) -> None:
        """Enter in the title goes on to the purpose."""
        if event.input.id == "title":
            self.query_one("#purpose", Input).focus()
        else:
            self.action_begin()

    def action_begin(self) -> None:
        """Found it."""
        title = self.query_one("#title", Input).value.strip()
        if not title:
            self.query_one("#wrong", Static).update("A commons needs a title.")
            self.query_one("#title", Input).focus()
            return
        self._begin(title, self.query_one("#purpose", Input).value.strip())

    @command("begin")
    async def _begin(self, title: str, purpose: str) -> None:
        try:
            await self.context.desk.write.run(
                lambda replica: replica.create_commons(title, purpose)
            )
        except P2PCommonsError as error:
            self.query_one("#wrong", Static).update(str(error))
            return
        self.app.post_message(Wrote())
        self.app.post_message(NodeWanted())
        self.notify(f"{clean_line(title)} is yours and everybody's now.", markup=False)
        self.dismiss(True)


class PasteInvite(Dialog[bool]):
    """Reads an invite while it is typed or pasted; True when the commons was joined."""

    HELP_TITLE = "Paste an invite"
    HELP_TEXT = (
        "An invite names a commons and a way to a peer that holds it. Case, spaces and line "
        "breaks do not matter. It gives no rights: it only helps to find each other. On one "
        "local network the peer is found whatever address the invite holds."
    )
    HELP_COMMANDS = ("p2pcommons join INVITE",)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "join", "Join", id="commons.join"),
    ]
    KEY_ORDER = ("commons.join", "dialog.leave")

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context

    def title_words(self) -> str:
        """What stands in the frame."""
        return "Paste an invite"

    def content(self) -> Iterable[Widget]:
        """One field and what it says."""
        yield words("An invite, or the address of a peer (/ip4/…/tcp/…/p2p/…).", "quiet")
        yield Field(id="invite", compact=True)
        yield words("", "label", "says")
        yield words("", "wrong", "wrong")

    def on_paste(self) -> None:
        """A terminal may give the focus to nothing while it pastes."""
        self.query_one("#invite", Input).focus()

    @on(Input.Changed, "#invite")
    def invite_typed(self, event: Input.Changed) -> None:
        """Say what the invite says."""
        says = self.query_one("#says", Static)
        self.query_one("#wrong", Static).update("")
        if not event.value.strip():
            says.update("")
            return
        if event.value.strip().startswith("/"):
            says.update("An address of a peer. Enter notes it, and the node tries it.")
            return
        try:
            invite = decode_invite(event.value)
        except P2PCommonsError as error:
            says.update(f"Not an invite yet: {error}")
            return
        title = clean_line(invite.title) or "a commons"
        peer = invite.peer_id[-6:]
        says.update(f"To {title}, by way of the peer that ends in {peer}. Enter joins.")

    @on(Input.Submitted)
    def action_join(self) -> None:
        """Keep the commons and the addresses."""
        text = self.query_one("#invite", Input).value
        if text.strip().startswith("/"):
            self._add_address(text.strip())
        else:
            self._join(text)

    @command("join")
    async def _add_address(self, address: str) -> None:
        try:
            await self.context.desk.write.run(lambda replica: replica.add_peer(address))
        except P2PCommonsError as error:
            self.query_one("#wrong", Static).update(str(error))
            return
        self.notify("The address is noted; the node tries it now.", markup=False)
        self.app.post_message(Wrote())
        self.app.post_message(NodeWanted())
        self.dismiss(True)

    @command("join")
    async def _join(self, text: str) -> None:
        try:
            joined: JoinResult = await self.context.desk.write.run(
                lambda replica: replica.join(text)
            )
        except P2PCommonsError as error:
            self.query_one("#wrong", Static).update(str(error))
            return
        title = joined.commons.title or joined.commons.title_hint or "The commons"
        said = "was joined before; nothing changed." if joined.already else "is joined."
        self.notify(f"{title} {said}", markup=False)
        self.app.post_message(Wrote())
        self.app.post_message(NodeWanted())
        self.dismiss(True)
