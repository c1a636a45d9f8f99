"""What goes on in a node goes on, whatever the store does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from p2pcommons.errors import StoreError
from p2pcommons.node.engine import Engine


class Failing(Engine):
    """One whose first look at what was committed fails."""

    looks = 0

    async def look(self) -> None:
        await trio.lowlevel.checkpoint()
        self.looks += 1
        if self.looks == 1:
            raise StoreError("locked", "replica.db")


@pytest.mark.trio
async def test_what_was_committed_when_the_store_failed_is_looked_at_again() -> None:
    async def version(_call: Any) -> int:
        await trio.lowlevel.checkpoint()
        return 7

    told: list[StoreError] = []
    context = SimpleNamespace(storage=SimpleNamespace(read=version), note_trouble=told.append)
    engine = Failing(cast("Any", context), None, poll_seconds=0.01)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine._follow_store)  # pyright: ignore[reportPrivateUsage]
        with trio.fail_after(5):
            while engine.looks < 2:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert len(told) == 1


@pytest.mark.trio
async def test_a_commons_that_somebody_else_read_first_is_followed_all_the_same() -> None:
    rows: list[Any] = []

    async def read(_call: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return list(rows), ()

    async def nothing(*_: object) -> None:
        await trio.lowlevel.checkpoint()

    told: list[bool] = []

    async def store_changed(commons_changed: bool) -> None:
        await trio.lowlevel.checkpoint()
        told.append(commons_changed)

    context = SimpleNamespace(
        storage=SimpleNamespace(read=read),
        joined=(),
        offered=(),
        kept=(),
        strangers=None,
        sets=SimpleNamespace(follow=nothing),
    )
    network = SimpleNamespace(store_changed=store_changed)
    engine = Engine(cast("Any", context), cast("Any", network))
    await engine.look()
    rows.append(SimpleNamespace(id=b"garden", unsupported=False, count=1))
    await engine.refresh_joined()  # as who keeps what was pledged does
    await engine.look()
    await engine.look()
    assert told == [False, True, False]
