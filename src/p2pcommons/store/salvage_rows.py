"""Records of a damaged file as rows of our tables, and the small integers they name keys by.

A record is told from those of other tables by its columns; what stands in it is not trusted.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, cast

from p2pcommons.model.ids import ID_BYTES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container, Iterator, Mapping

    from p2pcommons.model.contribution import Contribution, Grant
    from p2pcommons.store.pages import Pages, Record

SET, AUTHOR, GRANT, COMMONS, PEER = "contribution", "author", "device_grant", "commons", "peer"
PAIR = "pair"
BY_SHAPE = (SET, AUTHOR, GRANT, COMMONS, PEER)
"""Tables whose rows are told from others by their columns alone, on pages without a tree."""

_COLUMNS_MIN = {SET: 15, AUTHOR: 2, GRANT: 4, COMMONS: 10, PEER: 10}
"""Of the first schema: rows written before a column was added lack it."""
_TYPES: dict[str, type] = {"INTEGER": int, "TEXT": str, "BLOB": bytes}
_KEYS = {(AUTHOR, "key"), (GRANT, "device"), (COMMONS, "id"), (SET, "id"), (SET, "target")}
_AUTHORS_BY_KEY = "sqlite_autoindex_author_1"
_COMMONS_BY_ID = "sqlite_autoindex_commons_1"
_GRANTS_BY_DEVICE = "sqlite_autoindex_device_grant_1"

Row = dict[str, object]


class Column(NamedTuple):
    """A column as the schema has it; `type` is None where any will do."""

    name: str
    type: type | None
    required: bool
    default: object
    is_rowid: bool


class Rows:
    """The tables of a damaged file, each of which can be read once."""

    def __init__(self, pages: Pages, columns: dict[str, list[Column]]) -> None:
        self._pages = pages
        self._columns = columns
        self._roots = pages.roots()

    def of(self, table: str) -> Iterator[Row]:
        """Yield the rows of a table that its tree still leads to."""
        for record in self.index(table):
            row = self._row(table, record)
            if row is not None:
                yield row

    def index(self, name: str) -> Iterator[Record]:
        """Yield the records of a tree as they are."""
        root = self._roots.get(name)
        if root is not None:
            yield from self._pages.walk(root)

    def strays(self) -> Iterator[tuple[str, Row]]:
        """Yield the rows of tables in BY_SHAPE that no tree leads to, each with its table.

        Records of indexes over 32-byte keys come as rows of PAIR: of which one is not known.
        """
        # Trees that are of no use are walked too, so that their leaves are no strays.
        for root in self._roots.values():
            for _ in self._pages.walk(root):
                pass
        for record in self._pages.strays():
            if record.rowid is None:
                pair = _pair(record)
                if pair is not None:
                    yield PAIR, {"rowid": pair[1], "key": pair[0]}
                continue
            for name in BY_SHAPE:
                enough = len(record.values) >= _COLUMNS_MIN[name]
                row = self._row(name, record) if enough else None
                if row is not None:
                    yield name, row
                    break

    def _row(self, table: str, record: Record) -> Row | None:
        """Return a record as a row of a table, or None if it cannot be one."""
        columns = self._columns[table]
        if len(record.values) > len(columns):
            return None
        row: Row = {}
        for place, column in enumerate(columns):
            value = record.values[place] if place < len(record.values) else column.default
            if column.is_rowid:
                if value is not None or record.rowid is None or record.rowid < 1:
                    return None
                value = record.rowid
            elif value is None:
                if column.required:
                    return None
            elif not _fits(table, column, value):
                return None
            row[column.name] = value
        return row


class Keys:
    """Authors, grants and commons by the numbers that rows name them by."""

    def __init__(self, own_grant: Grant | None) -> None:
        self._own_grant = own_grant
        self._authors: dict[int, bytes] = {}
        self._author_numbers: dict[bytes, int] = {}
        self._grants: dict[int, tuple[int, bytes, bytes]] = {}
        self._grant_numbers: dict[tuple[int, bytes], int] = {}
        self._commons: dict[int, Row] = {}
        self._commons_numbers: dict[bytes, int] = {}
        # What a number may stand for, where no table says so any more.
        self._guesses: defaultdict[int, set[bytes]] = defaultdict(set)

    def read(self, rows: Rows) -> None:
        """Read the three tables, and from their indexes what the tables have lost."""
        for row in rows.of(AUTHOR):
            self.take(AUTHOR, row)
        for values in _pairs(rows, _AUTHORS_BY_KEY):
            self.take(AUTHOR, {"rowid": values[1], "key": values[0]})
        for row in rows.of(GRANT):
            self.take(GRANT, row)
        for row in rows.of(COMMONS):
            self.take(COMMONS, row)
        for values in _pairs(rows, _COMMONS_BY_ID):
            self.take(COMMONS, {"rowid": values[1], "id": values[0]})
        own = self._own_grant
        for record in rows.index(_GRANTS_BY_DEVICE):
            if own is None or len(record.values) != 3:
                continue
            number = self._author_numbers.get(own[0])
            if record.values[:2] == (number, own[1]):
                row = {"rowid": record.values[2], "author": number, "device": own[1]}
                self.take(GRANT, {**row, "signature": own[2]})

    def take(self, table: str, row: Row) -> None:
        """Note a row of one of the tables, unless its number or its key has one."""
        number = cast("int", row["rowid"])
        if table == AUTHOR:
            key = cast("bytes", row["key"])
            if number not in self._authors and key not in self._author_numbers:
                self._authors[number] = key
                self._author_numbers[key] = number
        elif table == GRANT:
            author, device = cast("int", row["author"]), cast("bytes", row["device"])
            if number not in self._grants and (author, device) not in self._grant_numbers:
                self._grants[number] = (author, device, cast("bytes", row["signature"]))
                self._grant_numbers[author, device] = number
        elif table == PAIR:
            self._guesses[number].add(cast("bytes", row["key"]))
        elif table == COMMONS:
            identifier = cast("bytes", row["id"])
            known = self._commons_numbers.get(identifier)
            bare = known == number and _is_bare(self._commons[number])
            if bare or (known is None and number not in self._commons):
                self._commons[number] = row
                self._commons_numbers[identifier] = number

    def named_by(self, row: Row) -> Iterator[tuple[bytes, bytes, bytes, bytes]]:
        """Yield what commons, author, device and grant of a row may be; mostly one, the known."""
        own = self._own_grant if row.get("own") == 1 else None
        number = cast("int", row["author"])
        known_author = self._authors.get(number)
        authors = {known_author} if known_author else {*self._guesses.get(number, ())}
        number = cast("int", row["commons"])
        known_commons = self._commons.get(number)
        commons = (
            {cast("bytes", known_commons["id"])}
            if known_commons
            else {b"", *self._guesses.get(number, ())}
        )
        grant = self._grants.get(cast("int", row["device"]))
        if grant is not None:
            for place in commons:
                yield from ((place, author, *grant[1:]) for author in authors)
        if own is not None and (grant is None or known_author is None):
            yield from ((place, *own) for place in commons)

    def numbers_of(self, item: Contribution, row: Row) -> tuple[int, int, int]:
        """Return the numbers of commons, author and grant of what `row` was proven to be.

        A number that nothing was known of stands from now on for what it does here.
        """
        header = item.header
        commons = self._commons_numbers.get(item.commons)
        if commons is None:
            commons = _free(self._commons, row["commons"])
            self.take(COMMONS, {"rowid": commons, "id": item.commons})
        author = self._author_numbers.get(header.author)
        if author is None:
            author = _free(self._authors, row["author"])
            self.take(AUTHOR, {"rowid": author, "key": header.author})
        device = self._grant_numbers.get((author, header.device))
        if device is None:
            device = _free(self._grants, row["device"])
            found = {"rowid": device, "author": author, "device": header.device}
            self.take(GRANT, {**found, "signature": item.grant})
        return commons, author, device

    def rows(self, table: str) -> Iterator[Row]:
        """Yield the rows of the authors or of the commons."""
        if table == AUTHOR:
            for number, key in self._authors.items():
                yield {"rowid": number, "key": key}
        elif table == COMMONS:
            yield from self._commons.values()

    def grants(self, verified: Container[Grant]) -> Iterator[Row]:
        """Yield the rows of those grants that were verified."""
        for number, (author, device, signature) in self._grants.items():
            if (self._authors.get(author, b""), device, signature) in verified:
                row = {"rowid": number, "author": author, "device": device}
                yield {**row, "signature": signature}

    def bare_commons(self) -> Iterator[Row]:
        """Yield the rows of commons of which nothing but the id is left."""
        return (row for row in self._commons.values() if _is_bare(row))


def columns_of(connection: sqlite3.Connection) -> dict[str, list[Column]]:
    """Return the columns of every ordinary table, in the order in which a record has them."""
    found: dict[str, list[Column]] = {}
    for _, name, kind, _, without_rowid, _ in connection.execute("PRAGMA table_list").fetchall():
        if kind != "table" or name.startswith("sqlite_"):
            continue
        infos = connection.execute(f"PRAGMA table_info({name})").fetchall()
        keys = [info for info in infos if info[5]]
        if without_rowid:
            infos.sort(key=lambda info: (info[5] == 0, info[5], info[0]))
        found[name] = [
            Column(
                name=info[1],
                type=_TYPES.get(info[2]),
                required=bool(info[3]),
                default=connection.execute(f"SELECT {info[4]}").fetchone()[0] if info[4] else None,
                is_rowid=not without_rowid and keys == [info] and info[2] == "INTEGER",
            )
            for info in infos
        ]
    return found


def _pairs(rows: Rows, index: str) -> Iterator[tuple[bytes, int]]:
    """Yield key and number from an index over 32-byte keys."""
    for record in rows.index(index):
        pair = _pair(record)
        if pair is not None:
            yield pair


def _pair(record: Record) -> tuple[bytes, int] | None:
    if len(record.values) != 2:
        return None
    key, number = record.values
    if isinstance(key, bytes) and len(key) == ID_BYTES and isinstance(number, int):
        return key, number
    return None


def _fits(table: str, column: Column, value: object) -> bool:
    if column.type is not None and type(value) is not column.type:
        return False
    return (table, column.name) not in _KEYS or len(cast("bytes", value)) == ID_BYTES


def _free(taken: Mapping[int, object], wanted: object) -> int:
    """Return `wanted` if it stands for nothing yet, else a number that does not."""
    number = cast("int", wanted)
    return number if number > 0 and number not in taken else max(taken, default=0) + 1


def _is_bare(row: Row) -> bool:
    return row.keys() == {"rowid", "id"}
