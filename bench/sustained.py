"""Many contributions a second over several nodes for a while: none may be missing in the end.

    python bench/sustained.py [--rate 800] [--seconds 60] [--nodes 5] [--writers N] [--group 1]

Nodes are processes of their own, each connected with each, on loopback. Writers are processes too,
one at each of the first N nodes (all, unless told otherwise); each writes its part of the rate
through the façade, `--group` contributions in one durable commit, and nudges its node as any
command does. One more process watches all stores. Gossip may lose or shed some and reconciliation
repairs it: the table says for each node how many came which way, how many are missing after at
most `--settle` seconds more, how long the way from commit to store took, and the processor time
of the node in the period. All of it shares the machine's cores. Ends with 1 when any is missing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from full_sync import cpu_seconds, memory_mib
from harness import (
    Home,
    Json,
    free_address,
    homes,
    join,
    new_commons,
    say,
    wait_equal,
    wait_until,
)
from live import CommitTimes
from p2pcommons.replica import open_replica

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOK_SECONDS = 0.004
"""Between two looks of the watcher; adds half of it to every figure."""
TEXT = "Mark the focal line first, then cut the reflector from cardboard and line it. " * 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=800.0, help="contributions a second in all")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--writers", type=int, default=0, help="processes that write; 0: all nodes")
    parser.add_argument("--group", type=int, default=1, help="contributions in one commit")
    parser.add_argument("--settle", type=float, default=60.0, help="seconds for what is late")
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--watch", nargs="+", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.write:
        home, commons, rate = chosen.write
        write(Path(home), bytes.fromhex(commons), float(rate), chosen.seconds, chosen.group)
        return 0
    if chosen.watch:
        watch([Path(each) for each in chosen.watch[1:]], bytes.fromhex(chosen.watch[0]))
        return 0
    with homes(chosen.nodes) as nodes:
        commons = connect(nodes)
        missing = measure(nodes, commons, chosen)
    return 1 if missing else 0


def connect(nodes: Sequence[Home]) -> str:
    """Nodes each connected with each, with one commons."""
    for number, home in enumerate(nodes):
        home.run("init", "--name", f"node{number}")
    commons = new_commons(nodes[0], "Sustained")
    for number, home in enumerate(nodes):
        home.start(listen=free_address())
        for other in nodes[:number]:
            join(home, other, commons)
    wait_until(
        "each connected with each",
        lambda: all(home.connected() == len(nodes) - 1 for home in nodes),
        60,
    )
    wait_equal(nodes, commons, 60)
    time.sleep(3.0)  # what the beginning still does is no part of this
    return commons


def measure(nodes: Sequence[Home], commons: str, chosen: argparse.Namespace) -> int:
    """Write, wait, count, print; the number of contributions missing anywhere."""
    writers = chosen.writers or len(nodes)
    before = [arrived(home) for home in nodes]
    watcher = start("--watch", commons, *(str(home.path) for home in nodes))
    assert watcher.stdout is not None
    watcher.stdout.readline()
    processor = [cpu_seconds(home) for home in nodes]
    began = time.monotonic()
    writing = [
        start(
            *("--seconds", str(chosen.seconds), "--group", str(chosen.group)),
            *("--write", str(home.path), commons, str(chosen.rate / writers)),
        )
        for home in nodes[:writers]
    ]
    written = [cast("dict[str, int]", result_of(process)) for process in writing]
    seconds = time.monotonic() - began
    processor = [cpu_seconds(home) - was for home, was in zip(nodes, processor, strict=True)]
    total = sum(map(len, written))
    say(
        f"{writers} writers, {chosen.group} in a commit: {total} contributions in {seconds:.1f} s, "
        f"{total / seconds:.0f} a second (asked for: {chosen.rate:.0f})"
    )
    ids = [bytes.fromhex(key) for each in written for key in each]
    late = settle(nodes, ids, chosen.settle)
    say(f"all stores complete {late:.1f} s after the last commit")
    seen = cast("list[dict[str, int]]", result_of(watcher))
    print(
        f"{'node':>4} {'own':>6} {'gossip':>7} {'sessions':>8} {'shed':>6} {'missing':>7} "
        f"{'p50 ms':>7} {'p99 ms':>7} {'max ms':>8} {'CPU s':>6} {'% core':>6} {'MiB':>5}"
    )
    lost = 0
    for number, home in enumerate(nodes):
        own = written[number] if number < writers else {}
        foreign = {key: at for each in written if each is not own for key, at in each.items()}
        ways = sorted(
            (seen[number][key] - at) / 1e6 for key, at in foreign.items() if key in seen[number]
        )
        missing = len(ids) - held_by(home, ids)
        lost += missing
        gained = {key: now - before[number][key] for key, now in arrived(home).items()}
        print(
            f"{number:4} {len(own):6} {gained['gossip']:7} {gained['sessions']:8} "
            f"{gained['shed']:6} {missing:7} {share(ways, 0.5):7.0f} {share(ways, 0.99):7.0f} "
            f"{share(ways, 1.0):8.0f} {processor[number]:6.1f} "
            f"{100 * processor[number] / seconds:6.0f} {memory_mib(home):5.0f}"
        )
    return lost


def settle(nodes: Sequence[Home], ids: Sequence[bytes], seconds: float) -> float:
    """Seconds until every store is complete; what is not by then is missing."""
    try:
        return wait_until(
            "every store complete",
            lambda: all(held_by(home, ids) == len(ids) for home in nodes),
            seconds,
        )
    except TimeoutError as error:
        say(str(error))
        return seconds


def arrived(home: Home) -> dict[str, int]:
    """What the node counts: contributions that were new and came by gossip, by sessions, shed."""
    return cast("dict[str, int]", cast("Json", home.status()["arrived"]))


def held_by(home: Home, ids: Sequence[bytes]) -> int:
    """How many of these contributions are in a store."""
    with open_replica(home.path) as replica:
        return len(replica.store.known(ids))


def share(ordered: Sequence[float], part: float) -> float:
    """The value below which this part of the ordered values lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """One more process of this script."""
    return subprocess.Popen(
        [sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def result_of(process: subprocess.Popen[bytes]) -> object:
    """End its input and return what it prints at the end."""
    out, _ = process.communicate(b"")
    if process.returncode != 0:
        raise RuntimeError(f"a process of the bench ended with {process.returncode}")
    return json.loads(out.splitlines()[-1])


def write(home: Path, commons: bytes, rate: float, seconds: float, group: int) -> None:
    """Write at a steady rate, and tell when each commit returned."""
    committed: dict[str, int] = {}
    began = time.monotonic()
    number = 0
    with open_replica(home) as replica:
        note = CommitTimes(replica)
        while (now := time.monotonic() - began) < seconds:
            due = number / rate
            if due > now:
                time.sleep(due - now)
                continue
            with replica.batch():
                made = [
                    replica.add_entry(commons, title=f"{home.name} {number + place}", text=TEXT)
                    for place in range(group)
                ]
            committed.update((each.id.hex(), note.at) for each in made)
            number += group
    print(json.dumps(committed))


def watch(members: Sequence[Path], commons: bytes) -> None:
    """Note when each store first shows each contribution; tell all at the end of the input."""
    over = threading.Event()

    def until_input_ends() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=until_input_ends, daemon=True).start()
    stores = [open_replica(home).store for home in members]
    rowids = [store.last_rowid() for store in stores]
    versions = [store.data_version() for store in stores]
    seen: list[dict[str, int]] = [{} for _ in stores]
    print("ready", flush=True)
    while not over.is_set():
        for number, store in enumerate(stores):
            version = store.data_version()
            if version == versions[number]:
                continue
            versions[number], newest = version, store.last_rowid()
            arrived_now = store.items_after(commons, rowids[number])
            at = time.monotonic_ns()
            for _, identifier in arrived_now:
                seen[number].setdefault(identifier.hex(), at)
            rowids[number] = newest
        time.sleep(LOOK_SECONDS)
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    sys.exit(main())
