"""Decide what an import writes, from what a file says and what the commons already has.

Pure: the same file over the same commons gives the same plan, so an import that was killed is
taken up by running it again, and a second import of the same file writes nothing.

- Links with the same address are one entry: the first title stands, every tag is kept, different
  notes follow one another.
- An address that is in the commons, whoever brought it, gets no second entry; this author's tags
  join what this author said about it before.
- Notes without an address are the same when title and text are.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from p2pcommons.interchange.checks import checked_entry
from p2pcommons.interchange.records import ImportedEntry, ImportFailure, ImportSkip
from p2pcommons.model.addresses import same_address_key
from p2pcommons.model.limits import TAGS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from p2pcommons.interchange.records import LinkRecord


@dataclass(frozen=True, slots=True)
class Standing:
    """An entry that is in the commons already, and this author's own tags on it."""

    id: bytes
    own_tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WriteEntry:
    """Publish a new entry."""

    entry: ImportedEntry
    claimed_at: int


@dataclass(frozen=True, slots=True)
class WriteTags:
    """State this author's tags on an entry that stands: `tags` is the whole list."""

    id: bytes
    tags: tuple[str, ...]
    claimed_at: int


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What to write, in order, and what becomes of each link of the file.

    `links == added + merged + skipped + failed`. Merged: the entry stands, or stood earlier in
    the file, and gained something by this link. Skipped: it had everything, or the file itself
    asks not to share it (`left_out` says which).
    """

    writes: tuple[WriteEntry | WriteTags, ...]
    links: int
    added: int
    merged: int
    skipped: int
    failures: tuple[ImportFailure, ...]
    left_out: tuple[ImportSkip, ...]

    @property
    def failed(self) -> int:
        """Number of links that could not become entries."""
        return len(self.failures)


@dataclass(frozen=True, slots=True)
class _Joining:
    """What the file adds to an entry that stands."""

    standing: Standing
    tags: tuple[str, ...]


@dataclass(slots=True)
class _Tally:
    links: int = 0
    added: int = 0
    merged: int = 0
    skipped: int = 0
    failures: list[ImportFailure] = field(default_factory=list[ImportFailure])
    left_out: list[ImportSkip] = field(default_factory=list[ImportSkip])


_Folded = dict[tuple[str, ...], ImportedEntry | _Joining]


def plan_import(
    records: Iterable[LinkRecord],
    find_standing: Callable[[ImportedEntry], Standing | None],
    now: int,
) -> ImportPlan:
    """Fold `records` into a plan. `find_standing` is asked once for each different link.

    Times rise by a second from one write to the next, in the file's order, and end at `now`
    (seconds since 1970 UTC), so that newest first shows the file's end first.
    """
    tally = _Tally()
    folded: _Folded = {}
    for record in records:
        tally.links += 1
        if isinstance(record, ImportFailure):
            tally.failures.append(record)
        elif isinstance(record, ImportSkip):
            tally.skipped += 1
            tally.left_out.append(record)
        else:
            _fold(record, folded, find_standing, tally)
    return ImportPlan(
        writes=_timed(folded, now),
        links=tally.links,
        added=tally.added,
        merged=tally.merged,
        skipped=tally.skipped,
        failures=tuple(tally.failures),
        left_out=tuple(tally.left_out),
    )


def same_entry_key(entry: ImportedEntry) -> tuple[str, ...]:
    """What two entries have in common that count as the same one."""
    if entry.url is not None:
        return ("url", same_address_key(entry.url))
    return ("words", entry.title, entry.text)


def _timed(folded: _Folded, now: int) -> tuple[WriteEntry | WriteTags, ...]:
    kept = [
        value
        for value in folded.values()
        if isinstance(value, ImportedEntry) or value.tags != value.standing.own_tags
    ]
    first = now - len(kept) + 1
    return tuple(
        WriteEntry(value, claimed_at)
        if isinstance(value, ImportedEntry)
        else WriteTags(value.standing.id, value.tags, claimed_at)
        for claimed_at, value in enumerate(kept, first)
    )


def _fold(
    entry: ImportedEntry,
    folded: _Folded,
    find_standing: Callable[[ImportedEntry], Standing | None],
    tally: _Tally,
) -> None:
    key = same_entry_key(entry)
    known = folded.get(key)
    if known is None:
        standing = find_standing(entry)
        if standing is None:
            folded[key] = entry
            tally.added += 1
            return
        known = folded[key] = _Joining(standing, standing.own_tags)
    joined = (
        _join_entries(known, entry)
        if isinstance(known, ImportedEntry)
        else _join_tags(known, entry)
    )
    if isinstance(joined, ImportFailure):
        tally.failures.append(joined)
    elif joined == known:
        tally.skipped += 1
    else:
        folded[key] = joined
        tally.merged += 1


def _join_tags(known: _Joining, entry: ImportedEntry) -> _Joining | ImportFailure:
    tags = _union(known.tags, entry.tags)
    if len(tags) > TAGS_MAX:
        return _too_many_tags(entry, len(tags))
    return replace(known, tags=tags)


def _join_entries(first: ImportedEntry, later: ImportedEntry) -> ImportedEntry | ImportFailure:
    tags = _union(first.tags, later.tags)
    if len(tags) > TAGS_MAX:
        return _too_many_tags(later, len(tags))
    text = first.text
    if later.text not in text:
        text = f"{text}\n\n{later.text}" if text else later.text
    joined = checked_entry(
        url=first.url,
        title=first.title,
        text=text,
        tags=tags,
        dated=first.dated if first.dated is not None else later.dated,
        line=first.line,
        form=first.form or later.form,
        language=first.language or later.language,
        licence=first.licence or later.licence,
        source=first.source,
    )
    if isinstance(joined, ImportFailure):
        return ImportFailure(later.line, f"joined with line {first.line}, {joined.reason}")
    return joined


def _union(first: tuple[str, ...], later: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *later)))


def _too_many_tags(entry: ImportedEntry, count: int) -> ImportFailure:
    reason = f"with the tags that are there already it has {count}; the limit is {TAGS_MAX}"
    return ImportFailure(entry.line, reason, entry.source)
