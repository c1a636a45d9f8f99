"""A world of nodes that goes on for an hour of its own time, and somebody who sees all of it.

One seed makes one world: who writes what and when, what the network does to it, who crashes, whose
clock is wrong and who lies. `World(seed, plan).run()` fails with what was broken, or returns.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from random import Random

import trio

from p2pcommons.model.contribution import Contribution
from p2pcommons.protocol.items import fingerprint_of

from . import virtual_time
from .checks import check_end, check_on_the_way
from .liars import LIES, SHOUTS, Liar
from .network import Net
from .nodes import SimNode
from .people import Writer
from .troubles import plan_troubles
from .virtual_time import Timeline

CHECK_SECONDS = 900.0
INTERVALS = (300, 900, 900, 900, 900, 900)
"""Seconds between reconciliations: the longest one, with its jitter, fits into the calm."""
CHORDS = 0.3
"""Honest nodes know one other at least, around a ring; this share knows one more."""


@dataclass(frozen=True)
class Plan:
    """What a world is like. The last `calm_minutes` are without trouble, so that all can meet."""

    nodes: int = 8
    liars: int = 1
    """At most so many; which lies they tell is drawn, unless `lie` says it."""
    lie: str = ""
    minutes: float = 60.0
    calm_minutes: float = 20.0
    reconcile_seconds: int = 0
    """Between two nodes; 0: drawn, for all alike."""
    writes: int = 8
    commons: int = 0
    """0: one or two."""
    has_troubles: bool = True


def plan_for(nodes: int, minutes: float) -> Plan:
    """Return a world of so many nodes; what happens in it grows with their number."""
    return Plan(
        nodes=nodes,
        liars=max(1, nodes // 8),
        minutes=minutes,
        calm_minutes=minutes / 3,
        writes=nodes * 3 // 4,
    )


class World:
    """Nodes, people, network, and the truth about them."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.seed = seed
        self.plan = plan
        self.chance = Random(f"{seed}/world")
        self.timeline = Timeline()
        self.notes = 0
        self._trace = hashlib.blake2b(digest_size=16)
        self.net = Net(self.timeline, Random(f"{seed}/network"), self.note)
        self.made: dict[bytes, Contribution] = {}
        """Every valid contribution that anybody ever made."""
        self.commons: list[bytes] = []
        self._interval = plan.reconcile_seconds or self.chance.choice(INTERVALS)
        liars = self.chance.randint(0, plan.liars) if not plan.lie else plan.liars
        self.nodes = [
            self._node(number, is_liar=number >= plan.nodes - liars) for number in range(plan.nodes)
        ]
        self.honest = [node for node in self.nodes if not isinstance(node, Liar)]
        self._nursery: trio.Nursery

    def _node(self, number: int, *, is_liar: bool) -> SimNode:
        # Every fourth node is the second device of the person at the next one.
        person, device = (number, 1) if number % 4 else (number + 1, 2)
        writer = Writer(Random(f"{self.seed}/writer/{number}"), person, device)
        kind = Liar if is_liar else SimNode
        node = kind(self.net, number, writer, str(self.seed), self._interval)
        if isinstance(node, Liar):
            chance = Random(f"{self.seed}/liar/{number}")
            node.lies(self.plan.lie or chance.choice(LIES), chance)
        return node

    def note(self, what: str, details: object) -> None:
        """Add to the trace of what happened."""
        self.notes += 1
        self._trace.update(f"{self.timeline.now!r} {what} {details}\n".encode())

    @property
    def trace(self) -> str:
        """Return a digest of everything that happened, in order, and of what came of it."""
        return self._trace.hexdigest()

    # --- running -------------------------------------------------------------------------------

    def run(self) -> None:
        """Live through it all. Raises AssertionError for what must never be."""
        try:
            virtual_time.run(self._live, self.timeline, self.seed)
        finally:
            for node in self.nodes:
                node.store.close()

    async def _live(self) -> None:
        self._begin()
        async with trio.open_nursery() as self._nursery:
            for node in self.nodes:
                self.start(node)
                if isinstance(node, Liar) and node.lie in SHOUTS:
                    self._nursery.start_soon(node.shout)
            calm_from = (self.plan.minutes - self.plan.calm_minutes) * 60
            self._plan_writes(calm_from)
            if self.plan.has_troubles:
                plan_troubles(self, calm_from)
            end = self.plan.minutes * 60
            while self.timeline.now < end:
                await trio.sleep(min(CHECK_SECONDS, end - self.timeline.now))
                check_on_the_way(self)
            check_end(self)
            self._note_outcome()
            self._nursery.cancel_scope.cancel()

    def faults_of(self, node: SimNode, other: SimNode) -> list[str]:
        """Return what a node blames another one for."""
        peer = None if node.context is None else node.context.state.peers.get(other.peer_id)
        return [] if peer is None else peer.faults

    def start(self, node: SimNode) -> None:
        """Let a node run, unless it does."""
        if not node.is_up and not self._nursery.cancel_scope.cancel_called:
            node.is_up = True
            self.note("start", node.peer_id)
            self._nursery.start_soon(node.live)

    def _begin(self) -> None:
        for number in range(self.plan.commons or self.chance.choice((1, 1, 1, 2))):
            founder = self.chance.choice(self.honest)
            founding = founder.writer.found(f"Commons {number}", founder.now())
            self.commons.append(founding.id)
            self.made[founding.id] = founding
            founder.write([founding])
        for node in self.nodes:
            for commons in self.commons:
                node.join(commons)
        for number, node in enumerate(self.honest):
            others = [self.honest[number - 1]]
            if self.chance.random() < CHORDS:
                others.append(self.chance.choice(self.nodes))
            for other in others:
                if other is not node:
                    node.learn_address(other)
        for node in self.nodes:
            if isinstance(node, Liar):
                for other in self.chance.sample(self.honest, min(3, len(self.honest))):
                    node.learn_address(other)

    def _plan_writes(self, until: float) -> None:
        writes = self.plan.writes
        for _ in range(writes):
            self.timeline.at(self.chance.uniform(1, until), self.write_something)
        self.timeline.at(self.chance.uniform(1, until), self._import, writes)
        # What is written the moment before calm must get around too.
        self.timeline.at(until, self.write_something)

    def write_something(self) -> None:
        """Let somebody write something."""
        node = self.chance.choice(self.nodes)
        if node.has_power:
            commons = self.chance.choice(self.commons)
            self.commit(node, node.writer.something(node.store, commons, node.clock()))

    def _import(self, count: int) -> None:
        self.write_many(self.chance.choice(self.nodes), count)

    def write_many(self, node: SimNode, count: int) -> None:
        """Let somebody write many entries at once."""
        if node.has_power:
            commons = self.chance.choice(self.commons)
            self.commit(node, node.writer.entries(commons, node.now(), count))

    def commit(self, node: SimNode, written: list[Contribution]) -> None:
        """Let a person's process commit what was written, and note it."""
        self.made.update((each.id, each) for each in written)
        node.write(written)
        self.note("write", (node.peer_id, [each.id.hex()[:10] for each in written]))

    def _note_outcome(self) -> None:
        for node in self.honest:
            for commons in self.commons:
                ids = [identifier for _, identifier in node.store.items(commons)]
                self.note("end", (node.peer_id, len(ids), fingerprint_of(ids).hex()))
