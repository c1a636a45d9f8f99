"""What stands where the list would be, when there is nothing to list: words and ways on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.widgets import Static

from p2pcommons.tui import wording
from p2pcommons.tui.look import FULL, Glyphs
from p2pcommons.tui.network_words import offer_rows, offer_title
from p2pcommons.tui.standing import what_to_do
from p2pcommons.tui.widgets.choice_list import Choice, ChoiceList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from p2pcommons.tui.context import News
    from p2pcommons.tui.records import CommonsLine

BEGIN = Choice("begin", "Start a commons", "a name and what it is for")
JOIN = Choice("join", "Paste an invite", "take part in one that exists")
NEARBY = Choice("nearby", "Look who is nearby", "starts the node; tells your own address only")
HANDBOOK = Choice("handbook", "Open the handbook", "a commons to read, tag and edit")
OFFER = Choice("offer", "Offer one to people nearby", "or name it to members alone again")
LEAVE = Choice("leave", "Leave a commons", "its entries stay on this machine")
WRITE = Choice("write", "Write the first entry", "n")
INVITE = Choice("invite", "Invite somebody", "i")
CLEAR = Choice("clear", "Clear the search and tags", "esc")
NETWORK = Choice("network", "Look at the network", "2")
OFFERED = "offered:"
"""Begins the key of a choice that joins a commons; its id follows."""
OFFERS_SHOWN_MAX = 3


@dataclass(frozen=True, slots=True)
class Emptiness:
    """Why there is nothing, and what can be done."""

    title: str
    text: str
    choices: tuple[Choice, ...]


def list_is_empty(
    news: News, commons: bytes | None, *, filtered: bool, problems: Sequence[str] = ()
) -> Emptiness:
    """Say why the list is empty: no commons, nothing in it, nothing that fits, nothing yet.

    `problems` are the parts of a search that mean nothing, in words.
    """
    joined = news.overview.commons
    if not joined:
        return Emptiness(
            "Nothing here yet.",
            "A commons is a body of shared knowledge that nobody owns. Everything you add is on "
            "this machine first and works without a network.",
            (*_offered(news), BEGIN, JOIN, *_look_around(news), HANDBOOK),
        )
    if filtered:
        said = "\n".join([*problems, "Fewer words or tags find more."])
        return Emptiness("Nothing fits.", said, (CLEAR,))
    waiting = [line for line in joined if line.commons == (commons or line.commons)]
    if waiting and all(not line.arrived for line in waiting):
        return Emptiness(_waiting_title(waiting), _arrival(news), (NETWORK,))
    return Emptiness(
        "No entries yet.",
        "Write one, or bring a bookmarks file, JSON Lines or a folder of Markdown with: "
        "p2pcommons import FILE",
        (WRITE, INVITE),
    )


def _offered(news: News) -> list[Choice]:
    """The commons that people nearby offer, to be joined at once."""
    rows = offer_rows(news.status, news.overview)[:OFFERS_SHOWN_MAX]
    return [
        Choice(f"{OFFERED}{offer.commons}", f"Join {offer_title(offer)}", f"offered nearby {by}")
        for offer, by in rows
    ]


def _look_around(news: News) -> list[Choice]:
    return [] if news.status.running or news.mode in {"off", "friends"} else [NEARBY]


def _waiting_title(waiting: list[CommonsLine]) -> str:
    return f"{wording.listed([line.title for line in waiting[:2]])}: waiting for the first peer."


def _arrival(news: News) -> str:
    """What is arriving, or what was tried, when the next try is, and the one thing to do."""
    standing = news.standing
    lines = [f"{standing.network[:1].upper()}{standing.network[1:]}."]
    if not news.status.connected:
        lines += [
            f"Tried {attempt.address}: {attempt.error}"
            for peer in news.status.peers[:2]
            for attempt in peer.tried[:2]
        ]
        lines.append(what_to_do(news.status, news.mode, invited=True))
    return "\n".join(lines)


class Welcome(Vertical):
    """A title, a few lines, and choices; the choice is told as `ChoiceList.Chosen`."""

    DEFAULT_CSS = """
    Welcome { align: center middle; height: 1fr; }
    Welcome > * { width: 100%; max-width: 72; }
    Welcome #empty-title { text-style: bold; color: $primary; height: auto; padding: 0 2; }
    Welcome #empty-text { color: $muted; height: auto; margin: 1 0; padding: 0 2; }
    Welcome #offers { height: auto; max-height: 8; }
    """

    def __init__(self, glyphs: Glyphs = FULL) -> None:
        super().__init__()
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        """Three parts under each other."""
        yield Static("", id="empty-title", markup=False)
        yield Static("", id="empty-text", markup=False)
        yield ChoiceList(glyphs=self._glyphs, widget_id="offers")

    def show(self, emptiness: Emptiness) -> None:
        """Say why and offer ways on."""
        self.query_one("#empty-title", Static).update(emptiness.title)
        self.query_one("#empty-text", Static).update(emptiness.text)
        self.query_one("#offers", ChoiceList).set_choices(emptiness.choices)

    def focus_choices(self) -> None:
        """Let the arrows move among the offers."""
        self.query_one("#offers", ChoiceList).focus()
