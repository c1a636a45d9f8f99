"""A node in the simulation: the real engine over a simulated host, a store in memory and a person.

It can be killed and lose its power, its clock can be wrong, and it comes back with what it had
committed.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import trio

from p2pcommons.config import Config, Mode
from p2pcommons.model.contribution import Contribution
from p2pcommons.node.admission import StrangersPool
from p2pcommons.node.context import NodeContext, within_format
from p2pcommons.node.engine import Engine
from p2pcommons.node.ingesting import Ingest
from p2pcommons.node.network import Network
from p2pcommons.node.ports import OpenPorts
from p2pcommons.node.sets import Sets
from p2pcommons.node.storage import Storage
from p2pcommons.paths import find_paths
from p2pcommons.store import PoolLimits

from .hosts import SimGossip, SimHost
from .network import Net
from .people import Writer
from .stores import PATH, MemoryStore, TimedLanes, open_store

BASE_TIME = 1_790_000_000
ROOMY = PoolLimits(bytes_max=10**9, contributions_max=10**6, let_go_max=10**5)
"""Room for everybody: replicas that decline do not have to be equal."""
POLL_SECONDS = 1.0
OWN_POLL_SECONDS = 60.0
"""Until a node looks at what it has written itself. A real one does so within a second; nothing
depends on it, and it is what an idle node does most."""
NOWHERE = find_paths("/nonexistent/simulated")
NUDGES_LOST = 0.1


class SimNode:
    """One machine: its store, who writes there, and the node that runs on it or does not."""

    def __init__(
        self, net: Net, number: int, writer: Writer, seed: str, reconcile_seconds: int
    ) -> None:
        self.net = net
        self.number = number
        self.peer_id = f"node{number:02d}"
        self.address = f"/ip4/10.0.0.{number + 1}/tcp/4001/p2p/{self.peer_id}"
        self.writer = writer
        self.store: MemoryStore = open_store(keeps_images=True)
        self.acknowledged: dict[bytes, Contribution] = {}
        """What the person was told is kept: it must never be gone."""
        self.skew = 0
        self.stopped_clock: int | None = None
        self.is_up = False
        self.has_power = True
        self.faults: list[str] = []
        self.bytes_per_s = math.inf
        self.context: NodeContext | None = None
        self.host: SimHost | None = None
        self._seed = seed
        self._boots = 0
        self._config = Config(Path("none"), {"network.reconcile_seconds": reconcile_seconds})
        self._engine: Engine | None = None
        self._lanes: TimedLanes | None = None
        self._scope = trio.CancelScope()
        self._look_is_due = False

    # --- life ----------------------------------------------------------------------------------

    async def live(self) -> None:
        """Run the node once, until it is killed."""
        self.has_power = True
        self._boots += 1
        chance = Random(f"{self._seed}/{self.number}/{self._boots}")
        if self.host is not None:
            self.host.forget()
        self.host = self.make_host()
        self.host.bytes_per_s = self.bytes_per_s
        self._lanes = TimedLanes(self.net.timeline, chance, self.store, self._wrote)
        storage = Storage(PATH, self._lanes)
        strangers = StrangersPool(lambda: ROOMY, self.now)
        strangers.load(self.store)
        ingest = Ingest(storage, self.now, free_bytes_min=0, admission=strangers)
        sets = Sets(storage)
        context = NodeContext(
            NOWHERE,
            self._config,
            Mode.FRIENDS,
            storage,
            sets,
            ingest,
            self.now,
            chance,
            processor=lambda: 0.0,
            strangers=strangers,
        )
        self.context = context
        self.is_up = True
        with trio.CancelScope() as self._scope:
            network = Network(context, self._ports(self.host))
            async with network.open(), trio.open_nursery() as nursery:
                self._engine = Engine(context, network, poll_seconds=math.inf)
                await self._engine.refresh_joined()
                nursery.start_soon(self.host.run)
                nursery.start_soon(self._engine.run)
                self.changed_outside()

    def make_host(self) -> SimHost:
        return SimHost(self.net, self.peer_id, self.number)

    def _ports(self, host: SimHost) -> OpenPorts:
        @asynccontextmanager
        async def opened(
            on_fault: Callable[[str, str], None],
        ) -> AsyncGenerator[tuple[Any, Any]]:
            yield host, SimGossip(host, on_fault)

        return opened

    def kill(self) -> None:
        """End the process: what was not committed is gone."""
        self._die(silently=False)

    def cut_power(self) -> None:
        """Go back to what the disk has for certain."""
        self._die(silently=True)
        self.has_power = False
        self.store.close()
        self.store = open_store(self.store.database.on_disk or None, keeps_images=True)

    def _die(self, *, silently: bool) -> None:
        if not self.is_up:
            return
        assert self.host is not None
        assert self._lanes is not None
        self.is_up = False
        self._lanes.kill()
        self._engine = self.context = None
        self._look_is_due = False
        self.host.die(silently=silently)
        self._scope.cancel()
        self.net.note("died", self.peer_id)

    def set_speed(self, bytes_per_s: float) -> None:
        """Let the line carry so many bytes a second."""
        self.bytes_per_s = bytes_per_s
        if self.host is not None:
            self.host.bytes_per_s = bytes_per_s

    # --- time ----------------------------------------------------------------------------------

    def now(self) -> int:
        """What the node makes of its machine's clock, right or wrong."""
        return within_format(self.clock())

    def clock(self) -> int:
        """What the machine's clock says."""
        began = BASE_TIME + self.skew if self.stopped_clock is None else self.stopped_clock
        return began + int(self.net.timeline.now)

    def set_clock(self, stopped_clock: int | None) -> None:
        """Let the clock jump; the host notices within two seconds."""
        self.stopped_clock = stopped_clock
        if self.host is not None and self.host.on_wake is not None and self.is_up:
            self.net.timeline.after(2.0, self._wake, self.host)

    def _wake(self, host: SimHost) -> None:
        if host.is_up and host.on_wake is not None:
            host.on_wake()

    # --- what the person does ------------------------------------------------------------------

    def write(self, contributions: Sequence[Contribution]) -> None:
        """Commit own contributions, as another process does, and tell the node."""
        if not contributions:
            return
        self.store.ingest(contributions, received_at=self.now(), own=True)
        self.acknowledged.update((each.id, each) for each in contributions)
        self.changed_outside()

    def join(self, commons: bytes) -> None:
        """Join a commons, known by its id."""
        self.store.join_commons(commons, now=self.now())
        self.changed_outside()

    def leave(self, commons: bytes) -> None:
        self.store.leave_commons(commons, now=self.now())
        self.changed_outside()

    def learn_address(self, other: SimNode) -> None:
        """Write a peer into the address book, as an invite does."""
        self.store.upsert_peer(other.peer_id, [other.address], source="invite", now=self.now())
        self.changed_outside()

    def changed_outside(self) -> None:
        """Nudge the node; a nudge that is lost is made good by its poll."""
        if self._engine is None:
            return
        if self.net.chance.random() >= NUDGES_LOST:
            self.net.timeline.after(0.001, self._engine.nudge)
        else:
            self.net.timeline.after(self.net.chance.random() * POLL_SECONDS, self._engine.nudge)

    def _wrote(self) -> None:
        if self._engine is not None and not self._look_is_due:
            self._look_is_due = True
            pause = self.net.chance.random() * OWN_POLL_SECONDS
            self.net.timeline.after(pause, self._look, self._engine)

    def _look(self, engine: Engine) -> None:
        if engine is self._engine:
            self._look_is_due = False
            engine.nudge()
