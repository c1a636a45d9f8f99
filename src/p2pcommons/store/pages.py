"""Reading an SQLite file page by page without SQLite, for what SQLite refuses to read.

Follows "Database File Format" of sqlite.org: the write-ahead log is laid over the file, trees are
walked from their roots around pages that make no sense, and leaves that no tree leads to any more
are found by looking at every page. What is read is not trusted: whoever uses it checks it.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"SQLite format 3\0"
PAGE_BYTES = 4_096
"""What SQLite chooses, and so what ours have where the header cannot be read."""

_HEADER_BYTES = 100
_INDEX_INNER, _TABLE_INNER, _INDEX_LEAF, _TABLE_LEAF = 2, 5, 10, 13
_FIRST_BYTES = tuple(bytes((kind,)) for kind in (0, 2, 5, 10, 13))
"""Trees, and pages that begin with the number of another one."""
_LOOKED_AT = 1_000
_INNER = (_INDEX_INNER, _TABLE_INNER)
_LOG_HEADER = struct.Struct(">IIIIIIII")
_FRAME_HEADER = struct.Struct(">IIIIII")
_LOG_MAGIC = 0x377F0682
_DEPTH_MAX = 20
_INT_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_RECORD_BYTES_MAX = 1 << 20


class Record(NamedTuple):
    """A row of a table, or of an index or a table without rowids, where `rowid` is None."""

    rowid: int | None
    values: tuple[object, ...]


class _UnreadableError(Exception):
    """Bytes that are no page, no cell or no record."""


@dataclass
class Pages:
    """The newest committed state of every page of a file and its log."""

    file: int
    """A descriptor; reading through it takes no locks and lets none go."""
    size: int
    page_bytes: int
    usable: int
    header_fits: bool
    """Whether the first page begins as that of an SQLite file."""
    version: int
    application: int
    newer: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """Pages as the log has them."""
    stray: list[bytes] = field(default_factory=list[bytes])
    """Pages of the log behind a damaged part of it."""
    bad: set[int] = field(default_factory=set[int])
    seen: set[int] = field(default_factory=set[int])
    bad_cells: int = 0

    @property
    def count(self) -> int:
        """How many pages there are."""
        return max(self.size // self.page_bytes, max(self.newer, default=0))

    def page(self, number: int) -> bytes | None:
        """Return a page, or None where there is none or the disk does not give it."""
        found = self.newer.get(number)
        if found is not None:
            return found
        if number < 1 or number > self.count:
            return None
        try:
            found = os.pread(self.file, self.page_bytes, (number - 1) * self.page_bytes)
        except OSError:
            return None
        return found if len(found) == self.page_bytes else None

    def roots(self) -> dict[str, int]:
        """Return the root page of each table and index whose line in the schema can be read."""
        found: dict[str, int] = {}
        for record in self.walk(1):
            values = record.values
            if len(values) < 5:
                continue
            name, root = values[1], values[3]
            if isinstance(name, str) and isinstance(root, int) and root > 1:
                found[name] = root
        return found

    def forget(self) -> None:
        """Begin anew: what was walked can be walked again."""
        self.seen.clear()
        self.bad.clear()
        self.bad_cells = 0

    def walk(self, root: int) -> Iterator[Record]:
        """Yield what can be read of a tree, in its order."""
        yield from self._walk(root, 0)

    def strays(self) -> Iterator[Record]:
        """Yield the records of all leaves to which no walk has led.

        Overflow pages and those of the free list begin with the number of another page, so none
        is taken for a leaf.
        """
        for number in range(1, self.count + 1):
            if number in self.seen:
                continue
            data = self.page(number)
            if data is not None:
                yield from self._leaf_cells(data, 0)
        for data in self.stray:
            yield from self._leaf_cells(data, 0)

    def _walk(self, number: int, depth: int) -> Iterator[Record]:
        if number in self.seen or depth > _DEPTH_MAX:
            return
        data = self.page(number)
        start = _HEADER_BYTES if number == 1 else 0
        if data is None or data[start] not in (*_INNER, _INDEX_LEAF, _TABLE_LEAF):
            self.bad.add(number)
            return
        self.seen.add(number)
        kind = data[start]
        if kind not in _INNER:
            yield from self._leaf_cells(data, start, number)
            return
        try:
            cells = _cell_places(data, start)
        except _UnreadableError:
            self.bad.add(number)
            return
        for place in cells:
            if place + 4 <= len(data):
                yield from self._walk(int.from_bytes(data[place : place + 4], "big"), depth + 1)
            if kind == _INDEX_INNER:
                try:
                    yield self._record(data, place + 4, kind)
                except _UnreadableError:
                    self.bad_cells += 1
        yield from self._walk(int.from_bytes(data[start + 8 : start + 12], "big"), depth + 1)

    def _leaf_cells(self, data: bytes, start: int, number: int | None = None) -> Iterator[Record]:
        kind = data[start]
        if kind not in (_INDEX_LEAF, _TABLE_LEAF):
            return
        try:
            places = _cell_places(data, start)
        except _UnreadableError:
            if number is not None:
                self.bad.add(number)
            return
        for place in places:
            try:
                yield self._record(data, place, kind)
            except _UnreadableError:
                self.bad_cells += 1

    def _record(self, data: bytes, place: int, kind: int) -> Record:
        size, place = _varint(data, place)
        rowid: int | None = None
        if kind == _TABLE_LEAF:
            rowid, place = _varint(data, place)
        if not 0 < size <= _RECORD_BYTES_MAX:
            raise _UnreadableError
        return Record(rowid, _values(self._payload(data, place, size, kind)))

    def _payload(self, data: bytes, place: int, size: int, kind: int) -> bytes:
        usable = self.usable
        most = usable - 35 if kind == _TABLE_LEAF else (usable - 12) * 64 // 255 - 23
        if size <= most:
            return data[place : place + size]
        least = (usable - 12) * 32 // 255 - 23
        here = least + (size - least) % (usable - 4)
        if here > most:
            here = least
        parts, left = [data[place : place + here]], size - here
        following = int.from_bytes(data[place + here : place + here + 4], "big")
        while left > 0:
            more = self.page(following)
            if more is None:
                raise _UnreadableError
            parts.append(more[4 : min(usable, 4 + left)])
            left -= usable - 4
            following = int.from_bytes(more[:4], "big")
        return b"".join(parts)


def read_pages(file: int, log: Path) -> Pages:
    """Lay the log over the file that `file` is open on. Raises OSError where nothing is read."""
    size = os.fstat(file).st_size
    pages = Pages(file, size, PAGE_BYTES, PAGE_BYTES, header_fits=False, version=0, application=0)
    try:
        logged = log.read_bytes()
    except OSError:
        logged = b""
    _understand_header(pages, os.pread(file, _HEADER_BYTES, 0))
    _lay_over(pages, logged)
    first = pages.newer.get(1)
    if first is not None:
        _understand_header(pages, first[:_HEADER_BYTES])
    return pages


def _understand_header(pages: Pages, header: bytes) -> None:
    if len(header) < _HEADER_BYTES or not header.startswith(MAGIC):
        return
    size = int.from_bytes(header[16:18], "big")
    size = 65_536 if size == 1 else size
    pages.header_fits = True
    # The header itself may be damaged. None of ours keeps bytes of a page for something else.
    if size >= 512 and not size & (size - 1) and _share(pages, size) > _share(pages, PAGE_BYTES):
        pages.page_bytes = pages.usable = size
    pages.version = int.from_bytes(header[60:64], "big")
    pages.application = int.from_bytes(header[68:72], "big")


def _share(pages: Pages, size: int) -> float:
    """Return how many of some pages of this size begin as a page does."""
    count = max(1, pages.size // size - 1)
    places = range(1, count + 1, count // _LOOKED_AT + 1)
    firsts = [os.pread(pages.file, 1, number * size) for number in places]
    return sum(first in _FIRST_BYTES for first in firsts) / len(firsts)


def _lay_over(pages: Pages, logged: bytes) -> None:
    """Take the committed pages of the log; what stands behind a damaged frame is stray."""
    if len(logged) < _LOG_HEADER.size:
        return
    magic, _, page_bytes, _, salt_1, salt_2, sum_1, sum_2 = _LOG_HEADER.unpack_from(logged)
    if magic & ~1 != _LOG_MAGIC or page_bytes < 512 or page_bytes & (page_bytes - 1):
        return
    if not pages.header_fits:
        pages.page_bytes = pages.usable = page_bytes
    order = ">" if magic & 1 else "<"
    sums = _checksum(logged[:24], order, (0, 0))
    sound = sums == (sum_1, sum_2)
    open_now: dict[int, bytes] = {}
    step = _FRAME_HEADER.size + page_bytes
    for place in range(_LOG_HEADER.size, len(logged) - step + 1, step):
        number, committed, *found = _FRAME_HEADER.unpack_from(logged, place)
        data = logged[place + _FRAME_HEADER.size : place + step]
        if found[:2] != [salt_1, salt_2]:
            # From an earlier round of the log: older than what the file has.
            return
        if sound:
            sums = _checksum(logged[place : place + 8], order, sums)
            sums = _checksum(data, order, sums)
            sound = list(sums) == found[2:]
        if not sound:
            pages.stray.append(data)
            continue
        open_now[number] = data
        if committed:
            pages.newer.update(open_now)
            open_now.clear()


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


def _cell_places(data: bytes, start: int) -> tuple[int, ...]:
    """Return where the cells of a page begin. Raises _UnreadableError for what is no page."""
    count = int.from_bytes(data[start + 3 : start + 5], "big")
    first = start + (12 if data[start] in _INNER else 8)
    if first + 2 * count > len(data):
        raise _UnreadableError
    return struct.unpack_from(f">{count}H", data, first)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number and the place behind it."""
    value = 0
    for index in range(9):
        if place + index >= len(data):
            raise _UnreadableError
        byte = data[place + index]
        if index == 8:
            value = value << 8 | byte
            break
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, place + index + 1
    return (value - (1 << 64) if value >> 63 else value), place + 9


def _values(record: bytes) -> tuple[object, ...]:
    head, place = _varint(record, 0)
    if head > len(record):
        raise _UnreadableError
    kinds: list[int] = []
    while place < head:
        kind, place = _varint(record, place)
        kinds.append(kind)
    values: list[object] = []
    place = head
    for kind in kinds:
        value, place = _value(record, place, kind)
        values.append(value)
    if place != len(record):
        raise _UnreadableError
    return tuple(values)


def _value(record: bytes, place: int, kind: int) -> tuple[object, int]:
    if kind in (0, 8, 9):
        return (None, 0, 1)[kind - 7 if kind else 0], place
    if kind == 7:
        size = 8
    elif kind >= 12:
        size = (kind - 12) // 2
    else:
        size = _INT_BYTES.get(kind, -1)
    data = record[place : place + size]
    if size < 0 or len(data) != size:
        raise _UnreadableError
    place += size
    if kind == 7:
        return struct.unpack(">d", data)[0], place
    if kind < 12:
        return int.from_bytes(data, "big", signed=True), place
    if kind % 2 == 0:
        return data, place
    try:
        return data.decode(), place
    except UnicodeDecodeError as error:
        raise _UnreadableError from error
