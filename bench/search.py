"""Searches of every kind over many entries: first rows, order by relevance, counts of facets.

    python bench/search.py [--entries 100000] [--home DIR] [--runs 9] [--plans]

The corpus (corpus.py) is made in DIR and kept there for the next run; its rows arrive newest
first, as in a sync, so the order of arrival is the reverse of the order of lists. Each line is
one kind of query. `raw` is the limit: the bare FTS5 look-up of the same word, newest 50, in the
same run. Prints median and p95 in milliseconds. Ends with 1 when a search misses an entry that a
walk over all entries finds, is not newest first, or when SQLite sorts all that matches.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import corpus
from harness import Home
from key_to_paint import Terminal
from p2pcommons.paths import find_paths
from p2pcommons.replica import open_replica
from p2pcommons.store import Order, Query, Store, parse_query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NOW = corpus.RECEIVED_AT
FIRST_ROWS = 50
SCREEN_SECONDS_MAX = 60.0
LIMITS_MS = {100_000: 50, 1_000_000: 150}
COMMON, FREQUENT, SOME, RARE = (corpus.word(rank) for rank in (0, 5, 30, 10_000))
COMMON_TAG, RARE_TAG = corpus.tag(0), corpus.tag(corpus.TAGS - 1)


@dataclass(slots=True)
class Line:
    """One kind of query: its words, whether the person still types, what raw FTS5 would do."""

    name: str
    text: str
    typing: bool = False
    raw: str = ""
    times: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    found: int = 0


def lines(entries: int) -> list[Line]:
    """The kinds of queries, pathological ones too."""
    old = day(corpus.time_of(entries // 50))
    middle = day(corpus.time_of(entries // 2))
    both = " ".join(corpus.NEVER_TOGETHER)
    one, other = corpus.NEVER_TOGETHER
    return [
        Line("everything", ""),
        Line("word in most entries", COMMON, raw=f'"{COMMON}"'),
        Line("word in a third", FREQUENT, raw=f'"{FREQUENT}"'),
        Line("word in some", SOME, raw=f'"{SOME}"'),
        Line("rare word", RARE, raw=f'"{RARE}"'),
        Line("word in none", "nowhere", raw='"nowhere"'),
        Line("word in the oldest alone", corpus.ONLY_OLDEST, raw=f'"{corpus.ONLY_OLDEST}"'),
        Line("two common words", f"{COMMON} {FREQUENT}", raw=f'"{COMMON}" "{FREQUENT}"'),
        Line("two that never meet", both, raw=f'"{one}" "{other}"'),
        Line("common and oldest alone", f"{COMMON} {corpus.ONLY_OLDEST}"),
        Line("phrase of common words", f'"{COMMON} {FREQUENT}"', raw=f'"{COMMON} {FREQUENT}"'),
        Line("long phrase of them", f'"{COMMON} {corpus.word(1)} {corpus.word(2)} {FREQUENT}"'),
        Line("one letter, typing", "t", typing=True),
        Line("three letters, typing", COMMON + "t", typing=True, raw=f'"{COMMON}t" *'),
        Line("common and four letters", f"{COMMON} {one[:4]}", typing=True),
        Line("#tag", f"#{COMMON_TAG}"),
        Line("#ta, typing", f"#{COMMON_TAG[:2]}", typing=True),
        Line("#rare", f"#{RARE_TAG}"),
        Line("#tag #tag", f"#{COMMON_TAG} #{corpus.tag(1)}"),
        Line("#rare and common word", f"#{RARE_TAG} {COMMON}"),
        Line("#rare -common", f"#{RARE_TAG} -{COMMON}"),
        Line("#tag in the oldest, word", f"#{corpus.ONLY_OLDEST} {COMMON}"),
        Line("-common alone", f"-{COMMON}"),
        Line("-#tag alone", f"-#{COMMON_TAG}"),
        Line("-by:all but some", "-by:person0"),
        Line("by:half of all", "by:person0"),
        Line("by:one of many, common word", f"by:person7 {COMMON}"),
        Line("by:one entry", f"by:{corpus.ONCE}"),
        Line("by:one entry, common word", f"by:{corpus.ONCE} {COMMON}"),
        Line("by:one entry -common", f"by:{corpus.ONCE} -{COMMON}"),
        Line("by:two, phrase", f'by:person7 by:person8 "{COMMON} {FREQUENT}"'),
        Line("before: an old day", f"before:{old}"),
        Line("rare word before:", f"{RARE} before:{old}"),
        Line("common word on: a day", f"{COMMON} on:{middle}"),
        Line("-common before:", f"-{COMMON} before:{old}"),
        Line("all at once", f"{COMMON} #{COMMON_TAG} -{SOME} -by:person0 before:{middle}"),
    ]


def day(second: int) -> str:
    """The UTC day of a second."""
    return time.strftime("%Y-%m-%d", time.gmtime(second))


def measure(line: Line, store: Store, raw: sqlite3.Connection, runs: int) -> None:
    """Time the first rows, the order by relevance, the facets, and the raw look-up."""
    query = parse_query(line.text, typing=line.typing)

    def first(order: Order) -> object:
        rows = store.entry_rows(store.entry_ids(query, now=NOW, limit=FIRST_ROWS, order=order))
        line.found = len(rows)
        return rows

    steps: dict[str, Callable[[], object]] = {
        "first": lambda: first(Order.NEWEST),
        "relevance": lambda: first(Order.RELEVANCE),
        "facets": lambda: store.facets(query, now=NOW),
    }
    if line.raw:
        sql = "SELECT rowid FROM entry_text WHERE entry_text MATCH ? ORDER BY rowid DESC LIMIT 50"
        steps["raw"] = lambda: raw.execute(sql, (line.raw,)).fetchall()
    for _ in range(runs):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            line.times.setdefault(name, []).append((time.perf_counter() - began) * 1000)


def faults(chosen: Sequence[Line], store: Store, entries: int) -> list[str]:
    """What is not as it is said to be: order, completeness, nothing sorted."""
    found: list[str] = []
    held = store.entry_count(Query(), now=NOW)
    if held != entries:
        found.append(f"{held} entries are listed instead of {entries}")
    for line in chosen:
        query = parse_query(line.text, typing=line.typing)
        ids = store.entry_ids(query, now=NOW, limit=FIRST_ROWS).tolist()
        if ids != sorted(ids, reverse=True):
            found.append(f"{line.name}: not newest first")
        if ids != store.entry_ids(query, now=NOW)[: len(ids)].tolist():
            found.append(f"{line.name}: the first rows are not the first of all")
        sorting = [step for step in store.search_steps(query) if "TEMP B-TREE" in step]
        few = corpus.ONCE in line.text
        if sorting and not few:
            found.append(f"{line.name}: {sorting}")
    return found


def report(chosen: Sequence[Line], entries: int) -> None:
    """One table, and what was beyond the limits."""
    parts = ("first", "relevance", "facets", "raw")
    print(f"\n{entries} entries, milliseconds: median / p95")
    print(f"{'query':30}{'rows':>5}" + "".join(f"{part:>18}" for part in parts))
    for line in chosen:
        cells = [figures(line.times.get(part, [])) for part in parts]
        print(f"{line.name:30}{line.found:>5}" + "".join(f"{cell:>18}" for cell in cells))
    limit = next((ms for size, ms in LIMITS_MS.items() if entries <= size), 150)
    for part, most in (("first", limit), ("facets", 150)):
        slow = [line.name for line in chosen if p95(line.times[part]) > most]
        print(f"{part}: p95 within {most} ms for all" + (f" but {', '.join(slow)}" if slow else ""))


def figures(times: Sequence[float]) -> str:
    """Median and p95, or nothing."""
    return f"{statistics.median(times):.1f} / {p95(times):.1f}" if times else ""


def p95(times: Sequence[float]) -> float:
    """The time that one in twenty exceeds."""
    ordered = sorted(times)
    return ordered[max(0, round(len(ordered) * 0.95) - 1)]


def opened(home: Path, runs: int) -> None:
    """Time to open the replica and read what the first screen shows."""
    times: list[float] = []
    for _ in range(runs):
        began = time.perf_counter()
        with open_replica(home) as replica:
            replica.commons()
            replica.rows(replica.store.entry_ids(Query(), now=NOW, limit=64))
            times.append((time.perf_counter() - began) * 1000)
    print(f"open the store and read the first screen: {figures(times)} ms")
    with open_replica(home) as replica:
        began = time.perf_counter()
        count = len(replica.store.entry_ids(Query(), now=NOW))
        print(f"the ids of all {count}: {(time.perf_counter() - began) * 1000:.0f} ms")


def first_screen(home: Path, runs: int) -> None:
    """Time from starting the program to the newest entry standing on the screen."""
    paths = find_paths(home)
    profile = Home(home)
    if not paths.device_key.exists():
        profile.configure({"network": {"mode": "off"}})
        profile.run("init", "--name", "ana")
    with Store.open(paths.replica_db) as store:
        (newest,) = store.entry_rows(store.entry_ids(Query(), now=NOW, limit=1))
    title = (newest.title or "").split()[0].encode()
    times: list[float] = []
    for _ in range(runs):
        began = time.perf_counter()
        terminal = Terminal(profile.command())
        try:
            terminal.read_until(title, SCREEN_SECONDS_MAX)
            times.append((time.perf_counter() - began) * 1000)
        finally:
            terminal.close()
    print(f"from the command to the first screen of entries: {figures(times)} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--home", type=Path, metavar="DIR")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--plans", action="store_true", help="print SQLite's plan of each query")
    chosen = parser.parse_args()
    default = Path(tempfile.gettempdir()) / f"p2pcommons-corpus-{chosen.entries}"
    home = chosen.home or default
    corpus.build(home, chosen.entries, newest_first=True)
    queries = lines(chosen.entries)
    opened(home, chosen.runs)
    first_screen(home, min(3, chosen.runs))
    path = find_paths(home).replica_db
    raw = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    with Store.open(path) as store:
        for line in queries:
            measure(line, store, raw, chosen.runs)
        report(queries, chosen.entries)
        if chosen.plans:
            for line in queries:
                print(f"\n{line.name}: {line.text}")
                print(
                    "\n".join(
                        f"    {step}"
                        for step in store.search_steps(parse_query(line.text, typing=line.typing))
                    )
                )
        wrong = faults(queries, store, chosen.entries)
    raw.close()
    for fault in wrong:
        print(f"FAULT {fault}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
