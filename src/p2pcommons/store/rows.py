"""Small pieces of SQL that several modules need: many ids in one query, rows as contributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from p2pcommons.model.contribution import Contribution, decode_header
from p2pcommons.store.schema import WITHDRAWN

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from p2pcommons.store.database import Row

CHUNK = 450
"""Rows one query or transaction handles: a person's writer waits for at most one of these."""

_SIZES = (1, 8, 64, CHUNK)


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

CARRIED_COLUMNS = "c.id, c.header, c.signature, g.signature, c.body, c.state"
CARRIED_TABLES = "contribution c JOIN device_grant g ON g.rowid = c.device"


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


def carried(row: Sequence[object]) -> Contribution:
    """Return the contribution of a row of CARRIED_COLUMNS, verified when it was ingested."""
    identifier, header, signature, grant, body, state = row
    assert isinstance(identifier, bytes)
    assert isinstance(header, bytes)
    assert isinstance(signature, bytes)
    assert isinstance(grant, bytes)
    assert isinstance(state, int)
    shown = body if isinstance(body, bytes) and not state & WITHDRAWN else None
    return Contribution(identifier, decode_header(header), header, signature, grant, shown)
