"""From a commit on one node to the same contribution in another node's store, on loopback.

    python bench/live.py [--adds 200] [--pause-ms 60] [--entries 0] [--rounds 1]

Four processes: a writer that adds entries through the façade as a person's command does (durable
commit, then the nudge), two nodes, and a reader that watches the second node's store. The clock
starts when the commit has returned and stops when the reader sees the entry. `--entries` fills
both stores first, `--entries 100000` for the line of the performance table. Beside it stands the
round trip of a bare libp2p echo of the same size between two further processes, taken just
before, so that a slow machine is told from a slow program. Ends with 1 when an entry is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import trio

from full_sync import fill
from harness import Home, free_address, homes, join, new_commons, say, wait_equal, wait_until
from p2pcommons.net.host import open_host
from p2pcommons.replica import Replica, open_replica
from raw_peer import RECONCILE, peer_of

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOK_SECONDS = 0.0004
"""Between two looks of the reader; adds half of it to every figure."""
ARRIVE_SECONDS = 30.0
ENTRY_BYTES = 700
TEXT = "Mark the focal line first, then cut the reflector from cardboard and line it. " * 3
run: Any = cast("Any", trio).run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adds", type=int, default=200)
    parser.add_argument("--pause-ms", type=float, default=60.0)
    parser.add_argument("--entries", type=int, default=0, help="entries in both stores before")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--watch", nargs=2, metavar=("HOME", "COMMONS"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.watch:
        watch(Path(chosen.watch[0]), bytes.fromhex(chosen.watch[1]))
        return 0
    missing = 0
    pause = chosen.pause_ms / 1_000
    with homes(2) as (ana, rui):
        commons = connect(ana, rui, chosen.entries)
        say(f"{chosen.adds} adds, {chosen.pause_ms:g} ms apart, {chosen.entries} entries before")
        print(f"{'ms':34} {'n':>5} {'p50':>7} {'p95':>7} {'p99':>7} {'max':>7}")
        for _ in range(chosen.rounds):
            table("libp2p echo, round trip", echoes(chosen.adds, pause))
            adding, live, lost = measure(ana, rui, commons, chosen.adds, pause)
            table("add, until its commit returned", adding)
            table("commit here to visible there", live)
            missing += lost
    if missing:
        say(f"{missing} never arrived")
    return 1 if missing else 0


def connect(ana: Home, rui: Home, entries: int) -> str:
    """Two connected nodes with one commons; reconciliation stays out of the way."""
    for home, name in ((ana, "ana"), (rui, "rui")):
        home.configure({"network": {"reconcile_seconds": 3600}})
        home.run("init", "--name", name)
    commons = new_commons(ana, "Live")
    if entries:
        fill(ana, commons, entries, 100)
        # A copy is what a full sync ends with, and quicker; no process has the store open now.
        shutil.copy(ana.path / "replica.db", rui.path / "replica.db")
    ana.start(listen=free_address())
    rui.start(listen=free_address())
    join(rui, ana, commons)
    wait_until("connected", lambda: ana.connected() == 1, 30)
    wait_equal([ana, rui], commons, 120)
    time.sleep(3.0)  # what the beginning still does is no part of this
    return commons


def measure(
    ana: Home, rui: Home, commons: str, adds: int, pause: float
) -> tuple[list[float], list[float], int]:
    """Milliseconds of each add and of each way, and how many never arrived."""
    watcher = subprocess.Popen(
        [sys.executable, __file__, "--watch", str(rui.path), commons],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert watcher.stdin is not None
    assert watcher.stdout is not None
    watcher.stdout.readline()
    took: list[float] = []
    committed: dict[str, int] = {}
    with open_replica(ana.path) as replica:
        note = CommitTimes(replica)
        for number in range(adds):
            began = time.monotonic_ns()
            made = replica.add_entry(bytes.fromhex(commons), title=f"Live {number}", text=TEXT)
            committed[made.id.hex()] = note.at
            took.append((note.at - began) / 1e6)
            time.sleep(max(0.0, pause - (time.monotonic_ns() - began) / 1e9))
    wait_for_last(rui, commons, committed)
    found = json.loads(watcher.communicate(b"")[0])
    live = [(found[each] - at) / 1e6 for each, at in committed.items() if each in found]
    return took, live, len(committed) - len(live)


class CommitTimes:
    """When the last commit of a replica returned: it nudges the node right after it."""

    def __init__(self, replica: Replica) -> None:
        self.at = 0
        self._nudge = replica.nudge
        replica.nudge = self  # pyright: ignore[reportAttributeAccessIssue]

    def __call__(self) -> None:
        """Note the time, then nudge."""
        self.at = time.monotonic_ns()
        self._nudge()


def wait_for_last(rui: Home, commons: str, committed: dict[str, int]) -> None:
    """Wait until everything is there, or for a bounded time."""
    wanted = [bytes.fromhex(each) for each in committed]
    with open_replica(rui.path) as replica:
        try:
            wait_until(
                "all there", lambda: len(replica.store.known(wanted)) == len(wanted), ARRIVE_SECONDS
            )
        except TimeoutError as error:
            say(f"{commons[:10]}: {error}")
    time.sleep(0.1)


def watch(home: Path, commons: bytes) -> None:
    """Note when each new contribution is first seen; tell all at the end of the input."""
    over = threading.Event()

    def until_input_ends() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=until_input_ends, daemon=True).start()
    seen: dict[str, int] = {}
    with open_replica(home) as replica:
        store = replica.store
        rowid, version = store.last_rowid(), store.data_version()
        print("ready", flush=True)
        while not over.is_set():
            now = store.data_version()
            if now == version:
                time.sleep(LOOK_SECONDS)
                continue
            version, newest = now, store.last_rowid()
            arrived = store.items_after(commons, rowid)
            at = time.monotonic_ns()
            for _, identifier in arrived:
                seen.setdefault(identifier.hex(), at)
            rowid = newest
    print(json.dumps(seen), flush=True)


def echoes(count: int, pause: float) -> list[float]:
    """Milliseconds of round trips over one stream of a bare, hardened libp2p host."""
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("echo_node.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        return run(_echo, server.stdout.readline().strip(), count, pause)
    finally:
        server.kill()
        server.wait()


async def _echo(address: str, count: int, pause: float) -> list[float]:
    took: list[float] = []
    async with open_host(os.urandom(32), []) as host:
        await host.dial(peer_of(address), [address])
        async with await host.open_stream(peer_of(address), RECONCILE) as stream:
            for _ in range(count):
                began = time.monotonic_ns()
                await stream.write_frame(os.urandom(ENTRY_BYTES))
                await stream.read_frame(1 << 20)
                spent = (time.monotonic_ns() - began) / 1e6
                took.append(spent)
                await trio.sleep(max(0.0, pause - spent / 1e3))
    return took


def table(what: str, figures: Sequence[float]) -> None:
    """Print one line of percentiles."""
    ordered = sorted(figures) or [float("nan")]
    cells = [
        ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)
    ]
    print(
        f"{what:34} {len(figures):5} " + " ".join(f"{cell:7.1f}" for cell in [*cells, ordered[-1]]),
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
