"""Nodes killed in the middle of a sync: it goes on where it stopped, and this is what was resent.

    python bench/resume.py [--entries 20000] [--kills 3]

Two node processes; the receiver is killed (SIGKILL) at different points of the sync and started
again, and then, with another receiver, the sender. Ends with 1 if the replicas differ in the end,
or if more was sent twice than can have been in flight at the kills.
"""

from __future__ import annotations

import argparse
import sys
from typing import cast

import corpus
from harness import Home, count_of, free_address, homes, items, say, wait_equal, wait_until
from p2pcommons.protocol.limits import WANT_IDS_SERVED_MAX, WANTS_IN_FLIGHT_MAX
from p2pcommons.replica import open_replica

SECONDS_MAX = 300.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=3)
    chosen = parser.parse_args()
    commons = corpus.founding().id.hex()
    wrong = 0
    with homes(3) as (ana, rui, eva):
        corpus.build(ana.path, chosen.entries)
        for home, name in ((ana, "ana"), (rui, "rui"), (eva, "eva")):
            home.run("init", "--name", name, accept=(0, 7))
        where = {home.path: free_address() for home in (ana, rui, eva)}
        ana.start(listen=where[ana.path])
        invite = str(ana.run("invite", commons)["invite"])
        total = ana.digest(commons)[0]
        for receiver, victim, who in ((rui, rui, "receiver"), (eva, ana, "sender")):
            receiver.start(listen=where[receiver.path])
            receiver.run("join", invite)
            again = where[victim.path]
            at = kill_often(receiver, victim, again, commons, total, chosen.kills)
            wait_equal([ana, receiver], commons, SECONDS_MAX)
            # Whoever lived through it counted all that went over the wire.
            if victim is receiver:
                moved = figures(ana, "sent")
            else:
                moved = figures(receiver, "received") + figures(receiver, "again")
            twice = max(0, moved - total)
            bound = len(at) * WANTS_IN_FLIGHT_MAX * WANT_IDS_SERVED_MAX
            say(f"{who} killed at {at} of {total}: equal; {twice} sent twice, {bound} allowed")
            wrong += twice > bound or not at
            receiver.stop()
    return 1 if wrong else 0


def kill_often(
    receiver: Home, victim: Home, listen: str, commons: str, total: int, kills: int
) -> list[int]:
    """Kill `victim` at even steps of the way and start it again; return what was there then."""
    at: list[int] = []
    with open_replica(receiver.path) as replica:
        for number in range(1, kills + 1):
            wanted = total * number // (kills + 1)
            wait_until(
                f"{wanted} to be there",
                lambda wanted=wanted: count_of(replica, commons) >= wanted,
                SECONDS_MAX,
            )
            if count_of(replica, commons) >= total:
                break
            victim.kill()
            at.append(count_of(replica, commons))
            victim.start(listen=listen)
    return at


def figures(home: Home, name: str) -> int:
    """Sum one figure over the sessions that a node remembers."""
    listed = [each for peer in items(home.status(), "peers") for each in items(peer, "sessions")]
    return sum(cast("int", each[name]) for each in listed)


if __name__ == "__main__":
    sys.exit(main())
