"""A day in the life of a store, written down change by change, with what it promised when.

Everything that writes is in it: the making of the file and its migration, own contributions of
every kind, groups from peers, bodies that come later, checkpoints, erasing, deleting, rebuilding,
letting texts go for room, writing the file anew.
"""

from __future__ import annotations

import gzip
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from histories import ANA, ANAS_LAPTOP, BO, CY, GARDEN, NOW, Writer, signer, without_body

from p2pcommons.model.contribution import sign
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.kinds import CommonsBody, encode_body
from p2pcommons.store import Query, Store
from p2pcommons.store.database import Database
from p2pcommons.store.schema import MIGRATIONS
from tests.crash.disk import Disk, Op, watched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.model.contribution import Contribution

DB = "replica.db"
FIRST_STORE = Path(__file__).parents[1] / "vectors" / "store-1.db.gz"
SALT = bytes(range(16))
DAY = 86_400
THURSDAY = NOW + 10_000

MORE = (
    *MIGRATIONS,
    (
        "ALTER TABLE contribution ADD later INTEGER NOT NULL DEFAULT 0",
        "UPDATE contribution SET later = received_at",
        "CREATE INDEX contribution_later ON contribution(later)",
    ),
)
"""A migration that rewrites every row, as a coming one may."""


@dataclass
class Promises:
    """From which change on what holds, whatever happens."""

    kept: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    """(change, id): committed for good before this change."""
    dropped: list[tuple[int, int, bytes]] = field(default_factory=list[tuple[int, int, bytes]])
    """(begun, done, commons): nothing of it is promised from `begun`, nothing is there after."""

    def held_at(self, change: int) -> set[bytes]:
        """Return the ids that a crash before `change` must leave."""
        return {identifier for when, identifier in self.kept if when <= change}


@dataclass
class History:
    """What happened to the files, and what was promised."""

    before: dict[str, bytes]
    ops: list[Op]
    promises: Promises
    migrations: Sequence[Sequence[str]] = MIGRATIONS


class _Author:
    """Writes to the store as the program does, and notes what is safe."""

    def __init__(self, disk: Disk, promises: Promises) -> None:
        self._disk = disk
        self._promises = promises

    def own(self, store: Store, *contributions: Contribution) -> None:
        store.ingest(contributions, received_at=THURSDAY, own=True)
        done = len(self._disk.ops)
        self._promises.kept += [(done, each.id) for each in contributions]

    def drop(self, store: Store, commons: bytes) -> None:
        begun = len(self._disk.ops)
        store.delete_commons(commons)
        self._promises.dropped.append((begun, len(self._disk.ops), commons))


def record_day(folder: Path, *, foreign: int = 240, room: bool = True) -> History:
    """Live through a day in `folder`, which is empty, with so many contributions of others.

    With `room`, texts and entries of others go for it in the evening.
    """
    promises = Promises()
    with watched(folder) as disk:
        author = _Author(disk, promises)
        with Store.open(folder / DB) as store:
            first = _morning(store, author)
            _groups_of_others(store, first, foreign)
        with Store.open(folder / DB) as store:
            _evening(store, author, first, room=room)
        return History({}, disk.ops, promises)


def record_migration(folder: Path) -> History:
    """Bring a store that holds something to a newer schema."""
    promises = Promises()
    with Store.open(folder / DB) as store:
        store.join_commons(GARDEN.id, now=NOW)
        writer = Writer()
        mine = [GARDEN, *(writer.entry(ANA, f"Number {n}", "soil") for n in range(150))]
        store.ingest(mine, received_at=THURSDAY, own=True)
    promises.kept += [(0, each.id) for each in mine]
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with watched(folder) as disk:
        Database(folder / DB, migrations=MORE).close()
        return History(before, disk.ops, promises, MORE)


def record_first_schema(folder: Path) -> History:
    """Bring a store of the first published schema to the present one."""
    path = folder / DB
    path.write_bytes(gzip.decompress(FIRST_STORE.read_bytes()))
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    held = [row[0] for row in connection.execute("SELECT id FROM contribution")]
    connection.close()
    before = {DB: path.read_bytes()}
    with watched(folder) as disk:
        Store.open(path).close()
        return History(before, disk.ops, Promises([(0, identifier) for identifier in held]))


def _morning(store: Store, author: _Author) -> Contribution:
    writer = Writer()
    store.join_commons(GARDEN.id, now=NOW, title_hint="Garden")
    author.own(store, GARDEN)
    author.own(store, writer.profile(ANA, "Ana"))
    first = writer.entry(ANA, "Compost", "soil", "worms", text="Turn it weekly. " * 40)
    author.own(store, first)
    for number in range(6):
        author.own(store, writer.entry(ANA, f"Note {number}", "note", f"n{number}"))
    second = writer.edit(ANA, first, "Compost, better", [first], "soil")
    author.own(store, second)
    author.own(store, writer.tag(ANA, first, "heap", "soil"))
    gone = writer.entry(ANA, "A mistake", "regret", text="Nobody should read this. " * 20)
    author.own(store, gone)
    author.own(store, writer.withdraw(ANA, gone))
    # Two at once, as an import writes them.
    author.own(store, *(writer.entry(ANA, f"Imported {n}", "soil") for n in range(30)))
    laptop = [writer.entry(ANAS_LAPTOP, f"From the laptop {n}") for n in range(3)]
    author.own(store, *laptop)
    author.own(store, writer.revoke(ANA, ANAS_LAPTOP.device, laptop[0]))
    return first


def _groups_of_others(store: Store, first: Contribution, count: int) -> None:
    writer = Writer(clock=NOW + 1_000)
    people = [BO, CY, *(signer(person) for person in range(10, 20))]
    made: list[Contribution] = []
    for number in range(count):
        who = people[number % len(people)]
        kind = number % 8
        if kind == 5:
            made.append(writer.tag(who, made[-1], "soil", f"t{number % 9}"))
        elif kind == 6:
            made.append(writer.edit(who, first, f"Compost by {number}", [first], "soil"))
        elif kind == 7 and number % 16 == 7:
            made.append(writer.withdraw(people[(number - 3) % len(people)], made[-3]))
        else:
            made.append(writer.entry(who, f"Theirs {number}", "soil", text="words " * 60))
    size = max(1, count // 6)
    for start in range(0, count, size):
        group = made[start : start + size]
        headers = [without_body(each) for each in group[: size // 8]]
        store.ingest([*headers, *group[size // 8 :]], received_at=THURSDAY, source="peer-a")
    # The bodies that were missing, from another peer.
    store.ingest(made, received_at=THURSDAY + 60, source="peer-b")


def _make_room(store: Store) -> None:
    """Let texts of others go, keep one, remove one, and write the file anew."""
    theirs = [
        row.id
        for row in store.entry_rows(store.entry_ids(Query(), now=THURSDAY))
        if row.author != ANA.author
    ]
    store.pin(GARDEN.id, theirs[0], now=THURSDAY)
    store.set_budget(GARDEN.id, store.bytes_used(GARDEN.id) * 3 // 4)
    store.keep_budget(GARDEN.id)
    store.set_budget(GARDEN.id, None)
    store.remove_entry(GARDEN.id, theirs[1])
    store.compact(room=lambda: 1 << 40)


def _evening(store: Store, author: _Author, first: Contribution, *, room: bool) -> None:
    writer = Writer(clock=NOW + 5_000)
    author.own(store, writer.entry(ANA, "After supper", "soil"))
    store._database.empty_log()
    store.sweep(THURSDAY + 4 * DAY)
    other = sign(
        CY,
        "commons",
        commons=ZERO_ID,
        body=encode_body(CommonsBody("Elsewhere", "Other things"), SALT),
        claimed_at=NOW,
    )
    there = Writer(other.id, NOW + 6_000)
    store.join_commons(other.id, now=THURSDAY)
    store.ingest(
        [other, *(there.entry(CY, f"There {n}", "far") for n in range(30))], received_at=THURSDAY
    )
    author.own(store, writer.entry(ANA, "Between", "soil"))
    author.drop(store, other.id)
    store.rebuild_views()
    if room:
        _make_room(store)
    store.mark_equal("peer-a", GARDEN.id, rowid=store.last_rowid(), now=THURSDAY)
    store.leave_commons(GARDEN.id, now=THURSDAY)
    store.join_commons(GARDEN.id, now=THURSDAY)
    author.own(store, writer.tag(ANA, first, "heap", "night"))
    author.own(store, writer.entry(ANA, "Good night", "note"))
