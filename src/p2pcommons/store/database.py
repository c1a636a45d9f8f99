"""How the file is opened, read and written by several processes at once.

SQLite in WAL mode. Reads go through a connection that cannot write. A writer does not use
SQLite's own back-off, which sleeps up to 100 ms and is not fair: it tries again every 0.7 ms, for
a bounded time, and then names the process that holds the lock. Every sqlite3 error leaves this
module as a StoreError that names the path.
"""

from __future__ import annotations

import os
import sqlite3
import time
from array import array
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from p2pcommons.errors import ReadGivenUpError, RejectedError, StoreError
from p2pcommons.store.schema import APPLICATION_ID, MIGRATIONS
from p2pcommons.store.trouble import (
    Places,
    check_not_taken_away,
    damaged,
    full_disk,
    in_words,
    is_full,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from p2pcommons.store.migrations import Migration, Progress

RETRY_SECONDS = 0.0007
"""Between two tries for the write lock: a writer with no gaps leaves only moments."""

ASK_AGAIN_SECONDS = 0.1
"""As long as a node waits for a person who asked; perhaps another one was quicker."""

WAIT_SECONDS = 10.0
"""As long as a writer waits for another process before it gives up."""

READ_WAIT_MS = 5_000
"""Whoever opens or reads waits only while another process recovers or removes the log."""

WAL_PAGES = 2_000
"""A durable commit pays for the pages others left in the log; larger logs made it slower, smaller
ones the taking in of many."""

CACHE_KIB = 16_384

GIVE_UP_STEPS = 10_000
"""Steps of SQLite's machine between two looks at whether anybody still waits, about 1 ms."""

Row = tuple[Any, ...]


class Turn(Protocol):
    """How a person's writer asks a node that writes much to let it go first."""

    def ask(self) -> None:
        """Say that a write waits for the lock."""
        ...

    def done(self) -> None:
        """Say that this write is over."""
        ...


class Database:
    """One open store file. Used by one thread at a time; other threads open their own."""

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        migrations: Sequence[Migration] = MIGRATIONS,
        wait_seconds: float | None = None,
        progress: Progress | None = None,
        turn: Turn | None = None,
    ) -> None:
        self.path = path
        self.read_only = read_only
        self.wait_seconds = WAIT_SECONDS if wait_seconds is None else wait_seconds
        self._writer: sqlite3.Connection | None = None
        self._durable: bool | None = None
        self._progress = progress or _unseen
        self._turn = turn
        self._asked_at: float | None = None
        self._migrations = migrations
        self._cramped = False
        with self.translated():
            self._reader = self._open(migrations)
        self._places = Places(path)

    def close(self) -> None:
        """Close all connections; the last process to do so folds the log into the file."""
        with self.translated():
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._reader.close()

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query."""
        with self.translated():
            return self._reader.execute(sql, values).fetchall()

    def read_numbers(self, sql: str, values: Sequence[object] = ()) -> array[int]:
        """Return the first column of a query; a million of them take 8 MB and no more."""
        with self.translated():
            return array("q", (row[0] for row in self._reader.execute(sql, values)))

    @contextmanager
    def giving_up_when(self, is_unwanted: Callable[[], bool]) -> Generator[None]:
        """End reads inside soon after `is_unwanted` says so, with ReadGivenUpError."""
        self._reader.set_progress_handler(is_unwanted, GIVE_UP_STEPS)
        try:
            if is_unwanted():
                raise ReadGivenUpError("nobody waits for this any more")
            yield
        finally:
            self._reader.set_progress_handler(None, 0)

    def read_one(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        """Return the first row of a query, or None."""
        with self.translated():
            return self._reader.execute(sql, values).fetchone()

    @contextmanager
    def connected(self) -> Generator[sqlite3.Connection]:
        """Lend the reading connection to functions that serve writers too."""
        with self.translated():
            yield self._reader

    @contextmanager
    def spare_connection(self) -> Generator[sqlite3.Connection]:
        """Lend a connection of its own, for work that makes temporary tables."""
        with self.translated():
            self._need_room()
            connection = self._connect()
            try:
                yield connection
            finally:
                connection.close()

    def empty_log(self) -> None:
        """Move the write-ahead log into the file and cut it to nothing, if nobody reads it now.

        What was erased would otherwise stay readable in the log until it is written over.
        """
        with self.translated():
            self._need_room()
            connection = self._writer or self._open_writer()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def check_place(self) -> None:
        """Raise StoreError when the file is no longer where it was opened."""
        self._places.check()

    @contextmanager
    def reading(self) -> Generator[None]:
        """Let all reads inside see the same state of the store."""
        with self.translated():
            self._reader.execute("BEGIN")
            try:
                yield
            finally:
                self._reader.execute("COMMIT")

    @contextmanager
    def writing(self, *, durable: bool = False) -> Generator[sqlite3.Connection]:
        """Hold the write lock for one transaction; it is committed unless something is raised.

        `durable` waits until the disk has it (synchronous=FULL). Raises StoreError when another
        process holds the lock for longer than `wait_seconds`, and for every failure of the disk.
        """
        if self.read_only:
            raise StoreError(f"{self.path} was opened for reading only", str(self.path))
        with self.translated(), self._in_turn():
            self._need_room()
            connection = self._writer or self._open_writer()
            if self._durable is not durable:
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            self._begin(connection)
            try:
                self._places.check()
                self._places.check_log(lambda: _empty_log(connection))
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _in_turn(self) -> Generator[None]:
        """Say that a write is over, whatever came of it, if it had to ask for its turn."""
        try:
            yield
        finally:
            if self._asked_at is not None and self._turn is not None:
                self._turn.done()
            self._asked_at = None

    @contextmanager
    def translated(self) -> Generator[None]:
        """Turn what SQLite raises into a StoreError in words."""
        try:
            yield
        except sqlite3.Error as error:
            if (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF == sqlite3.SQLITE_INTERRUPT:
                raise ReadGivenUpError("nobody waits for this any more") from error
            raise in_words(error, self.path) from error
        except UnicodeDecodeError as error:
            # What SQLite says of a damaged schema quotes it.
            raise damaged(self.path, "its schema cannot be read") from error

    def _open(self, migrations: Sequence[Migration]) -> sqlite3.Connection:
        check_not_taken_away(self.path)
        if not self.read_only and not self.path.exists():
            try:
                # Created here because SQLite would let others read it.
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            except OSError as error:
                reason = error.strerror or str(error)
                raise StoreError(f"{self.path} cannot be made: {reason}", str(self.path)) from error
        try:
            connection = self._connect()
            with _closed_on_failure(connection):
                self._migrate(connection, migrations)
                connection.execute("PRAGMA query_only = ON")
        except sqlite3.Error:
            if not is_full(self.path):
                raise
            return self._open_cramped(len(migrations))
        return connection

    def _open_cramped(self, newest: int) -> sqlite3.Connection:
        """Read on a full disk: the index of the log is kept in memory, so nobody else can read.

        This is needed only where nobody has the store open, or its index would be there.
        """
        connection = self._connect(alone=True)
        with _closed_on_failure(connection):
            connection.execute("PRAGMA query_only = ON")
            if self._schema(connection) != newest:
                self._check_schema(connection, newest)
                raise full_disk(self.path)
        self._cramped = True
        return connection

    def _need_room(self) -> None:
        """Go back to reading beside others, or raise StoreError while the disk is full."""
        if not self._cramped:
            return
        self._reader.close()
        self._cramped = False
        self._reader = self._open(self._migrations)
        if self._cramped:
            raise full_disk(self.path)

    def _open_writer(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA secure_delete = ON")
        # A person's write leaves it to the node to move the log into the file, if there is one.
        pages = WAL_PAGES if self._turn is None else 2 * WAL_PAGES
        connection.execute(f"PRAGMA wal_autocheckpoint = {pages}")
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA busy_timeout = 0")  # `_patiently` waits, and is fair
        self._writer, self._durable = connection, None
        return connection

    def _connect(self, *, alone: bool = False) -> sqlite3.Connection:
        mode = "rw" if not self.read_only or self._log_is_there() else "ro"
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=READ_WAIT_MS / 1_000,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        with _closed_on_failure(connection):
            if alone:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _log_is_there(self) -> bool:
        return Path(f"{self.path}-wal").exists() and os.access(self.path, os.W_OK)

    def _migrate(self, connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
        """Bring the schema up to date; does nothing but two look-ups when it is."""
        if self._schema(connection) == len(migrations):
            return
        self._check_schema(connection, len(migrations))
        if self.read_only:
            raise StoreError(
                f"{self.path} has an older schema; open it for writing", str(self.path)
            )
        self._patiently(connection, "PRAGMA journal_mode = WAL")
        # What a step drops, as an index with words in it, must not live on in empty pages.
        connection.execute("PRAGMA secure_delete = ON")
        while True:
            self._begin(connection)
            try:
                # Another process may have been quicker.
                done = self._check_schema(connection, len(migrations))
                if done < len(migrations):
                    for step in migrations[done]:
                        if isinstance(step, str):
                            connection.execute(step)
                        else:
                            step(connection, self._progress)
                    connection.execute(f"PRAGMA user_version = {done + 1}")
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if isinstance(error, RejectedError):
                    raise damaged(self.path, error) from error
                raise
            if done + 1 >= len(migrations):
                return

    def _schema(self, connection: sqlite3.Connection) -> int | None:
        """Return the schema's number, or None if the file is not a store of ours."""
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        application = int(connection.execute("PRAGMA application_id").fetchone()[0])
        return version if application == APPLICATION_ID else None

    def _check_schema(self, connection: sqlite3.Connection, newest: int) -> int:
        version = self._schema(connection)
        if version is None:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not tables:
                return 0
            # Another process may have made them since the first look, and said whose they are.
            version = self._schema(connection)
        if version is None:
            raise StoreError(f"{self.path} is not a store of p2pcommons", str(self.path))
        if version > newest:
            raise StoreError(
                f"{self.path} was written by a newer p2pcommons (schema {version}; this one knows "
                f"{newest}). Nothing was changed; use the newer version",
                str(self.path),
            )
        return version

    def _begin(self, connection: sqlite3.Connection) -> None:
        self._patiently(connection, "BEGIN IMMEDIATE")

    def _patiently(self, connection: sqlite3.Connection, statement: str) -> None:
        """Run a statement that needs a lock, again and again for a bounded time."""
        deadline = time.monotonic() + self.wait_seconds
        while True:
            try:
                connection.execute(statement).fetchall()
            except sqlite3.OperationalError as error:
                now = time.monotonic()
                if not _is_busy(error) or now > deadline:
                    raise
                self._ask_for_turn(now)
                time.sleep(RETRY_SECONDS)
            else:
                return

    def _ask_for_turn(self, now: float) -> None:
        """Ask whoever writes much to let this writer go first; again while it does not."""
        again = self._asked_at is None or now - self._asked_at > ASK_AGAIN_SECONDS
        if self._turn is not None and again:
            self._asked_at = now
            self._turn.ask()


@contextmanager
def _closed_on_failure(connection: sqlite3.Connection) -> Generator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _empty_log(connection: sqlite3.Connection) -> None:
    """Give up the transaction and move what the log holds into the file."""
    connection.execute("ROLLBACK")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _unseen(_done: int, _count: int) -> None:
    """Show no progress."""


def _is_busy(error: sqlite3.Error) -> bool:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF == sqlite3.SQLITE_BUSY
