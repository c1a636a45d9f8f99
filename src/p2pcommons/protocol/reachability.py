"""Whether others can reach this node from outside: what peers found, weighed, and said in words.

A peer that was asked to dial back either reached this node or did not. Machines vote, not peer
ids, and the newest vote of each counts. Pure: times are passed in, nothing is asked from here.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

VOTES_SECONDS = 7_200.0
"""How long a vote counts: routers and their leases change within a day, seldom within an hour."""
VOTERS_MAX = 64
"""Machines whose votes are kept; the oldest goes first."""
ENOUGH_VOTERS = 3
"""Once so many machines agree nobody who comes new is asked at once."""
RETRY_SECONDS = 10.0
"""Until the only one who can answer is asked a second time after it failed."""
ASK_PAUSE_SECONDS = 1.0
"""Between two questions while nothing is known."""
DOUBTFUL_SECONDS = 300.0
"""Until one is asked again while the answer rests on a single machine."""
SETTLED_SECONDS = 1_500.0
"""The same when several agree."""
SILENT_SECONDS = 900.0
"""Who does not answer such questions, or refuses them, is asked again after this time."""


class Verdict(StrEnum):
    """What the votes say."""

    UNKNOWN = "unknown"
    REACHABLE = "reachable"
    BEHIND_NAT = "behind NAT"


@dataclass(slots=True)
class Voter:
    """What one machine found when it was asked last."""

    at: float
    reached: bool | None
    """None: it did not say."""
    failures: int = 0
    """Times in a row that it did not reach this node."""
    doubted: bool = False
    """It is to be asked anew at once; until it answers its vote stands."""


@dataclass(slots=True)
class Ballot:
    """The votes about the addresses that this node has now."""

    voters: dict[str, Voter] = field(default_factory=dict[str, Voter])

    def note(self, machine: str, reached: bool | None, now: float) -> None:
        """Count an answer of a machine; None when it gave none."""
        known = self.voters.pop(machine, None)
        failures = 0 if known is None else known.failures
        if reached is None and known is not None and known.reached is not None:
            # What it found stands; only the next question waits.
            self.voters[machine] = Voter(now, known.reached, failures)
            return
        failures = failures + 1 if reached is False else 0
        self.voters[machine] = Voter(now, reached, failures)
        while len(self.voters) > VOTERS_MAX:
            del self.voters[next(iter(self.voters))]

    def forget(self) -> None:
        """The addresses have changed: what was found before says nothing now."""
        self.voters.clear()

    def doubt(self) -> None:
        """Something may have changed, as after a sleep: ask everybody again, one by one."""
        for voter in self.voters.values():
            voter.doubted = True

    def verdict(self, now: float, askable: int = 1) -> Verdict:
        """Weigh the votes; `askable` is the number of machines that could be asked now.

        One machine that got through proves it, until more failed than got through, and at least
        two. One failure proves nothing, unless nobody else can be asked and it failed twice.
        """
        reached, failed, twice = self._count(now)
        if reached and (failed < 2 or reached >= failed):
            return Verdict.REACHABLE
        if failed >= 2 or (twice and askable <= 1):
            return Verdict.BEHIND_NAT
        return Verdict.UNKNOWN

    def _count(self, now: float) -> tuple[int, int, int]:
        votes = [each for each in self.voters.values() if now - each.at < VOTES_SECONDS]
        counts = Counter(each.reached for each in votes)
        return counts[True], counts[False], sum(each.failures >= 2 for each in votes)

    def next_question(
        self, machines: Mapping[str, Sequence[str]], now: float
    ) -> tuple[str, float] | None:
        """Return whom of the connected machines to ask next, and when; None: nobody is left.

        `machines` names each machine and the peers that run on it.
        """
        due = {machine: self._due(machine, now, len(machines)) for machine in machines}
        if not due:
            return None
        machine = min(due, key=lambda each: due[each])
        last = max((each.at for each in self.voters.values()), default=now - ASK_PAUSE_SECONDS)
        return machine, max(due[machine], last + ASK_PAUSE_SECONDS)

    def _due(self, machine: str, now: float, askable: int) -> float:
        voter = self.voters.get(machine)
        reached, failed, _ = self._count(now)
        if voter is None:
            # A new one is asked at once until several have been heard, and while they disagree.
            return now if min(reached, failed) or reached + failed < ENOUGH_VOTERS else now + 60
        if voter.doubted:
            return now
        if voter.reached is None:
            return voter.at + SILENT_SECONDS
        if voter.reached is False and voter.failures < 2 and (askable <= 1 or reached):
            return voter.at + RETRY_SECONDS
        settled = max(reached, failed) >= 2
        return voter.at + (SETTLED_SECONDS if settled else DOUBTFUL_SECONDS)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else the words depend on."""

    is_on: bool = True
    anybody: bool = False
    """Somebody is connected."""
    outsiders: bool = False
    """Somebody of them is outside the local network."""
    relays: tuple[str, ...] = ()
    """Peers that relay to this node."""
    had_relay: bool = False
    """Somebody has relayed to it where it is now."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How this node can be reached, as the status tells it."""

    state: str = "off"
    words: str = "network off"
    relays: tuple[str, ...] = ()
    upnp: str = "off"
    """"mapped", "none" or "off"."""
    public: tuple[str, ...] = ()
    """Addresses of the internet that lead here, each with /p2p/ID."""

    def as_fields(self) -> dict[str, object]:
        """Return it for JSON."""
        return {
            "state": self.state,
            "words": self.words,
            "relays": list(self.relays),
            "upnp": self.upnp,
            "public": list(self.public),
        }


def in_words(verdict: Verdict, around: Surroundings) -> tuple[str, str]:
    """Return the state and the words for a person."""
    if not around.is_on:
        return "off", "network off"
    if verdict is Verdict.REACHABLE:
        return "reachable", "reachable"
    if around.relays:
        named = " and ".join(f"…{relay[-6:]}" for relay in around.relays[:2])
        return "relayed", f"behind NAT, relayed by {named}"
    if verdict is Verdict.BEHIND_NAT or around.had_relay:
        return "relayed", "behind NAT, no relay yet"
    if around.anybody and not around.outsiders:
        return "lan", "LAN only"
    return "unknown", "not known yet"


def is_outside(ip: str) -> bool:
    """Tell whether an IP is one of the internet, not of this machine or a private network."""
    try:
        return ipaddress.ip_address(ip.partition("%")[0]).is_global
    except ValueError:
        return False


def most_named(ips: Iterable[str]) -> str | None:
    """Return what most say; the first of several that as many say; None when nobody says."""
    counted = Counter(ips).most_common(1)
    return counted[0][0] if counted else None
