"""A real store on SQLite in memory, and lanes that do a node's work on the timeline.

What survives what: a killed process loses what it had queued and keeps every commit. A power cut
goes back to the last commit that waited for the disk, which is every own one.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from p2pcommons.store import Store
from p2pcommons.store.database import Database

from .virtual_time import Timeline

AT_ONCE = 0.8
"""Share of verifications and reads that take no time: the fewer wait, the cheaper is a world."""
PATH = Path("/tmp/simulated.db")  # for messages: nothing is read or written there


class MemoryDatabase(Database):
    """One connection that reads and writes, since nobody else does."""

    def __init__(self, image: bytes | None, *, keeps_images: bool = False) -> None:
        self._image = image
        self._keeps_images = keeps_images
        self.on_disk = image or b""
        self.commits = 0
        super().__init__(PATH)

    @contextmanager
    def writing(self, *, durable: bool = False) -> Generator[sqlite3.Connection]:
        with super().writing(durable=durable) as connection:
            yield connection
        self.commits += 1
        if durable and self._keeps_images:
            self.on_disk = self._reader.serialize()

    @contextmanager
    def spare_connection(self) -> Generator[sqlite3.Connection]:
        connection = _connect(self._reader.serialize())
        try:
            yield connection
        finally:
            connection.close()

    def close(self) -> None:
        self._writer = None
        self._reader.close()

    def image(self) -> bytes:
        return self._reader.serialize()

    def _open(self, migrations: Sequence[Sequence[str]]) -> sqlite3.Connection:
        connection = _connect(self._image)
        if self._image is None:
            self._migrate(connection, migrations)
        return connection

    def _open_writer(self) -> sqlite3.Connection:
        self._writer, self._durable = self._reader, True
        return self._reader


def _connect(image: bytes | None) -> sqlite3.Connection:
    connection = sqlite3.connect(
        ":memory:", isolation_level=None, check_same_thread=False, cached_statements=512
    )
    if image is not None:
        connection.deserialize(image)
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY").fetchall()
    return connection


class MemoryStore(Store):
    """A store that knows how often it was written to, since a connection does not see its own."""

    _database: MemoryDatabase

    def data_version(self) -> int:
        return self._database.commits

    @property
    def database(self) -> MemoryDatabase:
        return self._database


def open_store(image: bytes | None = None, *, keeps_images: bool = False) -> MemoryStore:
    """Open a new, empty store, or one as it was."""
    return MemoryStore(MemoryDatabase(image or _empty(), keeps_images=keeps_images))


@cache
def _empty() -> bytes:
    database = MemoryDatabase(None)
    try:
        return database.image()
    finally:
        database.close()


class TimedLanes:
    """The lanes of a node: each piece of work is done in one go, now or some milliseconds later.

    Like threads they do one piece after another, and none that is queued when the node is killed.
    `wrote` is called after each piece of the writer's.
    """

    def __init__(
        self, timeline: Timeline, chance: Random, store: MemoryStore, wrote: Callable[[], None]
    ) -> None:
        self._timeline = timeline
        self._chance = chance
        self._store = store
        self._wrote = wrote
        self._verifying: deque[Callable[[], None]] = deque()
        self._writing: deque[Callable[[Any], None]] = deque()
        self._reading: deque[Callable[[Any], None]] = deque()
        self.is_dead = False

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        self.kill()

    def kill(self) -> None:
        """Do nothing more, not even what is queued."""
        self.is_dead = True

    def verify(self, work: Callable[[], None]) -> None:
        self._queue(self._verifying, work, 0.002)

    def write(self, work: Callable[[Any], None]) -> None:
        self._queue(self._writing, work, 0.02)

    def read(self, work: Callable[[Any], None]) -> None:
        self._queue(self._reading, work, 0.002)

    def answer(self, call: Callable[[], None]) -> None:
        call()

    def _queue(self, lane: deque[Any], work: Any, seconds_max: float) -> None:
        lane.append(work)
        if lane is not self._writing and len(lane) == 1 and self._chance.random() < AT_ONCE:
            self._work_on(lane)
        else:
            self._timeline.after(self._chance.random() * seconds_max, self._work_on, lane)

    def _work_on(self, lane: deque[Any]) -> None:
        if self.is_dead:
            return
        work = lane.popleft()
        if lane is self._verifying:
            work()
            return
        before = self._store.database.commits
        work(self._store)
        if self._store.database.commits != before:
            self._wrote()
