"""Letting go of what is held, for room: bodies alone, or whole contributions.

The set stays what it was: a dropped body leaves its header, a dropped contribution its second and
id. Both go in two steps of one transaction. First the rows are marked as if they said nothing, and
folded, while their words are still at hand for the full text to give up; then the words go, and
what remains is folded again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.model.kinds import EntryBody, parse_body
from p2pcommons.model.limits import TITLE_CHARS_MAX
from p2pcommons.store.holdings import Tally
from p2pcommons.store.ingest import ROWID_FLOOR, next_rowid, refold
from p2pcommons.store.rows import STORED_COLUMNS, Stored, select_in
from p2pcommons.store.schema import DISOWNED, SAYS_NOTHING, WITHDRAWN
from p2pcommons.store.slots import Bodies

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from p2pcommons.store.interning import Interner


DROP_CHUNK = 150
"""Rows dropped in one transaction: each is folded twice, and a person may be waiting to write."""

TEXTS_TAKEN_OUT = "texts_taken_out"
"""Key in `meta`: entries whose words went since the full text was merged; it holds them twice
until then."""


def stored_rows(connection: sqlite3.Connection, rowids: Iterable[int]) -> list[Stored]:
    """Return the rows that are there, as the folds want them."""
    sql = f"SELECT {STORED_COLUMNS} FROM contribution c WHERE c.rowid IN ({{}})"  # noqa: S608
    return [Stored(*row) for row in select_in(connection, sql, rowids)]


def drop_bodies(
    connection: sqlite3.Connection, interner: Interner, rowids: Sequence[int]
) -> tuple[int, int]:
    """Erase the bodies of these versions of entries; return their number and bytes.

    What is not there, or is hidden already, is left alone. Titles are remembered, so that a
    person sees what could be fetched again.
    """
    sizes: dict[int, int] = dict(
        select_in(
            connection,
            "SELECT rowid, length(body) FROM contribution WHERE rowid IN ({}) "  # noqa: S608
            f"AND body NOTNULL AND state & {WITHDRAWN} = 0",
            rowids,
        )
    )
    rows = stored_rows(connection, sizes)
    if not rows:
        return 0, 0
    _remember_titles(connection, rows)
    _set_state(connection, [row._replace(state=row.state | SAYS_NOTHING) for row in rows])
    refold(connection, interner, [], Bodies(connection), moved=rows)
    # Without a body nobody can tell whether it says nothing.
    bare = [row._replace(state=row.state & ~SAYS_NOTHING) for row in rows]
    _set_state(connection, bare)
    connection.executemany(
        "UPDATE contribution SET body = NULL WHERE rowid = ?", [(row.rowid,) for row in rows]
    )
    refold(connection, interner, [], Bodies(connection), moved=bare)
    tally = Tally()
    _note_texts(connection, len(rows))
    for row in rows:
        tally.add(row.commons, row.author, 0, -sizes[row.rowid])
        connection.execute("UPDATE commons SET bodies = bodies - 1 WHERE rowid = ?", (row.commons,))
    tally.write(connection)
    connection.executemany(
        "DELETE FROM body_want WHERE contribution = ?", [(row.rowid,) for row in rows]
    )
    return len(rows), sum(sizes.values())


def drop_rows(
    connection: sqlite3.Connection,
    interner: Interner,
    rowids: Sequence[int],
    entry: bytes | None = None,
) -> list[Stored]:
    """Drop whole contributions; their seconds and ids stay known. Return what went.

    `entry` is noted with them where a person removed it, so that it can be had back. Whoever
    calls this chooses; what may not go alone (see `upkeep`) comes with all of its author's.
    """
    rows = stored_rows(connection, rowids)
    if not rows:
        return []
    places = [(row.rowid,) for row in rows]
    _set_state(connection, [row._replace(state=row.state | DISOWNED) for row in rows])
    refold(connection, interner, [], Bodies(connection), moved=rows)
    _keep_rowids_unused(connection)
    _note_texts(connection, len(rows))
    tally = Tally()
    for row, size in _sizes(connection, rows):
        tally.add(row.commons, row.author, -1, -(size or 0))
        if size is not None and not row.state & WITHDRAWN:
            connection.execute(
                "UPDATE commons SET bodies = bodies - 1 WHERE rowid = ?", (row.commons,)
            )
    tally.write(connection)
    connection.executemany(
        "INSERT OR IGNORE INTO known(id, commons, claimed_at, number, entry) "
        "SELECT id, commons, claimed_at, rowid, ? FROM contribution WHERE rowid = ?",
        [(entry, row.rowid) for row in rows],
    )
    connection.executemany("DELETE FROM contribution WHERE rowid = ?", places)
    connection.executemany("DELETE FROM edge WHERE child = ?", places)
    for table in ("body_want", "withdrawal", "dropped"):
        connection.executemany(f"DELETE FROM {table} WHERE contribution = ?", places)  # noqa: S608
    return rows


def _sizes(
    connection: sqlite3.Connection, rows: Sequence[Stored]
) -> list[tuple[Stored, int | None]]:
    sizes = dict(
        select_in(
            connection,
            "SELECT rowid, length(body) FROM contribution WHERE rowid IN ({})",
            (row.rowid for row in rows),
        )
    )
    return [(row, sizes[row.rowid]) for row in rows]


def _set_state(connection: sqlite3.Connection, rows: Iterable[Stored]) -> None:
    connection.executemany(
        "UPDATE contribution SET state = ? WHERE rowid = ?",
        [(row.state, row.rowid) for row in rows],
    )


def _remember_titles(connection: sqlite3.Connection, rows: Iterable[Stored]) -> None:
    kinds = {row.rowid: row.kind for row in rows}
    found = select_in(connection, "SELECT rowid, body FROM contribution WHERE rowid IN ({})", kinds)
    titles: list[tuple[int, str | None]] = []
    for rowid, body in found:
        said = parse_body(kinds[rowid], body)
        title = said.title[:TITLE_CHARS_MAX] if isinstance(said, EntryBody) else None
        titles.append((rowid, title))
    connection.executemany(
        "INSERT OR REPLACE INTO dropped(contribution, title) VALUES(?, ?)", titles
    )


def _note_texts(connection: sqlite3.Connection, count: int) -> None:
    connection.execute(
        "INSERT INTO meta(key, value) VALUES(?, ?) "
        "ON CONFLICT DO UPDATE SET value = value + excluded.value",
        (TEXTS_TAKEN_OUT, count),
    )


def _keep_rowids_unused(connection: sqlite3.Connection) -> None:
    """Make sure that no rowid which goes now is given to something else later."""
    connection.execute(
        "INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)",
        (ROWID_FLOOR, str(next_rowid(connection) - 1)),
    )
