"""Small pieces of SQL that several modules need: many ids in one query, rows as contributions."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from p2pcommons.model.contribution import Contribution, Envelope
from p2pcommons.store.headers import parsed_header, whole_header
from p2pcommons.store.schema import WITHDRAWN

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from p2pcommons.store.database import Row

CHUNK = 450
"""Rows one query or transaction handles: a person's writer waits for at most one of these."""

_SIZES = (1, 8, 64, CHUNK)
_ROWS_AT_ONCE = 50
"""Rows of one INSERT: with 15 columns still below what any SQLite takes as variables."""


class Stored(NamedTuple):
    """Where a contribution lies and what decides which slots it belongs to.

    `commons` and `author` are interned.
    """

    rowid: int
    id: bytes
    kind: str
    commons: int
    author: int
    target: bytes | None
    state: int


STORED_COLUMNS = "c.rowid, c.id, c.kind, c.commons, c.author, c.target, c.state"

CARRIED_COLUMNS = (
    "c.id, c.header, c.kind, m.id, a.key, g.device, c.claimed_at, c.target, "
    "c.signature, g.signature, c.body, c.state"
)
CARRIED_TABLES = (
    "contribution c CROSS JOIN device_grant g ON g.rowid = c.device "
    "CROSS JOIN author a ON a.rowid = c.author CROSS JOIN commons m ON m.rowid = c.commons"
)


def chunks(values: Iterable[object]) -> Iterator[list[object]]:
    """Yield `values` in groups a query can take, filled up by repeating the last one.

    So there are only a few different statements, and SQLite keeps them prepared.
    """
    listed = list(values)
    for start in range(0, len(listed), CHUNK):
        part = listed[start : start + CHUNK]
        size = next(size for size in _SIZES if size >= len(part))
        yield part + part[-1:] * (size - len(part))


def select_in(connection: sqlite3.Connection, sql: str, values: Iterable[object]) -> list[Row]:
    """Return the rows of `sql` with `{}` standing for the list of `values`.

    `sql` has to return the same row only once however often a value is listed.
    """
    rows: list[Row] = []
    for part in chunks(values):
        rows += connection.execute(sql.format(",".join("?" * len(part))), part).fetchall()
    return rows


def insert_rows(connection: sqlite3.Connection, into: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert `rows` by `into` (up to VALUES), many with each statement.

    One by one, SQLite would be left and the interpreter's lock taken back for every row.
    """
    if not rows:
        return
    one = f"({','.join('?' * len(rows[0]))})"
    whole = len(rows) - len(rows) % _ROWS_AT_ONCE
    for start in range(0, whole, _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        connection.execute(
            f"{into} VALUES {','.join([one] * _ROWS_AT_ONCE)}", list(chain.from_iterable(part))
        )
    connection.executemany(f"{into} VALUES {one}", rows[whole:])


def carried(row: Sequence[Any]) -> Contribution:
    """Return the contribution of a row of CARRIED_COLUMNS, verified when it was ingested."""
    identifier, stored, *columns = row[:8]
    header = whole_header(stored, *columns)
    return Contribution(identifier, parsed_header(stored, *columns), header, *_signed(row))


def carried_envelope(row: Sequence[Any]) -> Envelope:
    """Return the envelope of a row of CARRIED_COLUMNS, as it was received."""
    return Envelope(whole_header(*row[1:8]), *_signed(row))


def _signed(row: Sequence[Any]) -> tuple[bytes, bytes, bytes | None]:
    """Return signature, grant, and the body unless it is withdrawn."""
    signature, grant, body, state = row[8:12]
    return signature, grant, None if state & WITHDRAWN else body
