"""The store, used from the event loop: two threads, each with a connection of its own.

One writes and one reads, so that a long read never delays a commit. Only frozen values and ids
go in and out; the threads end when the node does.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, TypeVar

import trio

from p2pcommons.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WRITER_GAP_SECONDS = 0.001
"""Between two transactions: SQLite's lock is not fair, and a person's own write must get in."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class _Job:
    """One call on its way through a store thread and back."""

    def __init__(self, call: Callable[[Store], object]) -> None:
        self.call = call
        self.done = trio.Event()
        self.result: object = None
        self.error: BaseException | None = None


class StoreThread:
    """Runs functions over one store, one after another, in one thread."""

    def __init__(self, path: Path, name: str, *, gap_s: float = 0.0) -> None:
        self._path = path
        self._name = name
        self._gap_s = gap_s
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._token = trio.lowlevel.current_trio_token()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    async def open(self) -> None:
        """Start the thread and open the store. Raises StoreError."""
        self._thread.start()
        await self.run(lambda store: store.path)

    async def run(self, call: Callable[[Store], T]) -> T:
        """Run `call` in the thread and return what it returns, or raise what it raises.

        A cancelled caller leaves the call running to its end: a transaction is never cut.
        """
        job = _Job(call)
        self._jobs.put(job)
        await job.done.wait()
        if job.error is not None:
            raise job.error
        return job.result  # pyright: ignore[reportReturnType]  what `call` gave

    async def close(self) -> None:
        """Finish what is queued, close the store and end the thread."""
        self._jobs.put(None)
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join)

    def _work(self) -> None:
        store: Store | None = None
        while (job := self._jobs.get()) is not None:
            try:
                if store is None:
                    store = Store.open(self._path)
                job.result = job.call(store)
            except Exception as error:  # noqa: BLE001  the thread's top: raised where it was asked
                job.error = error
            try:
                self._token.run_sync_soon(job.done.set)
            except trio.RunFinishedError:
                log.debug("%s: nobody waits for an answer any more", self._name)
            if self._gap_s:
                time.sleep(self._gap_s)
        if store is not None:
            store.close()


class Storage:
    """The two store threads of a node."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer = StoreThread(path, "store-writer", gap_s=WRITER_GAP_SECONDS)
        self.reader = StoreThread(path, "store-reader")

    async def open(self) -> None:
        """Open both; the writer first, since it may have to migrate. Raises StoreError."""
        await self.writer.open()
        await self.reader.open()

    async def close(self) -> None:
        """Close both, after what is queued."""
        await self.writer.close()
        await self.reader.close()

    async def write(self, call: Callable[[Store], T]) -> T:
        """Run `call` in the writing thread."""
        return await self.writer.run(call)

    async def read(self, call: Callable[[Store], T]) -> T:
        """Run `call` in the reading thread."""
        return await self.reader.run(call)
