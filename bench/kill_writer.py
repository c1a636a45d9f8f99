"""SIGKILL processes that write, at random moments; nothing that was promised may be missing.

    python bench/kill_writer.py [--rounds 50] [--nodes 20]

Odd rounds kill a process that adds entry after entry through the façade and prints each id; even
rounds kill `p2pcommons add` itself, one call after another. Then a node is killed again and again
while it receives from a peer that never stops writing, and while its own person writes beside it.
After each round: every printed id is in the store, `integrity_check` is ok, every view equals a
full fold, count and fingerprint equal a recount. At the end both nodes become equal.
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

from harness import Home, count_of, free_address, homes, join, new_commons, say, wait_equal
from p2pcommons.protocol.items import fingerprint_of
from p2pcommons.replica import open_replica

EQUAL_SECONDS = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--nodes", type=int, default=20, help="rounds that kill a node")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--write", nargs=2, metavar=("HOME", "COMMONS"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.write:
        write_for_ever(Path(chosen.write[0]), bytes.fromhex(chosen.write[1]))
    say(f"seed {chosen.seed}")
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
    return kill_nodes(chosen.nodes, chance) if chosen.nodes else 0


def kill_nodes(rounds: int, chance: random.Random) -> int:
    """Kill a receiving node so many times; 1 when anything was lost or they end unequal."""
    with homes(2) as (sender, home):
        for each, name in ((sender, "ana"), (home, "ben")):
            each.run("init", "--name", name)
        commons = new_commons(sender, "Killed while receiving")
        sender.start(listen=free_address())
        join(home, sender, commons)
        writing = write_in_background(sender, commons, subprocess.DEVNULL)
        printed: list[str] = []
        try:
            for number in range(1, rounds + 1):
                home.start(listen=free_address())
                before = held(home, commons)
                mine = write_in_background(home, commons, subprocess.PIPE)
                time.sleep(chance.uniform(0.2, 2.5))
                home.kill()
                mine.send_signal(signal.SIGKILL)
                printed += whole_lines(mine.communicate()[0])
                missing = check(home, printed)
                say(
                    f"node {number}: {held(home, commons) - before} came in before it was killed, "
                    f"{missing} of {len(printed)} own missing"
                )
                if missing:
                    return 1
        finally:
            writing.kill()
            writing.wait()
        home.start(listen=free_address())
        seconds, count, _ = wait_equal((sender, home), commons, EQUAL_SECONDS)
        check(home, printed)
        say(f"{rounds} kills; both equal after {seconds:.1f} s, {count} contributions")
    return 0


def held(home: Home, commons: str) -> int:
    """How many contributions of a commons a home holds."""
    with open_replica(home.path) as replica:
        return count_of(replica, commons)


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
    writer = write_in_background(home, commons, subprocess.PIPE)
    time.sleep(chance.uniform(0.6, 1.6))
    writer.send_signal(signal.SIGKILL)
    return whole_lines(writer.communicate()[0])


def write_in_background(home: Home, commons: str, out: int) -> subprocess.Popen[bytes]:
    """Start a process that adds entries until it is killed."""
    command = [sys.executable, __file__, "--write", str(home.path), commons]
    return subprocess.Popen(command, stdout=out)


def whole_lines(out: bytes) -> list[str]:
    """The ids printed; a line cut by the kill was not printed whole, so it promised nothing."""
    return [line for line in out.decode().split("\n")[:-1] if len(line) == 64]


def kill_add(home: Home, chance: random.Random) -> list[str]:
    ids: list[str] = []
    for _ in range(3):
        adding = subprocess.Popen(
            home.command("add", "--title", f"Entry {chance.random()}", "--json"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        time.sleep(chance.uniform(0.08, 0.6))
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
        for row in replica.commons():
            # The full fold above compares count and fingerprint with the rows; this with the ids
            # that a reconciliation would use.
            ids = [identifier for _, identifier in replica.store.items(row.id)]
            digest = replica.digest(row.id)
            if (digest.count, digest.fingerprint) != (len(ids), fingerprint_of(ids)):
                faults.append(f"digest of {row.title} is not that of its {len(ids)} ids")
        if faults:
            raise RuntimeError(f"damaged: {faults}")
        return sum(len(replica.store.find_ids(identifier)) != 1 for identifier in printed)


if __name__ == "__main__":
    sys.exit(main())
