"""Nodes that are killed and started again at random, while people write: who gets what, and when?

    python bench/churn.py [--nodes 20] [--minutes 10] [--rate 3] [--knows 4]
        [--life 40 150] [--down 2 20] [--seed 1]

Node processes on loopback in mode `friends`; each has joined by invites of a few others, chosen at
random, so nobody knows everybody. Each lives for a random time, is killed with SIGKILL and started
again a random time later. Starting costs some three seconds of processor time, most of it for
importing libp2p, so two cores bear about one start in four seconds: the lives are as short as
that allows. Persons at random running nodes write, `--rate` entries a second in all; what they
were told is committed must not be missing anywhere in the end.

A pair in the table is a contribution and another node that ran when the commit returned and five
seconds longer. Sessions that a contribution causes begin 1.5 seconds after it at the earliest, so
what is there within a second came by gossip, or by a session that was under way. The counters of
the nodes, read just before each kill, say which way everything came. When the churn ends all nodes
are started, and the time until all replicas are equal is taken. Ends with 1 when a contribution is
missing anywhere, or a node does not come back.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, cast

from crowd import (
    STARTS_AT_ONCE,
    Writer,
    acquaintances,
    figures,
    fixed_addresses,
    gather,
    peers_connected,
    start,
    status_of,
)
from harness import Home, homes, items, say, wait_equal
from p2pcommons.replica import open_replica

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness import Json

LOOK_SECONDS = 0.05
STEP_SECONDS = 0.05
ALIVE_SECONDS = 5.0
SETTLED_SECONDS = 10.0
"""A node that ran for so long before a commit has had time to connect."""
WITHIN_SECONDS = (1.0, 2.0, 5.0)
EQUAL_SECONDS = 300.0


@dataclass
class Life:
    """One process of a node, from its first answer to its end."""

    began: float
    dies_at: float
    ended: float = float("inf")
    gossip: int = 0
    sessions: int = 0
    shed: int = 0
    again: int = 0
    received: int = 0
    cpu_percent: float = 0.0
    rss_mib: float = 0.0
    peers: int = 0

    def ran(self, since: float, until: float) -> bool:
        """Whether it ran all that time."""
        return self.began <= since and until <= self.ended


@dataclass
class Member:
    """A home, and the lives of its node."""

    home: Home
    address: str
    lives: list[Life] = field(default_factory=list[Life])
    starting: Future[None] | None = None
    start_at: float = 0.0

    @property
    def life(self) -> Life | None:
        """The life that goes on."""
        return self.lives[-1] if self.lives and self.lives[-1].ended == float("inf") else None


class Watcher(threading.Thread):
    """Notes when each store first shows each contribution."""

    def __init__(self, nodes: Sequence[Home], commons: str) -> None:
        super().__init__(daemon=True)
        self._nodes = nodes
        self._commons = bytes.fromhex(commons)
        self._over = threading.Event()
        self.seen: list[dict[bytes, float]] = [{} for _ in nodes]

    def run(self) -> None:
        """Look again and again; called by the thread."""
        with ExitStack() as opened:
            stores = [opened.enter_context(open_replica(home.path)).store for home in self._nodes]
            rowids = [store.last_rowid() for store in stores]
            versions = [store.data_version() for store in stores]
            while not self._over.wait(LOOK_SECONDS):
                for number, store in enumerate(stores):
                    version = store.data_version()
                    if version == versions[number]:
                        continue
                    versions[number], newest = version, store.last_rowid()
                    now = time.monotonic()
                    for _, identifier in store.items_after(self._commons, rowids[number]):
                        self.seen[number].setdefault(identifier, now)
                    rowids[number] = newest

    def finish(self) -> None:
        """Stop, and wait until it has."""
        self._over.set()
        self.join()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=3.0)
    parser.add_argument("--knows", type=int, default=4, help="others that a node knows by invite")
    parser.add_argument("--life", type=float, nargs=2, default=(40.0, 150.0))
    parser.add_argument("--down", type=float, nargs=2, default=(2.0, 20.0))
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with homes(chosen.nodes) as nodes:
        return Churn(chosen, nodes).run()


class Churn:
    """One run."""

    def __init__(self, chosen: argparse.Namespace, nodes: Sequence[Home]) -> None:
        self._chosen = chosen
        self._chance = random.Random(chosen.seed)
        addresses = fixed_addresses(len(nodes))
        self._members = [
            Member(home, address) for home, address in zip(nodes, addresses, strict=True)
        ]
        self._nodes = nodes
        self._pool = ThreadPoolExecutor(STARTS_AT_ONCE)

    def run(self) -> int:
        """Gather, churn, converge, count; the exit code."""
        knows = acquaintances(len(self._nodes), self._chosen.knows, self._chance)
        addresses = [member.address for member in self._members]
        commons = gather(self._nodes, addresses, knows, {}, "Churn")
        wait_equal(self._nodes, commons, EQUAL_SECONDS)
        say(
            f"{len(self._nodes)} nodes, connected with "
            f"{sorted(peers_connected(home) for home in self._nodes)}"
        )
        for member in self._members:
            self._lives(member, self._chance.uniform(0, self._chosen.life[1]))
        watcher = Watcher(self._nodes, commons)
        writer = Writer(self._nodes, commons, self._chosen.rate, self._writes)
        watcher.start()
        writer.start()
        self._churn(time.monotonic() + self._chosen.minutes * 60)
        writer.finish()
        kills = sum(len(member.lives) for member in self._members) - len(self._members)
        say(f"churn is over: {len(writer.committed)} committed, {kills} nodes came back")
        missing = self._converge(commons, writer)
        watcher.finish()
        self._report(writer, watcher)
        say(f"{missing} of {len(writer.committed)} contributions missing anywhere")
        return 1 if missing else 0

    # --- the churn ---------------------------------------------------------------------------

    def _writes(self, number: int) -> int | None:
        """A random running node."""
        chance = random.Random(f"{self._chosen.seed}/{number}")
        running = [place for place, member in enumerate(self._members) if member.life is not None]
        return chance.choice(running) if running else None

    def _churn(self, until: float) -> None:
        """Kill who has lived long enough and start who was down long enough."""
        while (now := time.monotonic()) < until:
            for member in self._members:
                life = member.life
                if life is not None and now >= life.dies_at:
                    self._kill(member, life)
                elif life is None:
                    self._come_back(member, now)
            time.sleep(STEP_SECONDS)

    def _lives(self, member: Member, seconds: float) -> None:
        now = time.monotonic()
        member.lives.append(Life(now, now + seconds))

    def _kill(self, member: Member, life: Life) -> None:
        note(member.home, life)
        # From here on nobody writes there; what was committed a moment ago must survive.
        life.ended = time.monotonic()
        member.home.kill()
        member.start_at = time.monotonic() + self._chance.uniform(*self._chosen.down)

    def _come_back(self, member: Member, now: float) -> None:
        if member.starting is None:
            if now >= member.start_at:
                member.starting = self._pool.submit(start, member.home, member.address)
        elif member.starting.done():
            member.starting.result()
            member.starting = None
            self._lives(member, self._chance.uniform(*self._chosen.life))

    def _converge(self, commons: str, writer: Writer) -> int:
        """Start who is down, wait until all are equal, and count what is missing."""
        stopped = time.monotonic()
        while any(member.life is None for member in self._members):
            for member in self._members:
                if member.life is None:
                    self._come_back(member, float("inf"))
            time.sleep(STEP_SECONDS)
        up = time.monotonic()
        try:
            _, count, _ = wait_equal(self._nodes, commons, EQUAL_SECONDS)
            now = time.monotonic()
            say(
                f"all equal {now - up:.1f} s after the last node was up, {now - stopped:.1f} s "
                f"after the churn: {count} contributions"
            )
        except TimeoutError as error:
            say(str(error))
        for member in self._members:
            if member.life is not None:
                note(member.home, member.life)
        wanted = list(writer.committed)
        missing: set[bytes] = set()
        for home in self._nodes:
            with open_replica(home.path) as replica:
                missing |= set(wanted) - set(replica.store.known(wanted))
        return len(missing)

    # --- the figures -------------------------------------------------------------------------

    def _report(self, writer: Writer, watcher: Watcher) -> None:
        for what, settled in (
            ("nodes that ran at the commit", 0.0),
            (f"of them up for {SETTLED_SECONDS:.0f} s", SETTLED_SECONDS),
        ):
            pairs, reached, whole = self._delivery(writer, watcher, settled)
            shares = ", ".join(
                f"{100 * reached[seconds] / max(pairs, 1):.1f} % within {seconds:.0f} s"
                for seconds in WITHIN_SECONDS
            )
            total = max(len(writer.committed), 1)
            print(
                f"{what}: {pairs} pairs, {shares}; everybody had it within 1 s: "
                f"{100 * whole / total:.1f} % of contributions"
            )
        lives = [life for member in self._members for life in member.lives]
        gossip, sessions = (sum(getattr(each, name) for each in lives) for name in WAYS)
        arrived = max(gossip + sessions, 1)
        print(
            f"all arrivals: {gossip} by gossip ({100 * gossip / arrived:.1f} %), {sessions} by "
            f"sessions ({100 * sessions / arrived:.1f} %), {sum(each.shed for each in lives)} shed"
        )
        received = sum(each.received for each in lives)
        print(
            f"came again although held, in the sessions that nodes still remembered: "
            f"{sum(each.again for each in lives)} beside {received} that were new"
        )
        cpu = [life.cpu_percent for life in lives if life.cpu_percent]
        rss = [life.rss_mib for life in lives if life.rss_mib]
        print(
            f"a node: {median(cpu):.1f} % of a core in the middle, {max(cpu):.1f} % at most (its "
            f"start included); {median(rss):.0f} MiB in the middle, {max(rss):.0f} MiB at most; "
            f"{median(life.peers for life in lives):.0f} peers"
        )

    def _delivery(
        self, writer: Writer, watcher: Watcher, settled: float
    ) -> tuple[int, dict[float, int], int]:
        """Pairs, how many were there in time, and contributions that everybody had at once."""
        pairs, whole = 0, 0
        reached = dict.fromkeys(WITHIN_SECONDS, 0)
        for identifier, (at, author) in writer.committed.items():
            delays: list[float] = []
            for place, member in enumerate(self._members):
                if place == author or not any(
                    life.ran(at - settled, at + ALIVE_SECONDS) for life in member.lives
                ):
                    continue
                delays.append(watcher.seen[place].get(identifier, float("inf")) - at)
            pairs += len(delays)
            for seconds in WITHIN_SECONDS:
                reached[seconds] += sum(delay <= seconds for delay in delays)
            whole += all(delay <= WITHIN_SECONDS[0] for delay in delays)
        return pairs, reached, whole


WAYS = ("gossip", "sessions")


def note(home: Home, life: Life) -> None:
    """Take down what a node counts and takes, while it still runs."""
    status = status_of(home)
    found = figures(home)
    if status is None or found is None:
        return
    arrived = cast("dict[str, int]", status["arrived"])
    life.gossip, life.sessions, life.shed = (arrived[key] for key in (*WAYS, "shed"))
    recent: list[Json] = [
        session for peer in items(status, "peers") for session in items(peer, "sessions")
    ]
    life.again = sum(cast("int", session["again"]) for session in recent)
    life.received = sum(cast("int", session["received"]) for session in recent)
    life.peers = sum(bool(peer["connected"]) for peer in items(status, "peers"))
    life.rss_mib = found.rss_mib
    life.cpu_percent = 100 * found.cpu_s / max(time.monotonic() - life.began, 1.0)


if __name__ == "__main__":
    sys.exit(main())
