"""Where the work of a node is done beside its event loop: verifying, writing, reading.

`Lanes` is what the rest of the node knows; `ThreadLanes` is the only place that starts threads for
it. Whoever runs the engine without threads hands in lanes that do each piece of work on the spot.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, Protocol

import trio

from p2pcommons.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from p2pcommons.errors import StoreError
    from p2pcommons.node.turns import Turns

log = logging.getLogger(__name__)

VERIFIERS = 2
"""Threads that verify at once: libsodium releases the interpreter lock."""


class Lanes(Protocol):
    """Four ways for a piece of work. What is handed in must not raise."""

    async def open(self) -> None:
        """Open the store and be ready for work. Raises StoreError."""
        ...

    async def close(self) -> None:
        """Finish what is queued and close the store."""
        ...

    def verify(self, work: Callable[[], None]) -> None:
        """Do this soon, beside other verifications and in no certain order."""
        ...

    def write(self, work: Callable[[Store], None]) -> None:
        """Do this with the writing store, one piece after another, in order."""
        ...

    def read(self, work: Callable[[Store], None]) -> None:
        """Do this with the reading store, one piece after another, in order."""
        ...

    def answer(self, call: Callable[[], None]) -> None:
        """Call this on the event loop; what the other lanes do ends with it."""
        ...


class ThreadLanes:
    """Two verifying threads, one that writes and one that reads, each with a store of its own.

    So a long read never delays a commit, and work goes from thread to thread without passing
    through the event loop.
    """

    def __init__(self, path: Path, turns: Turns | None = None) -> None:
        """`turns` lets people's own writes go first."""
        self._path = path
        self._turns = turns
        self._verifying: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._writing: queue.SimpleQueue[Callable[[Store], None] | None] = queue.SimpleQueue()
        self._reading: queue.SimpleQueue[Callable[[Store], None] | None] = queue.SimpleQueue()
        self._token: trio.lowlevel.TrioToken | None = None
        self._threads: list[threading.Thread] = []

    async def open(self) -> None:
        """Open both stores, then start; the writer first, since it may have to migrate."""
        self._token = trio.lowlevel.current_trio_token()
        if self._turns is not None:
            self._turns.open()
        await self._open_store("store-writer", self._writing, self._turns)
        await self._open_store("store-reader", self._reading)
        for number in range(VERIFIERS):
            self._start(f"verifier-{number}", self._verify_all)

    async def close(self) -> None:
        """Finish what is queued, close the stores and end the threads."""
        for _ in range(VERIFIERS):
            self._verifying.put(None)
        with trio.CancelScope(shield=True):
            for thread in self._threads:
                if thread.name.startswith("verifier"):
                    await trio.to_thread.run_sync(thread.join)
            # Nothing is handed on to the writer any more.
            self._writing.put(None)
            self._reading.put(None)
            for thread in self._threads:
                await trio.to_thread.run_sync(thread.join)
        if self._turns is not None:
            self._turns.close()

    def verify(self, work: Callable[[], None]) -> None:
        """Queue for whichever verifier is free first."""
        self._verifying.put(work)

    def write(self, work: Callable[[Store], None]) -> None:
        """Queue for the writer."""
        self._writing.put(work)

    def read(self, work: Callable[[Store], None]) -> None:
        """Queue for the reader."""
        self._reading.put(work)

    def answer(self, call: Callable[[], None]) -> None:
        """Call back on the event loop, if it still runs."""
        assert self._token is not None
        try:
            self._token.run_sync_soon(call)
        except trio.RunFinishedError:
            log.debug("nobody waits for an answer any more")

    async def _open_store(
        self,
        name: str,
        work: queue.SimpleQueue[Callable[[Store], None] | None],
        turns: Turns | None = None,
    ) -> None:
        opened = trio.Event()
        failed: list[StoreError] = []
        self._start(name, lambda: self._work_with_store(work, turns, opened, failed))
        await opened.wait()
        if failed:
            raise failed[0]

    def _start(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work_with_store(
        self,
        queued: queue.SimpleQueue[Callable[[Store], None] | None],
        turns: Turns | None,
        opened: trio.Event,
        failed: list[StoreError],
    ) -> None:
        from p2pcommons.errors import StoreError

        try:
            store = Store.open(self._path)
        except StoreError as error:
            failed.append(error)
            self.answer(opened.set)
            return
        self.answer(opened.set)
        with store:
            while (work := queued.get()) is not None:
                if turns is not None:
                    turns.give_way()
                work(store)

    def _verify_all(self) -> None:
        while (work := self._verifying.get()) is not None:
            work()
