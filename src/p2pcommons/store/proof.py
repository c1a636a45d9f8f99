"""Looking for rows whose bytes are no longer those that were signed.

SQLite notices damage to the shape of its file, not to what stands in it. A contribution's id is
the hash of its header, which names the hash of its body; so each row can be checked by itself.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from p2pcommons.errors import RejectedError
from p2pcommons.model.contribution import decode_header, verify
from p2pcommons.store.checks import sampled_differences
from p2pcommons.store.database import Database
from p2pcommons.store.rows import CARRIED_COLUMNS, CARRIED_TABLES, carried

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from p2pcommons.model.contribution import Grant

NONSENSE = (ValueError, TypeError, AssertionError, LookupError, AttributeError, OverflowError)
"""What our own code raises over rows that nothing of ours can have written."""

_ROWS = 1_000
_SELECT = (
    f"SELECT c.rowid, c.body, {CARRIED_COLUMNS} FROM {CARRIED_TABLES} "  # noqa: S608
    "WHERE c.rowid > ? ORDER BY c.rowid LIMIT ?"
)


def damaged_contributions(
    path: Path,
    *,
    full: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Return how many rows are not as they were signed; with `full`, signatures are checked.

    Raises StoreError when the file cannot be read.
    """
    database = Database(path)
    try:
        with database.connected() as connection:
            return len(unproven(connection, signatures=full, progress=progress))
    finally:
        database.close()


def sampled_views_differences(path: Path, entries: int) -> list[str]:
    """Return where the views of so many entries of each commons, chosen at random, differ."""
    database = Database(path)
    try:
        with database.spare_connection() as connection:
            return sampled_differences(connection, entries)
    finally:
        database.close()


def unproven(
    connection: sqlite3.Connection,
    *,
    signatures: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[int]:
    """Return the rowids of contributions whose bytes are damaged.

    With `signatures` these are checked as well, which takes about twenty times as long.
    `progress` gets (rows looked at, rows in all).
    """
    count = int(connection.execute("SELECT count(*) FROM contribution").fetchone()[0])
    grants: set[Grant] = set()
    found: list[int] = []
    last, looked_at = 0, 0
    while rows := connection.execute(_SELECT, (last, _ROWS)).fetchall():
        last = rows[-1][0]
        looked_at += len(rows)
        found += [
            row[0]
            for row in rows
            if not _is_proven(row[1], row[2:], grants if signatures else None)
        ]
        if progress is not None:
            progress(looked_at, count)
    if looked_at < count:
        # Rows whose author, grant or commons is gone are not among those above.
        joined = f"SELECT c.rowid FROM {CARRIED_TABLES}"  # noqa: S608
        lost = connection.execute(f"SELECT rowid FROM contribution EXCEPT {joined}")  # noqa: S608
        found += [row[0] for row in lost]
    return found


def _is_proven(body: object, row: Sequence[object], grants: set[Grant] | None) -> bool:
    try:
        item = carried(row)
        header = decode_header(item.header_bytes)
        if grants is not None:
            verify(item.envelope(), grants)
    except (RejectedError, ValueError, TypeError, AssertionError, AttributeError):
        return False
    if hashlib.sha256(item.header_bytes).digest() != row[0]:
        return False
    if body is None:
        return True
    return isinstance(body, bytes) and hashlib.sha256(body).digest() == header.body_hash
