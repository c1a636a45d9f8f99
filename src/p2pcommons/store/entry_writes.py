"""Writing down what became of entries, by difference: rows, tags, counts, full text."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from p2pcommons.model.kinds import ENTRY
from p2pcommons.model.limits import AHEAD_SECONDS_MAX
from p2pcommons.store.entry_changes import all_tags, is_listed
from p2pcommons.store.rows import insert_rows
from p2pcommons.store.search_text import change_texts, search_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

    from p2pcommons.store.entry_changes import EntryChange, EntryFacts, Tagging
    from p2pcommons.store.interning import Interner
    from p2pcommons.store.search_text import SearchText
    from p2pcommons.store.slots import Bodies


def write_changes(
    connection: sqlite3.Connection,
    interner: Interner,
    changes: Iterable[EntryChange],
    bodies: Bodies,
    filled: Collection[int],
) -> None:
    """Write what differs between before and after.

    `filled` are the rowids of bodies that arrived only now, which the full text does not have.
    """
    changes = list(changes)
    _write_texts(connection, changes, bodies, filled)
    _write_entries(connection, changes)
    _write_taggings(connection, interner, changes)
    _write_tag_counts(connection, interner, changes)


def _write_entries(connection: sqlite3.Connection, changes: Iterable[EntryChange]) -> None:
    new: list[tuple[object, ...]] = []
    moved: list[tuple[object, ...]] = []
    gone: list[tuple[int]] = []
    for change in changes:
        if change.after is None:
            gone.append((change.rowid,))
        elif change.before is None:
            assert change.slot is not None
            first = change.slot.first
            ahead = first.held.claimed_at > first.received_at + AHEAD_SECONDS_MAX
            due = first.held.claimed_at if ahead else None
            new.append(
                (change.rowid, first.rowid, change.commons, first.author, due, *change.after)
            )
        elif change.before != change.after:
            moved.append((*change.after, change.rowid))
    insert_rows(
        connection,
        "INSERT INTO entry(rowid, first, commons, author, due, shown, address, versions, heads, "
        "state)",
        sorted(new),
    )
    connection.executemany(
        "UPDATE entry SET shown = ?, address = ?, versions = ?, heads = ?, state = ? "
        "WHERE rowid = ?",
        moved,
    )
    connection.executemany("DELETE FROM entry WHERE rowid = ?", gone)
    listed: Counter[int] = Counter()
    for change in changes:
        listed[change.commons] += is_listed(change.after) - is_listed(change.before)
    connection.executemany(
        "UPDATE commons SET entries = entries + ? WHERE rowid = ?",
        [(by, commons) for commons, by in listed.items() if by],
    )


def _write_taggings(
    connection: sqlite3.Connection, interner: Interner, changes: Iterable[EntryChange]
) -> None:
    new: list[tuple[int, int, int]] = []
    gone: list[tuple[int, int, int]] = []
    for change in changes:
        if not change.tags_before:
            for author, tags in change.tags_after.items():
                numbers = interner.tags(connection, tags)
                new += [(change.rowid, author, number) for number in numbers.values()]
            continue
        for author in change.tags_before.keys() | change.tags_after.keys():
            before = change.tags_before.get(author, frozenset())
            after = change.tags_after.get(author, frozenset())
            if before == after:
                continue
            numbers = interner.tags(connection, before ^ after)
            new += [(change.rowid, author, numbers[tag]) for tag in after - before]
            gone += [(change.rowid, author, numbers[tag]) for tag in before - after]
    connection.executemany("DELETE FROM tagging WHERE entry = ? AND author = ? AND tag = ?", gone)
    insert_rows(connection, "INSERT INTO tagging(entry, author, tag)", sorted(new))


def _write_tag_counts(
    connection: sqlite3.Connection, interner: Interner, changes: Iterable[EntryChange]
) -> None:
    new: list[tuple[int, int]] = []
    gone: list[tuple[int, int]] = []
    counts: Counter[tuple[int, int]] = Counter()
    for change in changes:
        before = _listed_tags(change.before, change.tags_before)
        after = _listed_tags(change.after, change.tags_after)
        if not before:
            for number in interner.tags(connection, after).values():
                new.append((number, change.rowid))
                counts[change.commons, number] += 1
            continue
        if before == after:
            continue
        numbers = interner.tags(connection, before ^ after)
        for tag, number in numbers.items():
            (new if tag in after else gone).append((number, change.rowid))
            counts[change.commons, number] += 1 if tag in after else -1
    connection.executemany("DELETE FROM entry_tag WHERE tag = ? AND entry = ?", gone)
    insert_rows(connection, "INSERT INTO entry_tag(tag, entry)", sorted(new))
    connection.executemany(
        "INSERT INTO tag_count(commons, tag, count) VALUES(?, ?, ?) "
        "ON CONFLICT DO UPDATE SET count = count + excluded.count",
        [(*key, by) for key, by in counts.items() if by],
    )
    connection.executemany(
        "DELETE FROM tag_count WHERE commons = ? AND tag = ? AND count = 0",
        [key for key, by in counts.items() if by < 0],
    )


def _write_texts(
    connection: sqlite3.Connection,
    changes: Iterable[EntryChange],
    bodies: Bodies,
    filled: Collection[int],
) -> None:
    stale = [change for change in changes if _text_changed(change, filled)]
    bodies.load(
        (change.before.shown, ENTRY)
        for change in stale
        if change.before is not None and change.before.shown is not None
    )
    old: list[SearchText] = []
    new: list[SearchText] = []
    for change in stale:
        if change.before is not None and change.before.shown is not None:
            body = None if change.before.shown in filled else bodies.get(change.before.shown)
            old.append(search_text(change.rowid, body, all_tags(change.tags_before)))
        if change.after is not None and change.after.shown is not None:
            body = bodies.get(change.after.shown)
            new.append(search_text(change.rowid, body, all_tags(change.tags_after)))
    change_texts(connection, old, new)


def _text_changed(change: EntryChange, filled: Collection[int]) -> bool:
    shown = change.after.shown if change.after is not None else None
    before = change.before.shown if change.before is not None else None
    if shown != before or shown in filled:
        return True
    return shown is not None and all_tags(change.tags_before) != all_tags(change.tags_after)


def _listed_tags(facts: EntryFacts | None, tagging: Tagging) -> frozenset[str]:
    return all_tags(tagging) if tagging and is_listed(facts) else frozenset()
