"""Keeping the store sound: erasing withdrawn bodies, rebuilding views, checking everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.model.limits import ERASE_AFTER_SECONDS
from p2pcommons.store.base import StorePart
from p2pcommons.store.checks import differences
from p2pcommons.store.dropping import TEXTS_TAKEN_OUT
from p2pcommons.store.holdings import Tally, holdings_differ, recount_holdings
from p2pcommons.store.ingest import add_to_set, mark_silent, refold
from p2pcommons.store.rows import CHUNK, STORED_COLUMNS, Stored
from p2pcommons.store.schema import SAYS_NOTHING, VIEW_TABLES, WITHDRAWN
from p2pcommons.store.search_text import clear_texts, go_on_forgetting, start_forgetting
from p2pcommons.store.slots import Bodies
from p2pcommons.store.states import update_disowned, update_withdrawn

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from p2pcommons.store.interning import Interner

COUNTED_SECONDS_MAX = 12 * 3_600
"""Between two sweeps: a machine that slept over night counts the night, a clock that jumps by
years counts half a day."""

_SWEPT_AT = "swept_at"

TEXTS_TAKEN_OUT_MAX = 1_000
"""Beyond so many, the next sweep merges the full text, which gives their room back to the file."""

_FOLDED_FROM = """
(c.kind = 'entry' AND c.target ISNULL) OR (c.kind = 'profile' AND c.target ISNULL)
"""


class UpkeepPart(StorePart):
    """What is done now and then."""

    def sweep(self, now: int) -> int:
        """Erase what was withdrawn 72 hours ago, with its words in the index.

        Returns the number of bodies erased. Meant to be called about once an hour: of the time
        since the last call at most `COUNTED_SECONDS_MAX` counts, so that a clock that jumps ahead
        erases nothing early. Whoever was away for longer keeps it for longer.
        """
        self._leave_out_jumps(now)
        erased, handled = 0, CHUNK
        while handled == CHUNK:
            handled, bodies = self._erase_some(now)
            erased += bodies
        taken_out = self._taken_out()
        if erased or taken_out >= TEXTS_TAKEN_OUT_MAX:
            with self._writing() as connection:
                connection.execute("DELETE FROM tag WHERE rowid NOT IN (SELECT tag FROM tagging)")
                start_forgetting(connection)
                connection.execute("DELETE FROM meta WHERE key = ?", (TEXTS_TAKEN_OUT,))
            going_on = True
            while going_on:
                with self._writing() as connection:
                    going_on = go_on_forgetting(connection)
            self._database.empty_log()
        return erased

    def rebuild_views(self) -> None:
        """Drop everything that is computed and compute it again from the contributions."""
        with self._writing() as connection:
            _rebuild(connection, self._interner)

    def views_differences(self) -> list[str]:
        """Return where the views differ from a full fold of what is held; empty if nowhere."""
        with self._database.spare_connection() as connection:
            return [*differences(connection), *holdings_differ(connection)]

    def integrity_check(self) -> list[str]:
        """Return what SQLite finds wrong with the file and the full text; empty if nothing."""
        found = [str(row[0]) for row in self._database.read("PRAGMA integrity_check")]
        if not self._database.read_only:
            with self._writing() as connection:
                connection.execute("INSERT INTO entry_text(entry_text) VALUES('integrity-check')")
        return [] if found == ["ok"] else found

    def _leave_out_jumps(self, now: int) -> None:
        """Move the times of withdrawals by what does not count of the time since the last call."""
        with self._writing() as connection:
            row = connection.execute(
                "SELECT value FROM meta WHERE key = ?", (_SWEPT_AT,)
            ).fetchone()
            passed = now - int(row[0]) if row is not None else 0
            jump = passed - min(max(passed, 0), COUNTED_SECONDS_MAX)
            # What came under a clock that was ahead begins to wait now.
            connection.execute(
                "UPDATE withdrawal SET hidden_at = min(hidden_at + ?1, ?2) "
                "WHERE ?1 != 0 OR hidden_at > ?2",
                (jump, now),
            )
            connection.execute(
                "INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)", (_SWEPT_AT, str(now))
            )

    def _taken_out(self) -> int:
        """Return how many entries went whose words the full text still holds."""
        row = self._database.read_one("SELECT value FROM meta WHERE key = ?", (TEXTS_TAKEN_OUT,))
        return 0 if row is None else int(row[0])

    def _erase_some(self, now: int) -> tuple[int, int]:
        """Return how many withdrawals were dealt with, and how many bodies that erased."""
        with self._writing() as connection:
            due = connection.execute(
                "SELECT w.contribution, c.commons, c.author, length(c.body) FROM withdrawal w "
                "JOIN contribution c ON c.rowid = w.contribution WHERE w.hidden_at <= ? LIMIT ?",
                (now - ERASE_AFTER_SECONDS, CHUNK),
            ).fetchall()
            rowids = [(row[0],) for row in due]
            connection.executemany(
                f"UPDATE contribution SET body = NULL, state = state & ~{SAYS_NOTHING} "  # noqa: S608
                "WHERE rowid = ?",
                rowids,
            )
            for table in ("withdrawal", "dropped"):
                connection.executemany(f"DELETE FROM {table} WHERE contribution = ?", rowids)  # noqa: S608
            tally = Tally()
            for _, commons, author, size in due:
                tally.add(commons, author, 0, -(size or 0))
            tally.write(connection)
            return len(due), sum(row[3] is not None for row in due)


def _rebuild(connection: sqlite3.Connection, interner: Interner) -> None:
    for table in (*VIEW_TABLES, "withdrawal"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608
    clear_texts(connection)
    connection.execute("UPDATE contribution SET state = 0 WHERE state != 0")
    connection.execute(
        "UPDATE commons SET count = 0, bodies = 0, entries = 0, id_sum = zeroblob(32), "
        "unsupported = NULL"
    )
    for rows in _stored(connection, "1"):
        update_disowned(connection, rows, _devices(connection, rows))
    for rows in _stored(connection, "1"):
        update_withdrawn(connection, rows)
    for rows in _stored(connection, "c.kind = 'entry'"):
        mark_silent(connection, rows, Bodies(connection))
    for rows in _stored(connection, "c.kind = 'commons'"):
        refold(connection, interner, rows, Bodies(connection))
    for rows in _stored(connection, _FOLDED_FROM):
        refold(connection, interner, rows, Bodies(connection))
    _recount(connection)
    recount_holdings(connection)


def _stored(connection: sqlite3.Connection, condition: str) -> Iterator[list[Stored]]:
    last = 0
    while True:
        found = connection.execute(
            f"SELECT {STORED_COLUMNS} FROM contribution c "  # noqa: S608
            f"WHERE ({condition}) AND c.rowid > ? ORDER BY c.rowid LIMIT ?",
            (last, CHUNK),
        ).fetchall()
        if not found:
            return
        last = found[-1][0]
        yield [Stored(*row) for row in found]


def _devices(connection: sqlite3.Connection, rows: list[Stored]) -> set[bytes]:
    found = connection.execute(
        "SELECT DISTINCT g.device FROM contribution c JOIN device_grant g ON g.rowid = c.device "
        "WHERE c.rowid BETWEEN ? AND ?",
        (rows[0].rowid, rows[-1].rowid),
    )
    return {row[0] for row in found}


def _recount(connection: sqlite3.Connection) -> None:
    for (commons,) in connection.execute("SELECT rowid FROM commons").fetchall():
        rows = connection.execute(
            "SELECT id, body NOTNULL AND NOT state & ? FROM contribution WHERE commons = ? "
            "UNION ALL SELECT id, 0 FROM known WHERE commons = ?",
            (WITHDRAWN, commons, commons),
        ).fetchall()
        add_to_set(connection, commons, [row[0] for row in rows], sum(row[1] for row in rows))
