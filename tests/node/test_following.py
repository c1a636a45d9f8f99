"""Which topics a node listens to, and what it publishes, while the store and a person are busy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from p2pcommons.errors import StoreError
from p2pcommons.node import live as live_module
from p2pcommons.node.live import Live
from p2pcommons.protocol.topic import gossip_topic

GARDEN = b"garden".ljust(32)
TOPIC = gossip_topic(GARDEN)


class SlowGossip:
    """Takes a while to leave a topic, as when neighbours have to be told."""

    def __init__(self) -> None:
        self.topics: set[str] = set()

    async def subscribe(self, topic: str, _judge: object) -> Any:
        await trio.lowlevel.checkpoint()
        self.topics.add(topic)
        return trio.open_memory_channel[object](0)[1]

    async def unsubscribe(self, topic: str) -> None:
        for _ in range(20):
            await trio.lowlevel.checkpoint()
        self.topics.discard(topic)


def live_of(context: SimpleNamespace, gossip: object) -> Live:
    return Live(cast("Any", context), cast("Any", gossip), cast("Any", None))


@pytest.mark.trio
async def test_commons_that_is_left_and_joined_at_once_is_listened_to() -> None:
    gossip = SlowGossip()
    context = SimpleNamespace(joined=(GARDEN,), sets=SimpleNamespace(forget=lambda _commons: None))
    live = live_of(context, gossip)
    async with trio.open_nursery() as nursery:
        live._tasks = nursery
        await live.follow_commons()
        async with trio.open_nursery() as both:
            context.joined = ()
            both.start_soon(live.follow_commons)
            for _ in range(5):
                await trio.lowlevel.checkpoint()
            context.joined = (GARDEN,)
            both.start_soon(live.follow_commons)
        assert gossip.topics == set(live._topics) == {TOPIC}
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_could_not_be_read_is_published_when_the_store_is_well_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_module, "TROUBLE_SECONDS", 0.01)
    reads: list[int] = []
    read_again = trio.Event()

    async def read(_call: object) -> list[Any]:
        await trio.lowlevel.checkpoint()
        reads.append(1)
        if len(reads) == 1:
            raise StoreError("locked", "replica.db")
        read_again.set()
        return []

    told: list[StoreError] = []
    context = SimpleNamespace(storage=SimpleNamespace(read=read), note_trouble=told.append)
    live = live_of(context, SlowGossip())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live._publish_new)
        live.nudged()
        with trio.fail_after(5):
            await read_again.wait()
        nursery.cancel_scope.cancel()
    assert len(told) == 1
