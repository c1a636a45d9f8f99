"""Two nodes on one local network, mode `lan`, no address typed: how soon is something to read?

    python bench/lan_namespaces.py free-programming-books.bookmarks.html[.gz]

Needs root and iproute2: makes two network namespaces joined by one bridge, both inside a third
one so that nothing of this machine's network is touched, and removes them at the end. Prints the
seconds from `join` to the first 50 entries in the joining replica, and to equal.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Home, homes, items, new_commons, say, wait_equal, wait_until
from import_bookmarks import unpacked

if TYPE_CHECKING:
    from collections.abc import Generator

FIRST_SCREEN = 50
FIRST_SCREEN_SECONDS_MAX = 5.0


def main(arguments: list[str]) -> int:
    with two_namespaces() as prefixes:
        seconds = [meet(prefixes, Path(arguments[0]), cold=cold) for cold in (False, True)]
    return 0 if seconds[0] <= FIRST_SCREEN_SECONDS_MAX else 1


def meet(prefixes: list[list[str]], source: Path, *, cold: bool) -> float:
    """Seconds from `join` to the first screen; `cold` counts the start of the node as well."""
    with homes(2, prefixes=prefixes) as (ana, rui):
        ana.run("init", "--name", "ana")
        rui.run("init", "--name", "rui")
        commons = new_commons(ana, "Books")
        ana.run("import", str(unpacked(source, ana)), "--commons", commons)
        # An invite made before any node ran holds no address: only the LAN can lead to ana.
        invite = str(ana.run("invite", commons)["invite"])
        ana.start(mode="lan")
        if not cold:
            rui.start(mode="lan")
        began = time.monotonic()
        rui.run("join", invite)
        if cold:
            rui.start(mode="lan")
        wait_until("the first 50 entries", lambda: readable(rui, commons), 60)
        first = time.monotonic() - began
        _, count, fingerprint = wait_equal([ana, rui], commons, 120)
        equal = time.monotonic() - began
        start = "node started after the join" if cold else "node already running"
        say(
            f"{start}: from join to {FIRST_SCREEN} entries {first:.1f} s, to equal {equal:.1f} s: "
            f"{count}, {fingerprint}"
        )
    return first


def readable(home: Home, commons: str) -> bool:
    answer = home.run("list", "--commons", commons, "--limit", str(FIRST_SCREEN), accept=(0, 3))
    return len(items(answer)) == FIRST_SCREEN


@contextmanager
def two_namespaces() -> Generator[list[list[str]]]:
    """Prefixes that run a command in either namespace."""
    names = [f"p2pc{os.getpid()}{end}" for end in ("s", "a", "b")]
    switch, *ends = names
    try:
        for name in names:
            ip("netns", "add", name)
        ip("-n", switch, "link", "add", "br0", "type", "bridge")
        ip("-n", switch, "link", "set", "br0", "up")
        for number, end in enumerate(ends, 1):
            ip(
                "-n",
                switch,
                "link",
                "add",
                f"v{number}",
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                end,
            )
            ip("-n", switch, "link", "set", f"v{number}", "master", "br0", "up")
            ip("-n", end, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
            ip("-n", end, "link", "set", "lo", "up")
            ip("-n", end, "link", "set", "eth0", "up")
            ip("-n", end, "route", "add", "default", "dev", "eth0")
        yield [["ip", "netns", "exec", end] for end in ends]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
