"""The network in words: this node, its commons, its peers, and what to do when nobody is met."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from p2pcommons import control
from p2pcommons.errors import P2PCommonsError
from p2pcommons.tui import network_words
from p2pcommons.tui.command import command
from p2pcommons.tui.messages import ModeChosen, NodeWanted, Wrote
from p2pcommons.tui.screens.dialog import Dialog, words
from p2pcommons.tui.screens.invite_card import show_invite
from p2pcommons.tui.screens.page import Page
from p2pcommons.tui.standing import MODE_WORDS
from p2pcommons.tui.widgets.choice_list import Choice, ChoiceList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from p2pcommons.tui.context import Context

SYNC_SECONDS = 30


class Network(Page):
    """Peers, equality, progress, addresses."""

    AUTO_FOCUS = "#peers"
    MODE = "network"

    HELP_TITLE = "Network"
    HELP_TEXT = (
        "Your node meets others and exchanges what each lacks. When two replicas hold the same, "
        "both screens show the same four words: read them to each other across the table. "
        "Everything works without a network; what you wrote goes out when somebody is met."
    )
    HELP_COMMANDS = (
        "p2pcommons node status",
        "p2pcommons peers",
        "p2pcommons peers add MULTIADDR",
        "p2pcommons sync --timeout 30",
        "p2pcommons digest",
        "p2pcommons invite C",
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "Add an invite or address", id="network.add"),
        Binding("i", "invite", "Invite", id="commons.invite"),
        Binding("S", "sync", "Reconcile now", id="network.sync"),
        Binding("m", "mode", "Mode", id="network.mode"),
        Binding("escape", "back", "Back", id="network.back", show=False),
    ]
    KEY_ORDER = ("network.sync", "commons.invite", "network.add", "network.mode")

    DEFAULT_CSS = """
    Network #both { height: 1fr; }
    Network #left { width: 1fr; padding: 1 0 0 0; scrollbar-size-vertical: 1; }
    Network #right { width: 46%; padding: 1 0 0 0; border-left: solid $line; }
    Network Static { height: auto; }
    Network .told { padding: 0 2 1 2; }
    Network #peers { height: auto; max-height: 60%; margin-bottom: 1; }
    Network #advice { color: $foreground; }
    Network .heading { margin-bottom: 0; }
    Network.-narrow #both { layout: vertical; }
    Network.-narrow #left { height: auto; max-height: 60%; width: 1fr; padding: 0; }
    Network.-narrow #right { width: 1fr; height: 1fr; border-left: none; padding: 0; }
    Network.-narrow .told { padding: 0 2 0 2; }
    """

    def body(self) -> Iterable[Widget]:
        """Node and commons at the left, peers and advice at the right."""
        yield Horizontal(
            VerticalScroll(
                words("THIS NODE", "heading"),
                words("", "told", "node"),
                words("COMMONS", "heading"),
                words("", "told", "commons-told"),
                id="left",
                can_focus=False,
            ),
            Vertical(
                words("PEERS", "heading"),
                ChoiceList(glyphs=self.context.glyphs, widget_id="peers"),
                words("", "told", "advice"),
                id="right",
            ),
            id="both",
        )

    def on_mount(self) -> None:
        """Show what is known."""
        self._show()

    def standing_changed(self) -> None:
        """The node said something new."""
        super().standing_changed()
        if self.is_mounted:
            self._show()

    def _show(self) -> None:
        news, now = self.context.news, self.context.now()
        node = network_words.node_lines(
            news.status, news.mode, news.store_trouble or news.trouble, now
        )
        self.query_one("#node", Static).update("\n".join(node))
        lines = network_words.commons_lines(news.overview, news.status, now)
        self.query_one("#commons-told", Static).update(_styled(lines))
        choices = [
            Choice(peer.peer_id, network_words.peer_name(peer), told, look=look)
            for peer, told, look in network_words.peer_rows(news.status, now)
        ]
        nobody = [Choice("", "nobody known yet", look="quiet")]
        self.query_one("#peers", ChoiceList).set_choices(choices or nobody)
        advice = network_words.advice_lines(news.status, news.mode, now, news.overview)
        self.query_one("#advice", Static).update("\n".join(advice))

    @on(ChoiceList.Chosen, "#peers")
    def peer_chosen(self, event: ChoiceList.Chosen) -> None:
        """Show everything about one peer."""
        found = [
            peer for peer in self.context.news.status.peers if peer.peer_id == event.choice.key
        ]
        if found:
            lines = network_words.peer_lines(found[0], self.context.news.status, self.context.now())
            self.app.push_screen(PeerCard(lines))

    def action_back(self) -> None:
        """To the entries."""
        self.app.switch_mode("browse")

    @command("dialog")
    async def action_add(self) -> None:
        """Paste an invite or an address."""
        from p2pcommons.tui.screens import commons_dialogs

        await commons_dialogs.join(self, self.context)

    @command("dialog")
    async def action_invite(self) -> None:
        """Show an invite."""
        await show_invite(self, self.context)

    @command("dialog")
    async def action_mode(self) -> None:
        """Choose how far the node goes to meet others."""
        chosen = await self.app.push_screen_wait(ChooseMode(self.context))
        if chosen is not None and chosen != self.context.news.mode:
            self.app.post_message(ModeChosen(chosen))

    @command("sync")
    async def action_sync(self) -> None:
        """Reconcile with every connected peer now."""
        if not self.context.news.status.running:
            self.app.post_message(NodeWanted(asked=True))
            self.notify("Starting the node…", timeout=3, markup=False)
            return
        self.notify("Reconciling…", timeout=2, markup=False)
        paths = self.context.desk.paths
        asked = {"op": "sync", "timeout": SYNC_SECONDS}
        try:
            reply = await self.context.desk.slow.run(
                lambda _: control.request(paths, asked, timeout_s=SYNC_SECONDS + 5)
            )
        except P2PCommonsError as error:
            self.notify(str(error), severity="warning", markup=False)
            return
        self.app.post_message(Wrote())
        self.notify(network_words.sync_sentence(reply), markup=False)


def _styled(lines: list[tuple[str, str]]) -> Content:
    """Lines with looks as content; built from parts, so nothing is read as markup."""
    styles = {"title": "bold", "plain": "$muted", "words": "italic $accent", "good": "$success"}
    if not lines:
        return Content("none yet")
    return Content.assemble(*((f"{words}\n", styles.get(look, "")) for words, look in lines))


class PeerCard(Dialog[None]):
    """Everything known about a peer."""

    HELP_TITLE = "A peer"
    HELP_TEXT = (
        "A peer is a node, not a person: its id names no author. Addresses are tried in turn; "
        "what each answered is listed."
    )
    HELP_COMMANDS = ("p2pcommons peers", "p2pcommons peers remove P")

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def title_words(self) -> str:
        """What stands in the frame."""
        return "Peer"

    def content(self) -> Iterable[Widget]:
        """The lines."""
        yield words("\n".join(self._lines))


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
