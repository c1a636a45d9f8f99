"""`peers` with `add`, `name` and `remove`: the address book, and who is connected now."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from p2pcommons.cli.columns import table
from p2pcommons.cli.invocation import Invocation
from p2pcommons.cli.node import peer_line
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import group
from p2pcommons.cli.terminal import width_columns
from p2pcommons.model.glance import key_words

if TYPE_CHECKING:
    from p2pcommons.replica import Replica
    from p2pcommons.store import PeerRow

Json = dict[str, object]
WORDS_IN_LISTS = 2


@group(
    "peers",
    examples=[
        ("peers", "who is known and who is connected"),
        ("peers add /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…", "note an address to dial"),
        ('peers name 12D3KooWabc "Rui, at home"', "call a node so, for yourself"),
        ("peers remove 12D3KooWabc", "forget a peer"),
    ],
)
@click.pass_context
def peers(ctx: click.Context) -> Reply | None:
    """List the peers of this node, or change its address book.

    Each is called by the name you gave it or by two of its key words; Enter on the network screen
    shows all four. Works without a node; a running one dials a new address at once.
    """
    if ctx.invoked_subcommand is not None or ctx.resilient_parsing:
        return None
    invocation = ctx.ensure_object(Invocation)
    with invocation.open() as replica:
        items = _items(replica)
        now = replica.now()
    lines = table([_line(item, now) for item in items], width=width_columns())
    steps = () if items else ("nobody yet: p2pcommons join INVITE, or p2pcommons invite",)
    return Reply({"items": items}, lines, steps)


@peers.command(
    "add",
    examples=[
        ("peers add /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…", "dialled when a node runs"),
        ("peers add --bootstrap /dns4/…/p2p/12D3KooW…", "and kept in config.toml, to begin with"),
    ],
)
@click.argument("address", metavar="MULTIADDR")
@click.option("--bootstrap", is_flag=True, help="Also put it into network.bootstrap.")
@click.pass_obj
def add(invocation: Invocation, address: str, bootstrap: bool) -> Reply:
    """Note an address to dial; it ends in /p2p/ and the peer's id."""
    with invocation.open() as replica:
        peer_id = replica.add_peer(address, bootstrap=bootstrap)
    said = "noted; a node that runs and is not paused dials it now"
    return Reply({"peer_id": peer_id}, [peer_id], (said,))


@peers.command(
    "name",
    examples=[
        ('peers name 12D3KooWabc "Rui, at home"', "seen on this machine alone"),
        ('peers name 12D3KooWabc ""', "no name any more"),
    ],
)
@click.argument("ref", metavar="P")
@click.argument("name", metavar="NAME")
@click.pass_obj
def name(invocation: Invocation, ref: str, name: str) -> Reply:
    """Call a node something, for yourself; an empty NAME takes it away."""
    with invocation.open() as replica:
        peer_id = replica.name_peer(ref, name)
        kept = replica.peer_names().get(peer_id, "")
    fields = {"peer_id": peer_id, "name": kept, "words": list(key_words(peer_id))}
    said = f"{kept} is the node known as {' '.join(key_words(peer_id))}" if kept else "no name"
    return Reply(fields, [peer_id], (said,))


@peers.command(
    "remove", examples=[("peers remove 12D3KooWabc", "by the id, its beginning or its end")]
)
@click.argument("ref", metavar="P")
@click.pass_obj
def remove(invocation: Invocation, ref: str) -> Reply:
    """Forget a peer and its addresses."""
    with invocation.open() as replica:
        peer_id = replica.remove_peer(ref)
    return Reply({"peer_id": peer_id}, [peer_id], ("forgotten; others may still name it",))


def _items(replica: Replica) -> list[Json]:
    """Return the address book with what a running node adds to it."""
    from p2pcommons import nodeprocess

    status = nodeprocess.status(replica.paths)
    live = {
        str(peer.get("peer_id")): peer for peer in cast("list[Json]", status.get("peers") or [])
    }
    names = replica.peer_names()
    items = [{**_of_book(row), **live.pop(row.peer_id, {})} for row in replica.peers()]
    nothing: Json = {"first_seen": None, "last_seen": None, "last_success": None}
    items += [{**nothing, "connected": False, **peer} for peer in live.values()]
    return [_called(item, names) for item in items]


def _called(item: Json, names: dict[str, str]) -> Json:
    """Return a peer with the name it was given here, if any, and its four key words."""
    peer_id = str(item.get("peer_id"))
    return {**item, "name": names.get(peer_id, ""), "words": list(key_words(peer_id))}


def _line(item: Json, now: int) -> tuple[str, ...]:
    words = " ".join(cast("list[str]", item["words"])[:WORDS_IN_LISTS])
    return (str(item["name"]) or words, *peer_line(item, now))


def _of_book(row: PeerRow) -> Json:
    return {
        "peer_id": row.peer_id,
        "connected": False,
        "addresses": list(row.addresses),
        "source": row.source,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        "last_success": row.last_success,
        "failures": row.failures,
        "next_try": row.next_try,
    }
