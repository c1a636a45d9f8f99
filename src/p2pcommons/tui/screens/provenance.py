"""What is known about an entry beside its text, in lines: taggers, versions, origin, copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from p2pcommons.model.ids import short
from p2pcommons.tui import wording

if TYPE_CHECKING:
    from p2pcommons.tui.records import EntryPage, VersionLine

NAMES_SHOWN_MAX = 4


def sidebar_text(page: EntryPage, now: int) -> Content:
    """Tags by whom, versions, provenance; built from parts, so nothing is read as markup."""
    sections = [
        ("TAGS", _taggers(page)),
        ("VERSIONS", [line for version in page.versions for line in _version(version, now)]),
        ("PROVENANCE", _provenance(page)),
    ]
    told: list[tuple[str, str]] = []
    for title, lines in sections:
        if lines:
            told.append(("\n\n" if told else "", ""))
            told.append((f"{title}\n", "bold $muted"))
            told.append(("\n".join(lines), ""))
    return Content.assemble(*told)


def _taggers(page: EntryPage) -> list[str]:
    lines: list[str] = []
    for tagger in page.taggers:
        people = list(tagger.people[:NAMES_SHOWN_MAX])
        more = len(tagger.people) - len(people)
        lines.append(f"#{tagger.tag}  {wording.listed(people, more)}")
    return lines


def _version(version: VersionLine, now: int) -> list[str]:
    states = [
        word
        for word, holds in (
            ("shown", version.head),
            ("withdrawn", version.withdrawn),
            ("text not kept here", version.not_kept),
            (
                "text not here yet",
                version.missing and not version.not_kept and not version.withdrawn,
            ),
        )
        if holds
    ]
    state = f"  ({', '.join(states)})" if states else ""
    told = [
        f"{short(version.version)}  {version.who}",
        f"  {wording.ago(version.when, now)}{state}",
    ]
    if version.parents:
        replaced = wording.listed([short(parent) for parent in version.parents])
        told.append(f"  replaces {replaced}")
    if version.note:
        told.append(f"  {version.note}")
    return told


def _provenance(page: EntryPage) -> list[str]:
    line = page.line
    shown = page.heads[0] if page.heads else None
    lines = [f"entry {short(line.entry)}"]
    if shown is not None:
        lines.append(f"signed by {shown.who}; the signature was checked when it came")
        lines.append(f"written {wording.moment(shown.when)}")
        lines.append(f"here since {wording.moment(shown.received)}")
    if page.dated:
        lines.append(f"the source is of {wording.date(page.dated)}")
    if page.licence:
        lines.append(f"licence {page.licence}")
    if page.holders:
        lines.append(f"{wording.count(page.holders, 'other node')} known to hold it")
    else:
        lines.append("no other node is known to hold it")
    return lines
