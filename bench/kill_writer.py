"""SIGKILL the process that writes, at random moments; nothing that was printed may be missing.

    python bench/kill_writer.py [--rounds 50]

Odd rounds kill a process that adds entry after entry through the façade and prints each id; even
rounds kill `p2pcommons add` itself, one call after another. After each round: every printed id
is in the store, `integrity_check` is ok, and every view equals a rebuild from the contributions.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness import Home, homes, new_commons, say
from p2pcommons.replica import open_replica


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", nargs=2, metavar=("HOME", "COMMONS"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.write:
        write_for_ever(Path(chosen.write[0]), bytes.fromhex(chosen.write[1]))
    chance = random.Random(chosen.seed)
    with homes(1) as (home,):
        home.run("init", "--name", "ana")
        commons = new_commons(home, "Killed again and again")
        printed: list[str] = []
        for number in range(1, chosen.rounds + 1):
            rounds_ids = (
                kill_facade(home, commons, chance) if number % 2 else kill_add(home, chance)
            )
            printed += rounds_ids
            missing = check(home, printed)
            say(
                f"round {number}: {len(rounds_ids)} ids printed, "
                f"{missing} of {len(printed)} missing"
            )
            if missing:
                return 1
    say(f"{chosen.rounds} rounds, {len(printed)} ids, none missing; integrity ok, views equal")
    return 0


def write_for_ever(home: Path, commons: bytes) -> None:
    """Add entries until killed, printing the id of each once it is committed."""
    with open_replica(home) as replica:
        number = 0
        while True:
            number += 1
            title = f"Entry {number} of {os.getpid()}"
            added = replica.add_entry(commons, title=title, text="word " * 50, tags=["a", "b"])
            print(added.id.hex(), flush=True)


def kill_facade(home: Home, commons: str, chance: random.Random) -> list[str]:
    writer = subprocess.Popen(
        [sys.executable, __file__, "--write", str(home.path), commons],
        stdout=subprocess.PIPE,
    )
    time.sleep(chance.uniform(0.6, 1.6))
    writer.send_signal(signal.SIGKILL)
    out, _ = writer.communicate()
    # A line cut by the kill was not printed whole, so it promised nothing.
    return [line for line in out.decode().split("\n")[:-1] if len(line) == 64]


def kill_add(home: Home, chance: random.Random) -> list[str]:
    ids: list[str] = []
    for _ in range(3):
        adding = subprocess.Popen(
            home.command("add", "--title", f"Entry {chance.random()}", "--json"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        time.sleep(chance.uniform(0.08, 0.3))
        adding.send_signal(signal.SIGKILL)
        out, _ = adding.communicate()
        if out.endswith(b"\n"):
            answer = json.loads(out)
            if "id" not in answer:
                raise RuntimeError(f"add did not add: {answer}")
            ids.append(str(answer["id"]))
    return ids


def check(home: Home, printed: list[str]) -> int:
    """Number of printed ids that are not there. Raises when store or views are damaged."""
    with open_replica(home.path) as replica:
        faults = [*replica.store.integrity_check(), *replica.store.views_differences()]
        if faults:
            raise RuntimeError(f"damaged: {faults}")
        return sum(len(replica.store.find_ids(identifier)) != 1 for identifier in printed)


if __name__ == "__main__":
    sys.exit(main())
