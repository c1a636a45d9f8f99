"""A full first sync between two nodes on loopback, set against what its parts cost alone.

    python bench/full_sync.py [--entries 100000] [--home FOLDER]

Two node processes over libp2p and Noise share the machine's cores with this script. Every
signature is verified, full text and tags are indexed, and while the sync runs this process asks
the receiver's store for a word and for a tag ten times a second. The clock starts with the call
of `join`. In the same run the same entries are verified, and taken into a fresh store, in one
thread: the sum of the two is what any receiver has to do at least. At the end ten entries are
written while the nodes are apart. Ends with 1 if the two replicas differ, views differ from a
rebuild, or a search finds something else there. `--home` keeps the entries for the next run.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import corpus
from harness import Home, count_of, free_address, homes, say, wait_equal
from p2pcommons.model.contribution import Grant, verify
from p2pcommons.model.keys import grant_device
from p2pcommons.model.kinds import EntryBody
from p2pcommons.paths import find_paths
from p2pcommons.replica import Replica, open_replica
from p2pcommons.store import Store, parse_query

SECONDS_MAX = 900.0
NEWEST = 1_000
QUESTIONS = (corpus.NEVER_TOGETHER[0], f"#{corpus.tag(3)}")
QUESTION_SECONDS = 0.1
PAGE = 50
GROUP = 450
TEXT = "Mark the focal line first, then cut the reflector from cardboard and line it. " * 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--home", type=Path, help="keeps the sender's store for the next run")
    parser.add_argument("--apart", type=int, default=10, help="entries written while apart")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        ana, rui = stack.enter_context(homes(2))
        if chosen.home is not None:
            ana = Home(chosen.home)
            stack.callback(ana.stop)
        return run(ana, rui, chosen.entries, chosen.apart)


def run(ana: Home, rui: Home, entries: int, apart: int) -> int:
    corpus.build(ana.path, entries)
    for home, name in ((ana, "ana"), (rui, "rui")):
        home.run("init", "--name", name, accept=(0, 7))
    commons = corpus.founding().id.hex()
    addresses = free_address(), free_address()
    ana.start(listen=addresses[0])
    rui.start(listen=addresses[1])
    idle = [memory_mib(home) for home in (ana, rui)]
    before = [cpu_seconds(home) for home in (ana, rui)]
    with open_replica(ana.path) as sender, open_replica(rui.path) as receiver:
        seen = watch(sender, receiver, bytes.fromhex(commons))
    spent = [cpu_seconds(home) - start for home, start in zip((ana, rui), before, strict=True)]
    wait_equal([ana, rui], commons, 60)
    memory = [memory_mib(home) for home in (ana, rui)]
    rui.stop()
    size = store_bytes(rui)
    verifying, inserting = alone(ana, bytes.fromhex(commons))
    wall = seen.seconds / entries * 1e6
    ours = verifying + inserting
    say(f"{'entries':34}{entries:>10}, {envelope_bytes(ana, commons):.0f} bytes each as sent")
    say(f"{'full sync':34}{seen.seconds:>10.1f} s, {entries / seen.seconds:,.0f} entries/s")
    say(f"{'newest 1,000 readable by others':34}{seen.newest:>10.2f} s after join began")
    say(f"{'the first of all':34}{seen.first:>10.2f} s")
    say(f"{'wall per entry':34}{wall:>10.1f} us")
    say(f"{'verify alone, one thread':34}{verifying:>10.1f} us")
    say(f"{'insert alone, one thread':34}{inserting:>10.1f} us")
    say(f"{'wall against their sum':34}{wall / ours:>10.2f} (bound 1.7)")
    for name, index in (("sender", 0), ("receiver", 1)):
        each = spent[index] / entries * 1e6
        say(f"{f'processor time, {name}':34}{spent[index]:>10.1f} s, {each:.0f} us an entry")
        say(f"{f'memory, {name}':34}{memory[index]:>10.0f} MiB, {idle[index]:.0f} before")
    say(f"{'on disk':34}{size / entries:>10.0f} bytes an entry")
    for question, times in seen.asked.items():
        times.sort()
        p95 = times[int(len(times) * 0.95)] * 1000
        say(
            f"{f'search {question} meanwhile':34}{p95:>10.1f} ms p95, "
            f"{times[-1] * 1000:.1f} longest"
        )
    wrong = compare(ana, rui)
    if apart:
        for number in range(apart):
            ana.run("add", "--title", f"While apart {number}", "--commons", commons)
        rui.start(listen=addresses[1])
        seconds, count, _ = wait_equal([ana, rui], commons, 60)
        say(f"{apart} written while apart: equal {seconds:.1f} s after the start: {count}")
    for line in wrong:
        say(f"WRONG: {line}")
    return 1 if wrong else 0


@dataclass
class Seen:
    """What another process saw of a sync, in seconds since `join` was called."""

    first: float = 0.0
    newest: float = 0.0
    seconds: float = 0.0
    asked: dict[str, list[float]] = field(default_factory=dict[str, list[float]])


def watch(sender: Replica, receiver: Replica, commons: bytes) -> Seen:
    """Join, and look until everything is there; searches on the way."""
    wanted = count_of(sender, commons.hex())
    queries = {text: parse_query(text) for text in QUESTIONS}
    newest = list(sender.store.entry_ids(parse_query(""), now=sender.now(), limit=NEWEST))
    invite = sender.make_invite(commons).text
    seen = Seen(asked={text: [] for text in QUESTIONS})
    began = time.monotonic()
    receiver.join(invite)
    receiver.nudge()
    asked, count = began, 0
    while (now := time.monotonic()) - began < SECONDS_MAX:
        count = count_of(receiver, commons.hex())
        if count > 1 and not seen.first:
            seen.first = now - began
        if not seen.newest and count >= len(newest):
            here = receiver.store.entry_ids(parse_query(""), now=receiver.now(), limit=NEWEST)
            if list(here) == newest:
                seen.newest = time.monotonic() - began
        if count >= wanted:
            seen.seconds = now - began
            return seen
        if seen.first and now - asked > QUESTION_SECONDS:
            asked = now
            for text, query in queries.items():
                start = time.perf_counter()
                found = receiver.store.entry_ids(query, now=receiver.now(), limit=PAGE)
                receiver.store.entry_rows(found)
                seen.asked[text].append(time.perf_counter() - start)
        time.sleep(0.005)
    raise TimeoutError(f"{count} of {wanted} after {SECONDS_MAX} s")


def alone(home: Home, commons: bytes) -> tuple[float, float]:
    """Microseconds an entry costs to verify, and to take into a fresh store, in one thread."""
    with Store.open(find_paths(home.path).replica_db) as store:
        items = sorted(store.items(commons), reverse=True)
        ids = [identifier for _, identifier in items]
        loaded = store.envelopes(commons, ids)
    envelopes = [loaded[identifier] for identifier in ids]
    del loaded
    gc.collect()
    gc.freeze()
    grants: set[Grant] = set()
    began = time.perf_counter()
    verified = [verify(envelope, grants) for envelope in envelopes]
    verifying = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "s.db") as store:
        began = time.perf_counter()
        for start in range(0, len(verified), GROUP):
            store.ingest(verified[start : start + GROUP], received_at=int(time.time()), source="p")
        inserting = time.perf_counter() - began
    gc.unfreeze()
    return verifying / len(ids) * 1e6, inserting / len(ids) * 1e6


def compare(ana: Home, rui: Home) -> list[str]:
    """What the two replicas disagree about, after everything arrived."""
    wrong: list[str] = []
    with open_replica(ana.path) as sender, open_replica(rui.path) as receiver:
        for text in ("", *QUESTIONS):
            query = parse_query(text)
            found = [each.store.entry_ids(query, now=each.now()) for each in (sender, receiver)]
            if found[0] != found[1]:
                wrong.append(f"a search for {text!r} finds {len(found[0])} and {len(found[1])}")
        wrong += receiver.store.views_differences() + receiver.store.integrity_check()
    return wrong


def envelope_bytes(home: Home, commons: str) -> float:
    """Mean size of header, both signatures and body, over the newest entries."""
    identifier = bytes.fromhex(commons)
    with Store.open(find_paths(home.path).replica_db) as store:
        ids = [each for _, each in sorted(store.items(identifier), reverse=True)[:NEWEST]]
        sizes = [
            len(each.header) + len(each.signature) + len(each.grant) + len(each.body or b"")
            for each in store.envelopes(identifier, ids).values()
        ]
    return sum(sizes) / len(sizes)


def fill(home: Home, commons: str, entries: int, authors: int) -> None:
    """Write entries of about 600 bytes by several authors, a second apart."""
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
