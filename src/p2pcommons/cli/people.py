"""`people`: who contributes to a commons, and whom this node never counts as a stranger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from p2pcommons.cli.choosing import choose_commons
from p2pcommons.cli.columns import table
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import group, need_command
from p2pcommons.cli.terminal import width_columns
from p2pcommons.cli.times import count
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model.ids import DID_PREFIX, display_name, from_did, to_did

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica import Replica


@group(
    "people",
    examples=[
        ("people list", "who contributed, how much, and who is a stranger to you"),
        ("people keep bo~x1y2z3", "never count somebody as a stranger"),
    ],
)
@click.pass_context
def people(ctx: click.Context) -> None:
    """See who contributes, and say whom you want to hear from in any case.

    Strangers are people whose entries neither you nor the founder, nor anybody you keep, has
    tagged, changed or pinned. They share one pool of room in each commons; when it is full,
    the newest of theirs win. It is your node's own judgement, and nobody learns of it.
    """
    need_command(ctx)


@people.command("list", examples=[("people list --commons Garden", "of this commons")])
@click.option("--commons", metavar="C", help="The commons, where there are several.")
@click.option("--limit", metavar="N", type=click.IntRange(min=0), help="At most N; 0 shows all.")
@click.pass_obj
def list_people(invocation: Invocation, commons: str | None, limit: int | None) -> Reply:
    """List who contributed to a commons, the largest first."""
    from p2pcommons.replica import size_said

    with invocation.open_as_person() as replica:
        row = choose_commons(invocation, replica, commons)
        found = replica.contributors(row.id)
    found = found[:limit] if limit else found
    items = [
        {
            "author": to_did(each.author),
            "name": each.name,
            "contributions": each.contributions,
            "bytes": each.bytes,
            "standing": each.standing,
        }
        for each in found
    ]
    lines = table(
        [
            (
                each.standing,
                size_said(each.bytes),
                count(each.contributions, "contribution"),
                display_name(each.name, each.author),
            )
            for each in found
        ],
        width=width_columns(),
        right=(1, 2),
    )
    return Reply({"items": items}, lines, () if items else ("nobody yet",))


@people.command("keep", examples=[("people keep bo~x1y2z3", "take what they contribute, always")])
@click.argument("ref", metavar="A")
@click.pass_obj
def keep(invocation: Invocation, ref: str) -> Reply:
    """Never count somebody as a stranger.

    What was declined of theirs is asked for again. An author is a DID, a unique name,
    name~suffix, or six characters of the DID after did:key:z6Mk.
    """
    with invocation.open_as_person() as replica:
        author = _author(replica, ref)
        replica.keep_author(author)
    return Reply({"author": to_did(author), "kept": True}, [to_did(author)], ("kept",))


@people.command("let-go", examples=[("people let-go bo~x1y2z3", "judge them like anybody else")])
@click.argument("ref", metavar="A")
@click.pass_obj
def let_go(invocation: Invocation, ref: str) -> Reply:
    """Judge somebody like anybody else again. Nothing of theirs goes by that."""
    with invocation.open_as_person() as replica:
        author = _author(replica, ref)
        if not replica.let_author_go(author):
            raise UserError(f"{ref!r} was not kept by name", ErrorCode.NOT_FOUND)
    return Reply({"author": to_did(author), "kept": False}, [to_did(author)], ("let go",))


def _author(replica: Replica, ref: str) -> bytes:
    """Return the author that is meant; a whole DID may be of somebody never heard of here."""
    try:
        return replica.resolve_author(ref)
    except UserError as error:
        if error.code is ErrorCode.NOT_FOUND and ref.strip().startswith(DID_PREFIX):
            return from_did(ref.strip())
        raise
