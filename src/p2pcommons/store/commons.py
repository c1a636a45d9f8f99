"""Which commons this node knows, has joined or has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.model.kinds import COMMONS, DEFAULT_LICENCE, PUBLIC, CommonsBody, parse_body
from p2pcommons.store.base import StorePart
from p2pcommons.store.entry_folds import drop_entries
from p2pcommons.store.ingest import ROWID_FLOOR, next_rowid
from p2pcommons.store.interning import peer_number
from p2pcommons.store.pledges import forget_keeping
from p2pcommons.store.records import CommonsRow
from p2pcommons.store.slots import Bodies

if TYPE_CHECKING:
    from p2pcommons.store.database import Row

_ROWS = """
SELECT m.id, m.title_hint, m.joined_at, m.left_at, m.count, m.bodies, m.unsupported,
       c.claimed_at, c.body, a.key, m.entries
FROM commons m LEFT JOIN contribution c ON c.id = m.id LEFT JOIN author a ON a.rowid = c.author
"""

_OF_CONTRIBUTIONS = ("edge", "body_want", "withdrawal", "dropped")


class CommonsPart(StorePart):
    """Joining, leaving, and what is known of each commons."""

    def commons_rows(self, *, left: bool = False) -> list[CommonsRow]:
        """Return the commons that are joined, in order of joining; with `left` those left too."""
        condition = "m.joined_at NOTNULL" + ("" if left else " AND m.left_at ISNULL")
        rows = self._database.read(f"{_ROWS} WHERE {condition} ORDER BY m.joined_at, m.rowid")
        return [_commons_row(row) for row in rows]

    def commons_row(self, commons: bytes) -> CommonsRow | None:
        """Return what is known of a commons, joined or not; None if nothing is."""
        row = self._database.read_one(
            f"{_ROWS} WHERE m.id = ? AND (m.joined_at NOTNULL OR m.count > 0)", (commons,)
        )
        return None if row is None else _commons_row(row)

    def join_commons(
        self, commons: bytes, *, now: int, title_hint: str | None = None, inviter: str | None = None
    ) -> None:
        """Join a commons, known so far perhaps by its id alone, or come back to one.

        `inviter` is the peer that its invite names. Doing it again changes nothing else.
        """
        with self._writing(durable=True) as connection:
            number = self._interner.commons(connection, commons)
            connection.execute(
                "UPDATE commons SET joined_at = coalesce(joined_at, ?), left_at = NULL, "
                "title_hint = coalesce(?, title_hint) WHERE rowid = ?",
                (now, title_hint, number),
            )
            if inviter is not None:
                connection.execute(
                    "INSERT OR IGNORE INTO commons_inviter(commons, peer) VALUES(?, ?)",
                    (number, peer_number(connection, inviter)),
                )

    def leave_commons(self, commons: bytes, *, now: int) -> None:
        """Leave a commons: it is hidden and no longer exchanged; its data stay."""
        with self._writing(durable=True) as connection:
            connection.execute(
                "UPDATE commons SET left_at = ? WHERE id = ? AND joined_at NOTNULL", (now, commons)
            )

    def delete_commons(self, commons: bytes) -> None:
        """Drop a commons with all its contributions and views."""
        with self._writing(durable=True) as connection:
            number = self._interner.commons(connection, commons)
            floor = next_rowid(connection) - 1
            connection.execute(
                "INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)", (ROWID_FLOOR, str(floor))
            )
            entries = connection.execute("SELECT rowid FROM entry WHERE commons = ?", (number,))
            rowids = [row[0] for row in entries.fetchall()]
            drop_entries(connection, self._interner, rowids, Bodies(connection))
            for table in _OF_CONTRIBUTIONS:
                column = "child" if table == "edge" else "contribution"
                connection.execute(
                    f"DELETE FROM {table} WHERE {column} IN "  # noqa: S608
                    "(SELECT rowid FROM contribution WHERE commons = ?)",
                    (number,),
                )
            for table in (
                "contribution",
                "known",
                "declined",
                "holding",
                "pin",
                "profile",
                "peer_equal",
                "commons_inviter",
            ):
                connection.execute(f"DELETE FROM {table} WHERE commons = ?", (number,))  # noqa: S608
            connection.execute(
                "UPDATE commons SET count = 0, bodies = 0, entries = 0, id_sum = zeroblob(32), "
                "joined_at = NULL, left_at = NULL, title_hint = NULL, unsupported = NULL, "
                "budget = NULL, floor = NULL "
                "WHERE rowid = ?",
                (number,),
            )
            forget_keeping(connection, commons)

    def inviters(self, commons: bytes) -> tuple[str, ...]:
        """Return the peers through whose invites this node joined."""
        rows = self._database.read(
            "SELECT p.peer_id FROM commons_inviter i JOIN peer p ON p.rowid = i.peer "
            "JOIN commons m ON m.rowid = i.commons WHERE m.id = ? ORDER BY p.rowid",
            (commons,),
        )
        return tuple(row[0] for row in rows)


def _commons_row(row: Row) -> CommonsRow:
    identifier, title_hint, joined_at, left_at, count, bodies, unsupported = row[:7]
    claimed_at, body, founder, entries = row[7:]
    said = parse_body(COMMONS, body) if body is not None else None
    charter = said if isinstance(said, CommonsBody) else None
    return CommonsRow(
        id=identifier,
        title=charter.title if charter else None,
        title_hint=title_hint,
        purpose=charter.purpose if charter else "",
        language=charter.language if charter else None,
        licence=charter.licence if charter else DEFAULT_LICENCE,
        rules=charter.rules if charter else (),
        visibility=charter.visibility if charter else PUBLIC,
        founder=founder,
        claimed_at=claimed_at,
        joined_at=joined_at,
        left_at=left_at,
        count=count,
        bodies=bodies,
        entries=entries,
        unsupported=unsupported,
    )
