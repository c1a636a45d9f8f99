"""How the costs of a commons grow with its size; prints a table and draws it.

    python bench/growth.py [--sizes 1000 10000 100000 1000000] [--home FOLDER]
        [--plot docs/images/growth.png]

For each size two node processes over libp2p and Noise: one holds the entries, the other joins by
invite. Measured are the seconds of the first sync, the bytes of its frames both ways, what the
receiver's process and store take afterwards, and a search for a common word. `--home` keeps the
entries for the next run; a million of them take some minutes to make and to send. Drawing needs
matplotlib, which the program itself does not: `pip install --group bench`. Ends with 1 if the two
replicas of a size differ.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib import import_module
from math import ceil, floor, log10
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, cast

import corpus
from full_sync import memory_mib, store_bytes
from harness import Home, count_of, free_address, homes, items, say, wait_equal, wait_until
from p2pcommons.paths import find_paths
from p2pcommons.replica import open_replica
from p2pcommons.store import Store, parse_query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SECONDS_MAX = 3_600.0
SEARCHES = 21
PAGE = 50
PLOT = Path(__file__).parents[1] / "docs" / "images" / "growth.png"


@dataclass(frozen=True)
class Point:
    """What one size cost."""

    entries: int
    sync_s: float
    wire_bytes: int
    memory_mib: float
    disk_bytes: int
    search_ms: float


PANELS: tuple[tuple[str, str, Callable[[Point], float]], ...] = (
    ("first sync", "seconds", lambda point: point.sync_s),
    ("frames of the sync", "megabytes", lambda point: point.wire_bytes / 1e6),
    ("memory of the node", "MiB", lambda point: point.memory_mib),
    ("store on disk", "megabytes", lambda point: point.disk_bytes / 1e6),
    ("search, common word", "milliseconds", lambda point: point.search_ms),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--home", type=Path, help="keeps the entries for the next run")
    parser.add_argument("--plot", type=Path, default=PLOT)
    chosen = parser.parse_args()
    points: list[Point] = []
    say(f"{'entries':>9} {'sync s':>8} {'wire MB':>8} {'MiB':>6} {'disk MB':>8} {'search ms':>9}")
    with ExitStack() as stack:
        kept = chosen.home or Path(stack.enter_context(tempfile.TemporaryDirectory("p2pc")))
        for size in chosen.sizes:
            point = measure(kept / f"growth-{size}", size)
            points.append(point)
            say(
                f"{point.entries:>9} {point.sync_s:>8.1f} {point.wire_bytes / 1e6:>8.1f} "
                f"{point.memory_mib:>6.0f} {point.disk_bytes / 1e6:>8.1f} {point.search_ms:>9.2f}"
            )
    print(json.dumps([asdict(point) for point in points]))
    draw(points, chosen.plot)
    return 0


def measure(kept: Path, size: int) -> Point:
    """Sync so many entries into an empty replica. Raises TimeoutError if they never agree."""
    corpus.build(kept, size)
    commons = corpus.founding().id.hex()
    with homes(2) as (ana, rui):
        ana.path.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(find_paths(kept).replica_db, find_paths(ana.path).replica_db)
        for home, name in ((ana, "ana"), (rui, "rui")):
            home.run("init", "--name", name)
        ana.start(listen=free_address())
        rui.start(listen=free_address())
        invite = str(ana.run("invite", commons)["invite"])
        wanted = ana.digest(commons)[0]
        began = time.monotonic()
        rui.run("join", invite)
        with open_replica(rui.path) as replica:
            wait_until("the sync", lambda: count_of(replica, commons) >= wanted, SECONDS_MAX)
        seconds = time.monotonic() - began
        wait_equal([ana, rui], commons, SECONDS_MAX)
        wire, memory = wire_bytes(rui), memory_mib(rui)
        rui.stop()
        return Point(size, seconds, wire, memory, store_bytes(rui), search_ms(rui))


def wire_bytes(home: Home) -> int:
    """Bytes of the frames of the sessions that brought something, both ways."""
    listed = [each for peer in items(home.status(), "peers") for each in items(peer, "sessions")]
    return sum(
        cast("int", each["bytes_sent"]) + cast("int", each["bytes_received"])
        for each in listed
        if each["received"]
    )


def search_ms(home: Home) -> float:
    """Milliseconds until the newest 50 entries with a common word are there, median."""
    query = parse_query(corpus.word(5))
    times: list[float] = []
    with Store.open(find_paths(home.path).replica_db) as store:
        for _ in range(SEARCHES):
            began = time.perf_counter()
            store.entry_rows(store.entry_ids(query, now=corpus.RECEIVED_AT, limit=PAGE))
            times.append(time.perf_counter() - began)
    return median(times) * 1e3


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw each cost against the size, both in powers of ten."""
    try:
        # Imported by name: it is no dependency of the program, and partly without types.
        import_module("matplotlib").use("agg")
        drawing: Any = import_module("matplotlib.pyplot")
        ticker: Any = import_module("matplotlib.ticker")
    except ImportError:
        say("no picture: matplotlib is not installed (pip install --group bench)")
        return
    # A background of its own, so that it reads the same on white and on dark pages.
    figure, axes = drawing.subplots(2, 3, figsize=(11, 6.2), facecolor="#ffffff")
    sizes = [point.entries for point in points]
    for panel, (title, unit, value) in zip(axes.flat, PANELS, strict=False):
        values = [value(point) for point in points]
        panel.loglog(sizes, values, marker="o", color="#1f6f6b", linewidth=2)
        for size, each in zip(sizes, values, strict=True):
            panel.annotate(
                f"{each:,.3g}" if each < 1_000 else f"{each:,.0f}",
                (size, each),
                textcoords="offset points",
                xytext=(0, 8),
                ha="center",
                fontsize=8,
                color="#222222",
            )
        panel.set_title(title, fontsize=11, color="#222222")
        panel.set_ylabel(unit, color="#222222")
        panel.set_xlabel("entries", color="#222222")
        # Whole powers of ten, so that no other ticks need a label.
        lowest, highest = floor(log10(min(values) / 2)), ceil(log10(max(values) * 2))
        panel.set_ylim(10.0**lowest, 10.0**highest)
        panel.yaxis.set_minor_formatter(ticker.NullFormatter())
        panel.set_xlim(min(sizes) / 2.5, max(sizes) * 2.5)
        panel.grid(visible=True, which="major", color="#dddddd")
        panel.tick_params(colors="#222222")
    axes.flat[-1].axis("off")
    figure.suptitle("What a commons costs, by its size", fontsize=13, color="#222222")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    drawing.close(figure)
    say(f"drawn: {path}")


if __name__ == "__main__":
    sys.exit(main())
