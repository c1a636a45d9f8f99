"""`show`: everything about one entry, in words: who wrote, changed, tagged and withdrew what."""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING

import click

from p2pcommons.cli.attachments import attachment_fields, attachment_lines
from p2pcommons.cli.choosing import entry_named
from p2pcommons.cli.columns import GAP, named
from p2pcommons.cli.entries import detail_fields, title_line
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command
from p2pcommons.cli.terminal import width_columns
from p2pcommons.cli.times import ago, count, moment
from p2pcommons.model.ids import display_name, short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.store import EntryDetail, VersionRow

_TEXT_COLUMNS = 88
_SIDE_COLUMNS_MIN = 100


@command(
    "show",
    examples=[
        ("show 3f92a1c0de", "an entry by its id, or by the id of any of its versions"),
        ("show 3f92a1c0de --json", "with every version, tagger and id in full"),
    ],
)
@click.argument("ref", metavar="ID")
@click.pass_obj
def show(invocation: Invocation, ref: str) -> Reply:
    """Show everything about an entry, with who said it.

    Where people changed it at the same time, all current versions are shown, numbered.
    """
    with invocation.open_as_person() as replica:
        commons, entry = entry_named(replica, ref)
        detail = replica.entry(commons, entry)
        files = replica.attachments(commons, entry)
        if invocation.json:
            attached = [attachment_fields(each) for each in files]
            return Reply({**detail_fields(detail), "attachments": attached})
        row = replica.commons_row(commons)
        now = replica.now()
    title = row.title or row.title_hint or short(row.id)
    lines = list(_lines(detail, title, now, invocation))
    if files:
        lines += ["", invocation.out.bold("Files"), *attachment_lines(files)]
    steps: tuple[str, ...] = ()
    if len(detail.heads) > 1:
        steps = (f"join them: p2pcommons edit {short(detail.row.id)} --merge --file F",)
    return Reply({}, lines, steps)


def _lines(detail: EntryDetail, commons: str, now: int, invocation: Invocation) -> Iterator[str]:
    row = detail.row
    heads = _heads(detail)
    yield invocation.out.bold(title_line(row))
    yield from named(_facts(detail, commons, now))
    yield ""
    if not heads:
        yield "Withdrawn: nothing of it is shown any more."
    elif len(heads) == 1:
        yield from _text(heads[0], width_columns() or _TEXT_COLUMNS)
    else:
        yield f"{len(heads)} versions stand side by side; nobody has joined them yet."
        for number, head in enumerate(heads, start=1):
            yield ""
            yield f"[{number}] {title_line(head)}"
            yield f"    {_person(head)}, {ago(head.claimed_at, now)}{GAP}{short(head.id)}"
            yield ""
            yield from (f"    {line}".rstrip() for line in _text(head, _TEXT_COLUMNS))
    yield from _history(detail, now)


def _facts(detail: EntryDetail, commons: str, now: int) -> Iterator[tuple[str, str]]:
    row = detail.row
    author = display_name(row.name, row.author)
    yield "by", f"{author}, {moment(row.claimed_at)} ({ago(row.claimed_at, now)})"
    if row.url:
        yield "address", row.url
    yield "commons", commons
    kind = ", ".join(part for part in (row.form, detail.language, detail.licence) if part)
    if kind:
        yield "form", kind
    if detail.dated is not None:
        yield "source of", moment(detail.dated)
    for tag, people in detail.taggers:
        who = ", ".join(display_name(person.name, person.author) for person in people)
        yield "tag", f"#{tag} by {who}"
    held = count(detail.holders, "other node")
    yield "held by", f"{held} known" if detail.holders else "no other node that is known"
    yield "id", short(row.id)


def _heads(detail: EntryDetail) -> list[VersionRow]:
    by_id = {version.id: version for version in detail.versions}
    return [by_id[head] for head in detail.heads if head in by_id]


def _text(version: VersionRow, width: int) -> list[str]:
    """Return a version's whole text; lines that are too long for a terminal are wrapped."""
    if version.not_kept:
        return [f"(the text is not kept here; p2pcommons restore {short(version.id)} fetches it)"]
    if version.missing:
        return ["(the text has not been received yet)"]
    lines = (version.text or "").splitlines()
    if not lines:
        return ["(no text)"] if version.url is None else []
    wrapped = (
        textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]
        for line in lines
    )
    return list(itertools.chain.from_iterable(wrapped)) if width_columns() else lines


def _history(detail: EntryDetail, now: int) -> Iterator[str]:
    """Say how it came to this, when there is more to say than who wrote it."""
    if len(detail.versions) > 1:
        yield ""
        yield "History"
        for version in detail.versions:
            yield f"  {_said(version, detail)}, {ago(version.claimed_at, now)}{GAP}" + _marks(
                version
            )
            if version.edit_note:
                yield f"      {version.edit_note}"
    names = {version.author: _person(version) for version in detail.versions}
    for withdrawal in detail.withdrawals:
        who = names.get(withdrawal.author) or display_name(None, withdrawal.author)
        yield f"  {who} withdrew {short(withdrawal.target)}, {ago(withdrawal.claimed_at, now)}"


def _said(version: VersionRow, detail: EntryDetail) -> str:
    if version.id == detail.row.id:
        return f"{_person(version)} wrote it"
    if len(version.parents) > 1:
        joined = ", ".join(short(parent) for parent in version.parents)
        return f"{_person(version)} joined {joined}"
    return f"{_person(version)} changed {', '.join(short(each) for each in version.parents)}"


def _marks(version: VersionRow) -> str:
    words = [short(version.id)]
    if version.is_head:
        words.append("current")
    if version.withdrawn:
        words.append("withdrawn")
    if version.missing:
        words.append("text not kept here" if version.not_kept else "text not received")
    return ", ".join(words)


def _person(version: VersionRow) -> str:
    return display_name(version.name, version.author)
