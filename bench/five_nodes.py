"""Several real nodes: gossip along a line and a star, and a ring of which any may be killed.

    python bench/five_nodes.py [--rounds 20] [--nodes 5] [line] [star] [ring]

Line and star: periodic reconciliation is set to once an hour, so what arrives within seconds
came by gossip. Ring: in each round all five publish, one is killed with SIGKILL at a random
moment, the other four must become equal, and the killed one must catch up after its restart.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from harness import (
    Home,
    free_address,
    homes,
    join,
    new_commons,
    say,
    wait_equal,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ADDS_EACH = 4
SHAPES = ("line", "star", "ring")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shapes", nargs="*", default=list(SHAPES))
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    for shape in chosen.shapes:
        with homes(chosen.nodes) as nodes:
            addresses = [free_address() for _ in nodes]
            commons = connect(nodes, addresses, shape)
            if shape == "ring":
                ring(nodes, addresses, commons, chosen.rounds, random.Random(chosen.seed))
            else:
                gossip(nodes, commons, shape)
    return 0


def edges_of(shape: str, count: int) -> list[tuple[int, int]]:
    """Pairs of nodes that are connected."""
    if shape == "star":
        return [(0, other) for other in range(1, count)]
    line = [(number, number + 1) for number in range(count - 1)]
    return [*line, (0, count - 1)] if shape == "ring" else line


def connect(nodes: Sequence[Home], addresses: Sequence[str], shape: str) -> str:
    """Start all nodes so that exactly the edges of `shape` are connected; the commons' id."""
    hourly = {"network": {"reconcile_seconds": 3600}} if shape != "ring" else {}
    for number, home in enumerate(nodes):
        home.configure(hourly)
        home.run("init", "--name", f"node{number}")
    commons = new_commons(nodes[0], f"Several in a {shape}")
    edges = edges_of(shape, len(nodes))
    for number, home in enumerate(nodes):
        for first, second in edges:
            if number == second:
                # The inviter is running by now, so its invite holds the address in use.
                join(home, nodes[first], commons)
        home.start(listen=addresses[number])
    degrees = [sum(number in edge for edge in edges) for number in range(len(nodes))]
    seconds = wait_until(
        "every edge connected",
        lambda: all(home.connected() == need for home, need in zip(nodes, degrees, strict=True)),
        60,
    )
    took, count, _ = wait_equal(nodes, commons, 60)
    say(f"{shape}: connected after {seconds:.1f} s, {count} contributions equal after {took:.1f} s")
    return commons


def gossip(nodes: Sequence[Home], commons: str, shape: str) -> None:
    """Publish on each node in turn and wait until every other one shows it."""
    worst = 0.0
    for number, home in enumerate(nodes):
        entry = str(home.run("add", "--title", f"From node {number}", "--commons", commons)["id"])
        for other in nodes:
            seconds = wait_until(
                f"entry of node {number} on {other.path.name}",
                functools.partial(shows, other, entry),
                30,
            )
            worst = max(worst, seconds)
    took, count, fingerprint = wait_equal(nodes, commons, 30)
    say(
        f"{shape}: {len(nodes)} entries on all nodes by gossip, slowest wait {worst:.1f} s; "
        f"equal after {took:.1f} s: {count}, {fingerprint}"
    )


def shows(home: Home, entry: str) -> bool:
    return "error" not in home.run("show", entry, accept=(0, 3))


def ring(
    nodes: Sequence[Home],
    addresses: Sequence[str],
    commons: str,
    rounds: int,
    chance: random.Random,
) -> None:
    for number in range(1, rounds + 1):
        victim = chance.randrange(len(nodes))
        adding = [start_adding(home, commons, number) for home in nodes]
        time.sleep(chance.uniform(0.0, 3.0))
        nodes[victim].kill()
        for process in itertools.chain.from_iterable(adding):
            _, words = process.communicate()
            if process.returncode != 0:
                raise RuntimeError(f"an entry was refused: {words.decode(errors='replace')}")
        others = [home for place, home in enumerate(nodes) if place != victim]
        four, _, _ = wait_equal(others, commons, 90)
        nodes[victim].start(listen=addresses[victim])
        five, count, fingerprint = wait_equal(nodes, commons, 90)
        say(
            f"ring round {number}: node {victim} killed, the others equal after {four:.1f} s, "
            f"all after its restart {five:.1f} s: {count}, {fingerprint}"
        )


def start_adding(home: Home, commons: str, number: int) -> list[subprocess.Popen[bytes]]:
    """Publish a few entries at once; adding needs no node, so a killed one loses none of them."""
    return [
        subprocess.Popen(
            home.command(
                "add", "--title", f"{home.path.name} {number}.{place}", "--commons", commons
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for place in range(ADDS_EACH)
    ]


if __name__ == "__main__":
    sys.exit(main())
