"""Pledges: what people take on for a commons, and which commons this machine keeps for good.

What was pledged is folded when it is read: there are few, and they are found by their target. That
this machine keeps a commons is its own affair, since one person may have several; it holds only
while the person's pledge stands, so that taking it back anywhere ends it everywhere.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from p2pcommons.model.kinds import PLEDGE, PledgeBody
from p2pcommons.model.limits import PARENTS_MAX
from p2pcommons.store.base import StorePart
from p2pcommons.store.rows import select_in
from p2pcommons.store.schema import WITHDRAWN
from p2pcommons.store.slots import Bodies, Member, members_of, with_parents
from p2pcommons.store.space import ON_DEMAND
from p2pcommons.store.standing import known_numbers, own_numbers
from p2pcommons.views.statements import fold_pledge, statement_heads

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from p2pcommons.views.statements import PledgeView

KEEPING_META: Final = "keeping."
"""Key in `meta`, with the hex id of a commons: that this machine keeps it, as JSON."""

PLEDGES_READ_MAX: Final = 5_000
"""Statements of one commons that are read, the newest: a tenth of a second, whatever strangers
write."""

_PLEDGES = (
    "c.target = :commons AND c.kind = 'pledge' AND m.id = :commons AND m.unsupported ISNULL "
    "AND EXISTS (SELECT 1 FROM contribution f WHERE f.id = m.id)"
)
_HERE = "SELECT 1 FROM commons WHERE id = ? AND joined_at NOTNULL AND left_at ISNULL"
_NAMES = (
    "SELECT a.key, p.name FROM profile p JOIN author a ON a.rowid = p.author "
    "WHERE p.commons = {} AND a.key IN ({{}})"
)


@dataclass(frozen=True, slots=True)
class PledgeRow:
    """What one person takes on for a commons, since when; words are as they wrote them.

    `is_stranger` tells that nobody here has used anything of theirs; see `standing`.
    """

    id: bytes
    author: bytes
    author_name: str | None
    claimed_at: int
    body: PledgeBody
    is_stranger: bool


@dataclass(frozen=True, slots=True)
class Keeping:
    """A commons that this machine keeps: all its texts, and files up to `files` bytes.

    `until` is when that ends by itself, seconds since 1970 UTC.
    """

    commons: bytes
    files: int
    until: int | None

    def holds_at(self, now: int) -> bool:
        """Tell whether the promise has not run out."""
        return self.until is None or now <= self.until


class PledgesPart(StorePart):
    """Reading pledges, and noting which commons this machine keeps."""

    def pledges(self, commons: bytes) -> list[PledgeRow]:
        """Return what people take on for a commons: strangers last, else the oldest first.

        One whose words are missing here is left out.
        """
        with self._database.reading(), self._database.connected() as connection:
            number = self._commons_number(commons)
            members = _statements(connection, commons)
            if not members or number is None:
                return []
            known = known_numbers(connection, number)
            strangers = {each.held.author for each in members if each.author not in known}
            views = _by_person(connection, members)
            names = dict(
                select_in(connection, _NAMES.format(number), (view.author for view in views))
            )
        return [
            PledgeRow(
                *(view.id, view.author, names.get(view.author), view.claimed_at),
                *(view.body, view.author in strangers),
            )
            for view in sorted(
                views, key=lambda view: (view.author in strangers, view.claimed_at, view.id)
            )
            if view.body is not None
        ]

    def pledge_statement(
        self, commons: bytes, author: bytes
    ) -> tuple[PledgeBody | None, tuple[bytes, ...]]:
        """Return what a person pledges now, and the statements that the next one replaces."""
        with self._database.reading(), self._database.connected() as connection:
            row = connection.execute("SELECT rowid FROM author WHERE key = ?", (author,)).fetchone()
            members = [] if row is None else _statements(connection, commons, row[0])
            view = _fold(_bodies(connection, members), members)
        heads = statement_heads([member.held for member in members])
        said = None if view is None else view.body
        return said, tuple(item.id for item in heads[:PARENTS_MAX])

    # --- on this machine ---------------------------------------------------------------------

    def keep_commons(self, commons: bytes, *, files: int, until: int | None) -> None:
        """Keep a commons on this machine: no budget for it, and every text is wanted."""
        with self._writing(durable=True) as connection:
            connection.execute("UPDATE commons SET budget = NULL WHERE id = ?", (commons,))
            connection.execute(
                "INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)",
                (KEEPING_META + commons.hex(), json.dumps({"files": files, "until": until})),
            )
            number = self._interner.commons(connection, commons)
            connection.execute(
                f"INSERT OR REPLACE INTO body_want(contribution, next_try) SELECT c.rowid, "  # noqa: S608
                f"{ON_DEMAND} FROM dropped d JOIN contribution c ON c.rowid = d.contribution "
                f"WHERE c.commons = ? AND c.body ISNULL AND c.state & {WITHDRAWN} = 0",
                (number,),
            )
            _ask_again(connection, number)

    def stop_keeping(self, commons: bytes) -> bool:
        """Treat a commons like any other again; False if this machine did not keep it."""
        with self._writing(durable=True) as connection:
            return forget_keeping(connection, commons)

    def kept_commons(self, now: int) -> dict[bytes, Keeping]:
        """Return the commons this machine keeps now: joined, noted here, pledged, not run out."""
        rows = self._database.read(
            "SELECT key, value FROM meta WHERE key >= ? AND key < ?",
            (KEEPING_META, KEEPING_META[:-1] + "/"),
        )
        noted = [_keeping(*row) for row in rows]
        return {
            each.commons: each
            for each in noted
            if each is not None and each.holds_at(now) and self._pledged(each.commons)
        }

    def want_again(self, commons: bytes) -> None:
        """Ask peers again for the texts of a kept commons that nobody had so far."""
        with self._writing() as connection:
            _ask_again(connection, self._interner.commons(connection, commons))

    def texts_lacking(self, commons: bytes) -> int:
        """Return how many bodies of a commons are known and not here, and not withdrawn."""
        row = self._database.read_one(
            "SELECT (SELECT count(*) FROM body_want w CROSS JOIN contribution c "
            "ON c.rowid = w.contribution WHERE c.commons = m.rowid) "
            "+ (SELECT count(*) FROM dropped d CROSS JOIN contribution c "
            "ON c.rowid = d.contribution WHERE c.commons = m.rowid "
            "AND d.contribution NOT IN (SELECT contribution FROM body_want)) "
            "FROM commons m WHERE m.id = ?",
            (commons,),
        )
        return 0 if row is None else int(row[0])

    def known_authors(self, commons: bytes) -> set[bytes]:
        """Return who is no stranger in a commons; see `standing`."""
        with self._database.reading(), self._database.connected() as connection:
            number = self._commons_number(commons)
            known = set[int]() if number is None else known_numbers(connection, number)
            rows = select_in(connection, "SELECT key FROM author WHERE rowid IN ({})", known)
        return {row[0] for row in rows}

    def _pledged(self, commons: bytes) -> bool:
        with self._database.reading(), self._database.connected() as connection:
            if connection.execute(_HERE, (commons,)).fetchone() is None:
                return False
            # Whatever number of strangers pledge, one's own is among these.
            return any(
                view.body is not None and view.body.keep
                for author in own_numbers(connection)
                for view in _by_person(connection, _statements(connection, commons, author))
            )


def forget_keeping(connection: sqlite3.Connection, commons: bytes) -> bool:
    """Drop the note that this machine keeps a commons; False if there was none."""
    done = connection.execute("DELETE FROM meta WHERE key = ?", (KEEPING_META + commons.hex(),))
    return done.rowcount > 0


def _keeping(key: str, value: str) -> Keeping | None:
    """Return a note as it was written; None for one that makes no sense."""
    try:
        noted: object = json.loads(value)
        commons = bytes.fromhex(key.removeprefix(KEEPING_META))
    except ValueError:
        return None
    match noted:
        case {"files": int(files), "until": int() | None as until}:
            return Keeping(commons, files, until)
        case _:
            return None


def _ask_again(connection: sqlite3.Connection, number: int) -> None:
    connection.execute(
        "UPDATE body_want SET tries = 0, next_try = 0 WHERE next_try ISNULL AND contribution IN "
        "(SELECT w.contribution FROM body_want w CROSS JOIN contribution c "
        "ON c.rowid = w.contribution WHERE c.commons = ?)",
        (number,),
    )


def _by_person(connection: sqlite3.Connection, members: Sequence[Member]) -> list[PledgeView]:
    slots: defaultdict[int, list[Member]] = defaultdict(list)
    for member in members:
        slots[member.author].append(member)
    bodies = _bodies(connection, members)
    folded = (_fold(bodies, slot) for slot in slots.values())
    return [view for view in folded if view is not None]


def _statements(
    connection: sqlite3.Connection, commons: bytes, author: int | None = None
) -> list[Member]:
    """Return the counted pledges of a commons, of one person or of everybody."""
    members = members_of(
        connection,
        f"JOIN commons m ON m.rowid = c.commons WHERE {_PLEDGES} "
        f"{'' if author is None else 'AND c.author = :author'} "
        f"ORDER BY c.rowid DESC LIMIT {PLEDGES_READ_MAX}",
        {"commons": commons, "author": author},
    )
    return with_parents(connection, members)


def _bodies(connection: sqlite3.Connection, members: Iterable[Member]) -> Bodies:
    bodies = Bodies(connection)
    bodies.load((member.rowid, PLEDGE) for member in members)
    return bodies


def _fold(bodies: Bodies, members: Sequence[Member]) -> PledgeView | None:
    return fold_pledge(
        [member.held for member in members],
        {member.held.id for member in members if member.withdrawn},
        bodies.said(members),
    )
