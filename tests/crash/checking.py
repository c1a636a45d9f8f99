"""Opening what a crash left, and all that has to hold then."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from histories import ANA, GARDEN, Writer

from p2pcommons.store import Store
from p2pcommons.store.database import Database
from p2pcommons.store.replica_set import fingerprint_of_sum
from tests.crash.session import DB, THURSDAY, History

if TYPE_CHECKING:
    from pathlib import Path

    from tests.crash.points import Point


@dataclass(frozen=True)
class _Seen:
    """What a store holds, once it was found sound."""

    ids: frozenset[bytes]
    commons_of: dict[bytes, int]


@dataclass
class Checker:
    """Checks points of one history; a state of the store seen before is not looked at twice."""

    folder: Path
    history: History
    states: dict[bytes, _Seen] = field(default_factory=dict[bytes, _Seen])
    checked: int = 0

    def check(self, point: Point) -> None:
        """Open what `point` leaves with the store itself. Raises AssertionError naming it."""
        for file in self.folder.iterdir():
            file.unlink()
        for name, content in point.files.items():
            (self.folder / name).write_bytes(content)
        where = f"crash before change {point.number}, {point.way}"
        with Store(self._open()) as store:
            with store._database.connected() as connection:
                image = hashlib.sha256(connection.serialize()).digest()
            seen = self.states.get(image)
            if seen is None:
                seen = self.states[image] = _examine(store, where)
        promises = self.history.promises
        required = promises.held_at(point.number)
        assert required <= seen.ids, f"{where}: {len(required - seen.ids)} acknowledged are missing"
        for _begun, done, commons in promises.dropped:
            held = seen.commons_of.get(commons, 0) if done <= point.number else 0
            assert not held, f"{where}: {held} contributions of a deleted commons are back"
        self.checked += 1

    def _open(self) -> Database:
        return Database(self.folder / DB, migrations=self.history.migrations)


def _examine(store: Store, where: str) -> _Seen:
    """Check everything, and that the store goes on from here."""
    assert store.integrity_check() == [], where
    assert store.views_differences() == [], where
    ids: list[bytes] = []
    commons_of: dict[bytes, int] = {}
    for row in store.commons_rows(left=True):
        ids += _recounted(store, row.id, where)
        commons_of[row.id] = store.digest(row.id).count
    with store._database.connected() as connection:
        held = connection.execute("SELECT id FROM contribution").fetchall()
        known = connection.execute("SELECT id FROM known").fetchall()
    assert set(ids) <= {row[0] for row in (*held, *known)}, where
    more = Writer(clock=THURSDAY).entry(ANA, "Life goes on", "soil")
    store.ingest([GARDEN, more], received_at=THURSDAY, own=True)
    assert store.known([more.id]) == {more.id}, where
    assert store.views_differences() == [], where
    return _Seen(frozenset(row[0] for row in held), commons_of)


def _recounted(store: Store, commons: bytes, where: str) -> list[bytes]:
    """Return the ids of a commons after comparing its digest with a recount of them."""
    ids = [identifier for _, identifier in store.items(commons)]
    total = sum(int.from_bytes(identifier, "little") for identifier in ids) % (1 << 256)
    fingerprint = fingerprint_of_sum(total.to_bytes(32, "little"), len(ids))
    digest = store.digest(commons)
    assert (digest.count, digest.fingerprint) == (len(ids), fingerprint), where
    return ids
