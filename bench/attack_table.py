"""Each attack on a running node: whether it goes on, what it costs, what honest people notice.

    python bench/attack_table.py [--seconds 10] [--list] [row …]

For each kind of victim a real node and an honest friend run as people run them and share a commons
of a thousand entries; for each row an attacker, a process of its own, does its worst. Printed for
each: processor seconds, growth of memory, bytes on the wire, open handles before, at most and
afterwards, how long an honest entry took to arrive and an honest `sync` to end, what the attacker
counted, and what `node status` says of it. Ends with 1 when a node dies, a handle stays, an honest
entry does not arrive or a promise of the node is broken; no time fails a row but the patience for
an honest entry. Loopback only, in a network namespace of its own where that is allowed; where not,
rows in mode open are left out and named.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import trio

import attacks_finding
import attacks_frames
import attacks_relays
from abuse import honest, words_about
from attack_rows import LIMITED, PAUSED, PLAIN, PUBLIC, RAISING, ROWS, Field, Row
from attack_watch import Most, Words
from crowd import figures
from full_sync import fill
from harness import (
    Home,
    ProgramError,
    free_address,
    homes,
    items,
    join,
    new_commons,
    say,
    wait_equal,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowd import Figures

MODULES = (attacks_frames, attacks_relays, attacks_finding)
ENTRIES = 1_000
HONEST_SECONDS_MAX = 35.0
EQUAL_SECONDS = 60.0
SETTLE_SECONDS = 75.0
"""Half-closed streams are forgotten after a minute, half-open handshakes after five seconds."""
HANDLES_MORE = 8
"""Files of the store and sockets of the friend come and go."""
LIMIT_KB_PER_S = 50
UNGRANTED_KB = 3_000
"""Beside it: the first windows of streams, before the node can say anything."""
ISOLATED = "P2PCOMMONS_BENCH_ISOLATED"
FLAVOURS = (PLAIN, PUBLIC, RAISING, PAUSED, LIMITED)
run: Any = cast("Any", trio).run


class RaisingHome(Home):
    """A home whose node has handlers that raise."""

    def command(self, *arguments: str) -> list[str]:
        """The command line; only the node is another program."""
        usual = super().command(*arguments)
        if arguments[:2] != ("node", "run"):
            return usual
        script = str(Path(__file__).with_name("raising_node.py"))
        return [*self.prefix, sys.executable, script, *usual[len(self.prefix) + 1 :]]


@dataclass
class Result:
    """One line of the table."""

    row: Row
    cpu: float = 0.0
    memory: float = 0.0
    kilobytes: float = 0.0
    handles: tuple[int, int, int] = (0, 0, 0)
    entry_seconds: float = 0.0
    sync_seconds: float | None = None
    counted: str = ""
    said: str = ""
    faults: list[str] = field(default_factory=list[str])

    def line(self) -> str:
        """The figures as one line of the table."""
        before, most, after = self.handles
        sync = "-" if self.sync_seconds is None else f"{self.sync_seconds:.1f}"
        verdict = f"  FAIL: {', '.join(self.faults)}" if self.faults else ""
        return (
            f"{self.row.name:34.34} {'yes' if 'dead' not in self.faults else 'NO':5} "
            f"{self.cpu:6.1f} {self.memory:+6.0f} {self.kilobytes:8,.0f} "
            f"{before:4}/{most:4}/{after:4} {self.entry_seconds:6.1f} {sync:>6}  "
            f"{self.counted}; {self.said or '(nothing said)'}{verdict}"
        )


HEAD = (
    f"{'attack':34} {'lives':5} {'CPU s':>6} {'MiB':>6} {'kB':>8} {'handles':>14} "
    f"{'entry':>6} {'sync':>6}  what the attacker counted; what the status says of it"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="row", help="rows whose name has this in it")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack")
    parser.add_argument("--list", action="store_true", help="name the rows and do nothing")
    parser.add_argument("--attack", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.attack:
        name, address, commons = chosen.attack
        run(attack_for, ROWS[name], Field(address, bytes.fromhex(commons)), chosen.seconds)
        return 0
    order = [module.__name__ for module in MODULES]
    rows = [
        each
        for each in sorted(ROWS.values(), key=lambda row: order.index(row.attack.__module__))
        if not chosen.rows or any(part in each.name for part in chosen.rows)
    ]
    if chosen.list or not rows:
        print("\n".join(f"{each.name:34} {each.flavour:32} {each.what}" for each in rows))
        return 0 if rows else 1
    alone = isolated()
    print(HEAD)
    failed: list[str] = []
    for flavour in FLAVOURS:
        here = [each for each in rows if each.flavour == flavour]
        if not here:
            continue
        if flavour == PUBLIC and not alone:
            print(f"SKIPPED, no network namespace of one's own here: {[x.name for x in here]}")
            continue
        failed += against(flavour, here, chosen.seconds)
    print(f"failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def isolated() -> bool:
    """Begin anew in a network namespace with nothing but loopback; False where that is refused."""
    if os.environ.get(ISOLATED):
        return True
    able = ["unshare", "--net", "ip", "link", "set", "lo", "up"]
    try:
        if subprocess.run(able, capture_output=True, check=False).returncode:
            return False
    except OSError:
        return False
    inside = 'ip link set lo up && exec "$0" "$@"'
    command = ["unshare", "--net", "sh", "-c", inside, sys.executable, *sys.argv]
    os.environ[ISOLATED] = "1"
    sys.stdout.flush()
    os.execvp(command[0], command)
    raise AssertionError("the process is another one now")


# --- one kind of victim -----------------------------------------------------------------------


def against(flavour: str, rows: Sequence[Row], seconds: float) -> list[str]:
    """Try rows on one victim, and return the names of those that failed."""
    print(f"-- {flavour}")
    failed: list[str] = []
    with homes(2) as (victim, friend):
        if flavour == RAISING:
            victim.__class__ = RaisingHome
        commons = meet(flavour, victim, friend)
        for row in rows:
            result = try_row(row, victim, friend, commons, seconds)
            print(result.line(), flush=True)
            if result.faults:
                failed.append(row.name)
            if "dead" in result.faults:
                print(log_tail(victim))
                break
        traces = log_tail(victim)
        if "Traceback" in traces:
            print(traces)
            failed.append(f"{flavour}: a trace on the terminal")
    return failed


def meet(flavour: str, victim: Home, friend: Home) -> str:
    if flavour == LIMITED:
        victim.configure({"network": {"kilobytes_per_second": LIMIT_KB_PER_S}})
    for home, name in ((victim, "victim"), (friend, "friend")):
        home.run("init", "--name", name)
    commons = new_commons(victim, "Table")
    # What a limited node may send in half a minute.
    fill(victim, commons, ENTRIES if flavour != LIMITED else 50, 50)
    options = ("--relay",) if flavour == PUBLIC else ()
    victim.start(*options, mode="open" if flavour == PUBLIC else "friends", listen=free_address())
    friend.start(listen=free_address())
    join(friend, victim, commons)
    wait_equal([victim, friend], commons, 120)
    wait_until("connected", lambda: victim.connected() >= 1, 30)
    return commons


def log_tail(home: Home) -> str:
    """What the node wrote to its terminal."""
    return (home.path / "bench-node.out").read_text(errors="replace")[-2_000:]


# --- one row ----------------------------------------------------------------------------------


def try_row(row: Row, victim: Home, friend: Home, commons: str, seconds: float) -> Result:
    """Attack, measure meanwhile and afterwards."""
    result = Result(row)
    before, known, wire = must_run(victim), known_peers(victim), bytes_on_the_wire(victim)
    began = time.monotonic()
    if row.flavour == PAUSED:
        victim.run("pause")
        wait_until("nobody is connected", lambda: victim.connected() == 0, 30)
    address = str(cast("list[object]", victim.status()["addresses"])[0])
    command = [sys.executable, __file__, "--seconds", str(seconds), "--attack"]
    attacker = subprocess.Popen(
        [*command, row.name, address, commons], stdout=subprocess.PIPE, text=True
    )
    words = Words(attacker, victim)
    most = Most(victim)
    try:
        if not words.begun.wait(60):
            result.faults.append("the attacker did not begin")
        if row.flavour == PAUSED:
            time.sleep(seconds)
        else:
            feel(result, victim, friend, commons, seconds)
        result.said = shortly(words_about(victim, known))
    finally:
        most.stop()
        words.end()
    result.counted = ", ".join(words.counted) or "nothing"
    result.faults += words.broken
    if row.flavour == PAUSED:
        victim.run("resume")
    afterwards(result, victim, friend, commons, before, max(most.handles, before.handles))
    if "dead" not in result.faults:
        result.kilobytes = (bytes_on_the_wire(victim) - wire) / 1_000
        allowed = LIMIT_KB_PER_S * (time.monotonic() - began) + UNGRANTED_KB
        if row.flavour == LIMITED and result.kilobytes > allowed:
            result.faults.append(f"the limit was evaded: {allowed:,.0f} kB were allowed")
    return result


def feel(result: Result, victim: Home, friend: Home, commons: str, seconds: float) -> None:
    """Entries and one `sync` of the friend during the attack."""
    took: list[float] = []

    def sync() -> None:
        began = time.monotonic()
        try:
            friend.run("sync", "--timeout", "30", accept=(0,))
        except ProgramError:
            return
        took.append(time.monotonic() - began)

    thread = threading.Thread(target=sync)
    thread.start()
    result.entry_seconds = honest(victim, friend, commons, result.row.name, seconds)
    thread.join()
    result.sync_seconds = took[0] if took else None
    if result.entry_seconds > HONEST_SECONDS_MAX:
        result.faults.append("an honest entry did not arrive")


def afterwards(
    result: Result, victim: Home, friend: Home, commons: str, before: Figures, most: int
) -> None:
    """What the attack left behind: a node that lives, agrees with its friend, and lets go."""
    now = figures(victim)
    if now is None:
        result.faults.append("dead")
        return
    result.cpu = now.cpu_s - before.cpu_s
    result.memory = now.rss_mib - before.rss_mib
    try:
        wait_equal([victim, friend], commons, EQUAL_SECONDS)
    except TimeoutError:
        result.faults.append("not equal afterwards")
    few = before.handles + HANDLES_MORE

    def let_go() -> bool:
        found = figures(victim)
        return found is None or found.handles <= few

    try:
        wait_until("handles", let_go, SETTLE_SECONDS)
    except TimeoutError:
        result.faults.append("handles stay")
    later = figures(victim)
    if later is None:
        result.faults.append("dead")
        return
    result.handles = (before.handles, most, later.handles)


def shortly(said: str) -> str:
    """Say once what was said of several identities, and of how many."""
    each = Counter(said.split("; ")) if said else Counter[str]()
    return "; ".join(f"{words} ({n} of them)" if n > 1 else words for words, n in each.items())


def must_run(victim: Home) -> Figures:
    found = figures(victim)
    if found is None:
        raise RuntimeError("the victim does not run")
    return found


def known_peers(victim: Home) -> set[str]:
    return {str(peer["peer_id"]) for peer in items(victim.status(), "peers")}


def bytes_on_the_wire(victim: Home) -> int:
    traffic = cast("dict[str, int]", victim.status().get("traffic") or {})
    return traffic.get("bytes_in", 0) + traffic.get("bytes_out", 0)


async def attack_for(row: Row, field: Field, seconds: float) -> None:
    """Attack for a while; being hung up on is not an error of the attacker."""
    print("begun", flush=True)
    with trio.move_on_after(seconds + 3.0):
        try:
            await row.attack(field)
        except Exception as error:  # noqa: BLE001  whatever the victim did to it
            print(f"the attacker ended early: {error!r}"[:300], file=sys.stderr)
    for what, number in field.counted.items():
        print(f"counted {number:,} {what}")
    for promise in field.broken:
        print(f"broken {promise}")
    sys.stdout.flush()


if __name__ == "__main__":
    code = main()
    if "--attack" not in sys.argv and "--list" not in sys.argv:
        say("done")
    sys.exit(code)
