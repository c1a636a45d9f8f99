"""Simulated worlds by the thousand: do all honest replicas become equal, whatever happens?

    python bench/simulate.py [--seeds N] [--nodes 32] [--minutes 60] [--jobs 2]
    python bench/simulate.py --seed S [--nodes ...] [--minutes ...]        one world again

The real node engine runs on virtual time over a network that loses, delays, doubles, reorders and
splits, while nodes crash, clocks jump and some peers lie; see `docs/decisions` and `tests/sim`.
A world that fails is printed with its seed and the command that replays it, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.sim.liars import Liar
from tests.sim.world import Plan, World, plan_for

SAY_SECONDS = 30.0


@dataclass
class Outcome:
    """What came of one world."""

    seed: int
    cpu_seconds: float
    trace: str
    failure: str = ""
    counts: Counter[str] = field(default_factory=Counter[str])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many worlds")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    parser.add_argument("--seed", type=int, help="one world, with all that went wrong in it")
    parser.add_argument("--nodes", type=int, default=32)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    chosen = parser.parse_args()
    plan = plan_for(chosen.nodes, chosen.minutes)
    if chosen.seed is not None:
        outcome = live_through(chosen.seed, plan)
        print(outcome.failure or f"seed {chosen.seed}: all equal, trace {outcome.trace}")
        print(dict(outcome.counts))
        return 1 if outcome.failure else 0
    return run_many(range(chosen.first, chosen.first + chosen.seeds), plan, chosen.jobs)


def live_through(seed: int, plan: Plan) -> Outcome:
    """Run one world and say what came of it."""
    began = time.process_time()
    world = World(seed, plan)
    failure = ""
    try:
        world.run()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        failure = "".join(traceback.format_exception(_innermost(error)))
    traffic = world.net.traffic
    counts = Counter(
        contributions=len(world.made),
        connections=traffic.connections,
        sessions=traffic.streams,
        frames=traffic.frames,
        megabytes=traffic.frame_bytes // 1_000_000,
        gossip=traffic.gossip,
        gossip_lost=traffic.gossip_lost,
        liars=sum(isinstance(node, Liar) for node in world.nodes),
    )
    return Outcome(seed, time.process_time() - began, world.trace, failure, counts)


def _innermost(error: BaseException) -> BaseException:
    """What went wrong, without the nurseries around it."""
    while isinstance(error, BaseExceptionGroup):
        inside = cast("tuple[BaseException, ...]", error.exceptions)
        if len(inside) != 1:
            break
        error = inside[0]
    return cast("BaseException", error)


def _one(work: tuple[int, Plan]) -> Outcome:
    return live_through(*work)


def run_many(seeds: range, plan: Plan, jobs: int) -> int:
    """Run all worlds, some at a time, and print a table of what came of them."""
    cpu_seconds, failed, done = 0.0, list[Outcome](), 0
    counts: Counter[str] = Counter()
    began = said = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for outcome in pool.imap_unordered(_one, ((seed, plan) for seed in seeds)):
            done += 1
            cpu_seconds += outcome.cpu_seconds
            counts += outcome.counts
            if outcome.failure:
                failed.append(outcome)
                print(f"seed {outcome.seed} FAILED:\n{outcome.failure}")
                print(f"replay: {replay(outcome.seed, plan)}", flush=True)
            if time.monotonic() - said > SAY_SECONDS:
                said = time.monotonic()
                print(f"{done} of {len(seeds)} worlds, {len(failed)} failed", flush=True)
    node_hours = done * plan.nodes * plan.minutes / 60
    rows = {
        "worlds": str(done),
        "nodes each": str(plan.nodes),
        "simulated minutes each": f"{plan.minutes:g}",
        "simulated node-hours": f"{node_hours:,.0f}",
        "CPU seconds": f"{cpu_seconds:,.1f}",
        "node-hours per CPU second": f"{node_hours / cpu_seconds:.1f}",
        "wall seconds": f"{time.monotonic() - began:,.1f}",
        **{name.replace("_", " "): f"{count:,}" for name, count in counts.items()},
        "failed worlds": str(len(failed)),
    }
    for name, value in rows.items():
        print(f"| {name:28} | {value:>14} |")
    for outcome in sorted(failed, key=lambda each: each.seed):
        print(f"failed: {replay(outcome.seed, plan)}")
    return 1 if failed else 0


def replay(seed: int, plan: Plan) -> str:
    """Return the command that runs one of these worlds again."""
    return f"python bench/simulate.py --seed {seed} --nodes {plan.nodes} --minutes {plan.minutes:g}"


if __name__ == "__main__":
    raise SystemExit(main())
