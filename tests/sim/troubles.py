"""What happens to a world: weather, partitions, crashes, clocks that are wrong, slow lines.

Everything is drawn from the world's seed when the world begins, and ends when calm begins.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from .liars import SLOW_BYTES_PER_S

if TYPE_CHECKING:
    from .nodes import SimNode
    from .world import World

DAY = 86_400
CLOCKS = (0, -5, 1, 2**31, 2**32 - 10, 2**33, 2**53, 2**63, 2**64)
"""1970 and before, and every border that a number of seconds can cross."""


def plan_troubles(world: World, until: float) -> None:
    """Put all troubles on the timeline; none begins or goes on after `until`."""
    chance = Random(f"{world.seed}/troubles")
    for node in world.nodes:
        if chance.random() < 0.3:
            node.skew = chance.choice((-DAY, -3_600, 300, 3_600, DAY))
    for plan in (_weather, _partitions, _crashes, _clocks, _slow_lines, _absences):
        plan(world, chance, until)
    world.timeline.at(until, _calm, world)


def _weather(world: World, chance: Random, until: float) -> None:
    def change() -> None:
        weather = world.net.weather
        weather.loss = chance.choice((0.0, 0.0, 0.02, 0.1, 0.3, 0.5))
        weather.delay_s = chance.choice((0.002, 0.05, 0.3, 3.0))
        weather.duplication = chance.choice((0.0, 0.1, 0.5))
        world.note("weather", (weather.loss, weather.delay_s, weather.duplication))

    for _ in range(6):
        world.timeline.at(chance.uniform(0, until), change)


def _partitions(world: World, chance: Random, until: float) -> None:
    def split() -> None:
        islands = chance.choice((2, 2, 3))
        island = {node.peer_id: chance.randrange(islands) for node in world.nodes}
        world.note("split", tuple(island.values()))
        world.net.split(island)

    def heal() -> None:
        world.note("heal", ())
        world.net.split({})

    for _ in range(chance.randrange(4)):
        begins = chance.uniform(0, until)
        world.timeline.at(begins, split)
        world.timeline.at(min(until, begins + chance.choice((5, 40, 300, 900))), heal)


def _crashes(world: World, chance: Random, until: float) -> None:
    for _ in range(chance.randrange(6)):
        node = chance.choice(world.nodes)
        end = node.kill if chance.random() < 0.5 else node.cut_power
        begins = chance.uniform(0, until)
        world.timeline.at(begins, end)
        world.timeline.at(
            min(until, begins + chance.choice((0.5, 10, 120, 600))), world.start, node
        )


def _clocks(world: World, chance: Random, until: float) -> None:
    for _ in range(chance.randrange(4)):
        node = chance.choice(world.nodes)
        begins = chance.uniform(0, until)
        world.timeline.at(begins, node.set_clock, chance.choice(CLOCKS))
        if chance.random() < 0.7:
            world.timeline.at(chance.uniform(begins, until), node.set_clock, None)


def _slow_lines(world: World, chance: Random, until: float) -> None:
    def slow_down(node: SimNode, bytes_per_s: float) -> None:
        node.set_speed(bytes_per_s)

    for _ in range(chance.randrange(3)):
        node = chance.choice(world.nodes)
        world.timeline.at(
            chance.uniform(0, until), slow_down, node, chance.choice(SLOW_BYTES_PER_S)
        )


def _absences(world: World, chance: Random, until: float) -> None:
    """Somebody leaves a commons and comes back, while others write on."""

    def leave(node: SimNode, commons: bytes) -> None:
        if node.has_power:
            node.leave(commons)

    for _ in range(chance.randrange(2)):
        node, commons = chance.choice(world.nodes), chance.choice(world.commons)
        begins = chance.uniform(0, until - 60)
        world.timeline.at(begins, leave, node, commons)
        world.timeline.at(chance.uniform(begins, until - 60), _come_back, node, commons)


def _come_back(node: SimNode, commons: bytes) -> None:
    if node.has_power:
        node.join(commons)


def _calm(world: World) -> None:
    """Everybody is back, and the network is as it should be; clocks stay as wrong as they are."""
    world.note("calm", ())
    world.net.split({})
    weather = world.net.weather
    weather.loss = weather.duplication = 0.0
    weather.delay_s = 0.05
    for node in world.nodes:
        node.set_speed(float("inf"))
        world.start(node)
        for commons in world.commons:
            node.join(commons)
