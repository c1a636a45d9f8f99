"""The strangers' pool: what unknown authors may take together in a commons, the newest first.

A pool that is full lets its oldest go, down to nine tenths, and notes the second of the newest of
them as its floor: nothing of strangers that is not newer is taken from then on. A claim from
ahead counts from when it came. What went stays known by its id; what is declined is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from p2pcommons.model.kinds import NOT_WITHDRAWABLE
from p2pcommons.model.limits import CLAIMED_AT_MAX
from p2pcommons.store.base import StorePart
from p2pcommons.store.dropping import DROP_CHUNK, drop_rows
from p2pcommons.store.holdings import disk_bytes
from p2pcommons.store.rows import select_in
from p2pcommons.store.schema import WITHDRAWN
from p2pcommons.store.space_records import Contributor, PoolLook
from p2pcommons.store.standing import (
    founder_number,
    kept_numbers,
    known_numbers,
    own_numbers,
    used_numbers,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence

    from p2pcommons.store.space_records import PoolLimits

DECLINED_MAX: Final = 200_000
"""Declined ids remembered, 100 bytes each; the oldest give way, and are then offered once more."""

KEPT_PERCENT: Final = 90
"""A full pool is emptied to this part, so that what comes costs no search each time."""

EASY_PERCENT: Final = 50
"""At this part and below there is room again, and what was declined may be asked for."""

_OLDEST = """
SELECT c.rowid, c.author, c.kind, min(c.claimed_at, c.received_at) place, length(c.body)
FROM contribution c WHERE c.commons = ? ORDER BY place, c.id
"""


class StrangersPart(StorePart):
    """What strangers contributed, what of it goes, and what is not taken."""

    def pool_look(self, commons: bytes) -> PoolLook:
        """Return what the pool of a commons holds now and whom it is not for."""
        with self._database.reading(), self._database.connected() as connection:
            return _look(connection, self._commons_number(commons))

    def trim_pool(self, commons: bytes, limits: PoolLimits) -> PoolLook:
        """Let the oldest of strangers go if the pool is over its limits; return what it is then.

        Where everybody's together would fit the pool, what is returned counts everybody.
        Of an author whose withdrawals or revocations would have to go, everything goes or
        nothing.
        """
        everybody = self._everybody(commons)
        if _fits(everybody, limits) and everybody.floor is None:
            # Nearly always: nobody has to be judged, which in a large commons takes a second.
            return everybody
        look = self.pool_look(commons)
        if _fits(look, limits):
            return look
        with self._database.connected() as connection:
            number = self._commons_number(commons)
            let_go = connection.execute(
                "SELECT count(*) FROM known WHERE commons = ? AND entry ISNULL", (number,)
            ).fetchone()[0]
            rowids, floor = _too_old(connection, number, look, limits)
        if let_go + len(rowids) > limits.let_go_max:
            # So many ids are kept already that no more may be: strangers have had their room.
            rowids, floor = [], CLAIMED_AT_MAX
        for start in range(0, len(rowids), DROP_CHUNK):
            with self._writing() as connection:
                drop_rows(connection, self._interner, rowids[start : start + DROP_CHUNK])
        with self._writing() as connection:
            connection.execute(
                "UPDATE commons SET floor = max(coalesce(floor, 0), ?) WHERE id = ?",
                (floor, commons),
            )
        return self.pool_look(commons)

    def _everybody(self, commons: bytes) -> PoolLook:
        row = self._database.read_one(
            "SELECT coalesce(sum(h.contributions), 0), coalesce(sum(h.body_bytes), 0), m.floor "
            "FROM commons m LEFT JOIN holding h ON h.commons = m.rowid WHERE m.id = ?",
            (commons,),
        )
        rows, size, floor = row or (0, 0, None)
        return PoolLook(disk_bytes(rows, size), rows, floor, frozenset())

    def ease_pool(self, commons: bytes, limits: PoolLimits) -> bool:
        """Take strangers' contributions again where there is room; tell whether anything changed.

        Also what was declined of authors who are known now may be asked for again.
        """
        look = self.pool_look(commons)
        number = self._commons_number(commons)
        roomy = look.floor is not None and (
            look.bytes * 100 <= limits.bytes_max * EASY_PERCENT
            and look.contributions * 100 <= limits.contributions_max * EASY_PERCENT
        )
        declined = self._database.read(
            "SELECT DISTINCT author FROM declined WHERE commons = ?", (number,)
        )
        welcome = [row[0] for row in declined if roomy or row[0] in look.known_authors]
        if not roomy and not welcome:
            return False
        with self._writing() as connection:
            if roomy:
                connection.execute("UPDATE commons SET floor = NULL WHERE id = ?", (commons,))
            connection.executemany(
                "DELETE FROM declined WHERE commons = ? AND author IS ?",
                [(number, author) for author in welcome],
            )
        return True

    def decline(self, commons: bytes, declined: Iterable[tuple[bytes, bytes]], now: int) -> None:
        """Remember (id, author) of what was not taken; the oldest of too many give way."""
        with self._writing() as connection:
            number = self._interner.commons(connection, commons)
            connection.executemany(
                "INSERT OR IGNORE INTO declined(id, commons, declined_at, author) "
                "VALUES(?, ?, ?, ?)",
                [(identifier, number, now, author) for identifier, author in declined],
            )

    def forget_declined(self, keep: int = DECLINED_MAX) -> None:
        """Drop the oldest declined ids beyond `keep`."""
        with self._writing() as connection:
            connection.execute(
                "DELETE FROM declined WHERE id IN "
                "(SELECT id FROM declined ORDER BY declined_at DESC, id LIMIT -1 OFFSET ?)",
                (keep,),
            )

    def declined_ids(self, commons: bytes) -> list[bytes]:
        """Return the remembered declined ids of a commons, the longest declined first."""
        rows = self._database.read(
            "SELECT id FROM declined WHERE commons = ? ORDER BY declined_at, id",
            (self._commons_number(commons),),
        )
        return [row[0] for row in rows]

    def pool_floor(self, commons: bytes) -> int | None:
        """Return the second up to which strangers' contributions are declined, None if none is."""
        row = self._database.read_one("SELECT floor FROM commons WHERE id = ?", (commons,))
        return None if row is None else row[0]

    def authors_standing(self, ids: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the authors of those `ids` that are held and that nobody has withdrawn."""
        with self._database.connected() as connection:
            rows = select_in(
                connection,
                "SELECT c.id, a.key FROM contribution c JOIN author a ON a.rowid = c.author "  # noqa: S608
                f"WHERE c.id IN ({{}}) AND c.state & {WITHDRAWN} = 0",
                ids,
            )
        return {row[0]: row[1] for row in rows}

    # --- people ------------------------------------------------------------------------------

    def keep_author(self, author: bytes, *, now: int) -> None:
        """Never count somebody as a stranger, in no commons."""
        with self._writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO kept_author(key, kept_at) VALUES(?, ?)", (author, now)
            )

    def let_author_go(self, author: bytes) -> bool:
        """Judge somebody like anybody else again; False if they were not kept by name."""
        with self._writing() as connection:
            return (
                connection.execute("DELETE FROM kept_author WHERE key = ?", (author,)).rowcount > 0
            )

    def contributors(self, commons: bytes) -> list[Contributor]:
        """Return who contributed to a commons, with sizes and standing, the largest first."""
        with self._database.reading(), self._database.connected() as connection:
            number = self._commons_number(commons)
            if number is None:
                return []
            standings = _standings(connection, number)
            rows = connection.execute(
                "SELECT h.author, a.key, p.name, h.contributions, h.body_bytes FROM holding h "
                "JOIN author a ON a.rowid = h.author "
                "LEFT JOIN profile p ON p.commons = h.commons AND p.author = h.author "
                "WHERE h.commons = ?",
                (number,),
            ).fetchall()
        found = [
            Contributor(
                key, name, count, disk_bytes(count, size), standings.get(author, "stranger")
            )
            for author, key, name, count, size in rows
        ]
        return sorted(found, key=lambda each: (-each.bytes, each.author))


def _fits(look: PoolLook, limits: PoolLimits) -> bool:
    return look.bytes <= limits.bytes_max and look.contributions <= limits.contributions_max


def _look(connection: sqlite3.Connection, commons: int | None) -> PoolLook:
    if commons is None:
        return PoolLook(0, 0, None, frozenset())
    known = known_numbers(connection, commons)
    rows, size = 0, 0
    for author, contributions, body_bytes in connection.execute(
        "SELECT author, contributions, body_bytes FROM holding WHERE commons = ?", (commons,)
    ):
        if author not in known:
            rows += contributions
            size += body_bytes
    floor = connection.execute("SELECT floor FROM commons WHERE rowid = ?", (commons,)).fetchone()
    keys = {
        row[0] for row in select_in(connection, "SELECT key FROM author WHERE rowid IN ({})", known)
    }
    # Also those of whom nothing is here yet.
    keys.update(row[0] for row in connection.execute("SELECT key FROM kept_author"))
    return PoolLook(disk_bytes(rows, size), rows, floor[0], frozenset(keys))


def _too_old(
    connection: sqlite3.Connection, commons: int | None, look: PoolLook, limits: PoolLimits
) -> tuple[list[int], int]:
    """Return which rows go so that the pool is no longer full, and the newest second of them."""
    assert commons is not None
    size = look.bytes - limits.bytes_max * KEPT_PERCENT // 100
    rows = look.contributions - limits.contributions_max * KEPT_PERCENT // 100
    spared = known_numbers(connection, commons)
    stuck: set[int] = set()
    while True:
        going, bound, floor = _oldest(connection, commons, (size, rows), spared, stuck)
        whole = _gone_whole(connection, commons, bound, going)
        remaining = bound.keys() - whole - stuck
        if not remaining:
            return going + [rowid for author in whole for rowid in bound[author]], floor
        # What cannot go gives no room, so others have to.
        stuck |= remaining


def _oldest(
    connection: sqlite3.Connection,
    commons: int,
    wanted: tuple[int, int],
    spared: Collection[int],
    stuck: Collection[int],
) -> tuple[list[int], dict[int, list[int]], int]:
    """Return the oldest rows up to what is `wanted` (bytes and number), and the last one's second.

    First those that may go alone; then, by author, those that go only with everything of theirs.
    Such rows of the authors in `stuck` count for nothing.
    """
    size, rows = wanted
    going: list[int] = []
    bound: dict[int, list[int]] = {}
    floor = 0
    for rowid, author, kind, place, body_bytes in connection.execute(_OLDEST, (commons,)):
        if size <= 0 and rows <= 0:
            break
        if author in spared:
            continue
        if kind in NOT_WITHDRAWABLE:
            bound.setdefault(author, []).append(rowid)
            if author in stuck:
                continue
        else:
            going.append(rowid)
        floor = place
        size -= disk_bytes(1, body_bytes or 0)
        rows -= 1
    return going, bound, floor


def _gone_whole(
    connection: sqlite3.Connection, commons: int, bound: dict[int, list[int]], going: Sequence[int]
) -> list[int]:
    """Return those authors of whom nothing would be left besides what is `bound` and `going`."""
    if not bound:
        return []
    left = dict(
        select_in(
            connection,
            f"SELECT author, contributions FROM holding WHERE commons = {int(commons)} "  # noqa: S608
            "AND author IN ({})",
            bound,
        )
    )
    for row in select_in(
        connection, "SELECT rowid, author FROM contribution WHERE rowid IN ({})", going
    ):
        if row[1] in left:
            left[row[1]] -= 1
    return [author for author, rows in bound.items() if left[author] == len(rows)]


def _standings(connection: sqlite3.Connection, commons: int) -> dict[int, str]:
    standings = dict.fromkeys(used_numbers(connection, commons), "used")
    standings.update(dict.fromkeys(kept_numbers(connection), "kept"))
    founder = founder_number(connection, commons)
    if founder is not None:
        standings[founder] = "founder"
    standings.update(dict.fromkeys(own_numbers(connection), "own"))
    return standings
