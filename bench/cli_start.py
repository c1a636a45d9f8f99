"""How long single commands take on a replica of real size, beside a bare interpreter.

    python bench/cli_start.py free-programming-books.bookmarks.html[.gz] [--runs 15]

Prints the median wall time of each command and how many times a bare interpreter that is.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from harness import homes, new_commons, say
from import_bookmarks import unpacked

COMMANDS = {
    "--version": ["--version"],
    "list --limit 5": ["list", "--limit", "5"],
    "add": ["add", "--title", "One more"],
    "search (one word)": ["search", "python"],
    "search (tag and word)": ["search", "tag:python", "django"],
    "tags": ["tags"],
    "digest": ["digest"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--runs", type=int, default=15)
    chosen = parser.parse_args()
    with homes(1) as (home,):
        home.run("init", "--name", "ana")
        commons = new_commons(home, "Books")
        home.run("import", str(unpacked(chosen.source, home)), "--commons", commons)
        bare = median_seconds([sys.executable, "-c", "pass"], chosen.runs)
        say(f"bare interpreter: {bare * 1000:.0f} ms")
        for name, arguments in COMMANDS.items():
            seconds = median_seconds(home.command(*arguments), chosen.runs)
            say(f"{name}: {seconds * 1000:.0f} ms, {seconds / bare:.1f} times the interpreter")
    return 0


def median_seconds(command: list[str], runs: int) -> float:
    taken: list[float] = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


if __name__ == "__main__":
    sys.exit(main())
