"""`commons create`, `commons list`, `commons offer`, `commons leave`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from p2pcommons.cli.choosing import title_of
from p2pcommons.cli.columns import table
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import group, need_command
from p2pcommons.cli.pledge import pledge_fields
from p2pcommons.cli.terminal import ask, width_columns
from p2pcommons.cli.times import count
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model.ids import short, to_did
from p2pcommons.model.kinds import DEFAULT_LICENCE

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica import Pledge, Replica
    from p2pcommons.store import CommonsRow


@group(
    "commons",
    examples=[
        ('commons create "Sun kitchen"', "start a commons"),
        ("commons list", "the commons on this machine"),
        ('commons offer "Sun kitchen"', "let whoever meets this node join it"),
        ('commons leave "Sun kitchen"', "stop exchanging it and hide it"),
    ],
)
@click.pass_context
def commons(ctx: click.Context) -> None:
    """Start, list, offer and leave commons.

    A commons is a set of entries that is shared by those who joined it and owned by nobody.
    """
    need_command(ctx)


@commons.command(
    "create",
    examples=[
        (
            'commons create "Sun kitchen" --purpose "Cooking with the sun"',
            "start a commons; whoever gets an invite can join",
        ),
    ],
)
@click.argument("title")
@click.option("--purpose", metavar="P", default="", help="What it is for.")
@click.option(
    "--licence",
    metavar="L",
    default=DEFAULT_LICENCE,
    show_default=True,
    help="Under what terms entries are shared.",
)
@click.pass_obj
def create(invocation: Invocation, title: str, purpose: str, licence: str) -> Reply:
    """Start a commons, open to whoever has an invite."""
    with invocation.open_as_person() as replica:
        row = replica.create_commons(title, purpose, licence)
    steps = (
        f"started {title_of(row)}",
        "next: p2pcommons add   publish an entry",
        "      p2pcommons invite   bring somebody in",
    )
    return Reply(commons_fields(row), [short(row.id)], steps)


@commons.command("list", examples=[("commons list --left", "with those that were left")])
@click.option("--left", is_flag=True, help="Also those that were left and not deleted.")
@click.pass_obj
def list_commons(invocation: Invocation, left: bool) -> Reply:
    """List the commons on this machine, with their size on disk."""
    from p2pcommons.replica import size_said

    with invocation.open_as_person() as replica:
        rows = replica.commons(left=left)
        sizes = {row.id: replica.bytes_used(row.id) for row in rows}
        offered = replica.offered()
        made = {row.id: replica.pledges(row.id) for row in rows}
    lines = table(
        [
            (
                short(row.id),
                count(row.entries, "entry", "entries"),
                size_said(sizes[row.id]),
                ("left: " if row.left_at is not None else "") + title_of(row),
                "; ".join(filter(None, ("offered" * (row.id in offered), _kept_by(made[row.id])))),
            )
            for row in rows
        ],
        width=width_columns(),
        right=(1, 2),
    )
    steps = (
        () if rows else ("none yet: p2pcommons commons create TITLE, or p2pcommons join INVITE",)
    )
    items = [
        {
            **commons_fields(row),
            "bytes": sizes[row.id],
            "offered": row.id in offered,
            "pledges": [pledge_fields(each) for each in made[row.id]],
        }
        for row in rows
    ]
    return Reply({"items": items}, lines, steps)


@commons.command(
    "offer",
    examples=[
        ('commons offer "Sun kitchen"', "whoever meets this node sees it and can join it"),
        ('commons offer "Sun kitchen" --stop', "name it to its members alone again"),
    ],
)
@click.argument("ref", metavar="C")
@click.option("--stop", is_flag=True, help="Do not offer it any more; who has joined stays.")
@click.pass_obj
def offer(invocation: Invocation, ref: str, stop: bool) -> Reply:
    """Offer a public commons to whoever meets this node.

    Its id and title, and that you hold it, are told to every node that connects, on a LAN for
    instance, until you stop or leave it. Nothing is offered unless you do this.
    """
    with invocation.open_as_person() as replica:
        found = replica.resolve_commons(ref)
        row = (replica.stop_offering if stop else replica.offer_commons)(found.id)
    said = "not offered any more" if stop else "offered to whoever meets this node"
    fields = {"id": row.id.hex(), "title": title_of(row), "offered": not stop}
    return Reply(fields, [short(row.id)], (f"{title_of(row)}: {said}",))


@commons.command(
    "leave",
    examples=[
        ('commons leave "Sun kitchen"', "stop exchanging it and hide it; its data stay"),
        ("commons leave 3f92a1 --delete", "and delete its data from this machine"),
    ],
)
@click.argument("ref", metavar="C")
@click.option("--delete", is_flag=True, help="Delete its data from this machine.")
@click.pass_obj
def leave(invocation: Invocation, ref: str, delete: bool) -> Reply:
    """Leave a commons: exchange stops, its entries are hidden.

    Others keep their copies. Joining again brings it back; without --delete nothing is lost.
    With --delete your pledge to keep it on this machine is taken back first.
    """
    with invocation.open_as_person() as replica:
        row = replica.resolve_commons(ref, left=delete)
        pledged = any(each.is_own for each in replica.pledges(row.id))
        ends = delete and replica.pledge_to_keep(row.id) is not None
        if delete:
            _check_loss(invocation, replica, row, ends_pledge=ends, pledged=pledged)
        told = ends and replica.end_pledge(row.id)
        replica.leave_commons(row.id, delete=delete)
    steps = [
        f"{title_of(row)}: "
        + ("deleted from this machine" if delete else "left; join again to bring it back")
    ]
    if ends:
        steps.append(_HEARD if told else _NOT_HEARD)
    elif pledged and not delete:
        steps.append(_STILL_PLEDGED)
    return Reply(
        {
            "id": row.id.hex(),
            "title": title_of(row),
            "deleted": delete,
            "pledge_ended": ends,
            "pledge_told": told,
        },
        [short(row.id)],
        tuple(steps),
    )


_STILL_PLEDGED = "others still see your pledge there: it is best taken back before leaving"
_HEARD = "your pledge to keep it is taken back, and others have heard of it"
_NOT_HEARD = "your pledge to keep it is over; nobody was reached, so others may still see it"


def _kept_by(made: tuple[Pledge, ...]) -> str:
    """Say who promises to keep a commons: you, and how many others."""
    keepers = [each for each in made if each.keeps]
    own = any(each.is_own for each in keepers)
    others = len(keepers) - own
    said = ["you"] * own + (
        [count(others, *(("other",) if own else ("person", "people")))] if others else []
    )
    return f"kept by {' and '.join(said)}" if said else ""


def commons_fields(row: CommonsRow) -> dict[str, object]:
    """Return a commons as JSON fields."""
    return {
        "id": row.id.hex(),
        "title": row.title or row.title_hint,
        "purpose": row.purpose,
        "licence": row.licence,
        "language": row.language,
        "rules": list(row.rules),
        "visibility": row.visibility,
        "founder": None if row.founder is None else to_did(row.founder),
        "claimed_at": row.claimed_at,
        "joined_at": row.joined_at,
        "left": row.left_at is not None,
        "count": row.count,
        "bodies": row.bodies,
        "entries": row.entries,
        "unsupported": row.unsupported,
    }


def _check_loss(
    invocation: Invocation,
    replica: Replica,
    row: CommonsRow,
    *,
    ends_pledge: bool,
    pledged: bool,
) -> None:
    """Say what ends, and ask before a promise or the only known copy of something goes."""
    if ends_pledge:
        invocation.out.say(f"you pledged to keep {title_of(row)}: that ends with it")
    elif pledged:
        invocation.out.say(_STILL_PLEDGED)
    if not invocation.asks:
        return
    alone = replica.only_here(row.id)
    if alone:
        invocation.out.say(
            f"{count(alone, 'contribution')} of yours in {title_of(row)} "
            "may be nowhere else than on this machine"
        )
    if (alone or pledged) and ask("Type delete to go on: ").lower() != "delete":
        raise UserError("nothing was changed", ErrorCode.REFUSED)
