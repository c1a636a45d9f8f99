"""Two homes behind routers, and a relay in the street: who meets whom, how, how soon, how fast?

    python bench/nat.py [--only WORDS] [--mebibytes 16]

Needs root, iproute2 and nftables: builds homes, routers and a street out of network namespaces
(`nat_lab.py`), so that nothing of this machine's network is touched. Where that is not allowed it
says so and ends with 0.

Real nodes in mode `friends`. The relay belongs to somebody who is no member: ana has it in her
address book, and her invite leads rui there. Told are the seconds from `join` to the connection
and to 300 entries equal, by which way they are connected 20 s later at most, and how fast a file
goes that way. Then the relay is killed, and both write something. Ends with 1 when two do not
meet, when a direct way was not found where the routers allow it, or when the words are wrong.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from harness import Home, count_of, homes, items, new_commons, say, wait_until
from nat_lab import PORT, Lab, one_lan, two_homes, why_not
from p2pcommons import control
from p2pcommons.errors import UserError
from p2pcommons.paths import find_paths
from p2pcommons.replica import open_replica

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from harness import Json

MIB = 1 << 20
ENTRIES = 300
MEET_SECONDS = 60.0
UPGRADE_SECONDS = 20.0
WORDS_SECONDS = 45.0
AFTER_SECONDS = 30.0
FILE_SECONDS = 120.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row: the kinds of both routers, and what is expected."""

    words: str
    routers: tuple[str, str] | None
    """None: two machines on one local network."""
    way: str
    """"direct", "relayed" or "lan"."""
    anas: str
    """How ana is reached, in the words of her status, from the beginning."""
    kill: bool = False
    second: bool = False
    """There is a second relay."""
    upnp: bool = False
    """Ana's router gives ports to whoever asks."""


SCENARIOS = (
    Scenario("two machines on one LAN", None, "lan", "LAN only"),
    Scenario("cone, cone", ("cone", "cone"), "direct", "behind NAT", kill=True),
    Scenario("port forwarded, cone", ("forwarded", "cone"), "direct", "reachable"),
    Scenario("cone with UPnP, cone", ("cone", "cone"), "direct", "reachable", upnp=True),
    Scenario("cone, port forwarded", ("cone", "forwarded"), "direct", "behind NAT"),
    Scenario("symmetric, cone", ("symmetric", "cone"), "relayed", "behind NAT"),
    Scenario("both symmetric", ("symmetric", "symmetric"), "relayed", "behind NAT", kill=True),
    Scenario(
        "both symmetric, two relays",
        ("symmetric", "symmetric"),
        "relayed",
        "behind NAT",
        kill=True,
        second=True,
    ),
)


@dataclass(slots=True)
class Row:
    """What came of one scenario."""

    scenario: Scenario
    met: float | None = None
    equal: float | None = None
    way: str = "-"
    way_seconds: float = 0.0
    speed: float = 0.0
    words: tuple[str, str] = ("", "")
    after: str = ""
    faults: list[str] = field(default_factory=list[str])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="scenarios with these words in their name")
    parser.add_argument("--mebibytes", type=int, default=16)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    missing = why_not()
    if missing:
        print(f"SKIPPED, NOTHING MEASURED: {missing}")
        return 0
    rows = [
        played(scenario, chosen.mebibytes * MIB)
        for scenario in SCENARIOS
        if chosen.only in scenario.words
    ]
    show(rows, chosen.mebibytes)
    faults = [f"{row.scenario.words}: {fault}" for row in rows for fault in row.faults]
    for fault in faults:
        say(f"WRONG: {fault}")
    return 1 if faults or not rows else 0


def stop(*_: object) -> None:
    """Whoever ends this with a signal gets the namespaces and the nodes removed as well."""
    sys.exit(1)


def played(scenario: Scenario, size: int) -> Row:
    """Build the lab, play the scenario, tear everything down."""
    row = Row(scenario)
    with ExitStack() as stack:
        routers = scenario.routers
        lab = stack.enter_context(one_lan() if routers is None else two_homes(*routers))
        asking = ["env", f"P2PCOMMONS_UPNP={str(scenario.upnp).lower()}"]
        prefixes = [[*lab.anas, *asking], lab.ruis, lab.relay, lab.second]
        if scenario.upnp:
            stack.enter_context(upnp_router(lab))
        people = stack.enter_context(homes(4, prefixes=prefixes))
        try:
            play(row, lab, people, size)
        except TimeoutError as error:
            row.faults.append(str(error))
    return row


@contextmanager
def upnp_router(lab: Lab) -> Generator[None]:
    """Let ana's router speak UPnP."""
    script = str(Path(__file__).with_name("upnp_router.py"))
    command = [*lab.anas_router, sys.executable, script, "10.1.0.1", "20.0.0.11"]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def play(row: Row, lab: Lab, people: Sequence[Home], size: int) -> None:
    """Meet, look by which way, move a file, and see what becomes of it without the relay."""
    ana, rui, *relays = people
    mode = "friends" if lab.relay else "lan"
    for home, name in ((ana, "ana"), (rui, "rui")):
        home.configure({"network": {"port": PORT}})
        home.run("init", "--name", name)
    relays = relays[: 2 if row.scenario.second else 1] if lab.relay else []
    for number, relay in enumerate(relays, 1):
        relay.configure({"network": {"port": PORT}})
        relay.run("init", "--name", f"relay {number}")
        status = relay.start("--relay")
        ana.run("peers", "add", f"/ip4/20.0.0.{number}/tcp/{PORT}/p2p/{status['peer_id']}")
    commons = new_commons(ana, "Garden")
    entry = with_entries(ana, commons, size)
    ana.start(mode=mode)
    rui.start(mode=mode)
    if relays:
        wait_until(
            "ana to have her relays, or to be reachable",
            lambda: (
                len(cast("list[str]", reach(ana)["relays"])) == len(relays)
                or words(ana) == "reachable"
            ),
            WORDS_SECONDS,
        )
        wait_until("ana to know", lambda: words(ana).startswith(row.scenario.anas), WORDS_SECONDS)
    meet(row, ana, rui, commons)
    upgrade(row, ana, rui)
    file = str(ana.run("attach", entry, str(ana.path / "file"))["id"])
    wait_until("rui to know of the file", lambda: count(rui, commons) == count(ana, commons), 60)
    row.speed = size / MIB / fetched(rui, file, size)
    row.words = words(ana), words(rui)
    if not row.words[0].startswith(row.scenario.anas):
        row.faults.append(f"ana says {row.words[0]!r}")
    if row.scenario.upnp and reach(ana).get("upnp") != "mapped":
        row.faults.append("the router was not asked for a port")
    if row.scenario.kill:
        without_the_relay(row, ana, rui, relays, commons)


def with_entries(home: Home, commons: str, size: int) -> str:
    """Put entries into a commons and a file on the disk; the id of an entry."""
    lines = "".join(f"- [Entry {n}](https://example.org/{n})\n" for n in range(ENTRIES))
    (home.path / "list.md").write_text(lines)
    (home.path / "file").write_bytes(os.urandom(size))
    home.run("import", str(home.path / "list.md"), "--commons", commons)
    return str(home.run("add", "--title", "Scan", "--commons", commons)["id"])


def meet(row: Row, ana: Home, rui: Home, commons: str) -> None:
    """Let rui join by an invite."""
    invite = str(ana.run("invite", commons)["invite"])
    began = time.monotonic()
    rui.run("join", invite)
    look_until("the two to meet", lambda: path(rui, ana) is not None, MEET_SECONDS)
    row.met = time.monotonic() - began
    look_until(
        "rui to hold everything", lambda: count(rui, commons) == count(ana, commons), MEET_SECONDS
    )
    row.equal = time.monotonic() - began
    say(f"{row.scenario.words}: met {row.met:.1f} s after join, equal after {row.equal:.1f} s")


def upgrade(row: Row, ana: Home, rui: Home) -> None:
    """Wait until the way is the best that can be expected, or long enough."""
    began = time.monotonic()
    wanted = row.scenario.way
    while path(rui, ana) != wanted or path(ana, rui) != wanted:
        if time.monotonic() - began > UPGRADE_SECONDS:
            row.faults.append(f"{path(rui, ana)} instead of {wanted}")
            break
        time.sleep(LOOK_SECONDS)
    if wanted == "relayed":
        time.sleep(UPGRADE_SECONDS)  # so long it is tried to find a better one
        if path(rui, ana) != wanted:
            row.faults.append(f"{path(rui, ana)}, which these routers do not allow")
    row.way, row.way_seconds = path(rui, ana) or "-", time.monotonic() - began
    say(f"{row.scenario.words}: {row.way}")


def fetched(home: Home, file: str, size: int) -> float:
    """Seconds until a file is there, whole."""
    began = time.monotonic()
    request: Json = {"op": "fetch", "id": file}

    def is_whole() -> bool:
        return int(str(control.request(find_paths(home.path), request)["have"])) == size

    look_until("rui to have the file", is_whole, FILE_SECONDS)
    return time.monotonic() - began


def without_the_relay(row: Row, ana: Home, rui: Home, relays: Sequence[Home], commons: str) -> None:
    """Kill the relay that is used, and let both write."""
    used = peer_of(rui, ana).get("relay")
    victim = next((each for each in relays if status_of(each).get("peer_id") == used), relays[0])
    began = time.monotonic()
    victim.kill()
    ana.run("add", "--title", "Is anybody there?", "--commons", commons)
    rui.run("add", "--title", "I am", "--commons", commons)
    is_equal = False
    while not is_equal and time.monotonic() - began < AFTER_SECONDS:
        time.sleep(LOOK_SECONDS)
        is_equal = count(rui, commons) == count(ana, commons) and mine(ana) == mine(rui)
    seconds = time.monotonic() - began
    way = path(rui, ana)
    expected = row.scenario.way == "direct" or row.scenario.second
    if is_equal:
        row.after = f"goes on, {way}, {seconds:.1f} s after"
    else:
        row.after = f"apart; ana: {words(ana)}, {ana.status()['activity']}"
    if is_equal != expected:
        row.faults.append(f"without the relay: {row.after}")
    if not is_equal and not words(ana).endswith("no relay yet"):
        row.faults.append(f"ana does not say that she has no relay: {words(ana)!r}")
    say(f"{row.scenario.words}, relay killed: {row.after}")


# --- what nodes say ---------------------------------------------------------------------------


def status_of(home: Home) -> Json:
    """The status, asked over the socket itself: quicker than the command."""
    try:
        return control.request(find_paths(home.path), {"op": "status"})
    except UserError:
        return {}


def peer_of(home: Home, to: Home) -> Json:
    """What a node says of another one that it is connected with; nothing when it is not."""
    other = status_of(to).get("peer_id")
    for peer in items(status_of(home), "peers"):
        if peer["peer_id"] == other and peer["connected"]:
            return peer
    return {}


def path(home: Home, to: Home) -> str | None:
    """By which way a node is connected with another one; None when it is not."""
    return cast("str | None", peer_of(home, to).get("path"))


def reach(home: Home) -> Json:
    """How a node says it can be reached."""
    found = status_of(home).get("reachability", {"relays": [], "words": ""})
    return cast("Json", found)


def words(home: Home) -> str:
    """The same for a person."""
    return str(reach(home)["words"])


def count(home: Home, commons: str) -> int:
    """Contributions that a replica holds of a commons."""
    with open_replica(home.path) as replica:
        return count_of(replica, commons)


def mine(home: Home) -> tuple[int, str]:
    """Count and fingerprint of the only commons."""
    found = items(status_of(home), "commons")[0]
    return cast("int", found["count"]), str(found["fingerprint"])


def look_until(what: str, is_so: Callable[[], bool], seconds: float) -> None:
    """As `wait_until`, but looks more often."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(LOOK_SECONDS)


def show(rows: Sequence[Row], mebibytes: int) -> None:
    """Print the table."""
    head = f"{'routers of ana, rui':<28} {'met':>6} {'equal':>7} {'way':>8} {'after':>7}"
    print(f"\n{head} {'MiB/s':>6}  {'ana is':<38} relay killed")
    for row in rows:
        met = "no" if row.met is None else f"{row.met:.1f} s"
        equal = "no" if row.equal is None else f"{row.equal:.1f} s"
        after = f"{row.way_seconds:.1f} s" if row.way == "direct" else "-"
        print(
            f"{row.scenario.words:<28} {met:>6} {equal:>7} {row.way:>8} {after:>7} "
            f"{row.speed:6.1f}  {row.words[0]:<38} {row.after}"
        )
    print(
        f"met, equal: from `join`; after: from equal to the direct way; MiB/s: a file of "
        f"{mebibytes} MiB; relay killed: the one in use, then both write (two commands)"
    )


if __name__ == "__main__":
    sys.exit(main())
