"""A real file of bookmarks on two nodes: imported twice, synced, tagged apart, equal again.

    python bench/import_bookmarks.py free-programming-books.bookmarks.html[.gz] [--tags 20]

Prints the counts of both imports, the seconds of the first sync, and who tagged what after
tags were written on each side while the two nodes were not connected.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import time
from pathlib import Path
from typing import cast

from harness import Home, Json, free_address, homes, items, join, new_commons, say, wait_equal


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--tags", type=int, default=20, help="written on each side while apart")
    chosen = parser.parse_args()
    source, each = cast("Path", chosen.source), cast("int", chosen.tags)
    with homes(2) as (ana, rui):
        names = {
            str(home.run("init", "--name", name)["author"]): name
            for home, name in ((ana, "ana"), (rui, "rui"))
        }
        commons = new_commons(ana, "Books")
        first = timed_import(ana, unpacked(source, ana), commons)
        again = timed_import(ana, unpacked(source, ana), commons)
        addresses = free_address(), free_address()
        ana.start(listen=addresses[0])
        join(rui, ana, commons)
        rui.start(listen=addresses[1])
        seconds, count, fingerprint = wait_equal([ana, rui], commons, 120)
        say(f"synced in {seconds:.1f} s: both have {count} contributions, {fingerprint}")
        ana.stop()
        rui.stop()
        entries = [str(entry["id"]) for entry in items(ana.run("list", "--limit", str(2 * each)))]
        tag_apart(ana, entries[:each], "read-by-ana")
        tag_apart(rui, entries[each // 2 : each // 2 + each], "read-by-rui")
        ana.start(listen=addresses[0])
        rui.start(listen=addresses[1])
        seconds, count, fingerprint = wait_equal([ana, rui], commons, 120)
        say(f"equal {seconds:.1f} s after the second start: {count}, {fingerprint}")
        shown = [check_taggers(home, entries, names) for home in (ana, rui)]
        say(f"tags with their author: {shown[0]} on the first node, {shown[1]} on the second")
    counts_right = cast("int", first["added"]) > 0 and again["added"] == 0
    return 0 if counts_right and shown == [2 * each, 2 * each] else 1


def unpacked(source: Path, home: Home) -> Path:
    """The bookmarks as a person has them, beside the home when the source is compressed."""
    if source.suffix != ".gz":
        return source
    target = home.path.parent / source.stem
    target.write_bytes(gzip.decompress(source.read_bytes()))
    return target


def timed_import(home: Home, source: Path, commons: str) -> Json:
    start = time.monotonic()
    report = home.run("import", str(source), "--commons", commons, timeout_s=300)
    counts = {name: report.get(name) for name in ("links", "added", "merged", "skipped", "failed")}
    say(f"import took {time.monotonic() - start:.1f} s: {counts}")
    return report


def tag_apart(home: Home, entries: list[str], tag: str) -> None:
    for entry in entries:
        home.run("tag", entry, f"+{tag}")


def check_taggers(home: Home, entries: list[str], names: dict[str, str]) -> int:
    """How many of the tags written apart this home shows with the right author."""
    right = 0
    for entry in entries:
        for tagger in cast("list[Json]", home.run("show", entry)["taggers"]):
            tag, authors = str(tagger["tag"]), cast("list[object]", tagger["authors"])
            if tag.startswith("read-by-"):
                right += [names.get(str(author)) for author in authors] == [tag[8:]]
    return right


if __name__ == "__main__":
    sys.exit(main())
