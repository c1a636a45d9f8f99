"""The words of the full text that begin with some letters, without reading what they stand in.

FTS5 answers `ora*` by merging the places of every such word before it gives the first row, which
takes a second in a store of a million. The words themselves are found by leaping from one to the
next, and an OR of them is walked newest first like a single word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from p2pcommons.store.query import quoted

if TYPE_CHECKING:
    import sqlite3

    from p2pcommons.store.database import Database
    from p2pcommons.store.query import Phrase

WORDS_MAX = 300
"""Words spelled out, some 50 us each. Three letters that begin more than these begin mostly rare
ones, which FTS5 merges sooner."""

_PLAIN = re.compile(r"[A-Za-z0-9]+\Z")
"""What the index writes as we do but for capitals; other letters it folds in its own way."""
_NEXT = "\x01"
"""Sorts between a word and every longer one."""


def phrase_expression(database: Database, phrase: Phrase) -> str:
    """Return the FTS5 expression of one phrase, the words that an unfinished one begins spelled
    out where that is quicker."""
    if not phrase.prefix:
        return quoted(phrase.text)
    if _PLAIN.match(phrase.text):
        words = _words(database, phrase.text.lower())
        if words is not None:
            return f"({' OR '.join(map(quoted, words))})" if words else quoted(phrase.text)
    return f"{quoted(phrase.text)} *"


def _words(database: Database, beginning: str) -> list[str] | None:
    """Return all words that begin so, or None if they are too many."""
    found: list[str] = []
    with database.connected() as connection:
        _make_vocabulary(connection)
        at = beginning
        while len(found) <= WORDS_MAX:
            row = connection.execute(
                "SELECT term FROM temp.entry_word WHERE term >= ? LIMIT 1", (at,)
            ).fetchone()
            if row is None or not row[0].startswith(beginning):
                return found
            found.append(row[0])
            at = row[0] + _NEXT
    return None


def _make_vocabulary(connection: sqlite3.Connection) -> None:
    if connection.execute("SELECT 1 FROM temp.sqlite_master WHERE name = 'entry_word'").fetchone():
        return
    # A window on the index that only this connection has; nothing is written to the store.
    connection.execute("PRAGMA query_only = OFF")
    try:
        connection.execute(
            "CREATE VIRTUAL TABLE temp.entry_word USING fts5vocab(main, entry_text, instance)"
        )
    finally:
        connection.execute("PRAGMA query_only = ON")
