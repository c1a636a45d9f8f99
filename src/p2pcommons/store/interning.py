"""Small integers in place of keys and words that stand in many rows.

Authors, devices and commons are never removed, so their integer once read stays right in every
process. Tags are: withdrawn words must not live on there, so they are remembered only as long as
the store has counted no removal. A transaction that is rolled back takes its new integers with
it: then `forget`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

K = TypeVar("K")

REMEMBERED_MAX = 50_000
"""Keys kept in memory for each table, about 5 MB; then it starts anew."""

_TAGS_REMOVED = "SELECT value FROM meta WHERE key = 'tags_removed'"
"""Counted by a trigger of the schema."""


class Interner:
    """Integers of authors, device grants, commons, tags and peers, remembered across calls."""

    def __init__(self) -> None:
        self._authors: dict[bytes, int] = {}
        self._devices: dict[tuple[int, bytes], int] = {}
        self._commons: dict[bytes, int] = {}
        self._tags: dict[str, int] = {}
        self._tags_removed: str | None = None

    def begin(self, connection: sqlite3.Connection) -> None:
        """Drop what anyone may have removed since the last transaction."""
        row = connection.execute(_TAGS_REMOVED).fetchone()
        removed = None if row is None else row[0]
        if removed != self._tags_removed:
            self._tags.clear()
            self._tags_removed = removed

    def forget(self) -> None:
        """Drop what is remembered, after a transaction that did not happen."""
        for remembered in (self._authors, self._devices, self._commons, self._tags):
            remembered.clear()

    def author(self, connection: sqlite3.Connection, key: bytes) -> int:
        """Return the integer of an author."""
        found = self._authors.get(key)
        if found is None:
            found = _row(connection, "author", "key", key)
            _remember(self._authors, key, found)
        return found

    def commons(self, connection: sqlite3.Connection, identifier: bytes) -> int:
        """Return the integer of a commons, which may be known by its id alone."""
        found = self._commons.get(identifier)
        if found is None:
            found = _row(connection, "commons", "id", identifier)
            _remember(self._commons, identifier, found)
        return found

    def device(
        self, connection: sqlite3.Connection, author: int, device: bytes, grant: bytes
    ) -> int:
        """Return the integer of a device of an author; the first verified grant is kept."""
        key = (author, device)
        found = self._devices.get(key)
        if found is None:
            row = connection.execute(
                "SELECT rowid FROM device_grant WHERE author = ? AND device = ?", key
            ).fetchone()
            if row is None:
                found = connection.execute(
                    "INSERT INTO device_grant(author, device, signature) VALUES(?, ?, ?)",
                    (author, device, grant),
                ).lastrowid
                assert found is not None
            else:
                found = int(row[0])
            _remember(self._devices, key, found)
        return found

    def tags(self, connection: sqlite3.Connection, texts: Iterable[str]) -> dict[str, int]:
        """Return the integers of tags."""
        numbers: dict[str, int] = {}
        for text in texts:
            found = self._tags.get(text)
            if found is None:
                found = _row(connection, "tag", "text", text)
                _remember(self._tags, text, found)
            numbers[text] = found
        return numbers


def peer_number(connection: sqlite3.Connection, peer_id: str) -> int:
    """Return the integer of a peer, whether it stands in the address book or not."""
    return _row(connection, "peer", "peer_id", peer_id)


def _row(connection: sqlite3.Connection, table: str, column: str, value: object) -> int:
    # Table and column are words of this module, never of anyone else.
    row = connection.execute(
        f"SELECT rowid FROM {table} WHERE {column} = ?",  # noqa: S608
        (value,),
    ).fetchone()
    if row is not None:
        return int(row[0])
    number = connection.execute(
        f"INSERT INTO {table}({column}) VALUES(?)",
        (value,),
    ).lastrowid
    assert number is not None
    return number


def _remember(remembered: dict[K, int], key: K, number: int) -> None:
    if len(remembered) >= REMEMBERED_MAX:
        remembered.clear()
    remembered[key] = number
