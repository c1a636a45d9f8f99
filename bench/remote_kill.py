"""Remote kill attempts on a real node that is in sync with another: it lives, and sync goes on.

    python bench/remote_kill.py [attack …]

Two nodes as a person runs them hold one commons. A raw peer sends each attack of `attacks_*.py` to
the port of the first, while entries are added on both sides; after each both must be equal, the
node must be the same process, must not have grown, and must not have written to its terminal.
Loopback only. `remote_kill_hosts.py` shows what the attacks do to the library alone.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

import trio

import attacks_connections
import attacks_streams
import raw_peer
from harness import Home, free_address, homes, join, new_commons, wait_equal, wait_until
from p2pcommons.protocol.topic import gossip_topic

MODULES = (attacks_connections, attacks_streams)
EQUAL_SECONDS = 60.0
GROWTH_MIB_MAX = 100
run: Any = cast(Any, trio).run


def main(names: list[str]) -> int:
    with homes(2) as (ana, rui):
        commons = two_in_sync(ana, rui)
        raw_peer.TOPIC = gossip_topic(bytes.fromhex(commons))
        address = str(cast("list[object]", ana.status()["addresses"])[0])
        print(f"victim {address}")
        chosen = names or list(raw_peer.ATTACKS)
        failed = [name for name in chosen if not try_attack(name, address, ana, rui, commons)]
        print(f"{len(chosen) - len(failed)} of {len(chosen)} survived; failed: {failed or 'none'}")
        return 1 if failed else 0


def two_in_sync(ana: Home, rui: Home) -> str:
    ana.run("init", "--name", "ana")
    rui.run("init", "--name", "rui")
    commons = new_commons(ana, "Books")
    ana.run("add", "--title", "first", "--commons", commons)
    ana.start(listen=free_address())
    rui.start(listen=free_address())
    join(rui, ana, commons)
    wait_equal([ana, rui], commons, EQUAL_SECONDS)
    wait_until("connected", lambda: ana.connected() == 1, EQUAL_SECONDS)
    return commons


def try_attack(name: str, address: str, ana: Home, rui: Home, commons: str) -> bool:
    assert ana.node is not None
    before = memory_mib(ana.node.pid)
    thread = threading.Thread(target=run, args=(raw_peer.ATTACKS[name].run, address))
    began = time.monotonic()
    thread.start()
    for home in (ana, rui):
        home.run("add", "--title", f"during {name}", "--commons", commons)
    try:
        seconds, count, _ = wait_equal([ana, rui], commons, EQUAL_SECONDS)
    except TimeoutError:
        seconds, count = EQUAL_SECONDS, 0
    thread.join()
    attacked = time.monotonic() - began
    rui.run("add", "--title", f"after {name}", "--commons", commons)
    try:
        later, count, _ = wait_equal([ana, rui], commons, EQUAL_SECONDS)
    except TimeoutError:
        later = EQUAL_SECONDS
    alive = ana.node.poll() is None
    growth = memory_mib(ana.node.pid) - before if alive else 0.0
    spoken = (ana.path / "bench-node.out").read_text(errors="replace").strip()
    good = alive and max(seconds, later) < EQUAL_SECONDS and growth < GROWTH_MIB_MAX
    print(
        f"{'ok  ' if good else 'FAIL'} {name:32} {attacked:5.1f} s  "
        f"{'lives' if alive else 'DEAD '}  equal after {seconds:.1f} s, later {later:.1f} s "
        f"({count}), memory {growth:+.0f} MiB",
        flush=True,
    )
    if "Traceback" in spoken:
        print(spoken[-2000:])
        return False
    return good


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
