"""The address book, and which peer is known to hold what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from p2pcommons.store.base import StorePart
from p2pcommons.store.interning import peer_number
from p2pcommons.store.records import EqualMark, PeerRow

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from p2pcommons.store.database import Row

ADDRESSES_MAX = 16
"""Addresses kept of one peer, the newest; a peer that names more is not reached any better."""

MARKS_MAX = 1_000
"""Peers noted as equal in one commons: anybody who joins can come with any number of keys. Those
of the address book count, but are noted whatever their number."""
MARK_SECONDS = 90 * 24 * 3_600
"""A mark that was not made again for so long makes room."""

_PEER = (
    "SELECT peer_id, addresses, source, first_seen, last_seen, last_success, failures, next_try "
    "FROM peer WHERE in_book = 1"
)


_ENTERED = ("invite", "manual")


class PeersPart(StorePart):
    """Peers, their addresses, and what they are known to hold."""

    def upsert_peer(self, peer_id: str, addresses: Iterable[str], *, source: str, now: int) -> None:
        """Put a peer into the address book, or add addresses; it is due to be dialled at once.

        `source` is how it was met: invite, manual, lan or connected. What a person has entered
        is on the disk for good when this returns: without it nobody may be met ever again.
        """
        with self._writing(durable=source in _ENTERED) as connection:
            number = peer_number(connection, peer_id)
            known, in_book = connection.execute(
                "SELECT addresses, in_book FROM peer WHERE rowid = ?", (number,)
            ).fetchone()
            listed = [*dict.fromkeys([*addresses, *_addresses(known)])][:ADDRESSES_MAX]
            if in_book:
                connection.execute(
                    "UPDATE peer SET addresses = ?, next_try = min(next_try, ?) WHERE rowid = ?",
                    (json.dumps(listed), now, number),
                )
            else:
                connection.execute(
                    "UPDATE peer SET addresses = ?, in_book = 1, source = ?, first_seen = ?, "
                    "next_try = ?, failures = 0 WHERE rowid = ?",
                    (json.dumps(listed), source, now, now, number),
                )

    def peers(self) -> list[PeerRow]:
        """Return the address book, those reached last first."""
        rows = self._database.read(
            f"{_PEER} ORDER BY last_success IS NULL, last_success DESC, first_seen, peer_id"
        )
        return [_peer_row(row) for row in rows]

    def peer(self, peer_id: str) -> PeerRow | None:
        """Return a peer of the address book, or None."""
        row = self._database.read_one(f"{_PEER} AND peer_id = ?", (peer_id,))
        return None if row is None else _peer_row(row)

    def remove_peer(self, peer_id: str) -> bool:
        """Take a peer out of the address book; returns whether it was there."""
        with self._writing() as connection:
            return bool(
                connection.execute(
                    "UPDATE peer SET in_book = 0, addresses = '[]' "
                    "WHERE peer_id = ? AND in_book = 1",
                    (peer_id,),
                ).rowcount
            )

    def note_seen(self, peer_id: str, *, now: int) -> None:
        """Note that a peer is connected now."""
        with self._writing() as connection:
            connection.execute("UPDATE peer SET last_seen = ? WHERE peer_id = ?", (now, peer_id))

    def note_dialled(self, peer_id: str, *, ok: bool, next_try: int, now: int) -> None:
        """Note how dialling went and when to try next; success ends the row of failures."""
        with self._writing() as connection:
            if ok:
                connection.execute(
                    "UPDATE peer SET last_success = ?, last_seen = ?, failures = 0, next_try = ? "
                    "WHERE peer_id = ?",
                    (now, now, next_try, peer_id),
                )
            else:
                connection.execute(
                    "UPDATE peer SET failures = failures + 1, next_try = ? WHERE peer_id = ?",
                    (next_try, peer_id),
                )

    def mark_equal(self, peer_id: str, commons: bytes, *, rowid: int, now: int) -> None:
        """Note that a peer holds what this node held of a commons up to `rowid`.

        Strangers beyond `MARKS_MAX` are not noted: less is then known to be held elsewhere.
        """
        with self._writing() as connection:
            commons_number = self._interner.commons(connection, commons)
            if not _may_mark(connection, commons_number, peer_id, now):
                return
            connection.execute(
                "INSERT INTO peer_equal(peer, commons, up_to, at) VALUES(?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET up_to = max(up_to, excluded.up_to), at = excluded.at",
                (
                    peer_number(connection, peer_id),
                    commons_number,
                    rowid,
                    now,
                ),
            )

    def equal_marks(self, commons: bytes) -> list[EqualMark]:
        """Return which peers had the same contributions of a commons, newest mark first."""
        rows = self._database.read(
            "SELECT p.peer_id, m.id, q.up_to, q.at FROM peer_equal q "
            "JOIN peer p ON p.rowid = q.peer JOIN commons m ON m.rowid = q.commons "
            "WHERE m.id = ? ORDER BY q.at DESC, p.peer_id",
            (commons,),
        )
        return [EqualMark(*row) for row in rows]

    def only_here(self, author: bytes, commons: bytes | None = None) -> int:
        """Return how many of this author's contributions no peer is known to hold.

        Counted are joined commons, or the one given.
        """
        wanted = "m.joined_at NOTNULL AND m.left_at ISNULL" if commons is None else "m.id = ?"
        row = self._database.read_one(
            "SELECT count(*) FROM author a JOIN contribution c ON c.author = a.rowid "  # noqa: S608
            "JOIN commons m ON m.rowid = c.commons "
            f"WHERE a.key = ? AND {wanted} AND c.source ISNULL AND c.rowid > coalesce("
            "(SELECT max(up_to) FROM peer_equal q WHERE q.commons = c.commons), 0)",
            (author,) if commons is None else (author, commons),
        )
        return int(row[0]) if row else 0

    def holders(self, commons: bytes, identifier: bytes) -> int:
        """Return how many peers are known to hold a contribution."""
        row = self._database.read_one(
            "SELECT count(*) FROM (SELECT q.peer FROM contribution c "
            "JOIN commons m ON m.rowid = c.commons "
            "JOIN peer_equal q ON q.commons = c.commons AND q.up_to >= c.rowid "
            "WHERE c.id = ?1 AND m.id = ?2 UNION SELECT c.source FROM contribution c "
            "JOIN commons m ON m.rowid = c.commons "
            "WHERE c.id = ?1 AND m.id = ?2 AND c.source NOTNULL)",
            (identifier, commons),
        )
        return int(row[0]) if row else 0


def _may_mark(connection: sqlite3.Connection, commons: int, peer_id: str, now: int) -> bool:
    """Tell whether there is room for a peer among those equal in a commons; makes some."""
    known = connection.execute(
        "SELECT in_book OR EXISTS (SELECT 1 FROM peer_equal q "
        "WHERE q.peer = p.rowid AND q.commons = ?) FROM peer p WHERE peer_id = ?",
        (commons, peer_id),
    ).fetchone()
    if known is not None and known[0]:
        return True
    count = "SELECT count(*) FROM peer_equal WHERE commons = ?"
    if connection.execute(count, (commons,)).fetchone()[0] < MARKS_MAX:
        return True
    return bool(
        connection.execute(
            "DELETE FROM peer_equal WHERE commons = ? AND at < ? "
            "AND peer NOT IN (SELECT rowid FROM peer WHERE in_book = 1)",
            (commons, now - MARK_SECONDS),
        ).rowcount
    )


def _addresses(text: str) -> Sequence[str]:
    return tuple(json.loads(text))


def _peer_row(row: Row) -> PeerRow:
    peer_id, addresses, *rest = row
    return PeerRow(peer_id, tuple(_addresses(addresses)), *rest)
