"""What the rows of the attack table have in common: where they stand, and what they count."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

PLAIN = "a node in mode friends"
PUBLIC = "a relay in mode open"
RAISING = "a node with handlers that raise"
PAUSED = "a paused node"
LIMITED = "a node with a limit on bytes"


@dataclass
class Field:
    """What an attacker knows, and what it did."""

    address: str
    """The victim's, with /p2p/ID."""
    commons: bytes
    counted: Counter[str] = field(default_factory=Counter[str])
    broken: list[str] = field(default_factory=list[str])
    """Promises of the node that did not hold."""

    def count(self, what: str, number: int = 1) -> None:
        """Note that something was done or seen."""
        self.counted[what] += number

    def tell(self, line: str) -> None:
        """Have the victim's person do something: a command line of the program."""
        print(f"tell {line}", flush=True)

    def must(self, holds: bool, promise: str) -> None:
        """Note a promise that does not hold."""
        if not holds and promise not in self.broken:
            self.broken.append(promise)


@dataclass(frozen=True)
class Row:
    """One attack on one kind of victim."""

    name: str
    flavour: str
    what: str
    attack: Callable[[Field], Awaitable[None]]


ROWS: dict[str, Row] = {}


def row(
    flavour: str, what: str, *, name: str = ""
) -> Callable[[Callable[[Field], Awaitable[None]]], Callable[[Field], Awaitable[None]]]:
    """Register an attack; its name is that of the function."""

    def register(attack: Callable[[Field], Awaitable[None]]) -> Callable[[Field], Awaitable[None]]:
        called = name or str(getattr(attack, "__name__", "")).replace("_", " ")
        ROWS[called] = Row(called, flavour, what, attack)
        return attack

    return register


@asynccontextmanager
async def watched_door(field: Field) -> AsyncGenerator[int]:
    """A port on another address of this machine, at which the victim must not knock."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.9")

    async def watch() -> None:
        while True:
            await trio.aclose_forcefully(await listener.accept())
            field.count("knocks at a third")
            field.must(False, "the node knocked at a third machine")

    async with listener, trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()
