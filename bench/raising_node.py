"""A node as a person runs it, with four protocols more, whose handlers raise.

    python bench/raising_node.py --home DIR node run …

The handlers are registered as every part of the node registers its own, and what they raise is what
a fault of ours would raise: nothing in the program expects it.
"""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from p2pcommons.cli.root import run
from p2pcommons.net.host import open_host
from p2pcommons.node import runtime

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from p2pcommons.net.frames import FrameStream
    from p2pcommons.net.host import Host


async def _at_once(_stream: FrameStream) -> None:
    raise RuntimeError("a fault before anything was read")


async def _after_reading(stream: FrameStream) -> None:
    await stream.read_frame(4_096)
    empty: dict[str, str] = {}
    await stream.write_frame(empty["nobody thought of this"].encode())


async def _in_a_task(stream: FrameStream) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_after_reading, stream)
        nursery.start_soon(trio.sleep_forever)


async def _asserting(stream: FrameStream) -> None:
    frame = await stream.read_frame(4_096)
    assert frame is None, "a frame came"


_HANDLERS = {
    "/bench/at-once/1.0.0": _at_once,
    "/bench/after-reading/1.0.0": _after_reading,
    "/bench/in-a-task/1.0.0": _in_a_task,
    "/bench/asserting/1.0.0": _asserting,
}
RAISING_PROTOCOLS = tuple(_HANDLERS)


@asynccontextmanager
async def _open_raising(*arguments: Any, **options: Any) -> AsyncGenerator[Host]:
    async with open_host(*arguments, **options) as host:
        for protocol, handler in _HANDLERS.items():
            host.set_stream_handler(protocol, handler)
        yield host


if __name__ == "__main__":
    runtime.open_host = _open_raising
    sys.exit(run())
