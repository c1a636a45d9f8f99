"""`nearby`: who is on this network, and which public commons they offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from p2pcommons.cli.columns import table
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command
from p2pcommons.cli.terminal import width_columns
from p2pcommons.model.glance import key_words
from p2pcommons.model.ids import short

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica.nearby import NearPeer

_WORDS_SHOWN = 2
_TITLE_LACKING = "(title not known yet)"


@command(
    "nearby",
    examples=[
        ("nearby", "who is here, and what they offer that you have not joined"),
        ('join "Sun kitchen"', "join one of them by its title or id"),
    ],
)
@click.pass_obj
def nearby(invocation: Invocation) -> Reply:
    """Say who is on this network or connected, and which public commons they offer.

    Titles are those that the founders signed. Nothing of them is on this machine before you join.
    """
    with invocation.open() as replica:
        peers = replica.nearby()
        names = replica.peer_names()
        paused = replica.paused() is not None
    offers = {each.commons: each.title for peer in peers for each in peer.offers}
    steps = _steps(peers, bool(offers), paused)
    return Reply({"items": [_fields(peer) for peer in peers]}, nearby_lines(peers, names), steps)


def nearby_lines(peers: list[NearPeer], names: dict[str, str]) -> list[str]:
    """Return who is near, by the name given here or two key words, with what each offers."""
    rows: list[tuple[str, ...]] = []
    for peer in peers:
        where = "on this network" if peer.on_lan else "connected"
        words = " ".join(key_words(peer.peer_id)[:_WORDS_SHOWN])
        who = f"{names.get(peer.peer_id) or words} …{peer.peer_id[-6:]}"
        rows += [
            (short(each.commons), each.title or _TITLE_LACKING, who, where) for each in peer.offers
        ] or [("", "offers nothing you have not joined", who, where)]
    return table(rows, width=width_columns())


def _steps(peers: list[NearPeer], has_offers: bool, paused: bool) -> tuple[str, ...]:
    if has_offers:
        return ("join one with: p2pcommons join TITLE-OR-ID",)
    if peers:
        return ()
    if paused:
        return ("the network is paused; end it with: p2pcommons resume",)
    return ("nobody is near: others announce themselves in the modes lan and open",)


def _fields(peer: NearPeer) -> dict[str, object]:
    return {
        "peer_id": peer.peer_id,
        "on_lan": peer.on_lan,
        "connected": peer.connected,
        "addresses": list(peer.addresses),
        "offers": [{"id": each.commons.hex(), "title": each.title} for each in peer.offers],
    }
