"""Who promises to keep a commons; one's own promise is signed, and taken back, with F9."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from p2pcommons.errors import P2PCommonsError
from p2pcommons.replica import size_said
from p2pcommons.tui import wording
from p2pcommons.tui.command import command
from p2pcommons.tui.messages import NodeWanted, Wrote
from p2pcommons.tui.screens.dialog import Dialog, words
from p2pcommons.tui.screens.invite_card import WhichCommons, commons_choices
from p2pcommons.tui.widgets.field import Field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from textual.widget import Widget

    from p2pcommons.replica import Pledge, Replica
    from p2pcommons.tui.context import Context
    from p2pcommons.tui.records import CommonsLine
    from p2pcommons.tui.screens.page import Page

SHOWN_MAX = 8
"""Pledges shown; the command line lists all of them."""


async def show_pledges(page: Page, context: Context) -> None:
    """Show who keeps the commons in view; ask which when there are several."""
    overview = context.news.overview
    if not overview.commons:
        page.notify("There is no commons yet.", markup=False)
        return
    chosen = context.news.selected or overview.commons[0].commons
    if context.news.selected is None and len(overview.commons) > 1:
        key = await page.app.push_screen_wait(
            WhichCommons(context, "Keep which?", commons_choices(context))
        )
        if key is None:
            return
        chosen = bytes.fromhex(key)
    line = overview.find(chosen)
    if line is not None and await page.app.push_screen_wait(Pledges(context, line)):
        page.app.post_message(Wrote())
        page.app.post_message(NodeWanted())


class Pledges(Dialog[bool]):
    """The pledges of a commons; True when one's own has changed."""

    HELP_TITLE = "Pledges"
    HELP_TEXT = (
        "Whoever pledges to keep a commons says that their node holds every text of it, whatever "
        "its budget, and tells so under their own name. Nobody is asked and nobody has to: two "
        "may take on the same. It is a word given; nothing proves it. You can take it back."
    )
    HELP_COMMANDS = (
        "p2pcommons pledges C",
        "p2pcommons pledge C --keep",
        "p2pcommons pledge C --take-back",
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f9", "pledge", "Sign: I keep it", id="pledge.sign"),
        Binding("f9", "take_back", "Take mine back", id="pledge.take-back"),
    ]
    KEY_ORDER = ("pledge.sign", "pledge.take-back", "dialog.leave")

    def __init__(self, context: Context, line: CommonsLine) -> None:
        super().__init__()
        self.context = context
        self._line = line
        self._own: Pledge | None = None

    def title_words(self) -> str:
        """What stands in the frame."""
        return f"Who keeps {self._line.title}"

    def content(self) -> Iterable[Widget]:
        """Who has pledged, a field, and what it means."""
        yield words("", "", "made")
        yield words("In your words (may stay empty)", "label", "asked")
        yield Field(id="words", compact=True, placeholder="my small computer is always on")
        yield words("", "quiet", "means")
        yield words("", "wrong", "wrong")

    def on_mount(self) -> None:
        """Read what was pledged."""
        self._show([])
        self._read()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """One key signs and takes back; only the one that fits is offered."""
        if action == "pledge":
            return self._own is None
        return self._own is not None if action == "take_back" else True

    @command("pledges")
    async def _read(self) -> None:
        commons = self._line.commons
        self._show(await self.context.desk.read.run(lambda replica: replica.pledges(commons)))

    def _show(self, made: Sequence[Pledge]) -> None:
        self._own = next((each for each in made if each.is_own), None)
        self.query_one("#made", Static).update("\n".join(pledge_lines(made)))
        self.query_one("#asked").display = self._own is None
        self.query_one("#words").display = self._own is None
        means = TAKING_BACK if self._own is not None else KEEPING
        self.query_one("#means", Static).update(f"\n{means}")
        self.refresh_bindings()

    @command("dialog")
    async def action_pledge(self) -> None:
        """Sign the promise and keep to it from now on."""
        text = self.query_one("#words", Input).value.strip()
        commons = self._line.commons
        await self._change(lambda replica: replica.pledge(commons, text=text or None, keep=True))

    @command("dialog")
    async def action_take_back(self) -> None:
        """Promise nothing any more."""
        commons = self._line.commons
        await self._change(lambda replica: replica.take_pledge_back(commons))

    async def _change(self, work: Callable[[Replica], object]) -> None:
        try:
            await self.context.desk.write.run(work)
        except P2PCommonsError as error:
            self.query_one("#wrong", Static).update(str(error))
            return
        said = "Taken back." if self._own is not None else "You keep it; the others will read so."
        self.notify(said, markup=False)
        self.dismiss(True)


KEEPING = (
    "F9 signs that you keep this commons: your node fetches and holds every text of it, without "
    "a budget. Everybody in the commons reads that, with your name."
)
TAKING_BACK = (
    "F9 takes yours back: the others are told, and this machine treats the commons like any "
    "other again. Nothing is removed by that."
)


def pledge_lines(made: Sequence[Pledge]) -> list[str]:
    """Who has pledged what, one line each."""
    if not made:
        return ["Nobody has pledged to keep it yet."]
    lines = [_line(each) for each in made[:SHOWN_MAX]]
    more = len(made) - SHOWN_MAX
    return [*lines, f"and {more:,} more"] if more > 0 else lines


def _line(made: Pledge) -> str:
    who = "you" if made.is_own else made.who
    keeps = "keep it" if made.is_own else "keeps it"
    files = f", with files up to {size_said(made.files)}" if made.keeps and made.files else ""
    until = f", until {wording.date(made.until)}" if made.until else ""
    said = f"{keeps}{files}{until}" if made.keeps else "says"
    return f"{who} {said}: {made.text}" if made.text else f"{who} {said}"
