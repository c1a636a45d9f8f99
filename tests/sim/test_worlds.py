"""Sixty small worlds in which everything goes wrong, and all replicas end up equal.

Few and varied: of the first worlds three with each lie, and a third without a liar. The many are
for `bench/simulate.py`. A world that fails is named with its seed and with the command that replays
it. One that has failed once gets a test of its own in `test_faults.py`, named after what was wrong.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .liars import LIES, Liar
from .world import World, plan_for

SEEDS = (
    *(*range(32), 35, 41, 43, 47, 48, 52, 56, 59, 60, 61, 65, 66, 67, 70, 71, 74, 76, 79, 80, 82),
    *(84, 86, 87, 92, 95, 100, 131, 134),
)
SEEDS_A_TEST = 4
ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)  # on a machine that does much else
@pytest.mark.parametrize("first", range(0, len(SEEDS), SEEDS_A_TEST))
def test_all_honest_replicas_become_equal_in_worlds(first: int) -> None:
    for seed in SEEDS[first : first + SEEDS_A_TEST]:
        try:
            World(seed, plan_for(8, 60)).run()
        except BaseException as error:
            error.add_note(f"replay: python bench/simulate.py --seed {seed} --nodes 8")
            raise


def test_the_worlds_hear_every_lie_and_some_hear_none() -> None:
    told = Counter[str]()
    for seed in SEEDS:
        world = World(seed, plan_for(8, 60))
        told[next((node.lie for node in world.nodes if isinstance(node, Liar)), "")] += 1
        for node in world.nodes:
            node.store.close()
    assert all(told[lie] >= 3 for lie in LIES)
    assert told[""] >= len(SEEDS) // 3


def test_a_seed_makes_the_same_world_again_whatever_else_is_different() -> None:
    """Not even the order in which sets of this process happen to be walked may matter."""
    program = (
        "from tests.sim.world import World, plan_for\n"
        "for seed in (5, 7):\n"
        "    world = World(seed, plan_for(5, 40))\n"
        "    world.run()\n"
        "    print(world.notes, world.trace)\n"
    )
    traces = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(traces) == 1
    assert len(set(traces.pop().split("\n"))) == 3, "two worlds, and they are different"


def test_nodes_take_time_and_chance_from_their_context() -> None:
    """What draws or looks at a clock by itself is different in every world of the same seed."""
    own = re.compile(r"^import (random|secrets)|os\.urandom|time\.(time|monotonic|perf_counter)\(")
    found = {
        f"{path.parent.name}/{path.name}"
        for package in ("node", "protocol", "views", "model")
        for path in (ROOT / "src/p2pcommons" / package).glob("*.py")
        if any(own.search(line) for line in path.read_text(encoding="utf-8").splitlines())
    }
    # The clock itself, and the manners of one process towards others on the same machine.
    assert found == {"node/context.py", "node/turns.py"}
