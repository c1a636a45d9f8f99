"""What all parts of the store share: the open file and the integers it uses."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from p2pcommons.store.interning import Interner

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Generator

    from p2pcommons.store.database import Database


class StorePart:
    """Base of the parts; each adds the methods of one concern, `Store` is all of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._interner = Interner()

    @contextmanager
    def _writing(self, *, durable: bool = False) -> Generator[sqlite3.Connection]:
        try:
            with self._database.writing(durable=durable) as connection:
                self._interner.begin(connection)
                yield connection
        except BaseException:
            self._interner.forget()
            raise

    @contextmanager
    def giving_up_when(self, is_unwanted: Callable[[], bool]) -> Generator[None]:
        """End reads inside soon after `is_unwanted`, which is asked each millisecond or so, says
        that nobody waits for them any more. Raises ReadGivenUpError then."""
        with self._database.giving_up_when(is_unwanted):
            yield

    def _commons_number(self, commons: bytes) -> int | None:
        row = self._database.read_one("SELECT rowid FROM commons WHERE id = ?", (commons,))
        return None if row is None else int(row[0])
