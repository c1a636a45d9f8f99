"""The application: modes, the clock that looks for news, and the way in and out.

It polls the store's version and the node's status in lanes, keeps the newest state in
`Context.news`, and tells the pages. It holds no widget's state.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from p2pcommons.config import Mode
from p2pcommons.errors import P2PCommonsError
from p2pcommons.replica import open_replica
from p2pcommons.tui import look, shaping
from p2pcommons.tui.bug_report import write_bug
from p2pcommons.tui.command import command
from p2pcommons.tui.context import Context, DemoNote, drawn
from p2pcommons.tui.keymap import complaints
from p2pcommons.tui.lanes import Desk
from p2pcommons.tui.node_keeper import NodeKeeper
from p2pcommons.tui.node_status import read_status
from p2pcommons.tui.palette import CommonsProvider, TagProvider
from p2pcommons.tui.screens.browse import Browse
from p2pcommons.tui.screens.first_run import FirstRun
from p2pcommons.tui.screens.go_to import GoTo
from p2pcommons.tui.screens.help import help_for
from p2pcommons.tui.screens.jump import Jump
from p2pcommons.tui.screens.network import Network
from p2pcommons.tui.screens.page import Page
from p2pcommons.tui.screens.quit import KEEP, Quit
from p2pcommons.tui.screens.words_card import WordsCard
from p2pcommons.tui.standing import standing
from p2pcommons.tui.widgets.bars import Tab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from textual.app import SystemCommand
    from textual.screen import Screen
    from textual.theme import Theme

    from p2pcommons.paths import Paths
    from p2pcommons.tui.messages import ModeChosen, NodeWanted, SelectedCommons, Wrote
    from p2pcommons.tui.node_status import NodeStatus
    from p2pcommons.tui.records import Overview

POLL_SECONDS = 1.0
PLAIN_KEYS = {"⏎": "enter", "↑": "up", "↓": "down", "←": "left", "→": "right"}
TABS = (Tab("1", "Browse", "browse"), Tab("2", "Network", "network"), Tab("?", "Help", "help"))


class CommonsApp(App[int]):
    """One run of the terminal interface over one profile."""

    TITLE = "p2pcommons"
    COMMANDS: ClassVar = {*App.COMMANDS, CommonsProvider, TagProvider}
    ENABLE_COMMAND_PALETTE = True
    NOTIFICATION_TIMEOUT = 3

    CSS = """
    .-ascii #side { border-right: ascii $line; }
    .-ascii Preview { border-left: ascii $line; }
    .-ascii .frame { border: ascii $border; }
    ToastRack { margin-bottom: 3; }
    Toast { background: $panel; border-left: wide $primary; }
    CommandPalette { background: $background 60%; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "mode('browse')", "Browse", id="app.browse", show=False),
        Binding("2", "mode('network')", "Network", id="app.network", show=False),
        Binding("question_mark", "help", "Help", id="app.help", key_display="?"),
        Binding("f1", "help", "Help", id="app.help-too"),
        Binding("g", "go_to", "Go to…", id="app.go-to", show=False),
        Binding("ctrl+o", "jump", "Jump to a pane", id="app.jump", show=False),
        Binding("z", "zoom", "Zoom this pane", id="app.zoom", show=False),
        Binding("f5", "look", "Look again", id="app.look", show=False),
        Binding("W", "words", "Your 24 words", id="app.words", show=False),
        # Decided before the key reaches the focused field: letters typed in the same burst would
        # otherwise still land in the field that was left.
        Binding("tab", "app.focus_next", "Next field", id="app.next", show=False, priority=True),
        Binding(
            "shift+tab",
            "app.focus_previous",
            "Field before",
            id="app.previous",
            show=False,
            priority=True,
        ),
        Binding("ctrl+q", "quit", "Quit", id="app.quit"),
    ]

    def __init__(
        self,
        paths: Paths,
        *,
        demo: DemoNote | None = None,
        clock: Callable[[], float] = time.time,
        pick: Callable[[int, int], tuple[int, ...]] | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        super().__init__()
        with open_replica(paths) as replica:
            ascii_only = replica.config.flag("look.ascii")
            self._theme_kept = replica.config.text("look.theme")
            self._own_keys = replica.config.keys()
        self.context = Context(
            desk=Desk(paths, clock),
            now=lambda: int(clock()),
            pick=pick or drawn,
            glyphs=look.ASCII if ascii_only else look.FULL,
            demo=demo,
            tabs=TABS,
        )
        self._keeper = NodeKeeper(self.context.desk)
        self._overviews = shaping.Overviews()
        self._poll_seconds = poll_seconds
        self.bugs: list[Exception] = []

    def get_css_variables(self) -> dict[str, str]:
        """Our variables, also under themes that do not know them."""
        return {**look.FALLBACK_VARIABLES, **super().get_css_variables()}

    def get_key_display(self, binding: Binding) -> str:
        """Function keys are written as on the keyboard."""
        shown = super().get_key_display(binding)
        if self.context.glyphs is look.ASCII:
            shown = PLAIN_KEYS.get(shown, shown)
        return shown.upper() if re.fullmatch(r"f\d+", shown) else shown

    def on_mount(self) -> None:
        """Open the product, or ask for a name first."""
        self.set_class(self.context.glyphs is look.ASCII, "-ascii")
        self.register_theme(look.DARK)
        self.register_theme(look.LIGHT)
        wanted = self._theme_kept
        self.theme = wanted if wanted in self.available_themes else look.DARK.name
        self._theme_kept = self.theme
        self.theme_changed_signal.subscribe(self, self._theme_chosen)
        if self._own_keys:
            self.set_keymap(self._own_keys)
            for words in complaints(self._own_keys):
                self.notify(words, severity="warning", timeout=10, markup=False)
        self._add_modes()
        self._begin()

    def _theme_chosen(self, theme: Theme) -> None:
        if theme.name != self._theme_kept:
            self._theme_kept = theme.name
            self._keep_theme(theme.name)

    @command("theme")
    async def _keep_theme(self, name: str) -> None:
        await self.context.desk.write.run(lambda replica: replica.config.set("look.theme", name))

    def _add_modes(self) -> None:
        modes: dict[str, Callable[[], Page]] = {
            "browse": lambda: Browse(self.context),
            "network": lambda: Network(self.context),
        }
        for name, make in modes.items():
            self.add_mode(name, make)  # pyright: ignore[reportUnknownMemberType]

    @command("begin", exclusive=False)
    async def _begin(self) -> None:
        await self.switch_mode("browse")
        await self._look()
        while self.context.news.store_trouble:
            # Nothing is known of anybody: who is here already must not be asked for a name.
            await asyncio.sleep(POLL_SECONDS)
            await self._look()
        if self.context.news.overview.me is None:
            made = await self.push_screen_wait(FirstRun(self.context))
            if not made:
                self.exit(0)
                return
            await self._look()
        self.set_interval(self._poll_seconds, self._poll)
        self._start_node(asked=False)

    # News

    def _poll(self) -> None:
        self._look_worker()
        # A new question would end the one that waits, and nothing would ever be heard.
        if not self.context.desk.node.waiting:
            self._ask_node()

    def action_look(self) -> None:
        """Look for news now."""
        self._poll()

    @command("look")
    async def _look_worker(self) -> None:
        await self._look()

    async def _look(self) -> None:
        """Read the state of the replica; tell the pages when anything was committed."""
        try:
            overview, mode = await self.context.desk.read.run(
                lambda replica: (self._overviews.read(replica), str(replica.config.mode))
            )
        except P2PCommonsError as error:
            self.context.news.store_trouble = str(error)
            self.tell(self.context.news.overview, self.context.news.status)
            return
        self.context.news.store_trouble = ""
        self.context.news.mode = mode
        self.tell(overview, self.context.news.status)

    @command("ask-node")
    async def _ask_node(self) -> None:
        try:
            # Read in the lane: a node with hundreds of peers says a great deal every second.
            status = await self.context.desk.node.run(lambda _: read_status(self._keeper.status()))
        except P2PCommonsError as error:
            self.context.news.silent, status = str(error), self.context.news.status
        else:
            self.context.news.silent = ""
        self.tell(self.context.news.overview, status)

    def tell(self, overview: Overview, status: NodeStatus) -> None:
        """Keep the news and pass on what changed."""
        news = self.context.news
        committed = overview.version != news.overview.version
        changed = committed or overview != news.overview or status != news.status
        news.overview, news.status = overview, status
        shown = standing(status, news.mode, overview, news.selected, self.context.now())
        if news.wrong:
            shown = replace(shown, level="trouble", network=news.wrong)
        elif news.is_starting:
            shown = replace(shown, level="busy", network="the node is starting")
        changed = changed or shown != news.standing
        news.standing = shown
        for page in self._pages():
            if changed:
                page.standing_changed()
            if committed:
                page.store_changed()

    def _pages(self) -> list[Page]:
        return [screen for screen in self.screen_stack if isinstance(screen, Page)]

    def _pages_of_all_modes(self) -> list[Page]:
        stacks = self._screen_stacks.values()
        return [screen for stack in stacks for screen in stack if isinstance(screen, Page)]

    def on_wrote(self, _message: Wrote) -> None:
        """Show what was written without waiting for the clock."""
        self._look_worker()

    def on_selected_commons(self, _message: SelectedCommons) -> None:
        """The status line shows the words of another commons."""
        self.tell(self.context.news.overview, self.context.news.status)

    # The node

    def on_node_wanted(self, message: NodeWanted) -> None:
        """Start a node if the mode allows and none runs."""
        self._start_node(asked=message.asked)

    @command("node")
    async def _start_node(self, *, asked: bool) -> None:
        news = self.context.news
        mode, keep = await self.context.desk.read.run(
            lambda replica: (replica.config.mode, replica.config.flag("node.keep_running"))
        )
        if mode is Mode.OFF:
            if asked:
                self.notify("The network is off: choose a mode with m first.", markup=False)
            return
        if not news.overview.commons and not asked:
            # Nobody to meet yet: the network stays quiet until there is something to exchange.
            return
        news.starting, news.trouble = not news.status.running, ""
        self.tell(news.overview, news.status)
        status = news.status
        try:
            reply = await self.context.desk.slow.run(lambda _: self._keeper.start(keep=keep))
            status = read_status(reply)
        except P2PCommonsError as error:
            news.trouble = str(error)
        news.starting = False
        self.tell(news.overview, status)

    @command("mode")
    async def on_mode_chosen(self, message: ModeChosen) -> None:
        """Keep the mode and start the node again with it."""
        try:
            await self.context.desk.write.run(
                lambda replica: replica.config.set("network.mode", message.mode)
            )
            await self.context.desk.slow.run(lambda _: self._keeper.stop())
            self.context.desk.reload()
            self.notify(f"The network is in mode {message.mode}.", markup=False)
            if message.mode != Mode.OFF:
                self._start_node(asked=True)
        except P2PCommonsError as error:
            self.notify(str(error), severity="error", markup=False)
        self._poll()

    # What the person does

    async def action_mode(self, mode: str) -> None:
        """Go to a main screen."""
        if self.current_mode != mode and not self.screen.is_modal:
            await self.switch_mode(mode)

    def action_help(self) -> None:
        """Help for the screen that is on top."""
        self.push_screen(help_for(self, self.screen))

    def action_zoom(self) -> None:
        """Give the focused pane the whole screen, and back."""
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif self.focused is not None:
            self.screen.maximize(self.focused)

    @command("jump")
    async def action_jump(self) -> None:
        """Go to a pane by the letter laid over it."""
        panes = self.screen.focus_chain
        chosen = await self.push_screen_wait(Jump(panes))
        if chosen is not None:
            panes[chosen].focus()

    @command("go-to")
    async def action_go_to(self) -> None:
        """Choose where to go."""
        chosen = await self.push_screen_wait(GoTo(self.context))
        if chosen is not None:
            await self.run_action(chosen)

    @command("words")
    async def action_words(self) -> None:
        """Show the 24 words while they wait to be confirmed."""
        secret = await self.context.desk.write.run(lambda replica: replica.unconfirmed_words())
        if secret is None:
            self.notify("The words have been confirmed; they are on your paper.", markup=False)
            return
        await self.push_screen_wait(WordsCard(self.context, secret))
        self._look_worker()

    @command("quit")
    async def action_quit(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Say what is only here, then leave."""
        news = self.context.news
        keep = False
        for page in self._pages_of_all_modes():
            await page.before_leaving()
        if news.overview.only_here or self.context.demo is not None:
            answer = await self.push_screen_wait(
                Quit(self.context, can_keep=self._keeper.started_here)
            )
            if answer is None:
                return
            keep = answer == KEEP
        if self._keeper.started_here:
            await self._end_node(keep=keep)
        self.exit(0)

    async def _end_node(self, *, keep: bool) -> None:
        self.notify("Leaving the node running…" if keep else "Stopping the node…", markup=False)
        try:
            ending = self._keeper.detach if keep else self._keeper.stop
            # Not in the slow lane: a reconciliation that is waited for there ends with the node.
            await self.context.desk.node.run(lambda _: ending())
        except P2PCommonsError as error:
            self.log(f"node: {error}")

    def report(self, error: Exception) -> None:
        """Say what went wrong; what is not an error of ours is a bug and goes to a file."""
        if isinstance(error, P2PCommonsError):
            self.notify(str(error), severity="error", markup=False)
            return
        self.bugs.append(error)
        path = write_bug(self.context.desk.paths, error, self.context.now())
        self.notify(
            f"Something went wrong in the program; your data are safe. Written down in {path}",
            severity="error",
            timeout=20,
            markup=False,
        )

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the palette offers beside commons and tags."""
        from p2pcommons.tui.palette import commands

        return commands(self, screen)
