"""What people nearby offer, and what is offered to them: public commons, joined with one key."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from p2pcommons.errors import P2PCommonsError
from p2pcommons.tui.messages import NodeWanted, Wrote
from p2pcommons.tui.network_words import offer_rows, offer_title
from p2pcommons.tui.screens.invite_card import WhichCommons
from p2pcommons.tui.widgets.choice_list import Choice, ChoiceList

if TYPE_CHECKING:
    from p2pcommons.tui.context import Context
    from p2pcommons.tui.screens.page import Page


class OfferList(ChoiceList):
    """Commons that are offered nearby; Enter joins the one under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "choose", "Join", id="nearby.join"),
    ]


def offer_choices(context: Context) -> list[Choice]:
    """What is offered and not joined yet."""
    news = context.news
    return [
        Choice(offer.commons, offer_title(offer), by)
        for offer, by in offer_rows(news.status, news.overview)
    ]


async def join_offered(page: Page, context: Context, commons: str) -> None:
    """Join one commons that somebody nearby offers; `commons` is its id in hex."""
    try:
        joined = await context.desk.write.run(lambda replica: replica.join_offered(commons))
    except P2PCommonsError as error:
        page.notify(str(error), severity="error", markup=False)
        return
    title = joined.commons.title or joined.commons.title_hint or "The commons"
    page.notify(f"{title} is joined; C leaves it again.", markup=False)
    page.app.post_message(Wrote())
    page.app.post_message(NodeWanted())


async def join_nearby(page: Page, context: Context) -> None:
    """Join what is offered: at once if it is one commons, else ask which."""
    choices = offer_choices(context)
    if not choices:
        page.notify("Nobody nearby offers a commons that you have not joined.", markup=False)
        return
    chosen = choices[0].key if len(choices) == 1 else None
    if chosen is None:
        chosen = await page.app.push_screen_wait(WhichCommons(context, "Join which?", choices))
    if chosen is not None:
        await join_offered(page, context, chosen)


async def offer_commons(page: Page, context: Context) -> None:
    """Offer a commons to whoever is near, or no longer: the one that is chosen changes over."""
    lines = context.news.overview.commons
    if not lines:
        page.notify("There is no commons to offer yet.", markup=False)
        return
    choices = [
        Choice(
            line.commons.hex(),
            line.title,
            "offered: ⏎ stops it" if line.offered else "members only: ⏎ offers it",
        )
        for line in lines
    ]
    key = await page.app.push_screen_wait(
        WhichCommons(context, "Name which to everybody nearby?", choices)
    )
    line = context.news.overview.find(bytes.fromhex(key)) if key else None
    if line is None:
        return
    try:
        if line.offered:
            await context.desk.write.run(lambda replica: replica.stop_offering(line.commons))
        else:
            await context.desk.write.run(lambda replica: replica.offer_commons(line.commons))
    except P2PCommonsError as error:
        page.notify(str(error), severity="error", markup=False)
        return
    page.app.post_message(Wrote())
    said = "is named to members alone now." if line.offered else "is offered to people nearby."
    page.notify(f"{line.title} {said}", markup=False)
