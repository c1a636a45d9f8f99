"""What can be read of a damaged store, in a fresh one: rows that prove themselves, and the rest.

A contribution proves itself by its id and its signatures, so wherever its row is found, in a tree
or on a page that no tree leads to any more, it is taken or left by that alone. Numbers of rows
stay what they were. Everything that is computed is computed anew.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from p2pcommons.errors import RejectedError, RejectReason, StoreError
from p2pcommons.model.contribution import Envelope, verify
from p2pcommons.model.ids import ID_BYTES
from p2pcommons.store.database import Database
from p2pcommons.store.headers import whole_header
from p2pcommons.store.ingest import ROWID_FLOOR
from p2pcommons.store.rows import CHUNK
from p2pcommons.store.salvage_rows import (
    AUTHOR,
    BY_SHAPE,
    COMMONS,
    GRANT,
    PEER,
    SET,
    Keys,
    Rows,
    columns_of,
)
from p2pcommons.store.schema import (
    APPLICATION_ID,
    MIGRATIONS,
    SCHEMA_VERSION,
    VIEW_TABLES,
    WITHDRAWN,
)
from p2pcommons.store.store import Store

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from p2pcommons.model.contribution import Contribution, Grant
    from p2pcommons.store.pages import Pages
    from p2pcommons.store.salvage_rows import Row

_COMPUTED = frozenset({*VIEW_TABLES, "tag", "withdrawal", "edge", "peer_equal"})
"""Not copied: computed from contributions, or, as `peer_equal`, no longer sure."""
_OF_CONTRIBUTIONS = ("body_want", "dropped")
_IDS = "sqlite_autoindex_contribution_1"
_OWN = "contribution_own"
_TIME_MAX = 1 << 33
_REPORT_ROWS = 1_000


@dataclass
class Salvaged:
    """What came of it. `missing` are ids that an index names and no readable row has."""

    pages: int = 0
    bad_pages: int = 0
    kept: int = 0
    own: int = 0
    without_body: int = 0
    """Of those kept, how many had a body that is not what the header says."""
    refused: int = 0
    """Rows that were read and do not prove themselves."""
    missing: int = 0
    own_missing: int = 0
    joined: list[bytes] = field(default_factory=list[bytes])
    rejoined: list[bytes] = field(default_factory=list[bytes])
    """Commons of which nothing but contributions was left; they count as joined."""


def salvage(
    pages: Pages,
    target: Path,
    *,
    now: int,
    own_grant: Grant | None = None,
    progress: Callable[[str, int, int], None],
) -> Salvaged:
    """Make a new store at `target` of what `pages` still hold.

    `own_grant` stands in where the row of this machine's own grant is gone. `progress` gets what
    is being done, how much is done, and of how many (0: not known). Raises StoreError when the
    file is of a newer version, is no store, or nothing of a store is left in it; or when the disk
    is full.
    """
    version = _version(pages, target)
    database = Database(target, migrations=MIGRATIONS[:version])
    try:
        with database.writing() as connection:
            work = _Salvage(
                pages, connection, now, own_grant, lambda done: progress("verifying", done, 0)
            )
            report = work.run()
    finally:
        database.close()
    if not report.kept and not report.joined:
        raise StoreError("nothing of a store was found in it", str(target))
    progress("computing views", 0, 0)
    _compute(target, work.bodiless)
    return report


def _version(pages: Pages, target: Path) -> int:
    """Return the schema that the file follows; the newest where it no longer says."""
    if not pages.header_fits or pages.application != APPLICATION_ID:
        names = pages.roots().keys()
        pages.forget()
        if names and SET not in names:
            raise StoreError("it is not a store of p2pcommons", str(target))
        return SCHEMA_VERSION
    if pages.version > SCHEMA_VERSION:
        said = f"it was written by a newer p2pcommons (schema {pages.version})"
        raise StoreError(said, str(target))
    return max(1, pages.version)


def _compute(target: Path, wanted: Iterable[int]) -> None:
    """Bring the new store to the newest schema, with all its views; ask for lost bodies."""
    with Store.open(target) as store:
        store.rebuild_views()
        faults = store.integrity_check()
    if faults:
        raise StoreError(f"what was salvaged is not sound: {faults[0]}", str(target))
    database = Database(target)
    try:
        with database.writing(durable=True) as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO body_want(contribution, next_try) SELECT rowid, 0 "
                "FROM contribution WHERE rowid = ? AND body IS NULL AND NOT state & ?",
                [(rowid, WITHDRAWN) for rowid in wanted],
            )
    finally:
        database.close()


class _Salvage:
    """The first half: everything that is not computed."""

    def __init__(
        self,
        pages: Pages,
        connection: sqlite3.Connection,
        now: int,
        own_grant: Grant | None,
        progress: Callable[[int], None],
    ) -> None:
        self._pages = pages
        self._connection = connection
        self._now = now
        self._progress = progress
        self._columns = columns_of(connection)
        self._rows = Rows(pages, self._columns)
        self._keys = Keys(own_grant)
        self._report = Salvaged()
        self._ids: set[bytes] = set()
        self._rowids: set[int] = set()
        self._verified: set[Grant] = set()
        self._bare: set[bytes] = set()
        self._commons_used: set[int] = set()
        self.bodiless: list[int] = []
        """Rowids of what lost its body here."""

    def run(self) -> Salvaged:
        """Fill the new store and say what came of it."""
        others = {
            name: list(self._rows.of(name))
            for name in self._columns
            if name not in _COMPUTED and name not in BY_SHAPE
        }
        self._keys.read(self._rows)
        peers = list(self._rows.of(PEER))
        own_rowids = {record.values[0] for record in self._rows.index(_OWN) if record.values}
        indexed = self._indexed_ids()
        refused = list(self._keep(self._rows.of(SET)))
        loose: list[Row] = []
        for name, row in self._rows.strays():
            if name == SET:
                loose.append(row)
            elif name == PEER:
                peers.append(row)
            else:
                self._keys.take(name, row)
        # Again, now that more keys are known; and once more for what was learned by that.
        for _ in range(2):
            refused, loose = list(self._keep([*refused, *loose])), []
        self._insert_rest(peers, others)
        self._tidy(max((*self._rowids, *indexed.values(), 0)))
        report = self._report
        report.pages, report.bad_pages = self._pages.count, len(self._pages.bad)
        report.without_body = len(self.bodiless)
        report.refused = len({cast("bytes", row["id"]) for row in refused} - self._ids)
        report.missing = len(indexed.keys() - self._ids)
        report.own_missing = sum(
            rowid in own_rowids for each, rowid in indexed.items() if each not in self._ids
        )
        return report

    def _indexed_ids(self) -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        for record in self._rows.index(_IDS):
            if len(record.values) == 2:
                identifier, rowid = record.values
                if isinstance(identifier, bytes) and isinstance(rowid, int):
                    found[identifier] = rowid
        return {each: rowid for each, rowid in found.items() if len(each) == ID_BYTES}

    def _keep(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Insert what proves itself; yield what does not."""
        batch: list[tuple[Contribution, Row]] = []
        for row in rows:
            proven = self._proven(row)
            if proven is None:
                yield row
            elif proven.id not in self._ids:
                self._ids.add(proven.id)
                batch.append((proven, self._corrected(proven, row)))
            if len(batch) == CHUNK:
                self._insert_set(batch)
                batch = []
        self._insert_set(batch)

    def _proven(self, row: Row) -> Contribution | None:
        """Return the contribution of a row if its bytes still prove it, else None."""
        found = (self._verified_as(row, *named) for named in self._keys.named_by(row))
        return next((item for item in found if item is not None), None)

    def _verified_as(
        self, row: Row, commons: bytes, author: bytes, device: bytes, grant: bytes
    ) -> Contribution | None:
        claimed_at = cast("int", row["claimed_at"])
        target, kind = cast("bytes | None", row["target"]), cast("str", row["kind"])
        stored, signature = cast("bytes", row["header"]), cast("bytes", row["signature"])
        body = cast("bytes | None", row["body"])
        try:
            header = whole_header(stored, kind, commons, author, device, claimed_at, target)
            try:
                return verify(Envelope(header, signature, grant, body), self._verified)
            except RejectedError as error:
                if error.reason not in (RejectReason.BODY_HASH, RejectReason.BODY_SIZE):
                    raise
                bare = verify(Envelope(header, signature, grant, None), self._verified)
                self._bare.add(bare.id)
                return bare
        except (RejectedError, ValueError):
            return None

    def _corrected(self, item: Contribution, row: Row) -> Row:
        """Return the row with everything that the signed bytes say as they say it."""
        commons, author, device = self._keys.numbers_of(item, row)
        self._commons_used.add(commons)
        received_at, rowid = cast("int", row["received_at"]), cast("int", row["rowid"])
        if rowid in self._rowids:
            rowid = max(self._rowids) + 1
        self._rowids.add(rowid)
        if item.id in self._bare:
            self.bodiless.append(rowid)
        return {
            **row,
            "rowid": rowid,
            "id": item.id,
            "commons": commons,
            "author": author,
            "device": device,
            "kind": item.header.kind,
            "claimed_at": item.header.claimed_at,
            "received_at": received_at if 0 < received_at < _TIME_MAX else self._now,
            "target": item.header.target,
            "state": 0,
            "own": int(row["own"] == 1),
            "body": item.body,
        }

    def _insert_set(self, batch: list[tuple[Contribution, Row]]) -> None:
        self._insert(SET, (row for _, row in batch))
        self._connection.executemany(
            "INSERT OR IGNORE INTO edge(child, parent) VALUES(?, ?)",
            [(row["rowid"], parent) for item, row in batch for parent in item.header.parents],
        )
        before = self._report.kept
        self._report.kept += len(batch)
        self._report.own += sum(row["own"] == 1 for _, row in batch)
        if self._report.kept // _REPORT_ROWS != before // _REPORT_ROWS:
            self._progress(self._report.kept)

    def _insert_rest(self, peers: Iterable[Row], others: dict[str, list[Row]]) -> None:
        for row in list(self._keys.bare_commons()):
            # Without contributions it is one that was deleted.
            if row["rowid"] in self._commons_used:
                row["joined_at"] = self._now
                self._report.rejoined.append(cast("bytes", row["id"]))
        for table in (AUTHOR, COMMONS):
            self._insert(table, self._keys.rows(table))
        # A grant that does not hold would be sent on with whatever comes in later.
        self._insert(GRANT, self._keys.grants(self._verified))
        self._report.joined = [
            cast("bytes", row["id"])
            for row in self._keys.rows(COMMONS)
            if row.get("joined_at") and not row.get("left_at")
        ]
        self._insert(PEER, peers)
        for name, rows in others.items():
            self._insert(name, rows)

    def _insert(self, table: str, rows: Iterable[Row]) -> None:
        by_columns: defaultdict[tuple[str, ...], list[tuple[object, ...]]] = defaultdict(list)
        for row in rows:
            by_columns[tuple(row)].append(tuple(row.values()))
        for columns, values in by_columns.items():
            marks = ", ".join("?" * len(columns))
            # The names are those of our own schema.
            self._connection.executemany(
                f"INSERT OR IGNORE INTO {table}({', '.join(columns)}) VALUES({marks})",
                values,
            )

    def _tidy(self, last: int) -> None:
        """Drop what speaks of rows that are gone, and see that no number is used again."""
        connection = self._connection
        for table in _OF_CONTRIBUTIONS:
            if table in self._columns:
                connection.execute(
                    f"DELETE FROM {table} WHERE contribution NOT IN "  # noqa: S608
                    "(SELECT rowid FROM contribution)"
                )
        connection.execute("DELETE FROM known WHERE id IN (SELECT id FROM contribution)")
        floor = connection.execute(
            "SELECT value FROM meta WHERE key = ?", (ROWID_FLOOR,)
        ).fetchone()
        if floor is not None and str(floor[0]).isdigit():
            last = max(last, int(floor[0]))
        connection.execute(
            "INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)", (ROWID_FLOOR, str(last))
        )
