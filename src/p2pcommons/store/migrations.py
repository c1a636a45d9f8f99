"""Steps from one schema to the next that SQL alone cannot do; each runs inside the transaction.

They see the tables as they were at that step, so they use nothing that later schemas change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from p2pcommons.model.contribution import Contribution, decode_header
from p2pcommons.model.kinds import ENTRY, EntryBody, parse_body
from p2pcommons.store.headers import stored_header

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from p2pcommons.store.database import Row

Progress = Callable[[int, int], None]
"""Told now and then how many rows are done, of how many."""
Step = str | Callable[["sqlite3.Connection", Progress], None]
Migration = Sequence[Step]

_ROWS = 2_000

_TEXTS = """
SELECT e.rowid, c.body, (SELECT json_group_array(DISTINCT g.text) FROM tagging t
  JOIN tag g ON g.rowid = t.tag WHERE t.entry = e.rowid)
FROM entry e JOIN contribution c ON c.rowid = e.shown WHERE e.rowid > ? ORDER BY e.rowid LIMIT ?
"""
_INDEX = "INSERT INTO entry_text(rowid, text, title, tags, url, excerpt) VALUES(?, ?, ?, ?, ?, ?)"
_HEADERS = "SELECT rowid, id, header FROM contribution WHERE rowid > ? ORDER BY rowid LIMIT ?"


def index_again(connection: sqlite3.Connection, progress: Progress) -> None:
    """Fill an empty full text from the shown heads of the entries."""
    for rows in _batches(connection, "entry", _TEXTS, progress):
        connection.executemany(_INDEX, [_text(*row) for row in rows])


def _text(rowid: int, body: bytes | None, tags: str) -> tuple[int, str, str, str, str, str]:
    words = " ".join(sorted(json.loads(tags)))
    said = None if body is None else parse_body(ENTRY, body)
    if not isinstance(said, EntryBody):
        return rowid, "", "", words, "", ""
    return rowid, said.text, said.title, words, said.url or "", said.excerpt or ""


def shorten_headers(connection: sqlite3.Connection, progress: Progress) -> None:
    """Store headers without what the row has in columns."""
    for rows in _batches(connection, "contribution", _HEADERS, progress):
        connection.executemany(
            "UPDATE contribution SET header = ? WHERE rowid = ?",
            [
                (stored_header(_bare(identifier, header)), rowid)
                for rowid, identifier, header in rows
            ],
        )


def _bare(identifier: bytes, header: bytes) -> Contribution:
    return Contribution(identifier, decode_header(header), header, b"", b"", None)


def _batches(
    connection: sqlite3.Connection, table: str, sql: str, progress: Progress
) -> Iterator[list[Row]]:
    count = int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
    last, done = -(2**63), 0
    while rows := connection.execute(sql, (last, _ROWS)).fetchall():
        yield rows
        last = rows[-1][0]
        done += len(rows)
        progress(done, count)
