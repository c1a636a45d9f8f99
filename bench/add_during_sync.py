"""How long a person who adds from the shell waits while a full sync runs on the same store.

    python bench/add_during_sync.py [--entries 100000] [--adds 100] [--home FOLDER]

Every tenth of a second an entry is added beside a node that takes in the corpus: in this process,
as the screens do it (*write*: signing, waiting for the lock, commit, disk), and each eighth time as
`p2pcommons add` (*command*: with the start of its interpreter), as long as the sync goes on.
Prints p50, p95 and the longest of each, and of the same at rest. Ends with 1 if one is not there
afterwards.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import corpus
from full_sync import cpu_seconds
from harness import Home, count_of, free_address, homes, say, wait_equal
from p2pcommons.replica import open_replica

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY_SECONDS = 0.1
AT_REST = 30
COMMAND_EACH = 8
SECONDS_MAX = 900.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--adds", type=int, default=100, help="writes during the sync")
    parser.add_argument("--home", type=Path, help="keeps the sender's store for the next run")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        ana, rui = stack.enter_context(homes(2))
        if chosen.home is not None:
            ana = Home(chosen.home)
            stack.callback(ana.stop)
        return run(ana, rui, chosen.entries, chosen.adds)


def run(ana: Home, rui: Home, entries: int, adds: int) -> int:
    corpus.build(ana.path, entries)
    for home, name in ((ana, "ana"), (rui, "rui")):
        home.run("init", "--name", name, accept=(0, 7))
    own = str(rui.run("commons", "create", "Own")["id"])
    commons = corpus.founding().id.hex()
    ana.start(listen=free_address())
    rui.start(listen=free_address())
    resting = add_beside(rui, own, AT_REST, lambda: True)
    invite = str(ana.run("invite", commons)["invite"])
    wanted = ana.digest(commons)[0]
    rui.run("join", invite)
    began, cpu = time.monotonic(), cpu_seconds(rui)
    with open_replica(rui.path) as receiver:
        while count_of(receiver, commons) < 2:
            time.sleep(0.01)

        def is_syncing() -> bool:
            return count_of(receiver, commons) < wanted

        writes, commands = add_beside(rui, own, adds, is_syncing)
        while is_syncing() and time.monotonic() - began < SECONDS_MAX:
            time.sleep(0.05)
    seconds = time.monotonic() - began
    say(
        f"{wanted} there after {seconds:.1f} s, {wanted / seconds:,.0f}/s beside the adds, "
        f"{(cpu_seconds(rui) - cpu) / wanted * 1e6:.0f} us of processor an entry"
    )
    for name, taken in zip(("at rest, write", "at rest, command"), resting, strict=True):
        report(name, taken)
    report("while a sync runs, write", writes)
    report("while a sync runs, command", commands)
    wait_equal([ana, rui], commons, 60)
    there = int(str(rui.run("digest", own)["count"]))
    expected = 2 + sum(map(len, (*resting, writes, commands)))
    if there != expected:
        say(f"WRONG: {there} contributions of one's own instead of {expected}")
    return int(there != expected)


def add_beside(
    home: Home, commons: str, times: int, goes_on: Callable[[], bool]
) -> tuple[list[float], list[float]]:
    """Add again and again; the seconds of each write in this process, and of each command."""
    writes: list[float] = []
    commands: list[float] = []
    with open_replica(home.path) as replica:

        def write() -> None:
            replica.add_entry(
                bytes.fromhex(commons), title=f"Written meanwhile {len(writes)}", text="A word."
            )

        def command() -> None:
            home.run("add", "--title", f"Added meanwhile {len(commands)}", "--commons", commons)

        while len(writes) < times and goes_on():
            writes.append(every_tenth(write))
            replica.nudge()
            if len(writes) % COMMAND_EACH == 0 and goes_on():
                commands.append(every_tenth(command))
    return writes, commands


def every_tenth(call: Callable[[], None]) -> float:
    """Call, wait for the rest of a tenth of a second, and return the seconds the call took."""
    began = time.monotonic()
    call()
    took = time.monotonic() - began
    time.sleep(max(0.0, EVERY_SECONDS - took))
    return took


def report(what: str, seconds: list[float]) -> None:
    """One line of figures in milliseconds."""
    if not seconds:
        say(f"{what}: the sync was over before any")
        return
    ordered = sorted(seconds)
    p50, p95 = (ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.95))
    say(
        f"{what:28} p50 {p50 * 1000:6.1f} ms   p95 {p95 * 1000:6.1f} ms   "
        f"longest {ordered[-1] * 1000:6.1f} ms   ({len(ordered)} adds)"
    )


if __name__ == "__main__":
    sys.exit(main())
