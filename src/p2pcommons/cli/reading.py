"""`list`, `search`, `tags`: what is there, newest first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from p2pcommons.cli.choosing import only_commons
from p2pcommons.cli.columns import table
from p2pcommons.cli.entries import entry_fields, list_lines
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import WordsCommand, command
from p2pcommons.cli.terminal import is_tty, width_columns
from p2pcommons.cli.times import count
from p2pcommons.errors import UserError
from p2pcommons.model.tags import normalise
from p2pcommons.store.query import Order, Span
from p2pcommons.store.query_dates import DATE_FORMS, span_of

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica import Replica
    from p2pcommons.store import EntryRow

TERMINAL_LIMIT = 40
"""Entries shown to a person who gave no limit; scripts get all."""
_COUNT = click.IntRange(min=0)


@command(
    "list",
    examples=[
        ("list --limit 10", "the ten newest entries of all commons"),
        ("list --tag solar --author Ana", "what Ana entered and somebody tagged solar"),
    ],
)
@click.option("--tag", "tags", metavar="T", multiple=True, help="Only entries with this tag.")
@click.option("--author", metavar="A", help="Only entries of this author.")
@click.option("--after", metavar="DATE", help="Only entries from this day, month or year on.")
@click.option("--before", metavar="DATE", help="Only entries before this day, month or year.")
@click.option("--commons", metavar="C", help="Only entries of this commons.")
@click.option("--limit", metavar="N", type=_COUNT, help="At most N entries; 0 shows all.")
@click.pass_obj
def list_entries(
    invocation: Invocation,
    tags: tuple[str, ...],
    author: str | None,
    after: str | None,
    before: str | None,
    commons: str | None,
    limit: int | None,
) -> Reply:
    """List entries, newest first.

    Several --tag mean entries that have all of them. An author is a DID, a unique name,
    name~suffix, or six characters of the DID after did:key:z6Mk. A DATE is 2024, 2024-03 or
    2024-03-05, in UTC.
    """
    span = Span(_first_second("--after", after), _first_second("--before", before))
    with invocation.open_as_person() as replica:
        rows = replica.entries(
            commons=only_commons(replica, commons),
            tags=tuple(normalise(tag) for tag in tags),
            author=None if author is None else replica.resolve_author(author),
            limit=_limit(invocation, limit),
            span=span,
        )
        return _listed(invocation, replica, rows, limit)


@command(
    "search",
    cls=WordsCommand,
    examples=[
        ("search focal line", "entries with both words"),
        ("search '\"focal line\" #solar -glass'", "a phrase, a tag, and a word that is absent"),
        ("search tag:solar by:Ana", "tag:x means #x, which shells cut off"),
        ("search oven after:2024 --sort relevance", "from 2024 on, the best first"),
    ],
)
@click.argument("words", metavar="WORDS", nargs=-1, required=True)
@click.option(
    "--sort",
    type=click.Choice([order.value for order in Order]),
    default=Order.NEWEST.value,
    help="What comes first: the newest, or what fits best among the newest 20,000.",
)
@click.option("--commons", metavar="C", help="Only entries of this commons.")
@click.option("--limit", metavar="N", type=_COUNT, help="At most N entries; 0 shows all.")
@click.pass_obj
def search(
    invocation: Invocation,
    words: tuple[str, ...],
    sort: str,
    commons: str | None,
    limit: int | None,
) -> Reply:
    """Search entries, newest first.

    All words, joined by spaces, are one query: word, "a phrase", #tag or tag:x, by:name,
    after:2024-03, before:2024, on:2024-03-05, on:2024-03..2024-05, and any of them with - in
    front to leave out what has it.
    """
    text = " ".join(words)
    order = Order(sort)
    with invocation.open_as_person() as replica:
        rows = replica.search(
            text,
            commons=only_commons(replica, commons),
            limit=_limit(invocation, limit),
            order=order,
        )
        told = tuple(map(str, replica.query_problems(text)))
        return _listed(invocation, replica, rows, limit, order=order, told=told)


@command(
    "tags",
    examples=[
        ("tags", "all tags, most used first"),
        ("tags --prefix so", "those that begin with so"),
    ],
)
@click.option("--prefix", metavar="P", default="", help="Only tags that begin with P.")
@click.option("--commons", metavar="C", help="Only tags of this commons.")
@click.option("--limit", metavar="N", type=_COUNT, help="At most N tags; 0 shows all.")
@click.pass_obj
def tags(invocation: Invocation, prefix: str, commons: str | None, limit: int | None) -> Reply:
    """List tags with the number of their entries, most used first."""
    with invocation.open_as_person() as replica:
        counted = replica.tag_counts(
            only_commons(replica, commons), normalise(prefix) if prefix else "", limit or None
        )
    items = [{"tag": row.tag, "count": row.count} for row in counted]
    lines = table([(f"{row.count:,}", f"#{row.tag}") for row in counted], right=(0,))
    return Reply({"items": items}, lines, () if items else ("no tags",))


def _limit(invocation: Invocation, limit: int | None) -> int | None:
    """Return how many rows to read: one more than is shown tells that there are more."""
    if limit is None and not invocation.json and is_tty(sys.stdout):
        return TERMINAL_LIMIT + 1
    return limit or None


def _first_second(option: str, date: str | None) -> int | None:
    """Return where a date begins. Raises UserError naming the option and how to write one."""
    if date is None:
        return None
    found = span_of(date)
    if found is None:
        raise UserError(f"{option} {date} is no date: write {DATE_FORMS}")
    return found[0]


def _listed(
    invocation: Invocation,
    replica: Replica,
    rows: list[EntryRow],
    limit: int | None,
    *,
    order: Order = Order.NEWEST,
    told: tuple[str, ...] = (),
) -> Reply:
    cut = limit is None and _limit(invocation, limit) is not None and len(rows) > TERMINAL_LIMIT
    shown = rows[:TERMINAL_LIMIT] if cut else rows
    if invocation.json:
        return Reply({"items": [entry_fields(row) for row in shown]})
    lines = list_lines(shown, replica.now(), width_columns())
    if cut:
        first = "best" if order is Order.RELEVANCE else "newest"
        steps: tuple[str, ...] = (f"the {TERMINAL_LIMIT} {first}; all of them: --limit 0",)
    else:
        steps = (count(len(shown), "entry", "entries"),) if shown else ("nothing found",)
    return Reply({}, lines, (*told, *steps))
