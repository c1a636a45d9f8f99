"""The store, used from the event loop: hand in a function, wait for what it returns.

Only frozen values and ids go in and out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import trio

from p2pcommons.node.lanes import ThreadLanes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from p2pcommons.node.lanes import Lanes
    from p2pcommons.store import Store

T = TypeVar("T")


class _Call:
    """One call on its way through a lane and back."""

    def __init__(self, lanes: Lanes, call: Callable[[Store], object]) -> None:
        self._lanes = lanes
        self._call = call
        self.done = trio.Event()
        self.result: object = None
        self.error: BaseException | None = None

    def run(self, store: Store) -> None:
        try:
            self.result = self._call(store)
        except Exception as error:  # noqa: BLE001  a thread's top: raised where it was asked
            self.error = error
        self._lanes.answer(self.done.set)


class Storage:
    """The store of a node; `lanes` say where its work is done (threads, unless told otherwise)."""

    def __init__(self, path: Path, lanes: Lanes | None = None) -> None:
        self.path = path
        self.lanes = ThreadLanes(path) if lanes is None else lanes

    async def open(self) -> None:
        """Open the store, brought to the newest schema where needed. Raises StoreError."""
        await self.lanes.open()

    async def close(self) -> None:
        """Close it, after what is queued."""
        await self.lanes.close()

    async def write(self, call: Callable[[Store], T]) -> T:
        """Run `call` where the node writes; return what it returns, or raise what it raises.

        A cancelled caller leaves the call running to its end: a transaction is never cut.
        """
        return await self._run(call, self.lanes.write)

    async def read(self, call: Callable[[Store], T]) -> T:
        """Run `call` where the node reads; return what it returns, or raise what it raises."""
        return await self._run(call, self.lanes.read)

    async def _run(
        self, call: Callable[[Store], T], lane: Callable[[Callable[[Store], None]], None]
    ) -> T:
        job = _Call(self.lanes, call)
        lane(job.run)
        await job.done.wait()
        if job.error is not None:
            raise job.error
        return job.result  # pyright: ignore[reportReturnType]  what `call` gave
