"""Comparing what the store wrote down with a full fold of what it holds.

The fold in `views.fold` knows nothing of slots, differences and interned integers; so whatever
went wrong on the incremental way shows here.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple, cast

from p2pcommons.model.kinds import parse_body
from p2pcommons.model.limits import AHEAD_SECONDS_MAX
from p2pcommons.store.entry_folds import address_number
from p2pcommons.store.replica_set import fingerprint_of_sum
from p2pcommons.store.schema import DISOWNED, ENTRY_WITHDRAWN, LISTED, SILENT, TEXT_TABLE, WITHDRAWN
from p2pcommons.store.search_text import change_texts, search_text
from p2pcommons.views.fold import CommonsView, fold_held
from p2pcommons.views.held import Held

if TYPE_CHECKING:
    from collections.abc import Iterable

    from p2pcommons.model.kinds import Body
    from p2pcommons.store.search_text import SearchText
    from p2pcommons.views.entries import EntryView

_ENTRIES = f"""
SELECT f.id, e.rowid, a.key, e.versions, e.heads, e.state, s.id, e.address,
       e.due IS CASE WHEN f.claimed_at > f.received_at + {AHEAD_SECONDS_MAX} THEN f.claimed_at END
FROM entry e JOIN contribution f ON f.rowid = e.first JOIN author a ON a.rowid = e.author
LEFT JOIN contribution s ON s.rowid = e.shown WHERE e.commons = ?
"""  # noqa: S608
_TAGGINGS = """
SELECT f.id, a.key, g.text FROM tagging t JOIN entry e ON e.rowid = t.entry
JOIN contribution f ON f.rowid = e.first JOIN author a ON a.rowid = t.author
JOIN tag g ON g.rowid = t.tag WHERE e.commons = ?
"""
_LISTED_TAGS = """
SELECT f.id, g.text FROM entry_tag t JOIN entry e ON e.rowid = t.entry
JOIN contribution f ON f.rowid = e.first JOIN tag g ON g.rowid = t.tag WHERE e.commons = ?
"""
_EDGES = """
SELECT e.child, e.parent FROM edge e JOIN contribution c ON c.rowid = e.child WHERE c.commons = ?
"""
_HELD = """
SELECT c.rowid, c.id, c.kind, a.key, g.device, c.claimed_at, c.target, c.body, c.state
FROM contribution c JOIN author a ON a.rowid = c.author
JOIN device_grant g ON g.rowid = c.device WHERE c.commons = ?
"""


_CHOSEN = "temp.chosen"
_CHOOSE = (
    """INSERT INTO temp.chosen SELECT first, 1 FROM entry WHERE commons = ?
         ORDER BY random() LIMIT ?""",
    # Later versions and tags of those, then whatever withdraws any of these.
    """INSERT OR IGNORE INTO temp.chosen SELECT c.rowid, 0 FROM temp.chosen h
         JOIN contribution f ON f.rowid = h.number JOIN contribution c ON c.target = f.id
         WHERE c.kind IN ('entry', 'tag')""",
    """INSERT OR IGNORE INTO temp.chosen SELECT c.rowid, 0 FROM temp.chosen h
         JOIN contribution f ON f.rowid = h.number JOIN contribution c ON c.target = f.id
         WHERE c.kind = 'withdraw'""",
    """INSERT OR IGNORE INTO temp.chosen SELECT c.rowid, 0 FROM device_grant g
         JOIN contribution c ON c.target = g.device AND c.kind = 'device-revoke'""",
    """INSERT OR IGNORE INTO temp.chosen SELECT c.rowid, 0 FROM commons m
         JOIN contribution c ON c.id = m.id""",
    """INSERT OR IGNORE INTO temp.chosen SELECT rowid, 0 FROM contribution
         WHERE kind = 'profile'""",
    """INSERT OR IGNORE INTO temp.chosen SELECT w.rowid, 0 FROM contribution p
         JOIN contribution w ON w.target = p.id AND w.kind = 'withdraw' WHERE p.kind = 'profile'""",
)
"""What a fold of some entries of a commons has to know; the fold of a slot needs no more."""
_TERMS_MAX = 4
"""Words of each chosen entry that are looked for in the full text."""


class _Scope(NamedTuple):
    """Conditions that leave everything, or only what was chosen."""

    contributions: str = ""
    entries: str = ""


_ALL = _Scope()
_SOME = _Scope(
    f"AND c.rowid IN (SELECT number FROM {_CHOSEN})",  # noqa: S608
    f"AND e.first IN (SELECT number FROM {_CHOSEN} WHERE is_first)",  # noqa: S608
)


def differences(connection: sqlite3.Connection) -> list[str]:
    """Return a line for each view that differs from a full fold, over all commons."""
    found: list[str] = []
    texts: list[SearchText] = []
    connection.execute("BEGIN")
    for number, identifier in connection.execute("SELECT rowid, id FROM commons").fetchall():
        view = _folded(connection, number)
        where = f"commons {identifier.hex()[:10]}"
        found += [f"{where}: {line}" for line in _commons_differences(connection, number, view)]
        texts += _texts(connection, number, view)
    found += _text_differences(connection, texts)
    connection.execute("COMMIT")
    return found


def sampled_differences(connection: sqlite3.Connection, entries: int) -> list[str]:
    """Return the same for so many entries of each commons, taken at random.

    Their versions, tags and words are compared with a fold of what speaks of them; count and
    fingerprint with a full recount; names of people with a full fold.
    """
    found: list[str] = []
    connection.execute("BEGIN")
    for number, identifier in connection.execute("SELECT rowid, id FROM commons").fetchall():
        connection.execute(
            f"CREATE TABLE {_CHOSEN}(number INTEGER PRIMARY KEY, is_first INTEGER NOT NULL)"
        )
        first, *others = _CHOOSE
        connection.execute(first, (number, entries))
        for statement in others:
            connection.execute(statement)
        view = _folded(connection, number, _SOME)
        where = f"commons {identifier.hex()[:10]}"
        lines = _commons_differences(connection, number, view, _SOME)
        lines += _sampled_text_differences(connection, _texts(connection, number, view))
        found += [f"{where}: {line}" for line in lines]
        connection.execute(f"DROP TABLE {_CHOSEN}")
    connection.execute("COMMIT")
    return found


def _folded(connection: sqlite3.Connection, commons: int, scope: _Scope = _ALL) -> CommonsView:
    parents: defaultdict[int, list[bytes]] = defaultdict(list)
    for child, parent in connection.execute(
        _EDGES + scope.contributions,
        (commons,),
    ):
        parents[child].append(parent)
    items: list[Held] = []
    bodies: dict[bytes, Body | None] = {}
    for rowid, identifier, kind, author, device, claimed_at, target, body, _ in connection.execute(
        _HELD + scope.contributions, (commons,)
    ):
        above = tuple(parents.get(rowid, ()))
        items.append(Held(identifier, kind, author, device, claimed_at, target, above))
        if body is not None:
            bodies[identifier] = parse_body(kind, body)
    return fold_held(items, bodies)


def _commons_differences(
    connection: sqlite3.Connection, commons: int, view: CommonsView, scope: _Scope = _ALL
) -> list[str]:
    pairs = {
        "states": (_states(connection, commons, scope), (view.disowned, view.withdrawn)),
        "entries": (_entries(connection, commons, scope), _expected_entries(view)),
        "tags": (
            set(connection.execute(_TAGGINGS + scope.entries, (commons,))),
            _expected_taggings(view),
        ),
        "listed tags": (
            set(connection.execute(_LISTED_TAGS + scope.entries, (commons,))),
            _expected_listed_tags(view),
        ),
        "tag counts": (
            dict(
                connection.execute(
                    "SELECT g.text, n.count FROM tag_count n JOIN tag g ON g.rowid = n.tag "
                    "WHERE n.commons = ?",
                    (commons,),
                )
            ),
            _expected_counts(connection, commons, view, scope),
        ),
        "profiles": (
            set(
                connection.execute(
                    "SELECT a.key, c.id, p.name FROM profile p JOIN author a ON a.rowid = p.author "
                    "JOIN contribution c ON c.rowid = p.head WHERE p.commons = ?",
                    (commons,),
                )
            ),
            {
                (author, profile.id, profile.body.name if profile.body else None)
                for author, profile in view.profiles.items()
            },
        ),
        "figures": (
            _figures(connection, commons),
            _expected_figures(connection, commons, view, scope),
        ),
    }
    return [
        f"{name} differ: {_sample(stored, expected)}"
        for name, (stored, expected) in pairs.items()
        if stored != expected
    ]


def _sample(stored: object, expected: object) -> str:
    if isinstance(stored, set) and isinstance(expected, set):
        here, there = cast("set[object]", stored), cast("set[object]", expected)
        return f"stored only {list(here - there)[:3]!r}, missing {list(there - here)[:3]!r}"
    return f"stored {stored!r:.300}, folded {expected!r:.300}"


def _states(
    connection: sqlite3.Connection, commons: int, scope: _Scope
) -> tuple[frozenset[bytes], frozenset[bytes]]:
    rows = connection.execute(
        "SELECT c.id, c.state FROM contribution c WHERE c.commons = ? AND c.state != 0 "  # noqa: S608
        + scope.contributions,
        (commons,),
    ).fetchall()
    disowned = frozenset(row[0] for row in rows if row[1] & DISOWNED)
    # What is disowned counts in no later pass, so it does not matter whether it is withdrawn.
    withdrawn = frozenset(row[0] for row in rows if row[1] & (DISOWNED | WITHDRAWN) == WITHDRAWN)
    return disowned, withdrawn


def _entries(
    connection: sqlite3.Connection, commons: int, scope: _Scope
) -> set[tuple[object, ...]]:
    rows = connection.execute(_ENTRIES + scope.entries, (commons,)).fetchall()
    return {(row[0], *row[2:]) for row in rows}


def _expected_entries(view: CommonsView) -> set[tuple[object, ...]]:
    return {
        (
            entry.id,
            entry.author,
            entry.versions,
            len(entry.heads),
            _state(entry),
            entry.shown.id if entry.shown else None,
            _address(entry),
            1,
        )
        for entry in view.entries.values()
    }


def _state(entry: EntryView) -> int:
    if entry.heads:
        return LISTED
    return ENTRY_WITHDRAWN if entry.withdrawn else SILENT


def _address(entry: EntryView) -> int | None:
    body = entry.shown.body if entry.shown else None
    return address_number(body.url) if body is not None and body.url else None


def _expected_taggings(view: CommonsView) -> set[tuple[object, ...]]:
    return {
        (target, author, tag)
        for target, people in view.tags.items()
        if target in view.entries
        for author, tags in people.items()
        for tag in tags
    }


def _expected_listed_tags(view: CommonsView) -> set[tuple[object, ...]]:
    return {
        (target, tag)
        for target, people in view.tags.items()
        if target in view.entries and view.entries[target].heads
        for tag in frozenset[str]().union(*people.values())
    }


def _figures(connection: sqlite3.Connection, commons: int) -> tuple[object, ...]:
    count, bodies, entries, id_sum, reason = connection.execute(
        "SELECT count, bodies, entries, id_sum, unsupported FROM commons WHERE rowid = ?",
        (commons,),
    ).fetchone()
    return count, bodies, entries, fingerprint_of_sum(id_sum, count), reason


def _expected_counts(
    connection: sqlite3.Connection, commons: int, view: CommonsView, scope: _Scope
) -> dict[object, int]:
    if scope is _ALL:
        return dict(Counter(tag for _, tag in _expected_listed_tags(view)))
    return dict(
        connection.execute(
            "SELECT g.text, count(*) FROM entry_tag t JOIN entry e ON e.rowid = t.entry "
            "JOIN tag g ON g.rowid = t.tag WHERE e.commons = ? GROUP BY t.tag",
            (commons,),
        )
    )


def _expected_figures(
    connection: sqlite3.Connection, commons: int, view: CommonsView, scope: _Scope
) -> tuple[object, ...]:
    rows = connection.execute(
        "SELECT id, body NOTNULL AND NOT state & ? FROM contribution WHERE commons = ? "
        "UNION ALL SELECT id, 0 FROM known WHERE commons = ?",
        (WITHDRAWN, commons, commons),
    ).fetchall()
    total = sum(int.from_bytes(row[0], "little") for row in rows) % (1 << 256)
    fingerprint = fingerprint_of_sum(total.to_bytes(32, "little"), len(rows))
    if scope is _ALL:
        listed = sum(1 for entry in view.entries.values() if entry.heads)
    else:
        listed = connection.execute(
            "SELECT count(*) FROM entry WHERE commons = ? AND state = ?", (commons, LISTED)
        ).fetchone()[0]
    return len(rows), sum(row[1] for row in rows), listed, fingerprint, view.unsupported


def _texts(connection: sqlite3.Connection, commons: int, view: CommonsView) -> Iterable[SearchText]:
    places = dict(
        connection.execute(
            "SELECT f.id, e.rowid FROM entry e JOIN contribution f ON f.rowid = e.first "
            "WHERE e.commons = ?",
            (commons,),
        )
    )
    for entry in view.entries.values():
        if entry.shown is not None and entry.id in places:
            people = view.tags.get(entry.id, {})
            tags = frozenset[str]().union(*people.values())
            yield search_text(places[entry.id], entry.shown.body, tags)


def _text_differences(connection: sqlite3.Connection, texts: Iterable[SearchText]) -> list[str]:
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    fresh.execute(TEXT_TABLE)
    change_texts(fresh, (), texts)
    stored, expected = _words(connection), _words(fresh)
    fresh.close()
    wrong = [doc for doc in stored.keys() | expected.keys() if stored.get(doc) != expected.get(doc)]
    return [f"full text differs in {len(wrong)} entries: {wrong[:3]}"] if wrong else []


def _sampled_text_differences(
    connection: sqlite3.Connection, texts: Iterable[SearchText]
) -> list[str]:
    """Look for some words of each text at the place of its entry."""
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    fresh.execute(TEXT_TABLE)
    change_texts(fresh, (), texts)
    fresh.execute(
        "CREATE VIRTUAL TABLE temp.words USING fts5vocab('main', 'entry_text', 'instance')"
    )
    terms: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
    for doc, term, column in fresh.execute("SELECT doc, term, col FROM temp.words"):
        # In order of the alphabet, so a hash decides which are kept.
        kept = terms[doc]
        kept.add((term, column))
        if len(kept) > _TERMS_MAX:
            kept.remove(min(kept, key=hash))
    fresh.close()
    wrong = [
        doc
        for doc, words in terms.items()
        for term, column in words
        if not connection.execute(
            "SELECT 1 FROM entry_text WHERE entry_text MATCH ? AND rowid = ?",
            (f'{column} : "{term}"', doc),
        ).fetchone()
    ]
    return [f"full text lacks words of {len(set(wrong))} entries: {wrong[:3]}"] if wrong else []


def _words(connection: sqlite3.Connection) -> dict[int, int]:
    """Return for each entry a number made of all its words and their places."""
    connection.execute(
        "CREATE VIRTUAL TABLE temp.words USING fts5vocab('main', 'entry_text', 'instance')"
    )
    found: defaultdict[int, int] = defaultdict(int)
    for row in connection.execute("SELECT doc, term, col, offset FROM temp.words"):
        found[row[0]] += hash(row)
    connection.execute("DROP TABLE temp.words")
    return dict(found)
