"""The network in words: this node, its peers, what is offered nearby, its commons, its traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from p2pcommons import control
from p2pcommons.errors import P2PCommonsError
from p2pcommons.replica.pausing import read_waived, waived_words
from p2pcommons.tui import network_words
from p2pcommons.tui.command import command
from p2pcommons.tui.messages import ModeChosen, NodeWanted, Wrote
from p2pcommons.tui.peer_lines import peer_rows
from p2pcommons.tui.screens.dialog import words
from p2pcommons.tui.screens.invite_card import show_invite
from p2pcommons.tui.screens.nearby import (
    OfferList,
    join_nearby,
    join_offered,
    offer_choices,
    offer_commons,
)
from p2pcommons.tui.screens.network_dialogs import ChooseMode, ChoosePause
from p2pcommons.tui.screens.page import Page
from p2pcommons.tui.screens.peer_card import show_peer
from p2pcommons.tui.screens.pledges import show_pledges
from p2pcommons.tui.screens.styled import styled
from p2pcommons.tui.widgets.choice_list import Choice, ChoiceList
from p2pcommons.tui.widgets.peer_list import NOBODY_KNOWN, NOBODY_MET, PeerList
from p2pcommons.tui.widgets.traffic_plot import TrafficPlot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.widget import Widget

    from p2pcommons.tui.context import Context

SYNC_SECONDS = 30
BESIDE_THIS_CELLS = 52
"""What the plot and the margins take of the width, where they stand beside this node."""


class Network(Page):
    """Peers, equality, progress, traffic."""

    AUTO_FOCUS = "#peers"
    MODE = "network"

    HELP_TITLE = "Network"
    HELP_TEXT = (
        "Your node meets others and exchanges what each lacks. When two replicas hold the same, "
        "both screens show the same four words: read them to each other. A peer is a node, "
        "called by two of its key words. What you wrote alone goes out when somebody is met."
    )
    HELP_COMMANDS = (
        "p2pcommons node status",
        "p2pcommons peers",
        "p2pcommons peers add MULTIADDR",
        "p2pcommons sync --timeout 30",
        "p2pcommons nearby",
        "p2pcommons commons offer C",
        "p2pcommons invite C",
        "p2pcommons pledge C --keep",
        "p2pcommons pause --for 2h",
        "p2pcommons resume",
        "p2pcommons digest",
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "Add", id="network.add", tooltip="Add invite or address"),
        Binding("i", "invite", "Invite", id="commons.invite", tooltip="Invite somebody"),
        Binding("S", "sync", "Sync", id="network.sync", tooltip="Sync with everybody now"),
        Binding("P", "pause", "Pause…", id="network.pause", tooltip="Pause the network"),
        Binding("P", "resume", "Resume", id="network.resume", tooltip="Resume the network"),
        Binding("m", "mode", "Mode", id="network.mode", tooltip="How far the node goes"),
        Binding("J", "join_nearby", "Join", id="network.join", tooltip="Join what is nearby"),
        Binding("O", "offer", "Offer…", id="network.offer", tooltip="Offer to people nearby"),
        Binding("K", "keep", "Keep…", id="network.keep", tooltip="Who keeps a commons"),
        Binding("escape", "back", "Back", id="network.back", show=False),
    ]
    KEY_ORDER = (
        "network.details",
        "nearby.join",
        "network.join",
        "network.add",
        "commons.invite",
        "network.sync",
        "network.resume",
        "network.pause",
        "network.mode",
        "network.offer",
        "network.keep",
    )

    DEFAULT_CSS = """
    Network #top { height: auto; padding: 1 2; border-bottom: solid $line; }
    Network #this { width: 1fr; height: auto; padding-right: 2; }
    Network #flow { width: 46; height: auto; }
    Network Static { height: auto; }
    Network #both { height: 1fr; }
    Network #left { width: 1fr; padding: 1 0 0 0; }
    Network #right { width: 46; padding: 1 0 0 0; border-left: solid $line; }
    Network #right { scrollbar-size-vertical: 1; }
    Network #right .told { padding: 0 2 1 2; }
    Network #peers { height: auto; max-height: 70%; margin-bottom: 1; }
    Network #nearby { height: auto; max-height: 8; margin-bottom: 1; }
    Network #nearby-told { padding: 0 2 1 2; color: $muted; }
    Network #advice { padding: 0 2; }
    Network #commons-told { padding: 0 2; }
    Network .top-heading { color: $muted; text-style: bold; }
    Network.-narrow #top { layout: vertical; padding: 0 1 0 2; }
    Network.-narrow .top-heading { display: none; }
    Network.-narrow #flow { width: 1fr; }
    Network.-narrow #both { layout: vertical; }
    Network.-narrow #plot { height: 1; }
    Network.-narrow #left { height: auto; max-height: 100%; width: 1fr; padding: 0; }
    Network.-narrow #peers { margin-bottom: 0; max-height: 11; }
    Network.-narrow #nearby { margin-bottom: 0; max-height: 3; }
    Network.-narrow #nearby-told { padding: 0 2; }
    Network.-narrow #right { width: 1fr; height: 1fr; border-left: none; padding: 0; }
    Network.-ascii #top { border-bottom: ascii $line; }
    Network.-ascii #right { border-left: ascii $line; }
    Network.-ascii.-narrow #right { border-left: none; }
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._said: dict[str, object] = {}
        self._choices: list[Choice] = []

    def body(self) -> Iterable[Widget]:
        """Node and traffic above; peers at the left, commons at the right."""
        glyphs = self.context.glyphs
        yield Horizontal(
            Vertical(words("THIS NODE", "top-heading"), words("", "", "node"), id="this"),
            Vertical(
                words("LAST TEN MINUTES", "top-heading"),
                TrafficPlot(glyphs, widget_id="plot"),
                words("", "quiet", "traffic"),
                id="flow",
            ),
            id="top",
        )
        yield Horizontal(
            Vertical(
                PeerList(glyphs, widget_id="peers"),
                words("NEARBY", "heading", "nearby-heading"),
                OfferList(glyphs=glyphs, widget_id="nearby"),
                words("", "told", "nearby-told"),
                words("", "told", "advice"),
                id="left",
            ),
            VerticalScroll(
                words("COMMONS", "heading"),
                words("", "told", "commons-told"),
                id="right",
                can_focus=False,
            ),
            id="both",
        )

    def on_mount(self) -> None:
        """Show what is known."""
        self._show()

    def on_resize(self) -> None:
        """More or fewer words fit."""
        if self.is_mounted:
            self._show()

    def standing_changed(self) -> None:
        """The node said something new."""
        super().standing_changed()
        if self.is_mounted:
            self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Only what can be done now is offered; one key pauses and resumes."""
        paused = self.context.news.status.paused is not None
        fitting = {
            "pause": not paused,
            "resume": paused,
            "join_nearby": bool(self._choices),
            "offer": bool(self.context.news.overview.commons),
            "keep": bool(self.context.news.overview.commons),
        }
        return fitting.get(action, True)

    def _show(self) -> None:
        news, now = self.context.news, self.context.now()
        status = news.status
        wide, cells = self.is_wide, self.app.size.width - BESIDE_THIS_CELLS
        self._say(
            "node",
            network_words.node_lines(status, news.mode, news.wrong, now, wide=wide, cells=cells)
            if not news.is_starting
            else [("starting", "plain")],
        )
        plot = self.query_one(TrafficPlot)
        plot.traffic = status.traffic
        self.query_one("#flow").display = status.traffic is not None
        self._say("traffic", [(network_words.traffic_words(status.traffic), "plain")])
        self._say(
            "commons-told",
            network_words.commons_lines(news.overview, status, now, wide=self.is_wide),
            "none yet",
        )
        rows = peer_rows(status, now, news.overview.peer_names)
        self.query_one(PeerList).set_rows(rows, NOBODY_KNOWN if status.running else NOBODY_MET)
        advice = network_words.advice_lines(status, news.mode, now, news.overview)
        self._say("advice", [] if news.is_starting else [(line, "") for line in advice])
        self._show_nearby()
        possible = tuple(
            map(bool, (status.paused, self._choices, status.peers, news.overview.commons))
        )
        if possible != self._said.get("possible"):
            self._said["possible"] = possible
            self.refresh_bindings()

    def _show_nearby(self) -> None:
        status = self.context.news.status
        self._choices = offer_choices(self.context)
        told = network_words.nearby_words(status, offered=bool(self._choices))
        self._say("nearby-told", [(told, "plain")] if told else [])
        offered = self.query_one(OfferList)
        offered.set_choices(self._choices)
        if not self._choices and offered.has_focus:
            self.query_one(PeerList).focus()
        offered.display = bool(self._choices)
        self.query_one("#nearby-heading").display = bool(self._choices or told)

    def _say(self, widget_id: str, lines: Sequence[tuple[str, str]], nothing: str = "") -> None:
        """Change a text only if it says something else: most seconds nothing has changed."""
        if self._said.get(widget_id) == lines:
            return
        self._said[widget_id] = lines
        told = self.query_one(f"#{widget_id}", Static)
        spelled = self.context.glyphs.spelled
        told.update(styled([(spelled(said), look) for said, look in lines], nothing))
        told.display = bool(lines or nothing)

    @on(ChoiceList.Chosen, "#peers")
    def peer_chosen(self, event: ChoiceList.Chosen) -> None:
        """Show everything about one peer."""
        self._card(event.choice.key)

    @command("dialog")
    async def _card(self, peer_id: str) -> None:
        if await show_peer(self, self.context, peer_id):
            self.app.post_message(Wrote())

    @on(ChoiceList.Chosen, "#nearby")
    @command("dialog")
    async def offer_chosen(self, event: ChoiceList.Chosen) -> None:
        """Join the commons under the cursor."""
        await join_offered(self, self.context, event.choice.key)

    @command("dialog")
    async def action_join_nearby(self) -> None:
        """Join what is offered nearby."""
        await join_nearby(self, self.context)

    @command("dialog")
    async def action_offer(self) -> None:
        """Offer a commons to whoever is near, or no longer."""
        await offer_commons(self, self.context)

    @command("dialog")
    async def action_keep(self) -> None:
        """Show who keeps a commons, and keep it oneself."""
        await show_pledges(self, self.context)

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

    @command("dialog")
    async def action_pause(self) -> None:
        """Let the node rest, for as long as is chosen."""
        if not self.context.news.status.running:
            self.notify("The node is not running; nothing to pause.", markup=False)
            return
        chosen = await self.app.push_screen_wait(ChoosePause(self.context))
        if chosen is None:
            return
        lasting: dict[str, object] = {"seconds": int(chosen)} if chosen != "0" else {}
        await self._ask_node({"op": "pause", **lasting})
        self.notify("Paused; P goes on.", markup=False)

    @command("resume")
    async def action_resume(self) -> None:
        """Go on, and say what that sets aside."""
        waived = read_waived(await self._ask_node({"op": "resume"}))
        more = "" if waived is None else f" {waived_words(waived)}."
        self.notify(f"The network goes on.{more}", markup=False)

    async def _ask_node(self, asked: dict[str, object]) -> dict[str, object]:
        paths = self.context.desk.paths
        answer = await self.context.desk.slow.run(lambda _: control.request(paths, asked))
        self.app.post_message(Wrote())
        return answer

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
