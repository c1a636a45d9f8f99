"""`sync` and `digest`: bring replicas together now, and see whether they hold the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from p2pcommons.cli.choosing import title_of
from p2pcommons.cli.columns import table
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command
from p2pcommons.cli.times import count
from p2pcommons.errors import EXIT_CODES, ErrorCode
from p2pcommons.model.words import clean_line

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica import Replica
    from p2pcommons.store import CommonsRow

SYNC_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
"""Added to the time-out, for the node's answer to arrive."""

Json = dict[str, object]


@command(
    "sync",
    examples=[
        ("sync", "reconcile with every connected peer and wait"),
        ("sync --timeout 120", "for a big commons on a slow line"),
    ],
)
@click.option(
    "--timeout",
    metavar="S",
    type=click.FloatRange(min=0),
    default=SYNC_SECONDS,
    show_default=True,
    help="Wait at most S seconds.",
)
@click.pass_obj
def sync(invocation: Invocation, timeout: float) -> Reply:
    """Reconcile now with every connected peer and wait.

    Exit code 6 when there is no peer, or not all are equal by the time-out.
    """
    from p2pcommons import control

    request = {"op": "sync", "timeout": timeout}
    answer = control.request(invocation.paths(), request, timeout + _ANSWER_SECONDS)
    with invocation.open() as replica:
        titles = {row.id.hex(): title_of(row) for row in replica.commons()}
    items = [
        {**item, "title": titles.get(str(item.get("commons")))}
        for item in cast("list[Json]", answer.get("items") or [])
    ]
    equal = bool(items) and bool(answer.get("equal"))
    lines = table([_sync_line(item) for item in items])
    code = 0 if equal else EXIT_CODES[ErrorCode.UNREACHABLE]
    if equal:
        said = "all hold the same"
    else:
        said = "not all hold the same yet: try again" if items else "no peer is connected"
    alike = all(item.get("equal") or item.get("only_declined") for item in items)
    if items and alike and not equal:
        said = "all hold the same but for what was declined: p2pcommons budget C, people keep A"
    if answer.get("paused"):
        said = "the network is paused; end it with: p2pcommons resume"
    if not equal:
        invocation.out.say(said)
    return Reply({**answer, "items": items, "equal": equal}, lines, (said,) * equal, code)


@command(
    "digest",
    examples=[
        ("digest", "count, fingerprint and four words of every commons"),
        ('digest "Sun kitchen" --json', "one object, to compare two replicas in a script"),
    ],
)
@click.argument("ref", metavar="[C]", required=False)
@click.option("--commons", metavar="C", help="The same as the argument.")
@click.pass_obj
def digest(invocation: Invocation, ref: str | None, commons: str | None) -> Reply:
    """Say what this replica holds: count and fingerprint.

    Where both are equal, two replicas hold the same contributions. Needs no node. The four words
    are the fingerprint for people: equal replicas show the same.
    """
    named = ref or commons
    with invocation.open_as_person() as replica:
        if named is not None:
            fields = _digest_fields(replica, replica.resolve_commons(named))
            return Reply(fields, table([_digest_line(fields)]))
        items = [_digest_fields(replica, row) for row in replica.commons()]
    steps = () if items else ("no commons yet: p2pcommons commons create TITLE",)
    return Reply({"items": items}, table([_digest_line(item) for item in items]), steps)


def _digest_fields(replica: Replica, row: CommonsRow) -> Json:
    held = replica.digest(row.id)
    return {
        "commons": row.id.hex(),
        "title": title_of(row),
        "count": held.count,
        "fingerprint": held.fingerprint.hex(),
        "bodies": held.bodies,
        "words": list(replica.four_words(row.id)),
    }


def _digest_line(fields: Json) -> tuple[str, ...]:
    return (
        str(fields["commons"])[:10],
        count(cast("int", fields["count"]), "contribution"),
        str(fields["fingerprint"]),
        " ".join(cast("list[str]", fields["words"])),
        str(fields["title"]),
    )


def _sync_line(item: Json) -> tuple[str, ...]:
    outcome = "equal" if item.get("equal") else clean_line(str(item.get("outcome") or "differs"))
    declined = item.get("only_declined")
    if isinstance(declined, int) and declined:
        outcome = f"equal but for {declined:,} of strangers, declined for lack of room"
    return (
        str(item.get("title") or str(item.get("commons"))[:10]),
        f"…{clean_line(str(item.get('peer')))[-8:]}",
        f"sent {item.get('sent') or 0}",
        f"received {item.get('received') or 0}",
        count(cast("int", item.get("count") or 0), "contribution"),
        outcome,
    )
