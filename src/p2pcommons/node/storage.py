"""The store, used from the event loop: hand in a function, wait for what it returns.

Only frozen values and ids go in and out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

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

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self.done = trio.Event()
        self.result: object = None
        self.error: BaseException | None = None

    def run(self, call: Callable[[], object]) -> None:
        try:
            self.result = call()
        except Exception as error:  # noqa: BLE001  a thread's top: raised where it was asked
            self.error = error
        self._lanes.answer(self.done.set)

    async def answer(self) -> object:
        await self.done.wait()
        if self.error is not None:
            raise self.error
        return self.result


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

    def size_bytes(self) -> int:
        """Return about how much the store takes on the disk; 0 where it is on none."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    async def compute(self, call: Callable[[], T]) -> T:
        """Run `call`, which touches no store and takes a while, beside the event loop."""
        job = _Call(self.lanes)
        self.lanes.verify(lambda: job.run(call))
        return cast("T", await job.answer())

    async def _run(
        self, call: Callable[[Store], T], lane: Callable[[Callable[[Store], None]], None]
    ) -> T:
        job = _Call(self.lanes)
        lane(lambda store: job.run(lambda: call(store)))
        return cast("T", await job.answer())
