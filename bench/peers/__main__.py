"""The same entries through this program and five others, two processes each, in one run.

    python bench/peers [SYSTEM …] [--sizes 1000 10000] [--rounds 3] [--folder FOLDER]

Systems: p2pcommons, pouchdb, hypercore, ssb, orbitdb, git. The npm packages, of exactly the
versions named in node_systems.py, are installed into the folder (default: p2pcommons-peers in the
cache folder of the person) and stay there. Needs Node 20 or newer, npm and git. Everything goes
over loopback. Both sides keep what they hold on disk; each system runs alone, one after another in
every round, and the table shows medians.

full sync: from the call that joins or connects until the last entry can be read on the other side.
+10 again: ten entries written while apart; from the call that connects again until they can be
read. live: from the call that writes one entry until it can be read on the other side, median of
20, a tenth of a second apart. bytes/entry: all files of the receiving side. RSS: of the larger
process, after the full sync. The exit code is 1 if a system does not end up with exactly the
entries it was given.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from git_system import GitSystem
from measured import APART, LIVE_ADDS, Entry, Figures, median
from node_systems import NODE_SYSTEMS
from own_system import OwnSystem, as_entries

import corpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from measured import System

SIZES = (1_000, 10_000)
ROUNDS = 3
MORE = LIVE_ADDS + APART

Run = tuple[str, int]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("systems", nargs="*", metavar="SYSTEM")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    systems = choose(chosen.systems, parser)
    folder: Path = (chosen.folder or cache_folder()).resolve()
    for system in systems:
        system.install(folder)
    longest = made(max(chosen.sizes) + MORE)
    runs: dict[Run, list[Figures]] = {}
    for round_ in range(1, chosen.rounds + 1):
        for size in chosen.sizes:
            entries, more = longest[:size], longest[size : size + MORE]
            for system in systems:
                if size <= system.entries_max:
                    figures = once(system, entries, more)
                    runs.setdefault((system.name, size), []).append(figures)
                    print(f"round {round_}: {row(system.name, size, [figures])}", flush=True)
    size = sum(len(entry.as_json()) for entry in longest) / len(longest)
    print(f"\n{chosen.rounds} rounds, medians; an entry is {size:.0f} bytes of JSON, 3 tags\n")
    print(row("system", "n", []))
    for system in systems:
        for size in chosen.sizes:
            print(row(system.name, size, runs.get((system.name, size), [])))
    print()
    for system in systems:
        for note in system.notes:
            print(f"{system.name}: {note}")
    wrong = [
        f"{name} at {size}: {what}"
        for (name, size), all_ in runs.items()
        for one in all_
        for what in one.wrong
    ]
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


def choose(names: Sequence[str], parser: argparse.ArgumentParser) -> list[System]:
    """The systems of these names, all if there are none."""
    known: dict[str, System] = {"p2pcommons": OwnSystem()}
    known |= {system.script: system for system in NODE_SYSTEMS}
    known["git"] = GitSystem()
    unknown = sorted({*names} - {*known})
    if unknown:
        parser.error(f"no such system: {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(known.values())


def cache_folder() -> Path:
    """Where packages stay from run to run."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "p2pcommons-peers"


def made(count: int) -> list[Entry]:
    """The first entries of the corpus, those that every bench measures."""
    return [entry for block in corpus.entries(0, count) for entry in as_entries(block)]


def once(system: System, entries: Sequence[Entry], more: Sequence[Entry]) -> Figures:
    """Measure one size of one system in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="p2pc-peers-") as folder:
        return system.measure(Path(folder), entries, more)


def row(name: str, size: int | str, figures: Sequence[Figures]) -> str:
    """One row of the table; without figures and with words for a size, its head."""
    if isinstance(size, str):
        cells = ["full sync s", "entries/s", "+10 again ms", "live ms", "bytes/entry", "RSS MiB"]
        return f"{name:14}{size:>8}" + "".join(f"{cell:>14}" for cell in cells)
    full = median([one.full_s for one in figures])
    cells = [
        shown(full, 2),
        shown(size / full if full else None, 0),
        shown(median([one.reconnect_ms for one in figures]), 0),
        shown(median([one.live_ms for one in figures]), 1),
        shown(median([one.disk_bytes for one in figures]), 0),
        shown(median([one.memory_mib for one in figures]), 0),
    ]
    return f"{name:14}{size:8,}" + "".join(f"{cell:>14}" for cell in cells)


def shown(value: float | None, digits: int) -> str:
    """A figure, or a dash for what was not measured."""
    return "-" if value is None else f"{value:,.{digits}f}"


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    print(f"{time.monotonic() - began:.0f} s in all")
    sys.exit(code)
