"""Real nodes in this process: real libp2p on loopback, real SQLite, mode friends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import trio

from p2pcommons.config import Mode
from p2pcommons.node.runtime import Runtime
from p2pcommons.paths import find_paths
from p2pcommons.replica import Replica, open_replica

LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)


@dataclass
class Node:
    """One running node and a replica of its home, as its person would use it."""

    replica: Replica
    runtime: Runtime
    status: dict[str, Any]

    @property
    def addresses(self) -> list[str]:
        return self.status["addresses"]

    def invite(self, commons: bytes) -> str:
        return self.replica.make_invite(commons, addresses=self.addresses).text

    async def now(self) -> dict[str, Any]:
        return await self.runtime._status()

    async def ask(self, op: str, **fields: object) -> dict[str, Any]:
        operation = self.runtime._operations()[op]
        return await operation({"op": op, **fields})


@asynccontextmanager
async def running(home: Path, **options: Any) -> AsyncGenerator[Node]:
    """Run a node in `home`, whose person is named after the folder."""
    paths = find_paths(home)
    replica = open_replica(home)
    if replica.identity is None:
        replica.create_identity(home.name)
    ready = trio.Event()
    status: dict[str, Any] = {}

    def note(found: dict[str, Any]) -> None:
        status.update(found)
        ready.set()

    settings = {"listen": LOOPBACK, "mode": Mode.FRIENDS, "watch_fd": None, **options}
    runtime = Runtime(paths, settings["listen"], settings["mode"], settings["watch_fd"], note)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runtime.run)
        try:
            with trio.fail_after(20):
                await ready.wait()
            yield Node(replica, runtime, status)
        finally:
            runtime._stopping.cancel()
            replica.close()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until `condition` holds; fail when it does not within `seconds`."""
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.02)


def equal(commons: bytes, *nodes: Node) -> bool:
    """Whether all replicas hold the same set of a commons, and more than its beginning."""
    digests = [node.replica.digest(commons) for node in nodes]
    return len({digest.fingerprint for digest in digests}) == 1 and digests[0].count > 0


def titles(node: Node, commons: bytes) -> set[str]:
    return {row.title or "" for row in node.replica.entries(commons=[commons])}


def all_have(title: str, commons: bytes, *nodes: Node) -> bool:
    return all(title in titles(node, commons) for node in nodes)


async def in_thread(call: Callable[..., Any], *args: Any) -> Any:
    return await trio.to_thread.run_sync(partial(call, *args))
