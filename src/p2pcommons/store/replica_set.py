"""The set of contributions as other nodes see it: what reconciliation and gossip need."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from p2pcommons.model.limits import CLAIMED_AT_MAX
from p2pcommons.store.base import StorePart
from p2pcommons.store.records import Digest, SetReading
from p2pcommons.store.rows import (
    CARRIED_COLUMNS,
    CARRIED_TABLES,
    CHUNK,
    carried,
    carried_envelope,
    chunks,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from p2pcommons.model.contribution import Contribution, Envelope
    from p2pcommons.store.database import Row

FINGERPRINT_BYTES = 16

CHANGED_MAX = 1_000
"""Contributions since a peer was found equal, beyond which a comparison begins without that."""

BODY_RETRY_SECONDS = (3_600, 86_400, 7 * 86_400)
"""When a missing body is asked for again after `absent`; then only on demand."""


class ReplicaSetPart(StorePart):
    """Reading the set of a commons."""

    def items(self, commons: bytes) -> list[tuple[int, bytes]]:
        """Return (claimed_at, id) of everything known of a commons, in no order."""
        number = self._commons_number(commons)
        return [
            (row[0], row[1])
            for table in ("contribution", "known")
            for row in self._database.read(
                f"SELECT claimed_at, id FROM {table} WHERE commons = ?",  # noqa: S608
                (number,),
            )
        ]

    def items_after(self, commons: bytes, rowid: int) -> list[tuple[int, bytes]]:
        """Return (claimed_at, id) of what came after a contribution's rowid, dropped or not."""
        number = self._commons_number(commons)
        rows = self._database.read(
            "SELECT claimed_at, id FROM contribution WHERE rowid > ? AND commons = ? "
            "UNION ALL SELECT claimed_at, id FROM known WHERE number > ? AND commons = ?",
            (rowid, number, rowid, number),
        )
        return [(row[0], row[1]) for row in rows]

    def items_part(
        self, commons: bytes, after: int, limit: int
    ) -> tuple[list[tuple[int, bytes]], int]:
        """Return up to `limit` items that came after a rowid, in order, and the last one's rowid.

        What was dropped is not among them. The rowid is `after` when there is no more.
        """
        rows = self._database.read(
            "SELECT claimed_at, id, rowid FROM contribution "
            "WHERE commons = ? AND rowid > ? ORDER BY rowid LIMIT ?",
            (self._commons_number(commons), after, limit),
        )
        return [(row[0], row[1]) for row in rows], rows[-1][2] if rows else after

    def dropped_part(self, commons: bytes, after: bytes, limit: int) -> list[tuple[int, bytes]]:
        """Return up to `limit` items that were dropped and stay known, by ascending id."""
        rows = self._database.read(
            "SELECT claimed_at, id FROM known WHERE commons = ? AND id > ? ORDER BY id LIMIT ?",
            (self._commons_number(commons), after, limit),
        )
        return [(row[0], row[1]) for row in rows]

    def read_set(
        self, commons: bytes, after: int, *, now: int, peer_id: str, bodies_max: int
    ) -> SetReading | None:
        """Return a commons as it is at one moment, with the items that came after a rowid.

        None when it is not joined.
        """
        with self._database.reading():
            row = self._database.read_one(
                "SELECT joined_at NOTNULL AND left_at ISNULL FROM commons WHERE id = ?", (commons,)
            )
            if row is None or not row[0]:
                return None
            return SetReading(
                items=self.items_after(commons, after),
                rowid=self.last_rowid(),
                digest=self.digest(commons),
                has_founding=bool(self.known([commons])),
                missing_bodies=tuple(self.bodies_wanted(commons, now=now, limit=bodies_max)),
                equal_before=self._equal_before(commons, peer_id),
            )

    def _equal_before(self, commons: bytes, peer_id: str) -> int | None:
        mark = self._database.read_one(
            "SELECT q.up_to FROM peer_equal q JOIN peer p ON p.rowid = q.peer "
            "WHERE q.commons = ? AND p.peer_id = ?",
            (self._commons_number(commons), peer_id),
        )
        if mark is None:
            return None
        # One beyond the limit is as good as all of them.
        changed, _ = self.items_part(commons, mark[0], CHANGED_MAX + 1)
        if len(changed) > CHANGED_MAX:
            return None
        return min((claimed_at for claimed_at, _ in changed), default=CLAIMED_AT_MAX + 1)

    def last_rowid(self) -> int:
        """Return the rowid of the newest contribution, of whatever commons; 0 if there is none."""
        row = self._database.read_one("SELECT max(rowid) FROM contribution")
        return int(row[0] or 0) if row else 0

    def digest(self, commons: bytes) -> Digest:
        """Return count, fingerprint and bodies; kept up to date by every ingest."""
        row = self._database.read_one(
            "SELECT count, id_sum, bodies FROM commons WHERE id = ?", (commons,)
        )
        count, id_sum, bodies = row if row is not None else (0, bytes(32), 0)
        return Digest(count, fingerprint_of_sum(id_sum, count), bodies)

    def known(self, ids: Sequence[bytes]) -> set[bytes]:
        """Return which of `ids` this node knows."""
        return {
            row[0]
            for table in ("contribution", "known")
            for row in self._select_in(f"SELECT id FROM {table} WHERE id IN ({{}})", ids)  # noqa: S608
        }

    def envelopes(self, commons: bytes, ids: Sequence[bytes]) -> dict[bytes, Envelope]:
        """Return the envelopes of those `ids` that are held in a commons.

        A withdrawn body is not served, from the moment the withdrawal is here.
        """
        rows = self._select_in(
            f"SELECT {CARRIED_COLUMNS} FROM {CARRIED_TABLES} WHERE c.id IN ({{}})",  # noqa: S608
            ids,
        )
        return {row[0]: carried_envelope(row) for row in rows if row[3] == commons}

    def own_after(self, rowid: int, limit: int = CHUNK) -> list[tuple[int, Contribution]]:
        """Return what was contributed on this machine after `rowid`, in order, with its rowid.

        Contributions to commons that were left are not among them.
        """
        rows = self._database.read(
            f"SELECT c.rowid, {CARRIED_COLUMNS} FROM {CARRIED_TABLES} "  # noqa: S608
            "WHERE c.own = 1 AND c.rowid > ? AND m.left_at ISNULL ORDER BY c.rowid LIMIT ?",
            (rowid, limit),
        )
        return _numbered(rows)

    def contributions_after(
        self, commons: bytes, rowid: int, limit: int = CHUNK
    ) -> list[tuple[int, Contribution]]:
        """Return the contributions of a commons after `rowid`, in order of arrival."""
        rows = self._database.read(
            f"SELECT c.rowid, {CARRIED_COLUMNS} FROM {CARRIED_TABLES} "  # noqa: S608
            "WHERE c.commons = ? AND c.rowid > ? ORDER BY c.rowid LIMIT ?",
            (self._commons_number(commons), rowid, limit),
        )
        return _numbered(rows)

    def unknown_references(self, commons: bytes, ids: Sequence[bytes]) -> set[bytes]:
        """Return the versions that `ids` build on or answer to and that are not known."""
        named: set[bytes] = set()
        for row in self._select_in(
            "SELECT target, rowid FROM contribution WHERE id IN ({}) "
            "AND kind IN ('entry', 'withdraw')",
            ids,
        ):
            if row[0] is not None:
                named.add(row[0])
            parents = self._database.read("SELECT parent FROM edge WHERE child = ?", (row[1],))
            named.update(parent[0] for parent in parents)
        number = self._commons_number(commons)
        for table in ("contribution", "known"):
            sql = f"SELECT id, commons FROM {table} WHERE id IN ({{}})"  # noqa: S608
            named -= {row[0] for row in self._select_in(sql, named) if row[1] == number}
        return named

    def bodies_wanted(self, commons: bytes, *, now: int, limit: int = CHUNK) -> list[bytes]:
        """Return ids whose body is missing and due to be asked for, newest first."""
        # CROSS: the few that are wanted come first; else SQLite walks the whole commons.
        rows = self._database.read(
            "SELECT c.id FROM body_want w CROSS JOIN contribution c ON c.rowid = w.contribution "
            "WHERE w.next_try <= ? AND c.commons = ? "
            "ORDER BY w.next_try < 0 DESC, c.claimed_at DESC, c.id LIMIT ?",
            (now, self._commons_number(commons), limit),
        )
        return [row[0] for row in rows]

    def bodies_absent(self, ids: Sequence[bytes], *, now: int) -> None:
        """Note that a peer does not have these bodies; they are asked for again later."""
        with self._writing() as connection:
            for identifier in ids:
                row = connection.execute(
                    "SELECT w.contribution, w.tries FROM body_want w "
                    "JOIN contribution c ON c.rowid = w.contribution WHERE c.id = ?",
                    (identifier,),
                ).fetchone()
                if row is None:
                    continue
                rowid, tries = int(row[0]), int(row[1])
                pause = BODY_RETRY_SECONDS[tries] if tries < len(BODY_RETRY_SECONDS) else None
                connection.execute(
                    "UPDATE body_want SET tries = tries + 1, next_try = ? WHERE contribution = ?",
                    (None if pause is None else now + pause, rowid),
                )

    def _select_in(self, sql: str, values: Iterable[object]) -> list[Row]:
        rows: list[Row] = []
        for part in chunks(values):
            rows += self._database.read(sql.format(",".join("?" * len(part))), part)
        return rows


def fingerprint_of_sum(id_sum: bytes, count: int) -> bytes:
    """Return Negentropy V1's fingerprint: SHA-256 of the sum of all ids and their number, cut.

    `id_sum` is the sum modulo 2^256, little-endian; the number follows as a base-128 varint,
    most significant digit first.
    """
    digits = [count & 0x7F]
    while count := count >> 7:
        digits.append(count & 0x7F | 0x80)
    return hashlib.sha256(id_sum + bytes(reversed(digits))).digest()[:FINGERPRINT_BYTES]


def _numbered(rows: Iterable[Row]) -> list[tuple[int, Contribution]]:
    return [(row[0], carried(row[1:])) for row in rows]
