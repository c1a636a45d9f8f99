"""The full text of listed entries: what is written into FTS5 and taken out of it again.

The index holds no text of its own, so whatever is removed has to be given once more exactly as it
was written. An entry is found by the words of its shown head and by everybody's tags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from p2pcommons.model.kinds import EntryBody

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from p2pcommons.model.kinds import Body

MERGE_PAGES = 500
"""Pages one step of a merge works on, a few milliseconds each."""


class SearchText(NamedTuple):
    """The columns of one row of the full text."""

    rowid: int
    text: str
    title: str
    tags: str
    url: str
    excerpt: str


def search_text(rowid: int, body: Body | None, tags: Iterable[str]) -> SearchText:
    """Return what an entry is found by; without a body these are the tags alone."""
    words = " ".join(sorted(tags))
    if not isinstance(body, EntryBody):
        return SearchText(rowid, "", "", words, "", "")
    return SearchText(rowid, body.text, body.title, words, body.url or "", body.excerpt or "")


def change_texts(
    connection: sqlite3.Connection, old: Iterable[SearchText], new: Iterable[SearchText]
) -> None:
    """Take `old` out of the index and put `new` in.

    In order of rowid: FTS5 writes its buffer to disk each time a rowid is not beyond the last.
    """
    connection.executemany(
        "INSERT INTO entry_text(entry_text, rowid, text, title, tags, url, excerpt) "
        "VALUES('delete', ?, ?, ?, ?, ?, ?)",
        sorted(old),
    )
    # One row a statement: FTS5 would write its buffer to disk before every statement of several.
    connection.executemany(
        "INSERT INTO entry_text(rowid, text, title, tags, url, excerpt) VALUES(?, ?, ?, ?, ?, ?)",
        sorted(new),
    )


def clear_texts(connection: sqlite3.Connection) -> None:
    """Empty the index."""
    connection.execute("INSERT INTO entry_text(entry_text) VALUES('delete-all')")


def start_forgetting(connection: sqlite3.Connection) -> None:
    """Begin to merge the whole index into one, which drops the words of what was removed."""
    connection.execute(
        "INSERT INTO entry_text(entry_text, rank) VALUES('merge', ?)", (-MERGE_PAGES,)
    )


def go_on_forgetting(connection: sqlite3.Connection) -> bool:
    """Do one step of the merge; returns whether there was anything left to do."""
    before = connection.total_changes
    connection.execute(
        "INSERT INTO entry_text(entry_text, rank) VALUES('merge', ?)", (MERGE_PAGES,)
    )
    return connection.total_changes - before >= 2
