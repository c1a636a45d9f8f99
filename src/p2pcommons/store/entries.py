"""Reading entries: pages of a list, and everything about one of them.

Lists keep no words of their own: the words of a page are read from the bodies of its shown heads.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from p2pcommons.model.addresses import same_address_key
from p2pcommons.model.kinds import ENTRY, EntryBody, parse_body
from p2pcommons.store.entry_folds import address_number
from p2pcommons.store.records import EntryDetail, EntryRow, Found, Person, VersionRow, Withdrawal
from p2pcommons.store.rows import chunks
from p2pcommons.store.schema import DISOWNED, ENTRY_WITHDRAWN
from p2pcommons.store.search import SearchPart
from p2pcommons.store.slots import Bodies, EntrySlot, Member, entry_slots
from p2pcommons.views.entries import shown_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.model.kinds import Body
    from p2pcommons.store.database import Row

_ROWS = """
SELECT e.rowid, f.id, m.id, a.key, p.name, f.claimed_at, f.received_at, e.versions, e.heads,
       e.state, e.shown, h.body, d.title, d.contribution NOTNULL AND w.contribution ISNULL
FROM entry e JOIN contribution f ON f.rowid = e.first JOIN commons m ON m.rowid = e.commons
JOIN author a ON a.rowid = e.author
LEFT JOIN profile p ON p.commons = e.commons AND p.author = e.author
LEFT JOIN contribution h ON h.rowid = e.shown
LEFT JOIN dropped d ON d.contribution = e.shown LEFT JOIN body_want w ON w.contribution = e.shown
"""

_TAGS = """
SELECT t.entry, g.text, count(*) people, n.count
FROM tagging t JOIN tag g ON g.rowid = t.tag JOIN entry e ON e.rowid = t.entry
LEFT JOIN tag_count n ON n.commons = e.commons AND n.tag = t.tag
WHERE t.entry IN ({}) GROUP BY t.entry, t.tag ORDER BY people DESC, n.count DESC, g.text
"""

_TAGGERS = """
SELECT g.text, a.key, p.name FROM tagging t JOIN tag g ON g.rowid = t.tag
JOIN author a ON a.rowid = t.author JOIN entry e ON e.rowid = t.entry
LEFT JOIN profile p ON p.commons = e.commons AND p.author = t.author
WHERE t.entry = ? ORDER BY a.key
"""

_WITHDRAWALS = f"""
SELECT c.id, a.key, c.claimed_at, c.target FROM contribution c JOIN author a ON a.rowid = c.author
WHERE c.target IN ({{}}) AND c.kind = 'withdraw' AND c.state & {DISOWNED} = 0
"""  # noqa: S608

_BESIDE = """
SELECT c.rowid, g.device, c.body ISNULL, d.contribution NOTNULL AND w.contribution ISNULL, p.name
FROM contribution c JOIN device_grant g ON g.rowid = c.device
LEFT JOIN dropped d ON d.contribution = c.rowid LEFT JOIN body_want w ON w.contribution = c.rowid
LEFT JOIN profile p ON p.commons = c.commons AND p.author = c.author WHERE c.rowid IN ({})
"""

_FOUND_MAX = 20

VERSIONS_READ_MAX = 500
"""Words are read of so many heads and newest versions of an entry, 32 MB at the worst."""


class EntriesPart(SearchPart):
    """Reading entries."""

    def entry_rows(self, rowids: Sequence[int]) -> list[EntryRow]:
        """Return the entries of a page, in the order of `rowids`; those that went are left out."""
        found: dict[int, EntryRow] = {}
        for part in chunks(rowids):
            marks = ",".join("?" * len(part))
            tags: defaultdict[int, list[str]] = defaultdict(list)
            for row in self._database.read(_TAGS.format(marks), part):
                tags[row[0]].append(row[1])
            for row in self._database.read(f"{_ROWS} WHERE e.rowid IN ({marks})", part):
                found[row[0]] = _entry_row(row, tuple(tags[row[0]]))
        return [found[rowid] for rowid in rowids if rowid in found]

    def entry_row(self, commons: bytes, identifier: bytes) -> EntryRow | None:
        """Return one entry by the id of its first version, listed or not."""
        row = self._database.read_one(
            "SELECT e.rowid FROM contribution c JOIN entry e ON e.first = c.rowid "
            "JOIN commons m ON m.rowid = e.commons WHERE c.id = ? AND m.id = ?",
            (identifier, commons),
        )
        return None if row is None else next(iter(self.entry_rows([row[0]])), None)

    def entry_detail(self, commons: bytes, identifier: bytes) -> EntryDetail | None:
        """Return everything about an entry, also of one that was withdrawn."""
        with self._database.reading(), self._database.connected() as connection:
            row = self.entry_row(commons, identifier)
            slot = entry_slots(connection, [identifier]).get(identifier)
            if row is None or slot is None:
                return None
            heads = slot.heads()
            bodies = Bodies(connection)
            versions = self._versions(slot, heads, bodies)
            said = bodies.get(heads[0].rowid) if heads else None
            body = said if isinstance(said, EntryBody) else None
            return EntryDetail(
                row=row,
                shown=heads[0].held.id if heads else None,
                text=body.text if body else None,
                language=body.language if body else None,
                licence=body.licence if body else None,
                excerpt=body.excerpt if body else None,
                dated=body.dated if body else None,
                taggers=self._taggers(row),
                versions=versions,
                heads=tuple(head.held.id for head in heads),
                withdrawals=self._withdrawals(slot),
                holders=self._holders(slot.first.commons, [item.rowid for item in slot.members]),
            )

    def head_for(
        self, commons: bytes, identifier: bytes, viewer: bytes | None
    ) -> VersionRow | None:
        """Return the head that an edit by `viewer` replaces: their own, else the newest."""
        slot = self._slot(commons, identifier)
        if slot is None:
            return None
        heads = slot.heads()
        meant = shown_to([head.held for head in heads], viewer)
        with self._database.connected() as connection:
            rows = self._versions(slot, heads, Bodies(connection))
        return next((row for row in rows if meant is not None and row.id == meant.id), None)

    def versions_of(self, commons: bytes, identifier: bytes, author: bytes) -> list[bytes]:
        """Return this author's versions of an entry that are not withdrawn, oldest first."""
        slot = self._slot(commons, identifier)
        return [
            member.held.id
            for member in _oldest_first(slot.members if slot is not None else ())
            if member.held.author == author and not member.withdrawn
        ]

    def find_ids(self, prefix_hex: str, limit: int = _FOUND_MAX) -> list[Found]:
        """Return the contributions whose id begins with these lower-case hex digits."""
        low = bytes.fromhex(prefix_hex.ljust(64, "0"))
        high = bytes.fromhex(prefix_hex.ljust(64, "f"))
        rows = self._database.read(
            "SELECT c.id, c.kind, m.id, c.target, c.commons FROM contribution c "
            "JOIN commons m ON m.rowid = c.commons WHERE c.id BETWEEN ? AND ? "
            "ORDER BY c.id LIMIT ?",
            (low, high, limit),
        )
        return [
            Found(identifier, kind, commons, self._entry_of(identifier, kind, target, number))
            for identifier, kind, commons, target, number in rows
        ]

    def same_url(self, commons: bytes, url: str) -> list[bytes]:
        """Return the listed entries of a commons with the same address, oldest first."""
        rows = self._database.read(
            "SELECT f.id, h.body FROM entry e JOIN contribution f ON f.rowid = e.first "
            "JOIN contribution h ON h.rowid = e.shown WHERE e.address = ? AND e.commons = ? "
            "ORDER BY e.rowid",
            (address_number(url), self._commons_number(commons)),
        )
        key = same_address_key(url)
        return [row[0] for row in rows if _key_of(row[1]) == key]

    def urls(self, commons: bytes) -> dict[str, bytes]:
        """Return all addresses of a commons as keys, each with the oldest entry that has it."""
        rows = self._database.read(
            "SELECT f.id, h.body FROM entry e JOIN contribution f ON f.rowid = e.first "
            "JOIN contribution h ON h.rowid = e.shown WHERE e.address NOTNULL AND e.commons = ? "
            "ORDER BY e.rowid DESC",
            (self._commons_number(commons),),
        )
        keys = ((_key_of(body), identifier) for identifier, body in rows)
        return {key: identifier for key, identifier in keys if key is not None}

    def _slot(self, commons: bytes, identifier: bytes) -> EntrySlot | None:
        with self._database.connected() as connection:
            slot = entry_slots(connection, [identifier]).get(identifier)
        if slot is None or slot.first.commons != self._commons_number(commons):
            return None
        return slot

    def _taggers(self, row: EntryRow) -> tuple[tuple[str, tuple[Person, ...]], ...]:
        taggers: dict[str, list[Person]] = {tag: [] for tag in row.tags}
        for tag, author, name in self._database.read(_TAGGERS, (row.rowid,)):
            taggers.setdefault(tag, []).append(Person(author, name))
        return tuple((tag, tuple(people)) for tag, people in taggers.items())

    def _versions(
        self, slot: EntrySlot, heads: Sequence[Member], bodies: Bodies
    ) -> tuple[VersionRow, ...]:
        members = _oldest_first(slot.members)
        beside = {
            row[0]: row[1:]
            for part in chunks(member.rowid for member in members)
            for row in self._database.read(_BESIDE.format(",".join("?" * len(part))), part)
        }
        read = [*heads[:VERSIONS_READ_MAX], *members[-VERSIONS_READ_MAX:]]
        bodies.load((item.rowid, ENTRY) for item in read if not item.withdrawn)
        standing = {head.held.id for head in heads}
        return tuple(
            _version_row(
                member,
                bodies.get(member.rowid),
                member.held.id in standing,
                *beside[member.rowid],
            )
            for member in members
        )

    def _withdrawals(self, slot: EntrySlot) -> tuple[Withdrawal, ...]:
        authors = {item.held.id: item.held.author for item in slot.members if item.withdrawn}
        found = [
            Withdrawal(*row)
            for part in chunks(authors)
            for row in self._database.read(_WITHDRAWALS.format(",".join("?" * len(part))), part)
        ]
        genuine = [item for item in found if authors[item.target] == item.author]
        return tuple(sorted(genuine, key=lambda item: (item.claimed_at, item.id)))

    def _entry_of(
        self, identifier: bytes, kind: str, target: bytes | None, commons: int
    ) -> bytes | None:
        """Return the first version of the entry a contribution belongs to, or is about."""
        if kind == ENTRY and target is None:
            return identifier
        if target is None:
            return None
        row = self._database.read_one(
            "SELECT id, kind, target FROM contribution WHERE id = ? AND commons = ?",
            (target, commons),
        )
        if row is None or row[1] != ENTRY:
            return None
        return row[0] if row[2] is None else row[2]

    def _holders(self, commons: int, rowids: Sequence[int]) -> int:
        """Count the peers known to hold all of these contributions of a commons."""
        row = self._database.read_one(
            "SELECT count(*) FROM peer_equal WHERE commons = ? AND up_to >= ?",
            (commons, max(rowids)),
        )
        return int(row[0]) if row else 0


def _entry_row(row: Row, tags: tuple[str, ...]) -> EntryRow:
    rowid, identifier, commons, author, name, claimed_at, received_at, *rest = row
    versions, heads, state, shown, body, kept_title, not_kept = rest
    said = parse_body(ENTRY, body) if isinstance(body, bytes) else None
    words = said if isinstance(said, EntryBody) else None
    return EntryRow(
        rowid,
        identifier,
        commons,
        words.title if words else kept_title,
        words.url if words else None,
        words.form if words else None,
        author,
        name,
        tags,
        claimed_at,
        received_at,
        versions,
        heads,
        state == ENTRY_WITHDRAWN,
        shown is not None and words is None,
        words is None and bool(not_kept),
    )


def _version_row(
    member: Member,
    body: Body | None,
    is_head: bool,
    device: bytes,
    missing: int,
    not_kept: int,
    name: str | None,
) -> VersionRow:
    held = member.held
    row = VersionRow(
        id=held.id,
        author=held.author,
        name=name,
        device=device,
        claimed_at=held.claimed_at,
        received_at=member.received_at,
        parents=held.parents,
        withdrawn=member.withdrawn,
        is_head=is_head,
        missing=bool(missing) and not member.withdrawn,
        not_kept=bool(missing and not_kept) and not member.withdrawn,
    )
    if not isinstance(body, EntryBody):
        return row
    return replace(
        row,
        title=body.title,
        text=body.text,
        url=body.url,
        form=body.form,
        language=body.language,
        licence=body.licence,
        excerpt=body.excerpt,
        dated=body.dated,
        tags=body.tags,
        edit_note=body.edit_note,
    )


def _oldest_first(members: Sequence[Member]) -> list[Member]:
    return sorted(members, key=lambda member: (member.held.claimed_at, member.held.id))


def _key_of(body: bytes | None) -> str | None:
    said = parse_body(ENTRY, body) if body is not None else None
    return same_address_key(said.url) if isinstance(said, EntryBody) and said.url else None
