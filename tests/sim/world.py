"""A world of nodes in memory with real sessions over bad links, replayable from one seed.

Time is a number in a heap of things to happen. Frames of one stream keep their order and are
delayed at random, so streams overtake each other; loss is the cut of a stream in the middle.
Loading and storing take time too. Nothing here looks at a clock or draws from any other chance.
"""

from __future__ import annotations

import heapq
import itertools
import random
from typing import TYPE_CHECKING

from p2pcommons.protocol import events as ev
from p2pcommons.protocol.limits import FRAME_BYTES_MAX
from p2pcommons.protocol.session import keeps_own_session
from tests.protocol.memory import MemoryNode, Side, entry, founding, make_side

if TYPE_CHECKING:
    from collections.abc import Callable

COMMONS_COUNT = 2


class Link:
    """One session between two nodes under way: two sides and the frames between them."""

    def __init__(self, world: World, opener: MemoryNode, other: MemoryNode) -> None:
        self.world = world
        seed = world.chance.randrange(2**32)
        self.sides = (
            make_side(opener, is_opener=True, seed=seed),
            make_side(other, is_opener=False, seed=seed),
        )
        self.cut = False
        self._clear_ms = [0, 0]
        for index in (0, 1):
            self.deliver(index, ev.Started())

    @property
    def is_over(self) -> bool:
        return all(side.session.has_ended for side in self.sides)

    def deliver(self, index: int, event: ev.Event) -> None:
        side = self.sides[index]
        side.now_ms = self.world.now_ms
        stored = side.node.held.keys()
        side.handle(event)
        if isinstance(event, ev.Ingested) and event.new:
            self.world.tell_other_sessions(self, side, event.new)
        assert stored == side.node.held.keys()
        self._send_on(index)
        while side.todo:
            effect = side.todo.popleft()
            self.world.after(self.world.chance.randrange(1, 30), self._work, index, effect)
        if side.session.has_ended and not self.cut:
            self.hang_up()

    def _work(self, index: int, effect: ev.Effect) -> None:
        node = self.sides[index].node
        match effect:
            case ev.LoadSnapshot(commons):
                self.deliver(index, ev.SnapshotLoaded(commons, node.state(commons)))
            case ev.LoadEnvelopes():
                self.deliver(index, node.load(effect))
            case ev.IngestEnvelopes():
                self.deliver(index, node.ingest(effect))
            case _:
                raise AssertionError(effect)

    def _send_on(self, index: int) -> None:
        side, world = self.sides[index], self.world
        while side.outbox:
            frame = side.outbox.popleft()
            assert len(frame) <= FRAME_BYTES_MAX
            if self.cut:
                continue
            if world.chance.random() < world.cut_share:
                self.hang_up()
                continue
            arrives = max(world.now_ms + world.chance.randrange(1, 200), self._clear_ms[index])
            self._clear_ms[index] = arrives
            world.at(arrives, self._arrive, 1 - index, frame)

    def _arrive(self, index: int, frame: bytes) -> None:
        self.deliver(index, ev.FrameReceived(frame))

    def hang_up(self) -> None:
        """End the stream for both sides, after whatever is still on its way to them."""
        self.cut = True
        for index in (0, 1):
            late = max(self._clear_ms[1 - index], self.world.now_ms) + 1
            self.world.at(late, self.deliver, index, ev.StreamEnded())


class World:
    """Nodes, links and time. `cut_share` is the chance of each frame to be the last."""

    def __init__(self, seed: int, nodes: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.now_ms = 0
        self.cut_share = 0.0
        self.links: dict[frozenset[str], Link] = {}
        self.links_made = 0
        self.faults: list[ev.PeerFault] = []
        self._heap: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._serial = itertools.count()
        self._numbers = itertools.count()
        self.nodes = [MemoryNode(f"node {number}") for number in range(nodes)]
        for node in self.nodes:
            for commons in range(COMMONS_COUNT):
                node.join(founding(commons).id)
        for commons in range(COMMONS_COUNT):
            self.chance.choice(self.nodes).add(founding(commons))

    # --- time ---------------------------------------------------------------------------------

    def at(self, when_ms: int, action: Callable[..., None], *arguments: object) -> None:
        heapq.heappush(self._heap, (when_ms, next(self._serial), action, arguments))

    def after(self, delay_ms: int, action: Callable[..., None], *arguments: object) -> None:
        self.at(self.now_ms + delay_ms, action, *arguments)

    def run(self, *, actions_max: int = 200_000) -> None:
        """Let everything happen that is going to; nothing new begins by itself."""
        for _ in range(actions_max):
            if not self._heap:
                return
            self.now_ms, _, action, arguments = heapq.heappop(self._heap)
            action(*arguments)
            self._clear_up()
        raise AssertionError("the world does not come to rest")

    def _clear_up(self) -> None:
        for pair, link in list(self.links.items()):
            if link.is_over:
                self.faults += [fault for side in link.sides for fault in side.faults()]
                del self.links[pair]

    # --- what nodes do ------------------------------------------------------------------------

    def write_something(self) -> None:
        node = self.chance.choice(self.nodes)
        commons = self.chance.randrange(COMMONS_COUNT)
        items = [
            entry(next(self._numbers), commons) for _ in range(self.chance.choice([1, 1, 3, 40]))
        ]
        node.add(*items)

    def meet(self, first: MemoryNode, second: MemoryNode) -> None:
        """Open a session; of two opened at once only one goes on."""
        pair = frozenset((first.name, second.name))
        if pair in self.links:
            return
        both_at_once = self.chance.random() < 0.3
        if both_at_once and not keeps_own_session(first.name, second.name):
            first, second = second, first
        self.links_made += 1
        self.links[pair] = Link(self, first, second)

    def tell_other_sessions(self, origin: Link, side: Side, ids: tuple[bytes, ...]) -> None:
        for link in self.links.values():
            for index, other in enumerate(link.sides):
                if link is not origin and other.node is side.node:
                    for commons in other.node.held:
                        self.after(0, link.deliver, index, ev.Arrived(commons, ids))

    # --- what an observer sees ----------------------------------------------------------------

    @property
    def has_converged(self) -> bool:
        return len({tuple(sorted(node.fingerprints().items())) for node in self.nodes}) == 1
