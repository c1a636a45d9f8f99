"""A file of the largest size between nodes: how fast, with how much memory, and over a cut.

    python bench/attachment.py [--mebibytes 256]

Ana attaches a file, rui fetches it from her; eva from both at once; ida is killed (SIGKILL) when
half of it is there, and goes on. Beside it, in the same run: hashing the file twice, which every
fetch does (each piece, then the whole), and copying it to the same disk. Ends with 1 when a copy
differs, when much more than was lost is fetched again, or when memory grows with the file.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from full_sync import memory_mib
from harness import Home, homes, join, new_commons, say, wait_until
from p2pcommons import control
from p2pcommons.paths import find_paths

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

MIB = 1 << 20
SECONDS_MAX = 600.0
GROWTH_MIB_MAX = 48.0
"""What a node may take more at its peak; the windows of the streams and some chunks, whatever the
size of the file."""
AGAIN_MIB_MAX = 16.0
"""May come twice after a kill: what was asked for and not yet on disk."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=256)
    size = parser.parse_args().mebibytes * MIB
    with homes(4) as members:
        return run(members, size)


def run(members: list[Home], size: int) -> int:
    ana, rui, eva, ida = members
    for home, name in zip(members, ("ana", "rui", "eva", "ida"), strict=True):
        home.run("init", "--name", name)
        home.start()
    commons = new_commons(ana, "Garden")
    entry = str(ana.run("add", "--title", "Scan")["id"])
    source = ana.path / "scan.tiff"
    with source.open("wb") as out:
        for _ in range(size // MIB):
            out.write(os.urandom(MIB))
    hashing, copying = limits(source)
    began = time.monotonic()
    file = str(ana.run("attach", entry, str(source))["id"])
    say(f"attached in {time.monotonic() - began:.1f} s")
    for home in (rui, eva, ida):
        join(home, ana, commons)
    join(eva, rui, commons)
    for home in (rui, eva, ida):
        home.run("sync", "--timeout", "30")
    rows: list[tuple[str, float]] = []
    faults: list[str] = []
    with peaks([ana, rui]) as grown:
        rows.append(("one holder", fetched(rui, file)))
    faults += [f"{grown[0]:.0f}, {grown[1]:.0f} MiB more memory"] * (max(grown) > GROWTH_MIB_MAX)
    rows.append(("two holders", fetched(eva, file)))
    seconds, again = cut(ida, file, size)
    rows.append(("killed at half, with its start", seconds))
    faults += [f"{again:.0f} MiB fetched again"] * (again > AGAIN_MIB_MAX)
    faults += [f"{home.path.name} differs" for home in (rui, eva, ida) if not same(home, source)]
    print(f"\n{size // MIB} MiB                          seconds    MiB/s")
    rows += [("hashed twice (limit)", hashing), ("copied (limit)", copying)]
    for words, seconds in rows:
        print(f"{words:<32} {seconds:7.2f} {size / MIB / seconds:8.0f}")
    print(f"memory at the peak, holder and fetcher: +{grown[0]:.0f}, +{grown[1]:.0f} MiB")
    print(f"after the kill {again:.1f} MiB were fetched that had been on disk in part")
    for fault in faults:
        say(f"WRONG: {fault}")
    return 1 if faults else 0


def limits(source: Path) -> tuple[float, float]:
    """Seconds to hash a file twice, and to copy it with an fsync."""
    began = time.monotonic()
    for _ in range(2):
        with source.open("rb") as read:
            hashlib.file_digest(read, "sha256")
    hashed = time.monotonic() - began
    copy = source.with_suffix(".copy")
    began = time.monotonic()
    with source.open("rb") as read, copy.open("wb") as out:
        while piece := read.read(MIB // 4):
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    seconds = time.monotonic() - began
    copy.unlink()
    return hashed, seconds


def fetched(home: Home, file: str) -> float:
    """Fetch a file as a person would; the seconds it took."""
    began = time.monotonic()
    home.run("fetch", file, timeout_s=SECONDS_MAX)
    return time.monotonic() - began


def cut(home: Home, file: str, size: int) -> tuple[float, float]:
    """Kill the node in the middle; seconds from its restart, and MiB that had to come again."""
    paths = find_paths(home.path)
    request = {"op": "fetch", "id": file}

    def held() -> int:
        return int(str(control.request(paths, request)["have"]))

    wait_until("half of it", lambda: held() >= size // 2, SECONDS_MAX)
    before = held()
    home.kill()
    began = time.monotonic()
    home.start()
    wait_until("the node to look at what it has", lambda: held() > 0, 60)
    again = max(0, before - held()) / MIB
    home.run("fetch", file, timeout_s=SECONDS_MAX)
    return time.monotonic() - began, again


def same(home: Home, source: Path) -> bool:
    """Whether the bytes on this machine are those of the source."""
    with source.open("rb") as read:
        wanted = hashlib.file_digest(read, "sha256").digest()
    (kept,) = [path for path in find_paths(home.path).blobs_dir.iterdir() if path.stat().st_size]
    with kept.open("rb") as read:
        return hashlib.file_digest(read, "sha256").digest() == wanted


@contextmanager
def peaks(watched: Sequence[Home]) -> Generator[list[float]]:
    """Watch the memory of nodes meanwhile; gives MiB above what each had before."""
    before = [memory_mib(home) for home in watched]
    grown = [0.0] * len(watched)
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for number, home in enumerate(watched):
                grown[number] = max(grown[number], memory_mib(home) - before[number])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield grown
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
