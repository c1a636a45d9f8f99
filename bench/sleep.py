"""A node that sleeps, and wakes: how soon does it hold what was written meanwhile?

    python bench/sleep.py [--seconds 300] [--nodes 6] [--asleep 3] [--rounds 2]

Nodes on loopback, each by an invite of the first one alone. In each round `--asleep` of them, the
first one always among them, are stopped with SIGSTOP at the same moment. Each sleeper's person has
just written an entry, and goes on writing into the store while the node sleeps; so do those of the
others. After `--seconds` all go on with SIGCONT at the same moment, and for each the bench says
after how many seconds it held all that anybody wrote, and all others held what it wrote. Ten
seconds are the aim; a time fails nothing. Ends with 1 when a replica lacks anything two minutes
after the waking.

SIGSTOP differs from a suspended machine in one thing: the monotonic clock runs on. What a node
does when it stands still is in `tests/net/test_host.py`, with a clock of its own.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crowd import TEXT, fixed_addresses, gather
from harness import Home, homes, say, wait_equal
from p2pcommons.errors import StoreError
from p2pcommons.replica import open_replica

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.replica import Replica

AIM_SECONDS = 10.0
GIVE_UP_SECONDS = 120.0
WRITE_SECONDS = 1.0
"""Between two entries of each person while some nodes sleep."""
LOOK_SECONDS = 0.05
CONNECTED_SECONDS = 60.0


@dataclass
class Waking:
    """One node that slept; seconds count from its SIGCONT."""

    place: int
    holds_all: float | None = None
    held_by_others: float | None = None

    @property
    def is_done(self) -> bool:
        """Whether it is synced again."""
        return self.holds_all is not None and self.held_by_others is not None

    @property
    def seconds(self) -> float:
        """Until both was true."""
        return max(self.holds_all or 0.0, self.held_by_others or 0.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--nodes", type=int, default=6)
    parser.add_argument("--asleep", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    chance = random.Random(chosen.seed)
    figures: list[float] = []
    late = 0
    with homes(chosen.nodes) as nodes:
        addresses = fixed_addresses(len(nodes))
        star = [(place, 0) for place in range(1, len(nodes))]
        commons = gather(nodes, addresses, star, {}, "Sleep")
        wait_equal(nodes, commons, CONNECTED_SECONDS)
        for number in range(1, chosen.rounds + 1):
            places = [0, *chance.sample(range(1, len(nodes)), chosen.asleep - 1)]
            wakings = one_round(nodes, places, commons, chosen.seconds)
            print(f"{'round':>5} {'node':>4} {'holds all':>10} {'is held':>10}")
            for waking in wakings:
                print(
                    f"{number:5} {waking.place:4} {said(waking.holds_all):>10} "
                    f"{said(waking.held_by_others):>10}"
                )
                late += not waking.is_done
                if waking.is_done:
                    figures.append(waking.seconds)
            wait_equal(nodes, commons, GIVE_UP_SECONDS)
    figures.sort()
    say(
        f"{len(figures)} wakings after {chosen.seconds:.0f} s of sleep: synced again within "
        f"{figures[len(figures) // 2]:.1f} s in the middle, {figures[-1]:.1f} s at most; "
        f"{sum(each <= AIM_SECONDS for each in figures)} within {AIM_SECONDS:.0f} s"
        if figures
        else "nobody was synced again"
    )
    return 1 if late else 0


def one_round(
    nodes: Sequence[Home], places: Sequence[int], commons: str, seconds: float
) -> list[Waking]:
    """Put some nodes to sleep, write everywhere, wake them, and watch."""
    with ExitStack() as opened:
        replicas = [opened.enter_context(open_replica(home.path)) for home in nodes]
        founding = bytes.fromhex(commons)
        own: dict[int, list[bytes]] = {place: [] for place in range(len(nodes))}
        for place in places:
            write(replicas[place], founding, place, own)
        for place in places:
            put_to_sleep(nodes[place], replicas[place], founding)
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            for place in range(len(nodes)):
                write(replicas[place], founding, place, own)
            time.sleep(WRITE_SECONDS)
        say(
            f"nodes {list(places)} slept for {seconds:.0f} s, {sum(map(len, own.values()))} written"
        )
        return wake(nodes, places, replicas, own)


def wake(
    nodes: Sequence[Home],
    places: Sequence[int],
    replicas: Sequence[Replica],
    own: dict[int, list[bytes]],
) -> list[Waking]:
    """Wake all sleepers and time what follows."""
    everything = [identifier for ids in own.values() for identifier in ids]
    wakings = [Waking(place) for place in places]
    for place in places:
        signalled(nodes[place], signal.SIGCONT)
    began = time.monotonic()
    while not all(waking.is_done for waking in wakings):
        seconds = time.monotonic() - began
        if seconds > GIVE_UP_SECONDS:
            break
        for waking in wakings:
            mine = own[waking.place]
            if waking.holds_all is None and holds(replicas[waking.place], everything):
                waking.holds_all = seconds
            if waking.held_by_others is None and all(holds(each, mine) for each in replicas):
                waking.held_by_others = seconds
        time.sleep(LOOK_SECONDS)
    return wakings


def put_to_sleep(home: Home, replica: Replica, commons: bytes) -> None:
    """Stop a node outside of a transaction: with a machine that sleeps, its persons sleep too.

    Here they go on writing, and a node that is stopped while it writes would keep them from it.
    """
    while True:
        signalled(home, signal.SIGSTOP)
        try:
            replica.store.set_meta("bench.asleep", commons.hex())
        except StoreError:
            signalled(home, signal.SIGCONT)
            time.sleep(LOOK_SECONDS)
        else:
            return


def write(replica: Replica, commons: bytes, place: int, own: dict[int, list[bytes]]) -> None:
    """Write one entry, as the person at that node."""
    title = f"Entry {len(own[place])} of node {place}"
    own[place].append(replica.add_entry(commons, title=title, text=TEXT).id)


def holds(replica: Replica, ids: Sequence[bytes]) -> bool:
    """Whether all of them are in a store."""
    return len(replica.store.known(ids)) == len(ids)


def signalled(home: Home, number: signal.Signals) -> None:
    """Send a signal to the node of a home."""
    assert home.node is not None
    home.node.send_signal(number)


def said(seconds: float | None) -> str:
    """A time, or that there is none."""
    return "not yet" if seconds is None else f"{seconds:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
