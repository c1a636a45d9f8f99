"""Loading what one fold needs, for many slots at once: an entry's versions, a person's statements.

Bodies are read for heads only. What was ingested a moment ago is taken from memory.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from p2pcommons.model.kinds import parse_body
from p2pcommons.store.rows import select_in
from p2pcommons.store.schema import DISOWNED, SAYS_NOTHING, WITHDRAWN
from p2pcommons.views.entries import standing
from p2pcommons.views.held import Held

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from p2pcommons.model.kinds import Body
    from p2pcommons.store.database import Row

_COLUMNS = """
SELECT c.rowid, c.id, c.kind, c.claimed_at, c.target, c.commons, c.author, a.key, c.received_at,
       c.state
FROM contribution c JOIN author a ON a.rowid = c.author
"""
_FIRSTS = _COLUMNS + "WHERE c.id IN ({}) AND c.kind = 'entry' AND c.target IS NULL"
_LATER = _COLUMNS + "WHERE c.target IN ({}) AND c.kind = 'entry'"
_ALL_TAGS = _COLUMNS + "WHERE c.target IN ({}) AND c.kind = 'tag'"
_TAGS_OF = _COLUMNS + "WHERE c.target = ? AND c.kind = 'tag' AND c.author = ?"
_PROFILES = _COLUMNS + "WHERE c.author = ? AND c.commons = ? AND c.kind = 'profile'"


class Member(NamedTuple):
    """A contribution in a slot, with what the store has to know beside the fold's facts."""

    rowid: int
    commons: int
    author: int
    received_at: int
    withdrawn: bool
    says_nothing: bool
    held: Held


@dataclass(slots=True)
class EntrySlot:
    """A counted first version and all counted versions of its entry, itself among them."""

    first: Member
    members: list[Member] = field(default_factory=list[Member])

    @property
    def withdrawn(self) -> set[bytes]:
        """The ids of the withdrawn ones."""
        return {member.held.id for member in self.members if member.withdrawn}

    def heads(self) -> list[Member]:
        """Return what stands, the shown one first; no body is needed to know it."""
        if len(self.members) == 1:
            # Nothing can have replaced the only version.
            only = self.members[0]
            return [] if only.withdrawn or only.says_nothing else [only]
        wordless = {
            member.held.id for member in self.members if member.withdrawn or member.says_nothing
        }
        members = {member.held.id: member for member in self.members}
        held = [member.held for member in self.members]
        return [members[item.id] for item in standing(held, self.first.held.author, wordless)]


class Bodies:
    """What bodies say, read when asked for and parsed once."""

    def __init__(
        self, connection: sqlite3.Connection, at_hand: Mapping[int, bytes] | None = None
    ) -> None:
        self._connection = connection
        self._at_hand = dict(at_hand or {})
        self._parsed: dict[int, Body | None] = {}
        self._missing: set[int] = set()

    def load(self, members: Iterable[tuple[int, str]]) -> None:
        """Read and parse the bodies of (rowid, kind) that are not known yet."""
        kinds = {
            rowid: kind
            for rowid, kind in members
            if rowid not in self._parsed and rowid not in self._missing
        }
        elsewhere = [rowid for rowid in kinds if rowid not in self._at_hand]
        found = dict(
            select_in(
                self._connection,
                "SELECT rowid, body FROM contribution WHERE rowid IN ({})",
                elsewhere,
            )
        )
        for rowid, kind in kinds.items():
            body = self._at_hand.get(rowid) or found.get(rowid)
            if body is None:
                self._missing.add(rowid)
            else:
                self._parsed[rowid] = parse_body(kind, body)

    def is_here(self, rowid: int) -> bool:
        """Tell whether a loaded body is not missing."""
        return rowid in self._parsed

    def get(self, rowid: int) -> Body | None:
        """Return what a loaded body says; None if it is missing or says nothing."""
        return self._parsed.get(rowid)

    def said(self, members: Iterable[Member]) -> dict[bytes, Body | None]:
        """Return what the bodies of loaded members say, by id, the missing ones left out."""
        return {
            member.held.id: self._parsed[member.rowid]
            for member in members
            if member.rowid in self._parsed
        }


def entry_slots(connection: sqlite3.Connection, firsts: Iterable[bytes]) -> dict[bytes, EntrySlot]:
    """Return the slots of those `firsts` that are known, counted first versions of entries."""
    wanted = list(firsts)
    slots = {
        member.held.id: EntrySlot(member, [member])
        for member in _members(select_in(connection, _FIRSTS, wanted))
    }
    later = [
        member
        for member in _members(select_in(connection, _LATER, slots))
        # A reference is looked up inside its own commons only.
        if member.commons == slots[_target(member)].first.commons
    ]
    for member in with_parents(connection, later):
        slots[_target(member)].members.append(member)
    return slots


def tag_statements(
    connection: sqlite3.Connection, everyone: Iterable[bytes], of: Iterable[tuple[bytes, int]]
) -> dict[bytes, dict[int, list[Member]]]:
    """Return counted tag statements by target and person.

    `everyone` are targets of which all statements are wanted, `of` pairs of target and person.
    """
    rows = select_in(connection, _ALL_TAGS, everyone)
    for pair in of:
        rows += connection.execute(_TAGS_OF, pair).fetchall()
    slots: defaultdict[bytes, dict[int, list[Member]]] = defaultdict(dict)
    members = _members(rows)
    for member in members:
        slots[_target(member)].setdefault(member.author, []).append(member)
    for target, people in slots.items():
        for author, statements in people.items():
            if len(statements) > 1:
                slots[target][author] = with_parents(connection, statements)
    return slots


def profile_statements(connection: sqlite3.Connection, commons: int, author: int) -> list[Member]:
    """Return the counted profiles of one person in one commons."""
    rows = connection.execute(_PROFILES, (author, commons)).fetchall()
    return with_parents(connection, [member for member in _members(rows) if not member.held.target])


def members_of(
    connection: sqlite3.Connection, rest: str, values: Mapping[str, object]
) -> list[Member]:
    """Return the counted contributions `c` that the rest of a query over them selects."""
    return _members(connection.execute(_COLUMNS + rest, values).fetchall())


def with_parents(connection: sqlite3.Connection, members: Sequence[Member]) -> list[Member]:
    """Return `members` with their parents filled in."""
    parents: defaultdict[int, list[bytes]] = defaultdict(list)
    for child, parent in select_in(
        connection,
        "SELECT child, parent FROM edge WHERE child IN ({})",
        (member.rowid for member in members),
    ):
        parents[child].append(parent)
    return [
        member._replace(held=member.held._replace(parents=tuple(parents[member.rowid])))
        if member.rowid in parents
        else member
        for member in members
    ]


def _members(rows: Iterable[Row]) -> list[Member]:
    # The device matters in the first pass alone, and that one is behind us.
    return [
        Member(
            *(row[0], row[5], row[6], row[8]),
            bool(row[9] & WITHDRAWN),
            bool(row[9] & SAYS_NOTHING),
            Held(*_facts(row)),
        )
        for row in rows
        if not row[9] & DISOWNED
    ]


def _facts(row: Row) -> tuple[bytes, str, bytes, bytes, int, bytes | None, tuple[bytes, ...]]:
    return row[1], row[2], row[7], b"", row[3], row[4], ()


def _target(member: Member) -> bytes:
    assert member.held.target is not None
    return member.held.target
