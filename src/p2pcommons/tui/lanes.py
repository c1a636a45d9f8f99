"""Threads that own a replica each, so that the screen never waits for the store.

A replica belongs to one thread. A lane is such a thread: work is handed to it and
awaited, one piece after another; what comes back are frozen values.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from p2pcommons.replica import Replica, open_replica

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.paths import Paths

T = TypeVar("T")


class Lane:
    """One thread with its own replica of the profile at `paths`."""

    def __init__(
        self, paths: Paths, name: str, clock: Callable[[], float], *, gives_up: bool = False
    ) -> None:
        """With `gives_up`, work that nobody waits for any more ends in the middle of a read."""
        self._gives_up = gives_up
        self._paths = paths
        self._clock = clock
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"tui-{name}")
        self._replica: Replica | None = None
        self.waiting = 0
        """Pieces of work that somebody waits for."""

    async def run(self, work: Callable[[Replica], T]) -> T:
        """Do `work` in the lane and return what it returns; its errors come out here.

        Work that was not begun is dropped when the waiting task is cancelled.
        """
        loop = asyncio.get_running_loop()
        unwanted = threading.Event()
        self.waiting += 1
        try:
            return await loop.run_in_executor(self._executor, lambda: self._do(work, unwanted))
        except asyncio.CancelledError:
            unwanted.set()
            raise
        finally:
            self.waiting -= 1

    def reload(self) -> None:
        """Open the replica anew before the next piece of work: settings have changed."""
        self._executor.submit(self._close_replica)

    def close(self) -> None:
        """Finish what was begun, close the replica, end the thread."""
        self._executor.submit(self._close_replica)
        self._executor.shutdown(wait=True)

    def _do(self, work: Callable[[Replica], T], unwanted: threading.Event) -> T:
        replica = self._own()
        if not self._gives_up:
            return work(replica)
        with replica.giving_up_when(unwanted.is_set):
            return work(replica)

    def _own(self) -> Replica:
        if self._replica is None:
            self._replica = open_replica(self._paths, clock=self._clock)
        return self._replica

    def _close_replica(self) -> None:
        if self._replica is not None:
            self._replica.close()
            self._replica = None


class Desk:
    """The lanes of the interface: read, search, write, ask the node, and what takes seconds.

    Separate, so that a long search never holds up a row, nor a busy node a keystroke.
    """

    def __init__(self, paths: Paths, clock: Callable[[], float]) -> None:
        self.paths = paths
        self.read = Lane(paths, "read", clock)
        self.search = Lane(paths, "search", clock, gives_up=True)
        self.write = Lane(paths, "write", clock)
        self.node = Lane(paths, "node", clock)
        self.slow = Lane(paths, "slow", clock)

    def reload(self) -> None:
        """Settings have changed: every lane reads them anew."""
        for lane in self._lanes():
            lane.reload()

    @property
    def is_busy(self) -> bool:
        """True while somebody waits for any lane."""
        return any(lane.waiting for lane in self._lanes())

    def close(self) -> None:
        """Close all lanes; what is being written is finished first."""
        for lane in self._lanes():
            lane.close()

    def _lanes(self) -> tuple[Lane, ...]:
        return self.write, self.search, self.read, self.node, self.slow
