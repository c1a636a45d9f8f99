"""Many nodes at once: who knows whom, who writes, and what each process takes of the machine."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import POLL_SECONDS, START_SECONDS, Home, items, join, new_commons
from p2pcommons import control
from p2pcommons.errors import UserError
from p2pcommons.paths import find_paths
from p2pcommons.replica import open_replica

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness import Json

STARTS_AT_ONCE = 2
"""A start costs some three seconds of processor time, most of it for importing libp2p."""
PORTS = range(20_000, 30_000)
"""Below what systems give to outgoing connections: the port of a node that is down stays free."""
STATUS_SECONDS = 10.0
TEXT = "Mark the focal line first, then cut the reflector from cardboard and line it. " * 3


@dataclass(frozen=True)
class Figures:
    """What a process takes, as the system tells."""

    rss_mib: float
    handles: int
    threads: int
    cpu_s: float


def figures(home: Home) -> Figures | None:
    """Figures of a home's node; None when it does not run or the system does not tell."""
    node = home.node
    if node is None:
        return None
    folder = Path(f"/proc/{node.pid}")
    try:
        lines = (folder / "status").read_text().splitlines()
        status = {line.partition(":")[0]: line.partition(":")[2] for line in lines}
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        handles = len(list((folder / "fd").iterdir()))
    except OSError:
        return None
    if "VmRSS" not in status:
        return None  # it has just ended
    return Figures(
        rss_mib=int(status["VmRSS"].split()[0]) / 1024,
        handles=handles,
        threads=int(status["Threads"]),
        cpu_s=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
    )


def fixed_addresses(count: int) -> list[str]:
    """Loopback listen addresses whose ports no outgoing connection takes while a node is down.

    At random whatever the seed of a bench: two that run at once must not want the same ones.
    """
    found: list[str] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(f"/ip4/127.0.0.1/tcp/{port}")
        if len(found) == count:
            return found
    raise RuntimeError("not enough free ports")


def chords(count: int, steps: Sequence[int]) -> list[tuple[int, int]]:
    """Each node knows those so many places further round the circle."""
    return [(place, (place + step) % count) for place in range(count) for step in steps]


def acquaintances(count: int, each: int, chance: random.Random) -> list[tuple[int, int]]:
    """A circle, so that nobody is cut off, and for each node so many random others in all."""
    pairs = chords(count, [1])
    for place in range(count):
        others = [other for other in range(count) if other not in (place, (place + 1) % count)]
        pairs += [(place, other) for other in chance.sample(others, min(each - 1, len(others)))]
    return pairs


def gather(
    nodes: Sequence[Home],
    addresses: Sequence[str],
    knows: Sequence[tuple[int, int]],
    settings: Mapping[str, Mapping[str, object]],
    title: str,
) -> str:
    """Start all nodes; each joins by invites of those it knows. Returns the commons' id.

    Raises ValueError when somebody knows no member: only members can invite.
    """
    for number, home in enumerate(nodes):
        home.configure(settings)
        home.run("init", "--name", f"node{number}")
    commons = new_commons(nodes[0], title)
    start_all(nodes, addresses)
    members = {0}
    waiting = [pair for pair in knows if pair[0] != pair[1]]
    while waiting:
        able = [(place, other) for place, other in waiting if other in members]
        for place, other in able:
            join(nodes[place], nodes[other], commons)
            members.add(place)
        waiting = [pair for pair in waiting if pair not in able]
        if not able:
            raise ValueError(f"nobody who is in knows {waiting}")
    return commons


def start_all(nodes: Sequence[Home], addresses: Sequence[str]) -> None:
    """Start nodes, a few at a time. Raises RuntimeError for one that does not start."""
    with ThreadPoolExecutor(STARTS_AT_ONCE) as pool:
        for started in [
            pool.submit(start, home, address)
            for home, address in zip(nodes, addresses, strict=True)
        ]:
            started.result()


def start(home: Home, listen: str, mode: str = "friends") -> None:
    """Start a node and wait until it answers, without a process for each question.

    Raises RuntimeError when it ends, or does not answer in `START_SECONDS`.
    """
    log = home.path / "bench-node.out"
    wanted = home.command("node", "run", "--mode", mode, "--listen", listen)
    with log.open("ab") as out:
        home.node = subprocess.Popen(wanted, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and home.node.poll() is None:
        status = status_of(home)
        if status is not None and status["pid"] == home.node.pid:
            return
        time.sleep(POLL_SECONDS)
    tail = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"node of {home.path} did not start: {tail}")


def status_of(home: Home) -> Json | None:
    """The status of a running node, without a process for the question; None when it is down."""
    try:
        return control.request(find_paths(home.path), {"op": "status"}, STATUS_SECONDS)
    except UserError:
        return None


def peers_connected(home: Home) -> int:
    """With how many peers a node is connected."""
    return sum(bool(peer["connected"]) for peer in items(status_of(home) or {}, "peers"))


class Writer(threading.Thread):
    """Writes entries at a steady rate, each at a home that `choose` names, until told to stop.

    One thread holds all replicas: each author writes to the own store with the same durable
    commit and nudge as a command does.
    """

    def __init__(
        self,
        nodes: Sequence[Home],
        commons: str,
        rate: float,
        choose: Callable[[int], int | None],
        noted: Callable[[bytes, int], None] | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self._nodes = nodes
        self._commons = bytes.fromhex(commons)
        self._rate = rate
        self._choose = choose
        self._noted = noted
        self._over = threading.Event()
        self.committed: dict[bytes, tuple[float, int]] = {}
        """When (time.monotonic) the commit returned, and the home, by id."""
        self.failure: Exception | None = None

    def run(self) -> None:
        """Write; called by the thread."""
        try:
            self._write()
        except Exception as error:  # noqa: BLE001 - border: shown by `finish`
            self.failure = error

    def _write(self) -> None:
        began = time.monotonic()
        with ExitStack() as opened:
            replicas = [opened.enter_context(open_replica(home.path)) for home in self._nodes]
            number = 0
            while not self._over.wait(max(0.0, began + number / self._rate - time.monotonic())):
                place = self._choose(number)
                number += 1
                if place is None:
                    continue
                entry = replicas[place].add_entry(
                    self._commons, title=f"Entry {number} of node {place}", text=TEXT
                )
                self.committed[entry.id] = (time.monotonic(), place)
                if self._noted is not None:
                    self._noted(entry.id, place)

    def finish(self) -> None:
        """Stop, wait until it has stopped, and raise what went wrong."""
        self._over.set()
        self.join()
        if self.failure is not None:
            raise self.failure
