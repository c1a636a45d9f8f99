"""Room on this machine: a commons's budget with a look at what would go, pins, removal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from p2pcommons.errors import P2PCommonsError, UserError
from p2pcommons.replica import parse_size, size_said
from p2pcommons.tui import shaping, wording
from p2pcommons.tui.command import command
from p2pcommons.tui.messages import Wrote
from p2pcommons.tui.screens.dialog import Confirm, Dialog, words
from p2pcommons.tui.screens.invite_card import WhichCommons, commons_choices
from p2pcommons.tui.widgets.field import Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from p2pcommons.replica import Replica
    from p2pcommons.store import BudgetPlan, SpaceUse
    from p2pcommons.tui.context import Context
    from p2pcommons.tui.records import CommonsLine, EntryLine
    from p2pcommons.tui.screens.page import Page

NAMED_MAX = 3
"""Titles of what would go that are shown; the command line names all of them."""
TYPING_PAUSE_SECONDS = 0.15


async def show_room(page: Page, context: Context) -> None:
    """Show the room of the commons in view; ask which when there are several."""
    overview = context.news.overview
    if not overview.commons:
        page.notify("There is no commons yet.", markup=False)
        return
    chosen = context.news.selected or overview.commons[0].commons
    if context.news.selected is None and len(overview.commons) > 1:
        key = await page.app.push_screen_wait(
            WhichCommons(context, "Room of which?", commons_choices(context))
        )
        if key is None:
            return
        chosen = bytes.fromhex(key)
    line = overview.find(chosen)
    if line is not None and await page.app.push_screen_wait(Room(context, line)):
        page.app.post_message(Wrote())


async def toggle_pin(page: Page, context: Context, row: EntryLine) -> None:
    """Keep the texts of an entry whatever the budget says, or no longer."""

    def turn(replica: Replica) -> int | None:
        if replica.unpin(row.entry):
            return None
        return replica.pin(row.commons, row.entry)

    lacking = await context.desk.write.run(turn)
    if lacking is None:
        said = "Not pinned any more."
    elif lacking:
        said = f"Pinned; {wording.count(lacking, 'text')} will be fetched."
    else:
        said = "Pinned: its texts stay here."
    page.notify(said, markup=False)
    page.app.post_message(Wrote())


async def fetch_texts(page: Page, context: Context, row: EntryLine) -> None:
    """Ask peers for the texts of an entry that are not here."""
    lacking = await context.desk.write.run(
        lambda replica: replica.fetch_texts(row.commons, row.entry)
    )
    asked = f"Asked for {wording.count(lacking, 'text')}: it comes when a peer has it."
    page.notify(asked if lacking else "Its texts are all here.", markup=False)
    page.app.post_message(Wrote())


async def remove(page: Page, context: Context, row: EntryLine) -> bool:
    """Drop an entry of others from this machine, after saying what that means."""
    sure = await page.app.push_screen_wait(
        Confirm(
            "Remove from this machine?",
            f"{row.title}\n\nIt goes from this machine with what was said of it, and does not "
            "come back by itself. The others keep it, and nobody learns of it. To have it back: "
            f"p2pcommons restore {row.entry.hex()[:10]}",
        )
    )
    if not sure:
        return False
    try:
        await context.desk.write.run(lambda replica: replica.remove_entry(row.commons, row.entry))
    except P2PCommonsError as error:
        page.notify(str(error), severity="error", markup=False)
        return False
    page.app.post_message(Wrote())
    page.notify("Removed from this machine.", markup=False)
    return True


class Room(Dialog[bool]):
    """What one commons takes, and how much it may; True when that was changed."""

    HELP_TITLE = "Room"
    HELP_TEXT = (
        "A budget lets old texts of others go when a commons takes more. What is yours, pinned "
        "(p), or of an entry that you have tagged or changed always stays. Of what goes the title "
        "is kept, and G fetches the text again. Strangers, whose entries nobody you know has "
        "used, share a pool of their own."
    )
    HELP_COMMANDS = (
        "p2pcommons budget C 200MB --preview",
        "p2pcommons pin ID",
        "p2pcommons people list",
        "p2pcommons compact",
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f9", "keep", "Keep to it", id="room.keep"),
    ]
    KEY_ORDER = ("room.keep", "dialog.leave")

    def __init__(self, context: Context, line: CommonsLine) -> None:
        super().__init__()
        self.context = context
        self._line = line

    def title_words(self) -> str:
        """What stands in the frame."""
        return f"Room: {self._line.title}"

    def content(self) -> Iterable[Widget]:
        """Figures, one field, and what it would mean."""
        yield words("", "", "use")
        yield words("It may take (200MB, 1.5GB, or none for no limit)", "label")
        yield Field(id="budget", compact=True, placeholder="none")
        yield words("", "quiet", "plan")
        yield words("", "wrong", "wrong")

    def on_mount(self) -> None:
        """Read the figures."""
        self._read()

    @command("room")
    async def _read(self) -> None:
        commons = self._line.commons
        use = await self.context.desk.read.run(lambda replica: replica.space(commons))
        self.query_one("#use", Static).update("\n".join(use_words(use)))
        field = self.query_one("#budget", Input)
        if use.budget is not None and not field.value:
            field.value = size_said(use.budget)

    @on(Input.Changed, "#budget")
    def budget_typed(self, event: Input.Changed) -> None:
        """Say what would go, once the fingers rest."""
        self.query_one("#wrong", Static).update("")
        self._preview(event.value)

    @command("room-plan")
    async def _preview(self, text: str) -> None:
        await asyncio.sleep(TYPING_PAUSE_SECONDS)
        told = self.query_one("#plan", Static)
        try:
            size = parse_size(text or "none")
        except UserError as error:
            told.update(str(error))
            return
        if size is None:
            told.update("No limit: nothing goes.")
            return
        commons = self._line.commons

        def look(replica: Replica) -> tuple[BudgetPlan, list[str]]:
            plan = replica.budget_plan(commons, size)
            going = dict.fromkeys(each.entry for each in plan.going)
            return plan, shaping.titles(replica, commons, list(going)[:NAMED_MAX])

        plan, titles = await self.context.desk.read.run(look)
        told.update("\n".join(plan_words(plan, titles)))

    @command("dialog")
    async def action_keep(self) -> None:
        """Set the budget and keep to it at once."""
        commons, text = self._line.commons, self.query_one("#budget", Input).value
        try:
            size = parse_size(text or "none")
            plan = await self.context.desk.write.run(
                lambda replica: replica.set_budget(commons, size)
            )
        except P2PCommonsError as error:
            self.query_one("#wrong", Static).update(str(error))
            return
        gone = f"; {wording.count(len(plan.going), 'text')} went" if plan.going else ""
        said = "No limit any more." if size is None else f"At most {size_said(size)}{gone}."
        self.notify(said, markup=False)
        self.dismiss(True)


def use_words(use: SpaceUse) -> list[str]:
    """What a commons takes, in three lines."""
    held = wording.count(use.contributions, "contribution")
    authors = wording.count(use.strangers, "author")
    declined = f", {use.declined:,} declined" if use.declined else ""
    pinned = wording.count(use.pinned, "entry", "entries")
    not_kept = wording.count(use.not_kept, "text")
    lines = [
        f"Takes {size_said(use.bytes)} on disk: {held}, {size_said(use.own_bytes)} of it yours.",
        f"Strangers: {size_said(use.strangers_bytes)} of {authors}{declined}.",
        f"{pinned} pinned, {not_kept} not kept here.",
    ]
    if use.budget is not None:
        lines.append(f"Budget: {size_said(use.budget)}.")
    return lines


def plan_words(plan: BudgetPlan, titles: list[str]) -> list[str]:
    """What a budget would let go, in a few lines."""
    if not plan.going:
        lines = ["Nothing would go."]
    else:
        going, freed = wording.count(len(plan.going), "text"), size_said(plan.freed)
        lines = [f"{going} would go, the oldest first, and give back {freed}:"]
        lines += [f"  {title}" for title in titles]
        more = len({each.entry for each in plan.going}) - len(titles)
        if more > 0:
            lines.append(f"  and {more:,} more")
    if plan.over:
        lines.append(
            f"{size_said(plan.over)} stay beyond it: records, yours, pinned, tagged, changed."
        )
    return lines
