"""Open the editor: on a new entry, on a draft that waits, or on an entry to be changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from p2pcommons.errors import P2PCommonsError
from p2pcommons.model.words import clean_line
from p2pcommons.tui import drafting, shaping, wording
from p2pcommons.tui.screens.compose import Compose
from p2pcommons.tui.screens.invite_card import WhichCommons
from p2pcommons.tui.widgets.choice_list import Choice

if TYPE_CHECKING:
    from p2pcommons.replica import Draft, Replica
    from p2pcommons.tui.context import Context
    from p2pcommons.tui.drafting import Writing
    from p2pcommons.tui.records import EntryLine
    from p2pcommons.tui.screens.page import Page

NEW = "new"
DRAFTS_OFFERED_MAX = 10


async def open_compose(
    page: Page, context: Context, row: EntryLine | None = None, *, merge: bool = False
) -> None:
    """Open the editor on `row`, or on a new entry or one of its drafts."""
    if row is None:
        writing = await _new_or_draft(page, context)
    else:
        writing = await _edit(page, context, row, merge=merge)
    if writing is not None:
        await page.app.push_screen_wait(Compose(context, writing))


async def _new_or_draft(page: Page, context: Context) -> Writing | None:
    drafts = await context.desk.read.run(lambda replica: replica.drafts())
    joined = {line.commons.hex() for line in context.news.overview.commons}
    first = context.news.overview.commons[0].commons
    # One that was typed while the store could not be opened has no commons yet.
    placed = [
        draft if draft.commons else replace(draft, commons=(context.news.selected or first).hex())
        for draft in drafts
    ]
    begun = [draft for draft in placed if not draft.entry and draft.commons in joined]
    if not begun:
        return drafting.fresh(context.news.selected or first)
    now = context.now()
    choices = [Choice(NEW, "A new entry")]
    choices += [
        Choice(draft.name, _title(draft), f"draft, {wording.ago(draft.saved_at, now)}")
        for draft in begun[:DRAFTS_OFFERED_MAX]
    ]
    chosen = await page.app.push_screen_wait(WhichCommons(context, "Write", choices))
    if chosen is None:
        return None
    found = next((draft for draft in begun if draft.name == chosen), None)
    if found is None:
        return drafting.fresh(context.news.selected or first)
    return drafting.from_draft(found)


async def _edit(page: Page, context: Context, row: EntryLine, *, merge: bool) -> Writing | None:
    def read(replica: Replica) -> tuple[Writing | None, Draft | None]:
        shown = shaping.entry_page(replica, row.commons, row.entry)
        if not shown.heads or all(head.missing for head in shown.heads):
            return None, None
        mine = replica.my_tags(row.commons, row.entry)
        waiting = [draft for draft in replica.drafts() if draft.entry == row.entry.hex()]
        return drafting.from_entry(shown, mine, merge=merge), next(iter(waiting), None)

    try:
        writing, draft = await context.desk.read.run(read)
    except P2PCommonsError as error:
        page.notify(str(error), severity="error", markup=False)
        return None
    if writing is None:
        page.notify("There is no text here to edit yet.", markup=False)
        return None
    if merge and not writing.others:
        page.notify("There is only one version; nothing to merge.", markup=False)
        return None
    if draft is None:
        return writing
    saved = wording.ago(draft.saved_at, context.now())
    page.notify(f"Going on with your draft, saved {saved}.", markup=False)
    return drafting.continued(writing, draft)


def _title(draft: Draft) -> str:
    first = draft.text.strip().split("\n", 1)[0]
    return clean_line(draft.title) or clean_line(draft.url) or clean_line(first) or "(empty)"
