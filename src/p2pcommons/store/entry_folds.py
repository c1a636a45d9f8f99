"""Folding the entries that changed: from their slots to what is different now.

An entry's rowid is its place in the list: the second min(claimed_at, received_at) of its first
version, then 8 bits that begin with its id. So rowid order is list order, in every index.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from p2pcommons.model.addresses import same_address_key
from p2pcommons.model.kinds import ENTRY, TAG
from p2pcommons.store.entry_changes import EntryChange, EntryFacts
from p2pcommons.store.entry_writes import write_changes
from p2pcommons.store.rows import select_in
from p2pcommons.store.schema import ENTRY_WITHDRAWN, LISTED, SILENT
from p2pcommons.store.slots import entry_slots, tag_statements
from p2pcommons.views.entries import fold_entry, standing
from p2pcommons.views.statements import stated_tags, statement_heads, version_tags

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping

    from p2pcommons.store.interning import Interner
    from p2pcommons.store.slots import Bodies, EntrySlot, Member
    from p2pcommons.views.entries import EntryView

PLACES_A_SECOND = 256

_OLD = """
SELECT c.id, e.rowid, e.commons, e.shown, e.address, e.versions, e.heads, e.state
FROM contribution c JOIN entry e ON e.first = c.rowid WHERE c.id IN ({})
"""
_OLD_BY_ROWID = """
SELECT c.id, e.rowid, e.commons, e.shown, e.address, e.versions, e.heads, e.state
FROM entry e JOIN contribution c ON c.rowid = e.first WHERE e.rowid IN ({})
"""
_TAGGINGS = """
SELECT t.entry, t.author, g.text FROM tagging t JOIN tag g ON g.rowid = t.tag
WHERE t.entry IN ({})
"""


def address_number(url: str) -> int:
    """Return the 64-bit number under which equal addresses meet in an index."""
    digest = hashlib.sha256(same_address_key(url).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def fold_entries(
    connection: sqlite3.Connection,
    interner: Interner,
    touched: Mapping[bytes, Collection[int]],
    bodies: Bodies,
    filled: Collection[int],
) -> None:
    """Fold the entries with these first versions again and write down what changed.

    `touched` has the people whose tag statements on the entry changed; `filled` are the rowids
    of contributions whose body arrived only now, so that the index does not have it yet.
    """
    changes = _changes(connection, touched)
    _fold_versions(changes, bodies)
    _load_taggings(connection, changes)
    _fold_tags(connection, changes, touched, bodies)
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


def _changes(connection: sqlite3.Connection, touched: Collection[bytes]) -> list[EntryChange]:
    slots = entry_slots(connection, touched)
    unsupported = {
        row[0] for row in connection.execute("SELECT rowid FROM commons WHERE unsupported NOTNULL")
    }
    olds = {row[0]: row[1:] for row in select_in(connection, _OLD, touched)}
    changes: list[EntryChange] = []
    for first, (rowid, commons, *facts) in olds.items():
        changes.append(EntryChange(rowid, commons, EntryFacts(*facts), slot=slots.pop(first, None)))
    # In order of arrival, so that a rebuild gives entries of one second the same places.
    taken: set[int] = set()
    for slot in sorted(slots.values(), key=lambda slot: slot.first.rowid):
        if slot.first.commons not in unsupported:
            place = _place(connection, slot.first, taken)
            changes.append(EntryChange(place, slot.first.commons, None, slot=slot))
    return changes


def _fold_versions(changes: Iterable[EntryChange], bodies: Bodies) -> None:
    slots = [change.slot for change in changes if change.slot is not None]
    heads: list[tuple[int, str]] = []
    for slot in slots:
        if len(slot.members) == 1:
            heads.append((slot.first.rowid, ENTRY))
            continue
        rowids = {member.held.id: member.rowid for member in slot.members}
        held = [member.held for member in slot.members]
        author = slot.first.held.author
        heads += [(rowids[item.id], ENTRY) for item in standing(held, author, slot.withdrawn)]
    bodies.load(heads)
    for change in changes:
        slot = change.slot
        if slot is None:
            continue
        view = fold_entry(
            slot.first.held,
            [member.held for member in slot.members],
            slot.withdrawn,
            bodies.said(slot.members),
        )
        change.view = view
        change.after = _facts(slot, view)


def _facts(slot: EntrySlot, view: EntryView) -> EntryFacts:
    shown = view.shown
    if shown is None:
        state = ENTRY_WITHDRAWN if view.withdrawn else SILENT
        return EntryFacts(None, None, view.versions, 0, state)
    rowid = next(member.rowid for member in slot.members if member.held.id == shown.id)
    url = shown.body.url if shown.body is not None else None
    address = address_number(url) if url else None
    return EntryFacts(rowid, address, view.versions, len(view.heads), LISTED)


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
    touched: Mapping[bytes, Collection[int]],
    bodies: Bodies,
) -> None:
    everyone: list[bytes] = []
    of: list[tuple[bytes, int]] = []
    for change in changes:
        if change.view is None:
            continue
        if change.before is None:
            everyone.append(change.view.id)
        else:
            people = _concerned(change).union(touched[change.view.id])
            of += [(change.view.id, author) for author in people]
    statements = tag_statements(connection, everyone, of)
    bodies.load(_head_bodies(statements))
    for change in changes:
        if change.view is None or change.slot is None:
            continue
        made = statements.get(change.view.id, {})
        people = _concerned(change).union(touched[change.view.id], made)
        change.tags_after = dict(change.tags_before)
        for author in people:
            slot = [item for item in made.get(author, ()) if item.commons == change.commons]
            tags = _tags_of(change, author, slot, bodies)
            if tags:
                change.tags_after[author] = tags
            else:
                change.tags_after.pop(author, None)


def _concerned(change: EntryChange) -> set[int]:
    """Return whose tags may follow from versions: authors of heads now, and those before."""
    assert change.slot is not None
    assert change.view is not None
    heads = {head.id for head in change.view.heads}
    return {
        member.author
        for member in change.slot.members
        if member.held.id in heads or member.author in change.tags_before
    }


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
    assert change.slot is not None
    assert change.view is not None
    if statements:
        withdrawn = {member.held.id for member in statements if member.withdrawn}
        held = [member.held for member in statements]
        return stated_tags(held, withdrawn, bodies.said(statements))
    for member in change.slot.members:
        if member.author == author:
            return version_tags(change.view, member.held.author)
    return frozenset()


def _place(connection: sqlite3.Connection, first: Member, taken: set[int]) -> int:
    """Return a free rowid in the second of this entry, or soon after where that is crowded."""
    second = min(first.held.claimed_at, first.received_at)
    number = int.from_bytes(first.held.id, "big")
    # Lists run downwards: of one second the smaller ids come first.
    place = second * PLACES_A_SECOND + PLACES_A_SECOND - 1 - first.held.id[0]
    spread = PLACES_A_SECOND
    while (
        place in taken
        or connection.execute("SELECT 1 FROM entry WHERE rowid = ?", (place,)).fetchone()
    ):
        # Twice the room each time, so that a flood with one claimed time costs little.
        spread *= 2
        place = second * PLACES_A_SECOND + number % spread
    taken.add(place)
    return place
