"""The one way in, for one's own contributions and for those of everybody else.

One transaction inserts what is new, updates the first two passes of folding, folds the slots that
changed and writes their views. Verification lies behind: only `Contribution`s come here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from p2pcommons.model.kinds import (
    COMMONS,
    ENTRY,
    PROFILE,
    TAG,
    CommonsBody,
    ProfileBody,
)
from p2pcommons.store.entry_folds import Touched, drop_entries, fold_entries
from p2pcommons.store.headers import stored_header
from p2pcommons.store.holdings import tally_batch
from p2pcommons.store.interning import peer_number
from p2pcommons.store.records import IngestResult
from p2pcommons.store.rows import Stored, insert_rows, select_in
from p2pcommons.store.schema import SAYS_NOTHING, WITHDRAWN
from p2pcommons.store.slots import Bodies, Member, profile_statements
from p2pcommons.store.states import update_disowned, update_withdrawn
from p2pcommons.views.charter import unsupported
from p2pcommons.views.held import Held
from p2pcommons.views.statements import fold_profile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from p2pcommons.model.contribution import Contribution
    from p2pcommons.store.interning import Interner

ROWID_FLOOR = "rowid_floor"
"""Key in `meta`: rowids up to this one were used once and are not given again."""


class Ingest:
    """One batch on its way into the store, inside a transaction that the caller holds."""

    def __init__(
        self, connection: sqlite3.Connection, interner: Interner, received_at: int
    ) -> None:
        self._connection = connection
        self._interner = interner
        self._received_at = received_at
        self._at_hand: dict[int, bytes] = {}
        self._bodies_by_commons: Counter[int] = Counter()

    def run(
        self, contributions: Sequence[Contribution], *, own: bool, source: str | None
    ) -> IngestResult:
        """Insert what is new, fold, and say what came of each contribution."""
        offered = _once(contributions)
        present = self._present(offered)
        fresh = [item for item in offered.values() if item.id not in present]
        inserted = self._insert(fresh, own=own, source=source)
        filled = self._fill(offered, present)
        changed = inserted + filled
        if changed:
            arrived = {row.id for row in changed}
            devices = {offered[identifier].header.device for identifier in arrived}
            named = named_by_others(self._connection, arrived)
            states = self._update_states(changed, devices, named)
            self._count(inserted)
            tally_batch(self._connection, inserted, filled, self._at_hand, own=own)
            bodies = Bodies(self._connection, self._at_hand)
            silent = mark_silent(self._connection, changed, bodies)
            moved = {row.rowid for row in states}
            refold(
                self._connection,
                self._interner,
                changed,
                bodies,
                moved=states,
                filled=frozenset(row.rowid for row in filled),
                alone={
                    row.id: self._alone(row, offered[row.id], row.rowid in silent)
                    for row in inserted
                    if row.kind == ENTRY
                    and row.target is None
                    and row.id not in named
                    and row.rowid not in moved
                },
            )
        return IngestResult(
            tuple(row.id for row in inserted),
            tuple(row.id for row in filled),
            len(contributions) - len(inserted) - len(filled),
        )

    def _present(self, offered: Collection[bytes]) -> dict[bytes, tuple[int, bool, int]]:
        rows = select_in(
            self._connection,
            "SELECT id, rowid, body IS NOT NULL, state FROM contribution WHERE id IN ({})",
            offered,
        )
        found = {row[0]: (int(row[1]), bool(row[2]), int(row[3])) for row in rows}
        if self._connection.execute("SELECT 1 FROM known LIMIT 1").fetchone():
            dropped = select_in(self._connection, "SELECT id FROM known WHERE id IN ({})", offered)
            found.update({row[0]: (0, True, 0) for row in dropped})
        return found

    def _alone(self, row: Stored, item: Contribution, says_nothing: bool) -> Member:
        """Return a new first version that nothing else is about, as its slot has it."""
        header = item.header
        held = Held(row.id, ENTRY, header.author, b"", header.claimed_at, None, ())
        return Member(
            row.rowid, row.commons, row.author, self._received_at, False, says_nothing, held
        )

    def _insert(
        self, fresh: Sequence[Contribution], *, own: bool, source: str | None
    ) -> list[Stored]:
        if not fresh:
            return []
        connection, interner = self._connection, self._interner
        peer = peer_number(connection, source) if source is not None else None
        rowid = next_rowid(connection)
        inserted: list[Stored] = []
        values: list[tuple[object, ...]] = []
        edges: list[tuple[int, bytes]] = []
        for item in fresh:
            header = item.header
            commons = interner.commons(connection, item.commons)
            author = interner.author(connection, header.author)
            device = interner.device(connection, author, header.device, item.grant)
            row = Stored(rowid, item.id, header.kind, commons, author, header.target, 0)
            inserted.append(row)
            # In the order of the columns below.
            values.append(
                (
                    *(rowid, item.id, commons, author, device, header.kind, header.claimed_at),
                    *(self._received_at, header.target, int(own), peer),
                    *(stored_header(item), item.signature, item.body),
                )
            )
            if header.parents:
                edges += [(rowid, parent) for parent in header.parents]
            if item.body is not None:
                self._at_hand[rowid] = item.body
                self._bodies_by_commons[commons] += 1
            rowid += 1
        insert_rows(
            connection,
            "INSERT INTO contribution(rowid, id, commons, author, device, kind, claimed_at, "
            "received_at, target, own, source, header, signature, body)",
            values,
        )
        connection.executemany("INSERT INTO edge(child, parent) VALUES(?, ?)", edges)
        return inserted

    def _fill(
        self,
        offered: Mapping[bytes, Contribution],
        present: Mapping[bytes, tuple[int, bool, int]],
    ) -> list[Stored]:
        """Take bodies that were missing; what is withdrawn is never accepted again."""
        wanted = [
            identifier
            for identifier, (_, has_body, state) in present.items()
            if not has_body and not state & WITHDRAWN and offered[identifier].body is not None
        ]
        # One that was dropped for room is not wanted until somebody asks for it.
        rows = [
            Stored(*row)
            for row in select_in(
                self._connection,
                "SELECT rowid, id, kind, commons, author, target, state FROM contribution "
                "WHERE id IN ({}) AND rowid IN (SELECT contribution FROM body_want)",
                wanted,
            )
        ]
        for row in rows:
            body = offered[row.id].body
            assert body is not None
            self._at_hand[row.rowid] = body
            self._bodies_by_commons[row.commons] += 1
        self._connection.executemany(
            "UPDATE contribution SET body = ? WHERE rowid = ?",
            [(self._at_hand[row.rowid], row.rowid) for row in rows],
        )
        self._connection.executemany(
            "DELETE FROM body_want WHERE contribution = ?", [(row.rowid,) for row in rows]
        )
        return rows

    def _update_states(
        self, changed: list[Stored], devices: set[bytes], named: Collection[bytes]
    ) -> list[Stored]:
        connection = self._connection
        disowned = update_disowned(connection, changed, devices)
        hidden, shown = update_withdrawn(
            connection, [*changed, *disowned], new=changed, named=named
        )
        refused = [row.rowid for row in hidden if row.rowid in self._at_hand]
        connection.executemany(
            "UPDATE contribution SET body = NULL WHERE rowid = ?", [(rowid,) for rowid in refused]
        )
        held = {
            row[0]
            for row in select_in(
                connection,
                "SELECT rowid FROM contribution WHERE rowid IN ({}) AND body IS NOT NULL",
                (row.rowid for row in [*hidden, *shown]),
            )
        }
        for row in hidden:
            refused_now = self._at_hand.pop(row.rowid, None) is not None
            self._bodies_by_commons[row.commons] -= int(refused_now or row.rowid in held)
        for row in shown:
            self._bodies_by_commons[row.commons] += int(row.rowid in held)
        self._want_bodies([*changed, *shown], {row.rowid for row in hidden}, held)
        return [*disowned, *hidden, *shown]

    def _want_bodies(
        self, rows: Iterable[Stored], hidden: Collection[int], held: Collection[int]
    ) -> None:
        missing = [
            (row.rowid,)
            for row in rows
            if row.rowid not in self._at_hand and row.rowid not in hidden and row.rowid not in held
        ]
        self._connection.executemany(
            "INSERT OR IGNORE INTO body_want(contribution, next_try) VALUES(?, 0)", missing
        )
        self._connection.executemany(
            "DELETE FROM body_want WHERE contribution = ?", [(rowid,) for rowid in hidden]
        )

    def _count(self, inserted: Iterable[Stored]) -> None:
        """Keep count, bodies and the sum of ids, from which the fingerprint is made."""
        new: defaultdict[int, list[bytes]] = defaultdict(list)
        for row in inserted:
            new[row.commons].append(row.id)
        for commons in new.keys() | self._bodies_by_commons.keys():
            add_to_set(
                self._connection, commons, new.get(commons, ()), self._bodies_by_commons[commons]
            )


def named_by_others(connection: sqlite3.Connection, ids: Iterable[bytes]) -> set[bytes]:
    """Return those of `ids` that anything held is about: few of what has just arrived."""
    rows = select_in(
        connection, "SELECT DISTINCT target FROM contribution WHERE target IN ({})", ids
    )
    return {row[0] for row in rows}


def mark_silent(connection: sqlite3.Connection, rows: Iterable[Stored], bodies: Bodies) -> set[int]:
    """Note which versions of entries say nothing, so that folding need not read them again.

    Returns their rowids.
    """
    versions = [row for row in rows if row.kind == ENTRY]
    bodies.load((row.rowid, ENTRY) for row in versions)
    silent = {
        row.rowid for row in versions if bodies.get(row.rowid) is None and bodies.is_here(row.rowid)
    }
    connection.executemany(
        "UPDATE contribution SET state = state | ? WHERE rowid = ?",
        [(SAYS_NOTHING, rowid) for rowid in silent],
    )
    return silent


def add_to_set(
    connection: sqlite3.Connection, commons: int, identifiers: Collection[bytes], bodies: int
) -> None:
    """Add new ids to the figures of a commons, and `bodies` (which may be negative)."""
    row = connection.execute("SELECT id_sum FROM commons WHERE rowid = ?", (commons,)).fetchone()
    total = int.from_bytes(row[0], "little")
    total += sum(int.from_bytes(identifier, "little") for identifier in identifiers)
    connection.execute(
        "UPDATE commons SET count = count + ?, bodies = bodies + ?, id_sum = ? WHERE rowid = ?",
        (len(identifiers), bodies, (total % (1 << 256)).to_bytes(32, "little"), commons),
    )


def next_rowid(connection: sqlite3.Connection) -> int:
    """Return the next rowid for a contribution; none is ever given twice."""
    newest = connection.execute("SELECT max(rowid) FROM contribution").fetchone()[0] or 0
    floor = connection.execute("SELECT value FROM meta WHERE key = ?", (ROWID_FLOOR,)).fetchone()
    return max(int(newest), int(floor[0]) if floor else 0) + 1


def refold(
    connection: sqlite3.Connection,
    interner: Interner,
    changed: Sequence[Stored],
    bodies: Bodies,
    *,
    moved: Sequence[Stored] = (),
    filled: Collection[int] = frozenset(),
    alone: Mapping[bytes, Member] | None = None,
) -> None:
    """Fold the slots that these rows belong to and write their views.

    `changed` are new or got their body now, as those in `filled` did; `moved` became disowned or
    withdrawn, or are no longer. `alone` are new first versions of which it is known already that
    nothing else held is about them, by id.
    """
    touched: defaultdict[bytes, Touched] = defaultdict(Touched)
    profiles: set[tuple[int, int]] = set()
    for row in (*changed, *moved):
        if row.kind == ENTRY:
            touched[row.target or row.id].authors.add(row.author)
        elif row.kind == TAG and row.target is not None:
            touched[row.target].authors.add(row.author)
        elif row.kind == PROFILE and row.target is None:
            profiles.add((row.commons, row.author))
        elif row.kind == COMMONS:
            _fold_charter(connection, interner, row, bodies)
    for row in moved:
        if row.kind == ENTRY:
            # What is disowned no longer replaces anything, of whomever.
            touched[row.target or row.id].all = True
    fold_entries(connection, interner, touched, bodies, filled, alone or {})
    for commons, author in profiles:
        _fold_profile(connection, commons, author, bodies)


def _fold_profile(
    connection: sqlite3.Connection, commons: int, author: int, bodies: Bodies
) -> None:
    barred = connection.execute(
        "SELECT 1 FROM commons WHERE rowid = ? AND unsupported NOTNULL", (commons,)
    ).fetchone()
    members = [] if barred else profile_statements(connection, commons, author)
    bodies.load((member.rowid, PROFILE) for member in members)
    view = fold_profile(
        [member.held for member in members],
        {member.held.id for member in members if member.withdrawn},
        bodies.said(members),
    )
    if view is None:
        connection.execute(
            "DELETE FROM profile WHERE commons = ? AND author = ?", (commons, author)
        )
        return
    head = next(member.rowid for member in members if member.held.id == view.id)
    name = view.body.name if isinstance(view.body, ProfileBody) else None
    connection.execute(
        "INSERT OR REPLACE INTO profile(commons, author, head, name) VALUES(?, ?, ?, ?)",
        (commons, author, head, name),
    )


def _fold_charter(
    connection: sqlite3.Connection, interner: Interner, row: Stored, bodies: Bodies
) -> None:
    """Find out whether this version can take part; if not, nothing of the commons is shown."""
    bodies.load([(row.rowid, COMMONS)])
    body = bodies.get(row.rowid)
    reason = unsupported(body if isinstance(body, CommonsBody) else None)
    connection.execute("UPDATE commons SET unsupported = ? WHERE rowid = ?", (reason, row.commons))
    if reason is not None:
        entries = connection.execute("SELECT rowid FROM entry WHERE commons = ?", (row.commons,))
        drop_entries(connection, interner, [found[0] for found in entries], bodies)
        connection.execute("DELETE FROM profile WHERE commons = ?", (row.commons,))


def _once(contributions: Iterable[Contribution]) -> dict[bytes, Contribution]:
    """Return each contribution once; the copy with a body where there are two."""
    offered: dict[bytes, Contribution] = {}
    for item in contributions:
        if item.id not in offered or (offered[item.id].body is None and item.body is not None):
            offered[item.id] = item
    return offered
