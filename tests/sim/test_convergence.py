"""Whatever the links do, replicas that keep meeting end up with the same contributions.

`P2PCOMMONS_SIM_SEED=n pytest tests/sim` replays one world.
"""

from __future__ import annotations

import os

import pytest

from .world import World

SEEDS = (
    [int(os.environ["P2PCOMMONS_SIM_SEED"])] if "P2PCOMMONS_SIM_SEED" in os.environ else range(5)
)


def live_through_trouble(world: World) -> None:
    """People write, nodes meet, streams break: all at once."""
    world.cut_share = 0.05
    for moment in range(0, 20_000, 400):
        world.at(moment, world.write_something)
        world.at(moment, lambda: world.meet(*world.chance.sample(world.nodes, 2)))
        world.at(moment, lambda: world.meet(*world.chance.sample(world.nodes, 2)))
    world.run()


def meet_around_a_ring(world: World) -> None:
    nodes = world.nodes
    for first, second in zip(nodes, nodes[1:] + nodes[:1], strict=True):
        world.meet(first, second)
    world.run()


@pytest.mark.parametrize("seed", SEEDS)
def test_all_replicas_become_equal(seed: int) -> None:
    world = World(seed, nodes=7)
    print(f"replay with P2PCOMMONS_SIM_SEED={seed}")
    live_through_trouble(world)
    world.cut_share = 0.0
    rounds = 0
    while not world.has_converged:
        meet_around_a_ring(world)
        rounds += 1
        assert rounds <= len(world.nodes), "what one node holds reaches all around the ring"
    assert world.links_made > 50
    assert world.faults == []
    assert not world.links


def test_a_seed_replays_the_same_world() -> None:
    histories = []
    for _ in range(2):
        world = World(11, nodes=4)
        live_through_trouble(world)
        histories.append((world.now_ms, world.links_made, [n.fingerprints() for n in world.nodes]))
    assert histories[0] == histories[1]


def test_replicas_converge_while_every_other_stream_breaks() -> None:
    world = World(23, nodes=3)
    for _ in range(10):
        world.write_something()
    world.cut_share = 0.08
    rounds = 0
    while not world.has_converged:
        meet_around_a_ring(world)
        rounds += 1
        assert rounds < 200
    assert world.faults == []
