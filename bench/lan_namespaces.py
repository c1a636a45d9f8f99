"""Nodes on one local network, mode `lan`, no address typed: how soon are they connected and equal?

    python bench/lan_namespaces.py [SOURCE] [--rounds 3] [--only WORDS]

Needs root and iproute2: makes network namespaces joined by one bridge, so that nothing of this
machine's network is touched, and removes them at the end. Where that is not allowed it says so and
ends with 0.

SOURCE is a bookmarks file, also with .gz; without one, 2,000 made entries. Ana holds them. Rui has
joined by an invite that holds no address, so only the LAN can lead to her; his node is the
newcomer. Told are the seconds from the newcomer's start (or from what the scene is about) to its
first connection, to 50 entries to read and to equal; `start` is how long the program takes until it
listens, which is part of all of them. Ends with 1 when nodes do not meet or do not get equal, when
one that says goodbye is still shown, or when not every pair of three is connected.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import corpus
from crowd import peers_connected, status_of
from harness import Home, count_of, homes, items, new_commons, say
from import_bookmarks import unpacked
from p2pcommons.replica import open_replica

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

ENTRIES = 2_000
FIRST_SCREEN = 50
LOOK_SECONDS = 0.01
GIVE_UP_SECONDS = 60.0
AIM_SECONDS = 2.0
"""From listening to connected; told, and fails nothing."""


@dataclass(frozen=True)
class Scene:
    """A network, and who is on which host."""

    words: str
    play: Callable[[list[Home], Lab, str], Times]
    v4: bool = True
    v6: bool = False
    gateway: bool = False
    hosts: tuple[int, ...] = (0, 1)
    """On which host each node is; the first is Ana's."""
    deaf: bool = False
    """Whether each host has a second interface without multicast."""


@dataclass
class Times:
    """Seconds since the newcomer began."""

    start: float
    connected: float
    readable: float
    equal: float


class Lab:
    """Hosts on a bridge."""

    def __init__(self, scene: Scene) -> None:
        name = f"lan{os.getpid()}"
        self._switch = f"{name}s"
        self._scene = scene
        self.hosts = [f"{name}h{number}" for number in range(max(scene.hosts) + 1)]

    def build(self) -> None:
        """Make it all. Raises CalledProcessError where that is not allowed."""
        for name in (self._switch, *self.hosts):
            ip("netns", "add", name)
            if not self._scene.v6:
                off = "net.ipv6.conf.all.disable_ipv6=1"
                in_host = ("ip", "netns", "exec", name, "sysctl", "-qw", off)
                subprocess.run(in_host, check=False, capture_output=True)
            ip("-n", name, "link", "set", "lo", "up")
        # Without snooping: a bridge that waits for memberships would lose the first questions.
        ip("-n", self._switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        ip("-n", self._switch, "link", "set", "br0", "up")
        for number, host in enumerate(self.hosts):
            pair = ("type", "veth", "peer", "name", "eth0", "netns", host)
            ip("-n", self._switch, "link", "add", f"v{number}", *pair)
            ip("-n", self._switch, "link", "set", f"v{number}", "master", "br0", "up")
            ip("-n", host, "link", "set", "eth0", "up")
            self._address(number, host)

    def _address(self, number: int, host: str) -> None:
        if self._scene.v4:
            ip("-n", host, "addr", "add", f"10.77.0.{number + 1}/24", "dev", "eth0")
        if self._scene.v6:
            ip("-n", host, "addr", "add", f"fd77::{number + 1}/64", "dev", "eth0")
        if self._scene.gateway:
            ip("-n", host, "route", "add", "default", "dev", "eth0")
        if self._scene.deaf:
            pair = ("type", "veth", "peer", "name", "deaf1")
            ip("-n", host, "link", "add", "deaf0", *pair)
            ip("-n", host, "link", "set", "deaf0", "multicast", "off", "up")
            ip("-n", host, "link", "set", "deaf1", "up")
            ip("-n", host, "addr", "add", f"10.78.{number}.1/24", "dev", "deaf0")

    def plug(self, number: int, state: str) -> None:
        """Put a host's cable in (`up`) or pull it out (`down`)."""
        ip("-n", self._switch, "link", "set", f"v{number}", state)

    def prefixes(self) -> list[list[str]]:
        """What runs a command where each node is."""
        return [["ip", "netns", "exec", self.hosts[host]] for host in self._scene.hosts]

    def remove(self) -> None:
        """Remove whatever there is of it."""
        for name in (self._switch, *self.hosts):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


# --- the scenes ---------------------------------------------------------------------------------


def newcomer(members: list[Home], lab: Lab, commons: str) -> Times:  # noqa: ARG001
    """Everybody else is there; Rui's node starts."""
    *others, rui = members
    for home in others:
        launch(home)
    began = time.monotonic()
    launch(rui)
    return follow(rui, members, commons, began)


def joins_later(members: list[Home], lab: Lab, commons: str) -> Times:  # noqa: ARG001
    """Both nodes run and know each other as strangers; Rui joins."""
    ana, rui = members
    rui.run("commons", "leave", commons)
    launch(ana)
    launch(rui)
    wait("the strangers are seen", lambda: len(items(status_of(rui) or {}, "lan")) == 1)
    began = time.monotonic()
    rui.run("join", str(ana.run("invite", commons)["invite"]))
    return follow(rui, members, commons, began)


def plugged_in(members: list[Home], lab: Lab, commons: str) -> Times:
    """Both nodes run, Rui's without a cable; then it is put in."""
    ana, rui = members
    lab.plug(1, "down")
    launch(ana)
    launch(rui)
    time.sleep(5)
    began = time.monotonic()
    lab.plug(1, "up")
    return follow(rui, members, commons, began)


def new_address(members: list[Home], lab: Lab, commons: str) -> Times:
    """Rui's node starts where there is no address; then there is one, and another one later."""
    ana, rui = members
    ip("-n", lab.hosts[1], "addr", "flush", "dev", "eth0")
    launch(ana)
    launch(rui)
    time.sleep(2)
    began = time.monotonic()
    ip("-n", lab.hosts[1], "addr", "add", "10.77.0.99/24", "dev", "eth0")
    return follow(rui, members, commons, began)


def goodbye(members: list[Home], lab: Lab, commons: str) -> Times:
    """As the newcomer; then Rui's node stops, and Ana's shows him no longer."""
    times = newcomer(members, lab, commons)
    ana, rui = members
    began = time.monotonic()
    rui.stop()
    wait("one that said goodbye is shown no longer", lambda: not items(status_of(ana) or {}, "lan"))
    say(f"  said goodbye and was gone from the list after {time.monotonic() - began:.2f} s")
    return times


SCENES = (
    Scene("IPv4, no default route", newcomer),
    Scene("IPv4, with a default route", newcomer, gateway=True),
    Scene("IPv6 only", newcomer, v4=False, v6=True),
    Scene("IPv4 and IPv6", newcomer, v6=True),
    Scene("beside it an interface without multicast", newcomer, deaf=True),
    Scene("two nodes on one host", newcomer, hosts=(0, 0)),
    Scene("two nodes on one host, one on another", newcomer, hosts=(0, 0, 1)),
    Scene("both nodes run, then join", joins_later),
    Scene("the cable is put in", plugged_in),
    Scene("the machine gets an address", new_address),
    Scene("newcomer, and goodbye", goodbye),
)


def follow(rui: Home, members: list[Home], commons: str, began: float) -> Times:
    """Watch the newcomer until all hold the same, and every pair is connected."""
    start = time.monotonic() - began
    wait("the first connection", lambda: peers_connected(rui) > 0)
    connected = time.monotonic() - began
    with open_replica(rui.path) as replica, open_replica(members[0].path) as first:
        count = count_of(first, commons)
        wait("the first entries", lambda: count_of(replica, commons) > FIRST_SCREEN)
        readable = time.monotonic() - began
        wait("as many", lambda: count_of(replica, commons) == count)
    equal = time.monotonic() - began
    if len({home.digest(commons) for home in members}) != 1:
        raise TimeoutError(f"not equal: {[home.digest(commons) for home in members]}")
    for home in members:
        wait("every pair", lambda home=home: peers_connected(home) == len(members) - 1)
    return Times(start, connected, readable, equal)


def launch(home: Home) -> None:
    """Start a node and return as soon as it answers."""
    with (home.path / "bench-node.out").open("ab") as out:
        home.node = subprocess.Popen(
            home.command("node", "run", "--mode", "lan"),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    wait("the node answers", lambda: status_of(home) is not None)


def wait(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {GIVE_UP_SECONDS:.0f} s: {what}")
        time.sleep(LOOK_SECONDS)


# --- rounds and the table -----------------------------------------------------------------------


def main(arguments: Sequence[str]) -> int:
    chosen = read_arguments(arguments)
    if why := why_not():
        say(f"NOT MEASURED: {why}")
        return 0
    scenes = [scene for scene in SCENES if chosen.only in scene.words]
    with tempfile.TemporaryDirectory(prefix="p2pc-lan-") as folder:
        template = Path(folder) / "template"
        commons = prepare(template, chosen.source)
        found: dict[str, list[Times]] = {scene.words: [] for scene in scenes}
        failed: set[str] = set()
        for number in range(chosen.rounds):
            for scene in scenes:
                try:
                    times = play(scene, template, commons)
                except TimeoutError as error:
                    say(f"FAILED: {scene.words}: {error}")
                    failed.add(scene.words)
                    continue
                say(f"round {number + 1}, {scene.words}: equal after {times.equal:.2f} s")
                found[scene.words].append(times)
    table(found, failed)
    return bool(failed)


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", nargs="?", type=Path, help="bookmarks file, also with .gz")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="scenes whose words contain this")
    return parser.parse_args(arguments)


def prepare(template: Path, source: Path | None) -> str:
    """Make the home that Ana begins with, and return its commons."""
    ana = Home(template)
    if source is None:
        corpus.build(template, ENTRIES)
        ana.run("init", "--name", "ana")
        return corpus.founding().id.hex()
    ana.run("init", "--name", "ana")
    commons = new_commons(ana, "Books")
    ana.run("import", str(unpacked(source, ana)), "--commons", commons)
    return commons


def play(scene: Scene, template: Path, commons: str) -> Times:
    with laid(scene) as lab, homes(len(scene.hosts), prefixes=lab.prefixes()) as members:
        ana = members[0]
        shutil.copytree(template, ana.path)
        # Made before any node ran: it holds no address.
        invite = str(ana.run("invite", commons)["invite"])
        for number, home in enumerate(members[1:]):
            home.run("init", "--name", f"rui{number}")
            home.run("join", invite)
        return scene.play(members, lab, commons)


@contextmanager
def laid(scene: Scene) -> Generator[Lab]:
    lab = Lab(scene)
    try:
        lab.build()
        yield lab
    finally:
        lab.remove()


def table(found: dict[str, list[Times]], failed: set[str]) -> None:
    print()
    print(f"{'seconds, median':42} start  connected  of it since  {FIRST_SCREEN} entries  equal")
    print(f"{'':42}                     listening")
    for words, rounds in found.items():
        if words in failed or not rounds:
            print(f"{words:42} FAILED")
            continue
        start, connected, readable, equal = (
            statistics.median(getattr(times, name) for times in rounds)
            for name in ("start", "connected", "readable", "equal")
        )
        since = statistics.median(times.connected - times.start for times in rounds)
        worst = max(times.connected - times.start for times in rounds)
        print(
            f"{words:42} {start:5.2f}  {connected:9.2f}  {since:5.2f} <{worst:5.2f}"
            f"  {readable:10.2f}  {equal:5.2f}"
        )
    print(f"\nAim: {AIM_SECONDS:.0f} s from listening to connected.")


def why_not() -> str | None:
    """Why no namespaces can be made here, or None."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("ip"):
        return "network namespaces need root and iproute2 on Linux"
    name = f"lan{os.getpid()}try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return None if made.returncode == 0 else made.stderr.decode().strip()


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
