"""`pledge`, `pledges`: what people take on for a commons, and keeping one on this machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from p2pcommons.cli.choosing import choose_commons, title_of
from p2pcommons.cli.columns import table
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command
from p2pcommons.cli.terminal import width_columns
from p2pcommons.cli.times import count, day
from p2pcommons.errors import UserError
from p2pcommons.model.ids import to_did

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica import Kept, Pledge

SHOWN_MAX = 50
"""Pledges of one commons that a person sees; scripts get all."""


@command(
    "pledge",
    examples=[
        ('pledge "Sun kitchen" --keep', "keep every text of it on this machine"),
        ('pledge "Sun kitchen" --keep --files 5GB', "and files up to 5 GB together"),
        ('pledge "Sun kitchen" "I answer questions on Sundays"', "take something else on"),
        ('pledge "Sun kitchen" --take-back', "promise nothing any more"),
    ],
)
@click.argument("ref", metavar="C")
@click.argument("words", metavar="[WORDS]", required=False)
@click.option("--keep", is_flag=True, help="Keep all of it on this machine, whatever it takes.")
@click.option("--files", metavar="SIZE", help="With --keep: keep files up to SIZE together.")
@click.option("--until", metavar="DAY", help="Until this day, as 2027-01-31, and no longer.")
@click.option("--take-back", is_flag=True, help="Promise nothing any more.")
@click.pass_obj
def pledge(
    invocation: Invocation,
    ref: str,
    words: str | None,
    keep: bool,
    files: str | None,
    until: str | None,
    take_back: bool,
) -> Reply:
    """Tell a commons what you take on, and keep it on this machine if you say so.

    A pledge is signed and public in the commons. What you do not name stays as it was. A commons
    that is kept has no budget, gets every text, and is exchanged before others.
    """
    if take_back and (words is not None or keep or files is not None or until is not None):
        raise UserError("--take-back stands alone")
    bytes_max = None if files is None else _size(files)
    last = None if until is None else last_second_of(until)
    with invocation.open_as_person() as replica:
        row = choose_commons(invocation, replica, ref)
        title = title_of(row)
        if take_back:
            replica.take_pledge_back(row.id)
            fields = {"commons": row.id.hex(), "title": title, "kept": False, "pledge": None}
            return Reply(fields, (), (f"{title}: taken back",))
        budget = replica.budget(row.id) if keep else None
        made = replica.pledge(row.id, text=words, keep=keep or None, files=bytes_max, until=last)
        kept = replica.kept(row.id)
    said = [] if kept is None else [f"{title}: {kept_said(kept)}"]
    if budget is not None:
        said.append("its budget was taken away")
    said.append(f"to take it back: p2pcommons pledge {row.id.hex()[:10]} --take-back")
    fields = {
        "commons": row.id.hex(),
        "title": title,
        "kept": kept is not None,
        "pledge": pledge_fields(made),
    }
    return Reply(fields, _lines([made]), tuple(said))


@command(
    "pledges",
    examples=[
        ("pledges", "who takes on what, in all your commons"),
        ('pledges "Sun kitchen"', "in one of them"),
    ],
)
@click.argument("ref", metavar="[C]", required=False)
@click.pass_obj
def pledges(invocation: Invocation, ref: str | None) -> Reply:
    """List what people take on for your commons; strangers come last.

    A pledge is a promise that somebody signed. Nothing proves that it is kept.
    """
    with invocation.open_as_person() as replica:
        rows = replica.commons() if ref is None else [choose_commons(invocation, replica, ref)]
        listed = [(title_of(row), replica.pledges(row.id)) for row in rows]
    items: list[dict[str, object]] = []
    lines: list[str] = []
    for title, made in listed:
        items += [{**pledge_fields(each), "title": title} for each in made]
        if made:
            lines += [title] if len(listed) > 1 else []
            lines += _lines(made[:SHOWN_MAX])
        if len(made) > SHOWN_MAX:
            lines.append(f"… and {count(len(made) - SHOWN_MAX, 'more')}")
    steps = () if items else ("nobody has pledged anything yet: p2pcommons pledge C WORDS",)
    return Reply({"items": items}, lines, steps)


def pledge_fields(made: Pledge) -> dict[str, object]:
    """Return a pledge as JSON; see docs/cli.md."""
    return {
        "id": made.id.hex(),
        "commons": made.commons.hex(),
        "author": to_did(made.author),
        "name": made.author_name,
        "words": made.text,
        "keeps": made.keeps,
        "files": made.files,
        "until": made.until,
        "since": made.since,
        "own": made.is_own,
        "stranger": made.is_stranger,
    }


def promise_said(made: Pledge) -> str:
    """Return what is promised in a line."""
    from p2pcommons.replica import size_said

    parts: list[str] = []
    if made.keeps:
        files = f" and files up to {size_said(made.files)}" if made.files else ""
        parts.append(f"keeps every text{files}")
    if made.text:
        parts.append(made.text)
    if made.until is not None:
        parts.append(f"until {day(made.until)}")
    return "; ".join(parts)


def kept_said(kept: Kept) -> str:
    """Return how far this machine is with a commons that it keeps."""
    from p2pcommons.replica import size_said

    texts = f"{count(kept.texts_lacking, 'text')} still to come" if kept.texts_lacking else ""
    words = ["kept on this machine", texts or "all texts are here"]
    if kept.files_max:
        words.append(
            f"{kept.files_here:,} of {count(kept.files, 'file')}, "
            f"{size_said(kept.files_bytes)} of at most {size_said(kept.files_max)}"
        )
    return ", ".join(words)


def last_second_of(text: str) -> int:
    """Return the last second of a day in UTC, seconds since 1970. Raises UserError."""
    try:
        first = datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
        return int((first + timedelta(days=1)).timestamp()) - 1
    except (ValueError, OverflowError) as error:
        raise UserError(f"{text!r} is no day; write it as 2027-01-31") from error


def _size(text: str) -> int:
    from p2pcommons.replica import parse_size

    return parse_size(text) or 0


def _lines(made: list[Pledge] | tuple[Pledge, ...]) -> list[str]:
    rows = [(each.who, day(each.since), promise_said(each)) for each in made]
    return table(rows, width=width_columns())
