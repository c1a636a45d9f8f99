"""Who is a stranger here: each node's own judgement, from what it holds.

Known are: oneself, the commons's founder, whom the person keeps by name, the authors of what is
pinned, and everybody whose contributions one of the first three has used, that is tagged,
answered or replaced. Everybody else is a stranger. Follows and vouches will widen the first
group once there are such kinds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from p2pcommons.store.rows import select_in

if TYPE_CHECKING:
    import sqlite3

OWN_META: Final = "own.author"
"""Key in `meta`: this person's author id in hex, also before they wrote anything here."""

_USED_BY = (
    """SELECT DISTINCT t.author, t.commons FROM contribution u
         JOIN contribution t ON t.id = u.target
         WHERE u.author IN ({}) AND u.target NOTNULL AND u.commons = t.commons""",
    """SELECT DISTINCT t.author, t.commons FROM contribution u JOIN edge e ON e.child = u.rowid
         JOIN contribution t ON t.id = e.parent
         WHERE u.author IN ({}) AND u.commons = t.commons""",
)
_PINNED = """
SELECT c.author FROM pin p JOIN contribution c ON c.id = p.id WHERE p.commons = ?
UNION SELECT c.author FROM pin p JOIN contribution c ON c.target = p.id AND c.kind = 'entry'
WHERE p.commons = ?
"""


def own_numbers(connection: sqlite3.Connection) -> set[int]:
    """Return this person's integers as an author."""
    own = {
        row[0]
        for row in connection.execute("SELECT DISTINCT author FROM contribution WHERE own = 1")
    }
    noted = connection.execute("SELECT value FROM meta WHERE key = ?", (OWN_META,)).fetchone()
    if noted is not None:
        row = connection.execute(
            "SELECT rowid FROM author WHERE key = ?", (bytes.fromhex(noted[0]),)
        ).fetchone()
        own.update(row or ())
    return own


def founder_number(connection: sqlite3.Connection, commons: int) -> int | None:
    """Return who founded a commons, None while that is not known."""
    row = connection.execute(
        "SELECT c.author FROM commons m JOIN contribution c ON c.id = m.id WHERE m.rowid = ?",
        (commons,),
    ).fetchone()
    return None if row is None else int(row[0])


def kept_numbers(connection: sqlite3.Connection) -> set[int]:
    """Return those whom the person keeps by name and who have contributed."""
    rows = connection.execute("SELECT a.rowid FROM kept_author k JOIN author a ON a.key = k.key")
    return {row[0] for row in rows}


def trusted_numbers(connection: sqlite3.Connection, commons: int) -> set[int]:
    """Return those whose use of something makes its author known: oneself, founder, kept."""
    trusted = own_numbers(connection) | kept_numbers(connection)
    founder = founder_number(connection, commons)
    return trusted if founder is None else trusted | {founder}


def used_numbers(connection: sqlite3.Connection, commons: int) -> set[int]:
    """Return the authors of what the trusted ones used, and of what is pinned."""
    trusted = trusted_numbers(connection, commons)
    used = {
        row[0]
        for sql in _USED_BY
        for row in select_in(connection, sql, trusted)
        if row[1] == commons
    }
    used.update(row[0] for row in connection.execute(_PINNED, (commons, commons)))
    return used


def known_numbers(connection: sqlite3.Connection, commons: int) -> set[int]:
    """Return everybody who is no stranger in a commons."""
    return trusted_numbers(connection, commons) | used_numbers(connection, commons)
