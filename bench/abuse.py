"""Peers that abuse a node: what each costs it, and whether honest people notice.

    python bench/abuse.py [--seconds 15] [--entries 3000] [scenario …]

A victim and an honest friend run as people run them and exchange one entry a second; for each
scenario one attacker, a process of its own with a fresh identity, does its worst for a while.
Printed: the victim's processor time, memory and disk over the attack beside the limit of each, the
slowest way of an honest entry, and what `node status` says of the attacker, which is what the
network screen shows. Ends with 1 when a limit is exceeded, an honest entry does not arrive, the
victim dies, or an attacker that must be named is not. Loopback only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import Any, cast

import trio

from abuse_attacks import KNOWN_IDS, SCENARIOS, Scenario
from full_sync import cpu_seconds, fill, memory_mib, store_bytes
from harness import (
    Home,
    free_address,
    homes,
    items,
    join,
    new_commons,
    say,
    wait_equal,
    wait_until,
)
from p2pcommons.replica import open_replica

HONEST_SECONDS_MAX = 35.0
"""An honest entry that gossip had no room for comes by reconciliation within this time."""
CPU_SHARE_MAX = 0.75
"""Of one core, whatever one attacker does: the rest is for everybody else."""
MEMORY_MIB_MAX = 96.0
DISK_MB_MAX = 12.0
"""What does not add contributions writes next to nothing; the log of the store is part of it."""
DISK_MB_PER_S = 2.5
"""What gossip may add: 1.2 MB of contributions a second and as much for indexes and views."""
run: Any = cast("Any", trio).run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--entries", type=int, default=3_000)
    parser.add_argument("--attack", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.attack:
        name, address, commons, home = chosen.attack
        with open_replica(home) as replica:
            KNOWN_IDS.extend(each for _, each in replica.store.items(bytes.fromhex(commons)))
        run(attack_for, SCENARIOS[name], address, bytes.fromhex(commons), chosen.seconds)
        return 0
    with homes(2) as (victim, friend):
        commons = connect(victim, friend, chosen.entries)
        address = str(cast("list[object]", victim.status()["addresses"])[0])
        print(
            f"limits: CPU {CPU_SHARE_MAX:.0%} of a core, memory +{MEMORY_MIB_MAX:.0f} MiB, disk "
            f"+{DISK_MB_MAX:.0f} MB and {DISK_MB_PER_S} MB/s where it sends what is valid, an "
            f"honest entry within {HONEST_SECONDS_MAX:.0f} s\n"
            f"{'scenario':38} {'CPU':>5} {'MiB':>6} {'MB':>6} {'honest s':>8}  what is said of it"
        )
        failed = [
            name
            for name in chosen.scenarios or SCENARIOS
            if not try_scenario(name, address, victim, friend, commons, chosen.seconds)
        ]
    print(f"failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


async def attack_for(what: Scenario, address: str, commons: bytes, seconds: float) -> None:
    """Attack for a while; being hung up on is not an error of the attacker."""
    print("begun", flush=True)
    with trio.move_on_after(seconds + 3.0):
        try:
            await what.attack(address, commons)
        except Exception as error:  # noqa: BLE001  whatever the victim did to it
            print(f"the attacker ended early: {error!r}"[:200], file=sys.stderr)


def connect(victim: Home, friend: Home, entries: int) -> str:
    for home, name in ((victim, "victim"), (friend, "friend")):
        home.run("init", "--name", name)
    commons = new_commons(victim, "Abuse")
    fill(victim, commons, entries, 50)
    victim.start(listen=free_address())
    friend.start(listen=free_address())
    join(friend, victim, commons)
    wait_equal([victim, friend], commons, 120)
    wait_until("connected", lambda: victim.connected() == 1, 30)
    return commons


def try_scenario(
    name: str, address: str, victim: Home, friend: Home, commons: str, seconds: float
) -> bool:
    """Attack, and print a line; whether all stayed within the limits."""
    assert victim.node is not None
    what = SCENARIOS[name]
    known = {str(peer["peer_id"]) for peer in items(victim.status(), "peers")}
    cpu, memory, disk = cpu_seconds(victim), memory_mib(victim), store_bytes(victim)
    command = [sys.executable, __file__, "--seconds", str(seconds), "--attack"]
    attacker = subprocess.Popen(
        [*command, name, address, commons, str(victim.path)], stdout=subprocess.PIPE
    )
    assert attacker.stdout is not None
    attacker.stdout.readline()
    began = time.monotonic()
    try:
        slowest = honest(victim, friend, commons, name, seconds)
        spent = time.monotonic() - began
        cpu = (cpu_seconds(victim) - cpu) / spent
        memory = memory_mib(victim) - memory
        disk_mb = (store_bytes(victim) - disk) / 1e6
        said = words_about(victim, known)
    finally:
        attacker.terminate()
        attacker.wait()
    room = DISK_MB_MAX + (DISK_MB_PER_S * spent if what.adds else 0.0)
    faults = [
        *(["CPU"] if cpu > CPU_SHARE_MAX else []),
        *(["memory"] if memory > MEMORY_MIB_MAX else []),
        *(["disk"] if disk_mb > room else []),
        *(["honest traffic"] if slowest > HONEST_SECONDS_MAX else []),
        *(["not named"] if what.is_named and not said else []),
        *(["dead"] if victim.node.poll() is not None else []),
    ]
    verdict = f"  FAIL: {', '.join(faults)}" if faults else ""
    print(
        f"{name:38} {cpu:5.0%} {memory:+6.0f} {disk_mb:+6.1f} {slowest:8.1f}  "
        f"{said or '(nothing)'}{verdict}",
        flush=True,
    )
    return not faults


def honest(victim: Home, friend: Home, commons: str, name: str, seconds: float) -> float:
    """Entries of the friend, one a second; the longest that one took to reach the victim."""
    waiting: dict[bytes, float] = {}
    slowest = 0.0
    began = last = time.monotonic()
    with open_replica(victim.path) as there, open_replica(friend.path) as here:
        while (now := time.monotonic()) - began < seconds or waiting:
            if now - began > seconds + HONEST_SECONDS_MAX:
                return now - min(waiting.values())
            if now - began < seconds and now - last >= 1.0:
                last = now
                made = here.add_entry(bytes.fromhex(commons), title=f"Honest during {name}")
                waiting[made.id] = time.monotonic()
            for identifier in there.store.known(list(waiting)) if waiting else ():
                slowest = max(slowest, time.monotonic() - waiting.pop(identifier))
            time.sleep(0.02)
    return slowest


def words_about(victim: Home, known: set[str]) -> str:
    """What the node says of peers it did not know before the attack."""
    said: list[str] = []
    for peer in items(victim.status(), "peers"):
        if peer["peer_id"] in known:
            continue
        if peer["blocked_until"]:
            said.append(f"refused: {peer['reason']}")
        elif peer["slowed"]:
            said.append(str(peer["slowed"]))
    return "; ".join(said)


if __name__ == "__main__":
    began_at = time.monotonic()
    code = main()
    if "--attack" not in sys.argv:
        say(f"took {time.monotonic() - began_at:.0f} s")
    sys.exit(code)
