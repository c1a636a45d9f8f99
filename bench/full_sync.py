"""A full first sync between two nodes on loopback, and ten new entries after a reconnect.

    python bench/full_sync.py [--entries 10000] [--authors 100]

Entries have about 500 bytes and three tags each; every signature is verified, full text and tags
are indexed. Both nodes, and this script, share the machine's cores. Prints entries a second
(from the end of `join` to the last one in the store), bytes on disk an entry, memory of both
nodes, and the seconds until ten entries written while apart are on the other side.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from pathlib import Path

from harness import Home, count_of, free_address, homes, join, new_commons, say, wait_equal
from p2pcommons.model.keys import grant_device
from p2pcommons.model.kinds import EntryBody
from p2pcommons.replica import open_replica

SECONDS_MAX = 600.0
TEXT = "Mark the focal line first, then cut the reflector from cardboard and line it. " * 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--authors", type=int, default=100)
    chosen = parser.parse_args()
    with homes(2) as (ana, rui):
        for home, name in ((ana, "ana"), (rui, "rui")):
            home.run("init", "--name", name)
        commons = new_commons(ana, "Full sync")
        fill(ana, commons, chosen.entries, chosen.authors)
        addresses = free_address(), free_address()
        ana.start(listen=addresses[0])
        rui.start(listen=addresses[1])
        join(rui, ana, commons)
        before = [cpu_seconds(home) for home in (ana, rui)]
        began = time.monotonic()
        first, seconds = watch(rui, commons, ana.digest(commons)[0], began)
        say(
            f"{chosen.entries} entries there after {seconds:.1f} s, "
            f"{chosen.entries / seconds:.0f}/s; the first after {first:.1f} s"
        )
        spent = [cpu_seconds(home) - start for home, start in zip((ana, rui), before, strict=True)]
        say(f"processor time: sender {spent[0]:.1f} s, receiver {spent[1]:.1f} s")
        wait_equal([ana, rui], commons, 60)
        say(f"memory: sender {memory_mib(ana):.0f} MiB, receiver {memory_mib(rui):.0f} MiB")
        rui.stop()
        say(f"store: {store_bytes(rui) / chosen.entries:.0f} bytes an entry")
        for number in range(10):
            ana.run("add", "--title", f"While apart {number}", "--commons", commons)
        rui.start(listen=addresses[1])
        seconds, count, _ = wait_equal([ana, rui], commons, 60)
        say(f"ten entries written while apart: equal {seconds:.1f} s after the start: {count}")
    return 0


def fill(home: Home, commons: str, entries: int, authors: int) -> None:
    began = time.monotonic()
    signers = [
        grant_device(hashlib.sha256(bytes([0, number])).digest(), os.urandom(32))
        for number in range(authors)
    ]
    now = int(time.time())
    with open_replica(home.path) as replica, replica.batch():
        for number in range(entries):
            tags = (f"t{number % 40}", f"u{number % 700}", f"v{number % 7}")
            body = EntryBody("practice", f"Practice number {number}", TEXT, tags=tags)
            replica.contribute(
                body,
                commons=bytes.fromhex(commons),
                identity=signers[number % authors],
                claimed_at=now - entries + number,
            )
    seconds = time.monotonic() - began
    say(f"{entries} entries by {authors} authors written in {seconds:.1f} s")


def watch(home: Home, commons: str, wanted: int, began: float) -> tuple[float, float]:
    """Seconds until the first and until all contributions are in the store of `home`."""
    first = 0.0
    with open_replica(home.path) as replica:
        while True:
            count = count_of(replica, commons)
            if count > 1:
                first = first or time.monotonic() - began
                if count >= wanted:
                    return first, time.monotonic() - began
            if time.monotonic() - began > SECONDS_MAX:
                raise TimeoutError(f"{count} of {wanted} after {SECONDS_MAX} s")
            time.sleep(0.02)


def store_bytes(home: Home) -> int:
    return sum(path.stat().st_size for path in home.path.glob("replica.db*"))


def cpu_seconds(home: Home) -> float:
    """Processor time of a home's node so far; 0 where the system does not tell."""
    stat = Path(f"/proc/{home.node.pid if home.node else 0}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(home: Home) -> float:
    """Resident memory of a home's node, in MiB; 0 where the system does not tell."""
    status = Path(f"/proc/{home.node.pid if home.node else 0}/status")
    if not status.exists():
        return 0.0
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
