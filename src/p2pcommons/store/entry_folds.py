"""Folding the entries that changed: from their slots to what is different now.

An entry's rowid is its place in the list: the second min(claimed_at, received_at) of its first
version, then 8 bits that begin with its id. So rowid order is list order, in every index.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from p2pcommons.model.addresses import same_address_key
from p2pcommons.model.kinds import ENTRY, TAG, EntryBody
from p2pcommons.store.entry_changes import EntryChange, EntryFacts
from p2pcommons.store.entry_writes import write_changes
from p2pcommons.store.rows import select_in
from p2pcommons.store.schema import ENTRY_WITHDRAWN, LISTED, SILENT
from p2pcommons.store.slots import EntrySlot, entry_slots, tag_statements
from p2pcommons.views.statements import stated_tags, statement_heads, version_tags

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping

    from p2pcommons.store.interning import Interner
    from p2pcommons.store.slots import Bodies, Member

PLACES_A_SECOND = 256

_OLD = """
SELECT c.id, e.rowid, e.commons, e.shown, e.address, e.versions, e.heads, e.state
FROM contribution c JOIN entry e ON e.first = c.rowid WHERE c.id IN ({})
"""
_OLD_BY_ROWID = """
SELECT c.id, e.rowid, e.commons, e.shown, e.address, e.versions, e.heads, e.state
FROM entry e JOIN contribution c ON c.rowid = e.first WHERE e.rowid IN ({})
"""
_TAKEN = "SELECT rowid FROM entry WHERE rowid IN ({})"
_TAGGINGS = """
SELECT t.entry, t.author, g.text FROM tagging t JOIN tag g ON g.rowid = t.tag
WHERE t.entry IN ({})
"""


def address_number(url: str) -> int:
    """Return the 64-bit number under which equal addresses meet in an index."""
    digest = hashlib.sha256(same_address_key(url).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@dataclass(slots=True)
class Touched:
    """Whose tags on an entry may have changed: those of `authors`, or with `all` everybody's."""

    authors: set[int] = field(default_factory=set[int])
    all: bool = False


def fold_entries(
    connection: sqlite3.Connection,
    interner: Interner,
    touched: Mapping[bytes, Touched],
    bodies: Bodies,
    filled: Collection[int],
    alone: Mapping[bytes, Member],
) -> None:
    """Fold the entries with these first versions again and write down what changed.

    `filled` are the rowids of contributions whose body arrived only now, so that the index does
    not have it yet. `alone` are new first versions that nothing else held is about: their slots
    need not be looked for.
    """
    changes = _changes(connection, touched, alone)
    _fold_versions(changes, bodies, filled)
    _load_taggings(connection, changes)
    _fold_tags(connection, changes, touched, bodies, alone)
    write_changes(connection, interner, changes, bodies, filled)


def drop_entries(
    connection: sqlite3.Connection, interner: Interner, rowids: Iterable[int], bodies: Bodies
) -> None:
    """Remove entries with their tags, counts and search text."""
    changes = [
        EntryChange(rowid, commons, EntryFacts(*facts))
        for _, rowid, commons, *facts in select_in(connection, _OLD_BY_ROWID, rowids)
    ]
    _load_taggings(connection, changes)
    write_changes(connection, interner, changes, bodies, ())


def _changes(
    connection: sqlite3.Connection, touched: Collection[bytes], alone: Mapping[bytes, Member]
) -> list[EntryChange]:
    known = [first for first in touched if first not in alone]
    slots = entry_slots(connection, known)
    slots.update((first, EntrySlot(member, [member])) for first, member in alone.items())
    unsupported = {
        row[0] for row in connection.execute("SELECT rowid FROM commons WHERE unsupported NOTNULL")
    }
    olds = {row[0]: row[1:] for row in select_in(connection, _OLD, known)}
    changes: list[EntryChange] = []
    for first, (rowid, commons, *facts) in olds.items():
        changes.append(EntryChange(rowid, commons, EntryFacts(*facts), slot=slots.pop(first, None)))
    # In order of arrival, so that a rebuild gives entries of one second the same places.
    new = [slot.first for slot in slots.values() if slot.first.commons not in unsupported]
    new.sort(key=lambda first: first.rowid)
    firsts = [_first_place(first) for first in new]
    taken = {row[0] for row in select_in(connection, _TAKEN, firsts)}
    for first, wanted in zip(new, firsts, strict=True):
        place = _free_place(connection, first, taken) if wanted in taken else wanted
        taken.add(place)
        changes.append(EntryChange(place, first.commons, None, slot=slots[first.held.id]))
    return changes


def _fold_versions(changes: Iterable[EntryChange], bodies: Bodies, filled: Collection[int]) -> None:
    """Find the heads, and read the body of the shown one where it is not the same as before."""
    fresh: list[EntryChange] = []
    for change in changes:
        if change.slot is None:
            continue
        change.heads = change.slot.heads()
        shown = change.heads[0].rowid if change.heads else None
        same = change.before is not None and change.before.shown == shown
        address = change.before.address if change.before is not None and same else None
        change.after = EntryFacts(
            shown, address, len(change.slot.members), len(change.heads), _state(change)
        )
        if shown is not None and (not same or shown in filled):
            fresh.append(change)
    bodies.load((change.heads[0].rowid, ENTRY) for change in fresh)
    for change in fresh:
        assert change.after is not None
        body = bodies.get(change.heads[0].rowid)
        url = body.url if isinstance(body, EntryBody) else None
        change.after = change.after._replace(address=address_number(url) if url else None)


def _state(change: EntryChange) -> int:
    assert change.slot is not None
    if change.heads:
        return LISTED
    return ENTRY_WITHDRAWN if change.slot.withdrawn else SILENT


def _load_taggings(connection: sqlite3.Connection, changes: Iterable[EntryChange]) -> None:
    found: dict[int, dict[int, set[str]]] = {}
    existing = (change.rowid for change in changes if change.before is not None)
    for entry, author, text in select_in(connection, _TAGGINGS, existing):
        found.setdefault(entry, {}).setdefault(author, set()).add(text)
    for change in changes:
        people = found.get(change.rowid)
        if people and change.before is not None:
            change.tags_before = {author: frozenset(tags) for author, tags in people.items()}


def _fold_tags(
    connection: sqlite3.Connection,
    changes: Iterable[EntryChange],
    touched: Mapping[bytes, Touched],
    bodies: Bodies,
    alone: Collection[bytes],
) -> None:
    changes = [change for change in changes if not _fold_tags_alone(change, bodies, alone)]
    everyone: list[bytes] = []
    of: list[tuple[bytes, int]] = []
    people: dict[bytes, set[int]] = {}
    for change in changes:
        if change.slot is None:
            continue
        first = change.slot.first.held.id
        if change.before is None or touched[first].all:
            everyone.append(first)
            people[first] = {head.author for head in change.heads}.union(change.tags_before)
        else:
            people[first] = _concerned(change.slot, touched[first].authors)
            of += [(first, author) for author in people[first]]
    statements = tag_statements(connection, everyone, of)
    bodies.load(_head_bodies(statements))
    for change in changes:
        if change.slot is None:
            continue
        first = change.slot.first.held.id
        made = {
            author: [item for item in slot if item.commons == change.commons]
            for author, slot in statements.get(first, {}).items()
        }
        concerned = people[first].union(made)
        unsaid = {author for author in concerned if not made.get(author)}
        bodies.load((head.rowid, ENTRY) for head in change.heads if head.author in unsaid)
        change.tags_after = dict(change.tags_before)
        for author in concerned:
            tags = _tags_of(change, author, made.get(author, []), bodies)
            if tags:
                change.tags_after[author] = tags
            else:
                change.tags_after.pop(author, None)


def _fold_tags_alone(change: EntryChange, bodies: Bodies, alone: Collection[bytes]) -> bool:
    """Fold the tags of a new entry that nothing else is about; False where it is another one."""
    slot = change.slot
    if slot is None or slot.first.held.id not in alone:
        return False
    if change.heads:
        tags = version_tags((bodies.get(slot.first.rowid),))
        if tags:
            change.tags_after = {slot.first.author: tags}
    return True


def _concerned(slot: EntrySlot, authors: Collection[int]) -> set[int]:
    """Return `authors` and those whose versions theirs may have replaced."""
    concerned = set(authors)
    if len(slot.members) > 1:
        owners = {member.held.id: member.author for member in slot.members}
        for member in slot.members:
            if member.author in authors:
                concerned.update(owners[key] for key in member.held.parents if key in owners)
    return concerned


def _head_bodies(statements: Mapping[bytes, Mapping[int, list[Member]]]) -> list[tuple[int, str]]:
    wanted: list[tuple[int, str]] = []
    for people in statements.values():
        for slot in people.values():
            heads = {item.id for item in statement_heads([member.held for member in slot])}
            wanted += [(member.rowid, TAG) for member in slot if member.held.id in heads]
    return wanted


def _tags_of(
    change: EntryChange, author: int, statements: list[Member], bodies: Bodies
) -> frozenset[str]:
    if statements:
        withdrawn = {member.held.id for member in statements if member.withdrawn}
        held = [member.held for member in statements]
        return stated_tags(held, withdrawn, bodies.said(statements))
    return version_tags(bodies.get(head.rowid) for head in change.heads if head.author == author)


def _first_place(first: Member) -> int:
    """Return the rowid an entry has unless another one of its second has it."""
    # Lists run downwards: of one second the smaller ids come first.
    return _second(first) * PLACES_A_SECOND + PLACES_A_SECOND - 1 - first.held.id[0]


def _free_place(connection: sqlite3.Connection, first: Member, taken: Collection[int]) -> int:
    """Return a free rowid in the second of an entry, or soon after where that is crowded."""
    number = int.from_bytes(first.held.id, "big")
    place, spread = _first_place(first), PLACES_A_SECOND
    while place in taken or select_in(connection, _TAKEN, [place]):
        # Twice the room each time, so that a flood with one claimed time costs little.
        spread *= 2
        place = _second(first) * PLACES_A_SECOND + number % spread
    return place


def _second(first: Member) -> int:
    return min(first.held.claimed_at, first.received_at)
