"""Room: what a commons takes, its budget, what is pinned, and what a person removed from here.

A budget lets old texts of others go. Headers and ids stay, so replicas stay equal; what went is
not asked for again by itself. Never goes: what is one's own, pinned, or of an entry that one has
tagged or changed; and nothing goes but the texts of entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from p2pcommons.model.kinds import ENTRY, NOT_WITHDRAWABLE
from p2pcommons.store.base import StorePart
from p2pcommons.store.dropping import DROP_CHUNK, drop_bodies, drop_rows
from p2pcommons.store.holdings import disk_bytes
from p2pcommons.store.ingest import add_to_set
from p2pcommons.store.rows import select_in
from p2pcommons.store.schema import SAYS_NOTHING, WITHDRAWN
from p2pcommons.store.space_records import BudgetPlan, GoingText, Pin, SpaceUse
from p2pcommons.store.standing import known_numbers, own_numbers

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

ON_DEMAND: Final = -1
"""`body_want.next_try` of what a person asked for: it goes before all that is merely missing."""

SLACK_PERCENT: Final = 95
"""A budget that is exceeded is kept down to this part of it, so that not every new text costs an
old one, and what was fetched again stays a while."""

_VERSIONS = "(c.id = :entry OR (c.target = :entry AND c.kind = 'entry')) AND c.commons = :commons"


class SpacePart(StorePart):
    """Budgets, pins and removal."""

    def space_use(self, commons: bytes) -> SpaceUse | None:
        """Return what a commons takes; None if nothing is known of it."""
        with self._database.reading(), self._database.connected() as connection:
            row = connection.execute(
                "SELECT rowid, budget FROM commons WHERE id = ?", (commons,)
            ).fetchone()
            if row is None:
                return None
            number, budget = row
            held = {
                author: (contributions, size)
                for author, contributions, size in connection.execute(
                    "SELECT author, contributions, body_bytes FROM holding WHERE commons = ?",
                    (number,),
                )
            }
            own = own_numbers(connection)
            known = known_numbers(connection, number)
            strange = [each for author, each in held.items() if author not in known]
            removed, let_go = connection.execute(
                "SELECT count(entry), count(*) - count(entry) FROM known WHERE commons = ?",
                (number,),
            ).fetchone()
            return SpaceUse(
                bytes=sum(disk_bytes(*each) for each in held.values()),
                budget=budget,
                contributions=sum(each[0] for each in held.values()),
                own_bytes=sum(disk_bytes(*held[author]) for author in own if author in held),
                strangers=len(strange),
                strangers_bytes=sum(disk_bytes(*each) for each in strange),
                strangers_contributions=sum(each[0] for each in strange),
                not_kept=_count(
                    connection,
                    "SELECT count(*) FROM dropped d JOIN contribution c "
                    "ON c.rowid = d.contribution WHERE c.commons = ?",
                    number,
                ),
                pinned=_count(connection, "SELECT count(*) FROM pin WHERE commons = ?", number),
                removed=removed,
                let_go=let_go,
                declined=_count(
                    connection, "SELECT count(*) FROM declined WHERE commons = ?", number
                ),
            )

    def bytes_used(self, commons: bytes) -> int:
        """Return what a commons takes on disk, about; a look-up."""
        row = self._database.read_one(
            "SELECT coalesce(sum(contributions), 0), coalesce(sum(body_bytes), 0) FROM holding "
            "WHERE commons = ?",
            (self._commons_number(commons),),
        )
        return disk_bytes(int(row[0]), int(row[1])) if row is not None else 0

    # --- budget ------------------------------------------------------------------------------

    def budget(self, commons: bytes) -> int | None:
        """Return the bytes a commons may take, or None for as many as it needs."""
        row = self._database.read_one("SELECT budget FROM commons WHERE id = ?", (commons,))
        return None if row is None else row[0]

    def set_budget(self, commons: bytes, budget: int | None) -> None:
        """Set the bytes a commons may take; None takes the limit away. Nothing goes yet."""
        with self._writing() as connection:
            connection.execute("UPDATE commons SET budget = ? WHERE id = ?", (budget, commons))

    def budget_plan(self, commons: bytes, budget: int | None = None) -> BudgetPlan:
        """Return what goes to keep the budget that is set, or `budget` where one is given."""
        with self._database.reading(), self._database.connected() as connection:
            number = self._commons_number(commons)
            limit = self.budget(commons) if budget is None else budget
            used = self.bytes_used(commons)
            if number is None or limit is None or used <= limit:
                return BudgetPlan(used, limit)
            return _plan(connection, number, used, limit)

    def keep_budget(self, commons: bytes) -> BudgetPlan:
        """Let go what the plan for the budget names; return the plan."""
        plan = self.budget_plan(commons)
        for start in range(0, len(plan.going), DROP_CHUNK):
            part = plan.going[start : start + DROP_CHUNK]
            with self._writing() as connection:
                # A person may have pinned or tagged something since the plan was made.
                spared = _spared_entries(connection, self._number(connection, commons))
                drop_bodies(
                    connection,
                    self._interner,
                    [each.rowid for each in part if not spared & {each.entry, each.id}],
                )
        return plan

    def keep_budgets(self) -> int:
        """Keep the budget of every commons that has one; return the bytes that were let go."""
        rows = self._database.read("SELECT id FROM commons WHERE budget NOTNULL")
        return sum(self.keep_budget(row[0]).freed for row in rows)

    # --- pins and texts on demand ------------------------------------------------------------

    def pin(self, commons: bytes, entry: bytes, *, now: int) -> int:
        """Keep the texts of all versions of an entry; return how many are not here yet.

        Those are asked for, as `fetch_texts` does.
        """
        with self._writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO pin(id, commons, pinned_at) VALUES(?, ?, ?)",
                (entry, self._number(connection, commons), now),
            )
        return self.fetch_texts(commons, entry)

    def unpin(self, entry: bytes) -> bool:
        """Treat an entry like any other again; False if it was not pinned."""
        with self._writing() as connection:
            return connection.execute("DELETE FROM pin WHERE id = ?", (entry,)).rowcount > 0

    def pins(self, commons: bytes | None = None) -> list[Pin]:
        """Return what is pinned, of one commons or of all, the latest first."""
        rows = self._database.read(
            "SELECT p.id, m.id, p.pinned_at, (SELECT count(*) FROM contribution c "  # noqa: S608
            "WHERE (c.id = p.id OR (c.target = p.id AND c.kind = 'entry')) "
            f"AND c.body ISNULL AND c.state & {WITHDRAWN} = 0) "
            "FROM pin p JOIN commons m ON m.rowid = p.commons "
            "WHERE ? ISNULL OR m.id = ? ORDER BY p.pinned_at DESC, p.id",
            (commons, commons),
        )
        return [Pin(*row) for row in rows]

    def is_pinned(self, entry: bytes) -> bool:
        """Tell whether an entry is pinned."""
        return self._database.read_one("SELECT 1 FROM pin WHERE id = ?", (entry,)) is not None

    def fetch_texts(self, commons: bytes, entry: bytes) -> int:
        """Ask peers for the texts of an entry that are not here; return how many that are.

        The next session with a peer asks for them before anything else.
        """
        values = {"entry": entry, "commons": self._commons_number(commons)}
        with self._writing() as connection:
            rows = connection.execute(
                f"SELECT c.rowid FROM contribution c WHERE {_VERSIONS} AND c.body ISNULL "  # noqa: S608
                f"AND c.state & {WITHDRAWN} = 0",
                values,
            ).fetchall()
            connection.executemany(
                f"INSERT OR REPLACE INTO body_want(contribution, next_try) VALUES(?, {ON_DEMAND})",
                rows,
            )
        return len(rows)

    # --- removing from this node -------------------------------------------------------------

    def removable(self, commons: bytes, entry: bytes) -> tuple[int, bool]:
        """Return of how many contributions of others an entry consists, tags included.

        And whether one of its versions is this person's own: such an entry is not removed.
        """
        with self._database.reading(), self._database.connected() as connection:
            number = self._commons_number(commons)
            rowids, own_version = _of_entry(connection, number, entry)
            return len(rowids), own_version

    def remove_entry(self, commons: bytes, entry: bytes) -> int:
        """Drop an entry of others from this node for good; return how many contributions went.

        Its versions and what others said of it go; seconds and ids stay known, so replicas stay
        equal and none of it is fetched again. One's own words, withdrawals and revocations stay.
        """
        gone = 0
        while True:
            with self._writing() as connection:
                number = self._number(connection, commons)
                rowids, own_version = _of_entry(connection, number, entry)
                if own_version or not rowids:
                    return gone
                # The first version last: whatever happens between, the entry is still found.
                part = rowids[-DROP_CHUNK:]
                gone += len(drop_rows(connection, self._interner, part, entry))
                connection.execute("DELETE FROM pin WHERE id = ?", (entry,))

    def removed(self, prefix_hex: str = "") -> list[tuple[bytes, bytes, int]]:
        """Return what a person removed: entry, commons and number of contributions.

        With `prefix_hex` only entries whose id begins with these lower-case hex digits.
        """
        low = bytes.fromhex(prefix_hex.ljust(64, "0"))
        high = bytes.fromhex(prefix_hex.ljust(64, "f"))
        rows = self._database.read(
            "SELECT k.entry, m.id, count(*) FROM known k JOIN commons m ON m.rowid = k.commons "
            "WHERE k.entry BETWEEN ? AND ? GROUP BY k.entry, m.id ORDER BY k.entry",
            (low, high),
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def restore_removed(self, entry: bytes) -> int:
        """Know nothing any more of a removed entry, so that peers bring it again."""
        with self._writing() as connection:
            rows = connection.execute(
                "SELECT id, commons FROM known WHERE entry = ?", (entry,)
            ).fetchall()
            for commons in {row[1] for row in rows}:
                _forget_known(connection, commons, [row[0] for row in rows if row[1] == commons])
        return len(rows)

    def _number(self, connection: sqlite3.Connection, commons: bytes) -> int:
        return self._interner.commons(connection, commons)


def _count(connection: sqlite3.Connection, sql: str, number: int) -> int:
    return int(connection.execute(sql, (number,)).fetchone()[0])


def _plan(connection: sqlite3.Connection, commons: int, used: int, budget: int) -> BudgetPlan:
    spared = _spared_entries(connection, commons)
    own = own_numbers(connection)
    wanted = used - budget * SLACK_PERCENT // 100
    going: list[GoingText] = []
    freed = 0
    for rowid, identifier, entry, author, claimed_at, size, key in connection.execute(
        "SELECT c.rowid, c.id, coalesce(c.target, c.id), c.author, c.claimed_at, length(c.body), "  # noqa: S608
        "a.key FROM contribution c JOIN author a ON a.rowid = c.author "
        "WHERE c.commons = ? AND c.kind = 'entry' AND c.body NOTNULL AND c.own = 0 "
        f"AND c.state & {WITHDRAWN | SAYS_NOTHING} = 0 "
        "ORDER BY min(c.claimed_at, c.received_at), c.id",
        (commons,),
    ):
        if freed >= wanted:
            break
        if author in own or entry in spared or identifier in spared:
            continue
        size_on_disk = disk_bytes(0, size)
        going.append(GoingText(rowid, identifier, entry, key, claimed_at, size_on_disk))
        freed += size_on_disk
    return BudgetPlan(used, budget, tuple(going), max(0, used - freed - budget))


def _spared_entries(connection: sqlite3.Connection, commons: int) -> set[bytes]:
    """Return the entries and versions no budget touches: pinned, or of a statement of one's own.

    That is a tag or a change today, an endorsement once there is such a kind.
    """
    spared = {
        row[0] for row in connection.execute("SELECT id FROM pin WHERE commons = ?", (commons,))
    }
    spared.update(
        row[0]
        for row in select_in(
            connection,
            "SELECT DISTINCT c.target FROM contribution c WHERE c.author IN ({}) "
            "AND c.target NOTNULL",
            own_numbers(connection),
        )
    )
    return spared


def _of_entry(
    connection: sqlite3.Connection, commons: int | None, entry: bytes
) -> tuple[list[int], bool]:
    """Return the rows of others that make up an entry, its first version first."""
    own = own_numbers(connection)
    rows = connection.execute(
        f"SELECT c.rowid, c.id, c.kind, c.author FROM contribution c WHERE {_VERSIONS}",  # noqa: S608
        {"entry": entry, "commons": commons},
    ).fetchall()
    versions = [row for row in rows if row[2] == ENTRY]
    about = select_in(
        connection,
        "SELECT c.rowid, c.kind, c.author, c.commons FROM contribution c WHERE c.target IN ({}) "
        "AND c.kind != 'entry'",
        [row[1] for row in versions],
    )
    rowids = [row[0] for row in sorted(versions, key=lambda row: row[1] != entry)]
    rowids += [
        row[0]
        for row in about
        if row[1] not in NOT_WITHDRAWABLE and row[2] not in own and row[3] == commons
    ]
    return rowids, any(row[3] in own for row in versions)


def _forget_known(
    connection: sqlite3.Connection, commons: int, identifiers: Sequence[bytes]
) -> None:
    """Take dropped contributions out of the set."""
    connection.executemany("DELETE FROM known WHERE id = ?", [(each,) for each in identifiers])
    # The sum is modulo 2^256: adding what is missing to it takes away.
    negative = [
        ((-int.from_bytes(each, "little")) % (1 << 256)).to_bytes(32, "little")
        for each in identifiers
    ]
    add_to_set(connection, commons, negative, 0)
    connection.execute(
        "UPDATE commons SET count = count - ? WHERE rowid = ?", (2 * len(negative), commons)
    )
