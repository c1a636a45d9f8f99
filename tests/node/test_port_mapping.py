"""The port of a router is asked for while others are met, and given back when they are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from tests.net.benches import bench

from p2pcommons.node.pausing import Pausing
from p2pcommons.node.port_mapping import PortMapping
from p2pcommons.node.state import NodeState

Router, running = bench("upnp_router").Router, bench("upnp_router").running


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not condition():
            await trio.sleep(0.05)


@pytest.mark.trio
@pytest.mark.network
async def test_a_node_that_pauses_gives_the_port_back_and_asks_for_it_anew_afterwards() -> None:
    async def attempt(_call: object) -> None:
        await trio.lowlevel.checkpoint()

    context: Any = SimpleNamespace(
        state=NodeState(),
        chance=Random(1),
        now=lambda: 1_790_000_000,
        attempt=attempt,
        config=SimpleNamespace(number=lambda _name: 0, flag=lambda _name: True),
    )
    said: list[tuple[Sequence[str], str]] = []
    pausing = Pausing(context)
    with running(Router("20.0.0.9")) as router:
        mapping = PortMapping(
            context,
            lambda: ("/ip4/192.168.1.5/tcp/4001",),
            lambda addresses, how: said.append((addresses, how)),
            router.url,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pausing.run_unless_paused, mapping.run)
            await until(lambda: 4001 in router.mappings)
            await until(lambda: said[-1:] == [(["/ip4/20.0.0.9/tcp/4001"], "mapped")])
            await pausing.pause()
            await until(lambda: not router.mappings)
            assert said[-1] == ([], "off")
            await pausing.resume()
            await until(lambda: 4001 in router.mappings)
            nursery.cancel_scope.cancel()
