"""Twelve hours of eight nodes in one: is what they take of the machine flat?

    python bench/soak.py OUT [--minutes 60] [--nodes 8] [--rate 5] [--connects 1000]
        [--plot docs/images/soak.png]

Eight nodes on loopback, each connected with five, and `--rate` contributions a second in all, by
eight authors in turn. Periodic reconciliation runs every 25 seconds instead of every 300, so an
hour holds as many sessions as twelve; everything else keeps its own time. Six times in the run
one node is stopped and started again, by turns with SIGTERM and SIGKILL, and every few seconds a
stranger with a new key connects to some node and leaves again. Resident memory, open handles,
threads and processor time of every node are read each ten seconds from /proc.

Afterwards `--connects` strangers come to one node and go, eight at a time, in two halves; what the
second half leaves behind would be a leak.
Nodes started alone, with a store of half and of all that the run will write, tell what a stored
contribution costs in memory; growth beyond that is the remainder in the table, fitted over the
second half with the error of the fit. `OUT` gets samples.csv and result.json. Ends with 1 when
replicas differ, when handles or threads of a node have grown, when memory grows by 10 MiB an hour
that nothing explains, or when a node did not stop within seconds.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, cast

import trio

import corpus
from crowd import Writer, chords, figures, fixed_addresses, gather, peers_connected, status_of
from harness import Home, count_of, free_address, homes, say, wait_equal
from p2pcommons.net.host import open_host
from p2pcommons.paths import find_paths
from p2pcommons.replica import open_replica
from raw_peer import peer_of
from soak_figures import Sample, draw, line_through, median_of

if TYPE_CHECKING:
    from collections.abc import Sequence

RECONCILE_SECONDS = 25
RECONCILE_SECONDS_USUAL = 300
LOOK_SECONDS = 10.0
RESTARTS = 6
DOWN_SECONDS = 15.0
STRANGER_SECONDS = 4.0
"""Between two strangers in the run; each comes with a key of its own."""
STAY_SECONDS = 0.3
STRANGERS_AT_ONCE = 8
STOP_SECONDS_MAX = 10.0
"""A node that is asked to stop under load and needs longer does not stop within seconds."""
REST_SECONDS = 60.0
EQUAL_SECONDS = 180.0
MEASURED_STARTS = 3
SETTLE_SECONDS = 20.0
HANDLES_SLACK = 2
"""A stranger that is just there, or one more socket between two nodes that dialled each other."""
THREADS_SLACK = 1
LEAK_MIB_PER_HOUR = 10.0
"""Growth that nothing explains, in the middle of all nodes: 240 MiB a day would be no flat line."""
JUDGED_MINUTES = 30.0
"""Before that caches still fill, and the slope says nothing."""
PLOT = Path(__file__).parents[1] / "docs" / "images" / "soak.png"
MIB = 1024 * 1024
run: Any = cast("Any", trio).run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", default=Path("soak"))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--rate", type=float, default=5.0)
    parser.add_argument("--connects", type=int, default=1_000)
    parser.add_argument("--plot", type=Path, default=PLOT)
    parser.add_argument("--strangers", nargs="+", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.strangers:
        count, pause, *addresses = chosen.strangers
        run(come_and_go, int(count), float(pause), addresses)
        return 0
    chosen.out.mkdir(parents=True, exist_ok=True)
    return Soak(chosen).run()


class Soak:
    """One run, from the first start to the verdict."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self._chosen = chosen
        self._samples: list[Sample] = []
        self._began = 0.0
        self._stops: list[float] = []
        self._faults: list[str] = []

    def run(self) -> int:
        """Soak, judge, print, draw; the exit code."""
        say(
            f"reconciliation every {RECONCILE_SECONDS} s instead of {RECONCILE_SECONDS_USUAL} s "
            f"(factor {RECONCILE_SECONDS_USUAL // RECONCILE_SECONDS}); nothing else is shortened"
        )
        each = bytes_per_contribution(round(self._chosen.minutes * 60 * self._chosen.rate))
        say(f"a stored contribution costs {each:.0f} bytes of memory in a node just started")
        with homes(self._chosen.nodes) as nodes:
            addresses = fixed_addresses(len(nodes))
            settings = {"network": {"reconcile_seconds": RECONCILE_SECONDS}}
            steps = [step for step in (1, 2, 4) if step < len(nodes)]
            commons = gather(nodes, addresses, chords(len(nodes), steps), settings, "Soak")
            say(f"{len(nodes)} nodes, connected with {[peers_connected(each) for each in nodes]}")
            self._began = time.monotonic()
            self._load(nodes, addresses, commons)
            seconds, count, _ = self._equal(nodes, commons)
            say(f"all equal {seconds:.1f} s after the last commit: {count} contributions")
            self._crowd(nodes, commons)
            self._stop_all(nodes)
        self._judge(each)
        return 1 if self._faults else 0

    # --- the run -----------------------------------------------------------------------------

    def _load(self, nodes: Sequence[Home], addresses: Sequence[str], commons: str) -> None:
        """Write, restart one node now and then, let strangers come, and look at everybody."""
        period = self._chosen.minutes * 60
        writer = Writer(nodes, commons, self._chosen.rate, lambda number: number % len(nodes))
        writer.start()
        open_to = [address_of(home) for home in nodes[:-1]]
        strangers = strangers_at(open_to, int(period / STRANGER_SECONDS), STRANGER_SECONDS)
        restarting = threading.Thread(
            target=self._restart, args=(nodes[-1], addresses[-1], period), daemon=True
        )
        restarting.start()
        try:
            self._watch(nodes, commons, self._began + period)
            writer.finish()
        finally:
            strangers.kill()
            strangers.wait()
        restarting.join()
        say(f"{len(writer.committed)} contributions committed in {period / 60:.0f} minutes")

    def _restart(self, home: Home, address: str, period: float) -> None:
        """Stop and start one node, by turns asked and killed."""
        for number in range(RESTARTS):
            due = self._began + period * (number + 0.5) / RESTARTS
            time.sleep(max(0.0, due - time.monotonic()))
            began = time.monotonic()
            if number % 2:
                home.kill()
            else:
                home.stop()
                self._stops.append(time.monotonic() - began)
            time.sleep(DOWN_SECONDS)
            home.start(listen=address)

    def _watch(self, nodes: Sequence[Home], commons: str, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            self._look(nodes, commons)
            time.sleep(min(left, LOOK_SECONDS))

    def _look(self, nodes: Sequence[Home], commons: str) -> None:
        at = time.monotonic() - self._began
        for number, home in enumerate(nodes):
            found = figures(home)
            if found is None:
                continue
            log = find_paths(home.path).node_log
            with open_replica(home.path) as replica:
                count = count_of(replica, commons)
            self._samples.append(
                Sample(
                    round(at, 1),
                    number,
                    found.rss_mib,
                    found.handles,
                    found.threads,
                    found.cpu_s,
                    sum(path.stat().st_size for path in log.parent.glob(f"{log.name}*")),
                    count,
                    peers_connected(home),
                )
            )

    def _equal(self, nodes: Sequence[Home], commons: str) -> tuple[float, int, str]:
        try:
            return wait_equal(nodes, commons, EQUAL_SECONDS)
        except TimeoutError as error:
            self._faults.append(str(error))
            return EQUAL_SECONDS, 0, ""

    def _crowd(self, nodes: Sequence[Home], commons: str) -> None:
        """Let many strangers come to the first node and go, twice; see what they leave behind.

        What the first half leaves may be room for so many; what the second adds is a leak.
        """
        time.sleep(SETTLE_SECONDS)
        before = figures(nodes[0])
        for half in ("first", "second"):
            began = time.monotonic()
            strangers = strangers_at([address_of(nodes[0])], self._chosen.connects // 2, 0.0)
            out, _ = strangers.communicate()
            seconds = time.monotonic() - began
            self._watch(nodes, commons, time.monotonic() + REST_SECONDS / 2)
            after = figures(nodes[0])
            if before is None or after is None:
                self._faults.append("the node that strangers came to is gone")
                return
            say(
                f"{half} half, {out.decode().strip()} in {seconds:.0f} s; half a minute later "
                f"{before.rss_mib:.1f} -> {after.rss_mib:.1f} MiB, {before.handles} -> "
                f"{after.handles} handles, {before.threads} -> {after.threads} threads"
            )
            for name, slack in (("handles", HANDLES_SLACK), ("threads", THREADS_SLACK)):
                if getattr(after, name) > getattr(before, name) + slack:
                    self._faults.append(f"strangers left {name} behind")
            before = after

    def _stop_all(self, nodes: Sequence[Home]) -> None:
        for home in nodes:
            began = time.monotonic()
            home.stop()
            self._stops.append(time.monotonic() - began)
        slowest = max(self._stops)
        say(f"{len(self._stops)} stops, the slowest in {slowest:.1f} s")
        if slowest > STOP_SECONDS_MAX:
            self._faults.append("a node did not stop within seconds")

    # --- the verdict -------------------------------------------------------------------------

    def _judge(self, each: float) -> None:
        period = self._chosen.minutes * 60
        rows: list[dict[str, object]] = []
        print(
            f"{'node':>4} {'MiB':>12} {'MiB/h':>14} {'explained':>9} {'remainder':>14} "
            f"{'handles':>9} {'threads':>7} {'% core':>6} {'log kB/d':>8}"
        )
        for number in range(self._chosen.nodes):
            mine = [
                sample
                for sample in self._samples
                if sample.node == number and sample.second <= period
            ]
            rows.append(self._row(number, mine, period, each))
        steady = [row for row in rows if not row["restarted"]]
        unexplained = median(cast("float", row["remainder_mib_per_hour"]) for row in steady)
        say(f"memory that nothing explains: {unexplained:.1f} MiB an hour in the middle")
        if self._chosen.minutes >= JUDGED_MINUTES and unexplained > LEAK_MIB_PER_HOUR:
            self._faults.append("memory grows by more than what is stored")
        self._save(rows, each)
        draw(self._samples, self._chosen.nodes, self._chosen.plot)
        for fault in self._faults:
            say(f"FAULT: {fault}")
        if not self._faults:
            say("replicas equal, handles and threads flat")

    def _row(
        self, number: int, mine: Sequence[Sample], period: float, each: float
    ) -> dict[str, object]:
        """Judge one node and print its line."""
        second_half = [sample for sample in mine if sample.second >= period / 2]
        early = [sample for sample in mine if period / 6 <= sample.second < period / 3]
        late = [sample for sample in mine if sample.second >= period * 5 / 6]
        memory = line_through([(sample.second, sample.rss_mib) for sample in second_half])
        rows = line_through([(sample.second, sample.contributions) for sample in second_half])
        explained = rows.per_hour * each / MIB
        is_restarted = number == self._chosen.nodes - 1
        grown: list[str] = []
        for name, slack in (("handles", HANDLES_SLACK), ("threads", THREADS_SLACK)):
            was, now = median_of(early, name), median_of(late, name)
            if now > was + slack:
                grown.append(f"node {number}: {name} grew from {was:.0f} to {now:.0f}")
        self._faults += grown
        whole = mine[-1].second - mine[0].second
        share = 100 * max(0.0, mine[-1].cpu_s - mine[0].cpu_s) / whole
        per_day = (mine[-1].log_bytes - mine[0].log_bytes) / whole * 86_400 / 1_000
        remainder = memory.per_hour - explained
        note = "  restarted: no line" if is_restarted else ""
        print(
            f"{number:4} {mine[0].rss_mib:5.1f}-{mine[-1].rss_mib:6.1f} "
            f"{memory.per_hour:7.2f} ±{memory.error:5.2f} {explained:9.2f} "
            f"{remainder:7.2f} ±{memory.error:5.2f} "
            f"{median_of(early, 'handles'):4.0f}-{median_of(late, 'handles'):4.0f} "
            f"{median_of(early, 'threads'):3.0f}-{median_of(late, 'threads'):3.0f} "
            f"{share:6.1f} {per_day:8.0f}{note}"
        )
        return {
            "node": number,
            "restarted": is_restarted,
            "rss_mib": [mine[0].rss_mib, mine[-1].rss_mib],
            "rss_mib_per_hour": asdict(memory),
            "explained_mib_per_hour": explained,
            "remainder_mib_per_hour": remainder,
            "cpu_percent": share,
            "log_kilobytes_per_day": per_day,
        }

    def _save(self, rows: list[dict[str, object]], each: float) -> None:
        with (self._chosen.out / "samples.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(asdict(self._samples[0])))
            writer.writeheader()
            writer.writerows(asdict(sample) for sample in self._samples)
        result = {
            "minutes": self._chosen.minutes,
            "rate": self._chosen.rate,
            "bytes_per_contribution": each,
            "stop_seconds": self._stops,
            "faults": self._faults,
            "nodes": rows,
        }
        (self._chosen.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")


def bytes_per_contribution(count: int) -> float:
    """What one more contribution in the store adds to the memory of a node just started.

    Between half of `count` and `count`, which is what the second half of the run adds. Page cache
    and the like fill up at first and make the first thousands look dearer than the next.
    """
    taken: list[float] = []
    for entries in (count // 2, count):
        with tempfile.TemporaryDirectory(prefix="p2pc-") as folder:
            home = Home(Path(folder) / "alone")
            corpus.build(home.path, entries)
            home.run("init", "--name", "alone")
            taken.append(median(rss_alone(home) for _ in range(MEASURED_STARTS)))
    return max(0.0, taken[1] - taken[0]) * MIB / (count - count // 2)


def rss_alone(home: Home) -> float:
    """Resident MiB of a node that has just started and has nobody to talk to."""
    home.start(listen=free_address())
    try:
        time.sleep(SETTLE_SECONDS / 2)
        found = figures(home)
    finally:
        home.stop()
    return 0.0 if found is None else found.rss_mib


def address_of(home: Home) -> str:
    """Where a running node listens, with its peer id."""
    status = status_of(home) or {}
    return cast("list[str]", status["addresses"])[0]


def strangers_at(addresses: Sequence[str], count: int, pause: float) -> subprocess.Popen[bytes]:
    """A process that connects so often, each time as somebody else, and leaves."""
    return subprocess.Popen(
        [sys.executable, __file__, "--strangers", str(count), str(pause), *addresses],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )


async def come_and_go(count: int, pause: float, addresses: Sequence[str]) -> None:
    """Connect, let the node see a peer, disconnect; each time with a new key."""
    chance = random.Random(count)
    numbers = iter(range(count))
    met: list[bool] = []

    async def one_after_another() -> None:
        for number in numbers:
            address = addresses[number % len(addresses)]
            async with open_host(chance.randbytes(32), []) as host:
                report = await host.dial(peer_of(address), [address])
                met.append(report.connected)
                await trio.sleep(STAY_SECONDS)
            await trio.sleep(pause)

    async with trio.open_nursery() as nursery:
        for _ in range(1 if pause else STRANGERS_AT_ONCE):
            nursery.start_soon(one_after_another)
    print(f"{sum(met)} of {count} strangers came and went")


if __name__ == "__main__":
    sys.exit(main())
