"""How much is held of each commons from each author: contributions and bytes of bodies.

Kept up by difference in the transaction that changes it, so that budgets and the strangers' pool
are looked up and never counted. A recount gives the same figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping

    from p2pcommons.store.rows import Stored

ROW_BYTES: Final = 400
"""Disk that a contribution takes besides its body: record, indexes, list, tags. Measured: with
full text, entries of 100, 480 and 10,000 bytes take what `disk_bytes` says within a twentieth,
those around 2,000 half as much again, since SQLite's pages are left half empty."""

_RECOUNT = """
INSERT INTO holding(commons, author, contributions, body_bytes)
SELECT commons, author, count(*), coalesce(sum(length(body)), 0)
FROM contribution GROUP BY commons, author
"""


def disk_bytes(contributions: int, body_bytes: int) -> int:
    """Return about how much disk so many contributions and bodies take, full text included."""
    return contributions * ROW_BYTES + body_bytes * 7 // 5


class Tally:
    """Changes to what is held, gathered during a transaction and written once."""

    def __init__(self) -> None:
        self._changes: dict[tuple[int, int], tuple[int, int]] = {}

    def add(self, commons: int, author: int, contributions: int, body_bytes: int) -> None:
        """Note more or, below zero, less from one author in one commons."""
        rows, size = self._changes.get((commons, author), (0, 0))
        self._changes[commons, author] = (rows + contributions, size + body_bytes)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what was gathered."""
        connection.executemany(
            "INSERT INTO holding(commons, author, contributions, body_bytes) VALUES(?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET contributions = contributions + excluded.contributions, "
            "body_bytes = body_bytes + excluded.body_bytes",
            [(*key, *change) for key, change in self._changes.items()],
        )
        less = [key for key, change in self._changes.items() if change[0] < 0]
        connection.executemany(
            "DELETE FROM holding WHERE commons = ? AND author = ? AND contributions = 0", less
        )


def tally_batch(
    connection: sqlite3.Connection,
    inserted: Collection[Stored],
    filled: Collection[Stored],
    bodies: Mapping[int, bytes],
    *,
    own: bool,
) -> None:
    """Note new contributions and bodies that came now; `bodies` by rowid, as they were kept."""
    if own:
        connection.executemany(
            "INSERT OR IGNORE INTO own_author(author) VALUES(?)",
            {(row.author,) for row in inserted},
        )
    tally = Tally()
    for row in inserted:
        tally.add(row.commons, row.author, 1, len(bodies.get(row.rowid, b"")))
    for row in filled:
        tally.add(row.commons, row.author, 0, len(bodies.get(row.rowid, b"")))
    tally.write(connection)
    connection.executemany(
        "DELETE FROM dropped WHERE contribution = ?", [(row.rowid,) for row in filled]
    )


def recount_holdings(connection: sqlite3.Connection) -> None:
    """Count everything again."""
    connection.execute("DELETE FROM holding")
    connection.execute(_RECOUNT)


def holdings_differ(connection: sqlite3.Connection) -> list[str]:
    """Return a line if what was written down is not what a count gives."""
    kept = set(connection.execute("SELECT commons, author, contributions, body_bytes FROM holding"))
    counted = set(
        connection.execute(
            "SELECT commons, author, count(*), coalesce(sum(length(body)), 0) "
            "FROM contribution GROUP BY commons, author"
        )
    )
    wrong = kept ^ counted
    return [f"sizes of holdings differ: {sorted(wrong)[:3]}"] if wrong else []
