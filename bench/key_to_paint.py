"""From a key to the first byte of paint, in a real terminal, at rest and while a sync runs.

    python bench/key_to_paint.py [--entries 10545] [--keys 150] [FILE]

The screens run on a pseudo-terminal of 120x36 over a replica that holds the entries (a bookmarks
file, or generated ones), all commons in view. Then a second commons of the same size is joined
and arrives from another node while keys are pressed. Then the network screen is opened and left
again and again. Between two keys the terminal is quiet for a while, so that a byte answers the
key and not the clock. Prints median, p95 and the longest.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from full_sync import fill
from harness import Home, count_of, free_address, homes, new_commons, say
from p2pcommons.replica import open_replica

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROWS, COLUMNS = 36, 120
QUIET_SECONDS = 0.03
ANSWER_SECONDS_MAX = 5.0
SYNC_SECONDS_MAX = 300.0
KEYS = {"down": b"\x1b[B", "page down": b"\x1b[6~", "up": b"\x1b[A", "letter in the query": b"e"}


class Terminal:
    """A program on a pseudo-terminal of our own."""

    def __init__(self, command: list[str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._program = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        )
        os.close(slave)

    def press(self, key: bytes) -> float:
        """Press a key and return the seconds until the first byte came back."""
        self.quiet()
        began = time.perf_counter()
        os.write(self._master, key)
        if not self._readable(ANSWER_SECONDS_MAX):
            raise TimeoutError(f"no answer to {key!r}")
        took = time.perf_counter() - began
        os.read(self._master, 65_536)
        return took

    def quiet(self, seconds: float = QUIET_SECONDS) -> None:
        """Read until nothing has come for a while."""
        while self._readable(seconds):
            os.read(self._master, 65_536)

    def read_until(self, wanted: bytes, seconds_max: float) -> None:
        """Read until these bytes stand on the screen. Raises TimeoutError."""
        deadline = time.monotonic() + seconds_max
        shown = b""
        while wanted not in shown:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{wanted!r} did not appear in {seconds_max:.0f} s")
            if self._readable(0.1):
                shown = shown[-65_536:] + os.read(self._master, 65_536)

    def close(self) -> None:
        """Leave as a person would, and see the program end."""
        with suppress(OSError):  # the pseudo-terminal goes with the program
            for key in (b"\x1b", b"\x1b", b"\x11", b"\r"):
                os.write(self._master, key)
                self.quiet(0.5)
        try:
            self._program.wait(20)
        except subprocess.TimeoutExpired:
            self._program.kill()
            self._program.wait()
        os.close(self._master)

    def _readable(self, seconds: float) -> bool:
        return bool(select.select([self._master], [], [], seconds)[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE")
    parser.add_argument("--entries", type=int, default=10_545)
    parser.add_argument("--keys", type=int, default=150)
    chosen = parser.parse_args()
    with homes(2) as (ana, rui):
        prepare(ana, "ana", chosen.file, chosen.entries)
        offered = prepare(rui, "rui", chosen.file, chosen.entries)
        rui.start(listen=free_address())
        with screens(ana) as terminal:
            for name in ("down", "page down", "up"):
                report(f"at rest, {name}", measure(terminal, KEYS[name], chosen.keys))
            invite = str(rui.run("invite", offered)["invite"])
            ana.run("join", invite)
            during_sync(terminal, ana, offered, rui.digest(offered)[0], chosen.keys)
            there: list[float] = []
            back: list[float] = []
            for _ in range(min(chosen.keys, 30)):
                there.append(terminal.press(b"2"))
                back.append(terminal.press(b"1"))
            report("at rest, to the network screen", there)
            report("at rest, and back", back)
            terminal.press(b"/")
            name = "letter in the query"
            report(f"at rest, {name}", measure(terminal, KEYS[name], min(chosen.keys, 30)))
    return 0


def prepare(home: Home, name: str, source: Path | None, entries: int) -> str:
    """A person with a commons full of entries; returns the commons' id."""
    home.configure({"network": {"mode": "friends", "listen": [free_address()]}})
    home.run("init", "--name", name)
    commons = new_commons(home, f"Shelf of {name}")
    if source is None:
        fill(home, commons, entries, 20)
    else:
        home.run("import", str(source), "--commons", commons)
    return commons


@contextmanager
def screens(home: Home) -> Generator[Terminal]:
    """The screens of a home, painted and with their node running."""
    terminal = Terminal(home.command())
    try:
        terminal.quiet(3.0)
        yield terminal
    finally:
        terminal.close()


def during_sync(terminal: Terminal, home: Home, commons: str, wanted: int, keys: int) -> None:
    """Press keys until everything has arrived."""
    began = time.monotonic()
    taken: dict[str, list[float]] = {"down": [], "page down": [], "up": []}
    with open_replica(home.path) as replica:
        arrived: Callable[[], int] = lambda: count_of(replica, commons)  # noqa: E731
        while arrived() < 2:
            terminal.quiet(0.05)
        first = time.monotonic() - began
        while arrived() < wanted and time.monotonic() - began < SYNC_SECONDS_MAX:
            for name, times in taken.items():
                if len(times) < keys * 3:
                    times.append(terminal.press(KEYS[name]))
        took = time.monotonic() - began
        say(f"{arrived()} of {wanted} there {took:.1f} s after join, the first after {first:.1f} s")
    for name, times in taken.items():
        report(f"while a sync runs, {name}", times)


def measure(terminal: Terminal, key: bytes, times: int) -> list[float]:
    """Seconds from key to paint, once for each press."""
    return [terminal.press(key) for _ in range(times)]


def report(what: str, seconds: list[float]) -> None:
    """One line of figures in milliseconds."""
    ordered = sorted(seconds)
    p95 = ordered[max(0, int(len(ordered) * 0.95) - 1)]
    say(
        f"{what}: median {statistics.median(ordered) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, "
        f"longest {ordered[-1] * 1000:.0f} ms ({len(ordered)} keys)"
    )


if __name__ == "__main__":
    sys.exit(main())
