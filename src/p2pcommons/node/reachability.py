"""Finds out how others can reach this node from outside, and says so in words.

Peers on the internet are asked to dial back, one after another and now and then again; what they
found is weighed in `protocol.reachability`. Where they got through is announced.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Protocol

import trio

from p2pcommons.net.interfaces import ip_of
from p2pcommons.net.paths import CIRCUIT, relay_of
from p2pcommons.net.sockets import host_key
from p2pcommons.node.port_mapping import PortMapping
from p2pcommons.node.punching import Punching
from p2pcommons.protocol.reachability import (
    Ballot,
    Standing,
    Surroundings,
    Verdict,
    in_words,
    is_outside,
    most_named,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from p2pcommons.net.hole_punching import PunchReport
    from p2pcommons.net.reachability import DialBackReport
    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import HostPort

    RunUnlessPaused = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often it is looked whether somebody is to be asked; looking costs microseconds."""
IDLE_SECONDS = 30.0
"""The same while nobody is connected who could be asked."""
ADDRESSES_SECONDS = 30.0
"""How often the addresses of this machine are looked at, where no kernel tells of changes."""
SLEPT_SECONDS = 30.0
"""A look that comes so much late: the machine slept, and may be elsewhere now."""
JITTER_SECONDS = 60.0
"""Nodes that started together do not ask together for ever."""
SEEN_MAX = 64
"""Machines of which it is kept how they see this node."""
SEEN_AT_ONCE = 2
"""Machines that are asked how they see this node when somebody wants to know now."""
OWN_MAX = 4
"""Addresses that are told to somebody who wants a direct connection."""
CANDIDATES_MAX = 8
"""Addresses in one question."""
ANNOUNCED = "public"
"""The key under which the host announces what was found."""


class NatPort(Protocol):
    """What this needs of a host with NATs around it; `net.nat.Nat` is the real one."""

    @property
    def changes(self) -> int:
        """A number that grows whenever somebody connects or disconnects."""
        ...

    @property
    def changed(self) -> trio.Event:
        """An event that is set at the next such change; another one takes its place then."""
        ...

    async def run(
        self,
        own_addresses: Callable[[], Awaitable[Sequence[str]]],
        is_welcome: Callable[[str], bool],
    ) -> None:
        """Help others, until cancelled.

        `own_addresses` tells where this node is seen from outside, `is_welcome` with whom direct
        connections are sought.
        """
        ...

    def listening(self) -> tuple[str, ...]:
        """Return the addresses of this machine that the host listens on now, without /p2p/ID."""
        ...

    async def seen_as(self, peer_id: str) -> str | None:
        """Return the IP under which a directly connected peer sees this node."""
        ...

    async def ask(self, peer_id: str, addresses: Sequence[str]) -> DialBackReport:
        """Let a directly connected peer dial back."""
        ...

    def is_ours_to_punch(self, peer_id: str) -> bool:
        """Tell whether a peer dialled us over a relay, and no direct connection is there."""
        ...

    def has_hole_for(self, peer_id: str) -> bool:
        """Tell whether our NAT may let this peer in where it keeps others out."""
        ...

    async def punch(self, peer_id: str) -> PunchReport:
        """Try once to get a direct connection with a peer that is connected over a relay."""
        ...


class OpenNat(Protocol):
    """Makes that for a host."""

    def __call__(self, host: HostPort, blame: Callable[[str, str], None]) -> NatPort:
        """`blame(peer_id, what)` is told who breaks the rules."""
        ...


class Reachability:
    """What is known of how this node can be reached."""

    def __init__(
        self, context: NodeContext, host: HostPort, nat: NatPort, unless_paused: RunUnlessPaused
    ) -> None:
        self._context = context
        self._unless_paused = unless_paused
        self._host = host
        self._nat = nat
        self._ballot = Ballot()
        self._seen: dict[str, str] = {}
        """How each machine sees this node."""
        self._proven: dict[str, None] = {}
        """Addresses at which somebody got through, the last one last."""
        self._mapped: tuple[str, ...] = ()
        self._upnp = "off"
        self._listening: tuple[str, ...] = ()
        self._look_at = -math.inf
        """When the addresses of this machine are to be looked at again."""
        self._relays: tuple[str, ...] = ()
        self._had_relay = False
        """Since the addresses of this machine changed."""
        self._outsiders_at = -1
        self._known_outsiders: dict[str, list[str]] = {}
        self._mapping = PortMapping(context, nat.listening, self.mapped)
        self._punching = Punching(context, host, nat)
        self._jitter = 0.0
        self._verdict = Verdict.UNKNOWN
        self._wake = trio.Event()

    async def run(self) -> None:
        """Keep a port of the router and ask peers to dial back, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._nat.run, self.own_addresses, self._punching.is_welcome)
            nursery.start_soon(self._unless_paused, self._mapping.run)
            nursery.start_soon(self._punching.run)
            nursery.start_soon(self._follow_connections)
            await self._follow()

    async def _follow(self) -> None:
        """Ask whoever is due."""
        looked_at, pause = self._clocks(), LOOK_SECONDS
        while True:
            self._wake = trio.Event()
            if trio.current_time() >= self._look_at:
                self._look_at_addresses()
            if any(
                new - old > pause + SLEPT_SECONDS
                for new, old in zip(self._clocks(), looked_at, strict=True)
            ):
                self._ballot.doubt()
            await self._ask_one()
            self._tell()
            looked_at = self._clocks()
            pause = LOOK_SECONDS if self._outsiders() else IDLE_SECONDS
            with trio.move_on_after(pause):
                await self._wake.wait()

    async def _follow_connections(self) -> None:
        while True:
            await self._nat.changed.wait()
            self._wake.set()

    def _clocks(self) -> tuple[float, float]:
        """One goes on while a process is stopped, the other while the whole machine sleeps."""
        return trio.current_time(), float(self._context.now())

    # What is known

    def look(self) -> None:
        """Bring the words up to date: somebody wants to read them."""
        self._relays = tuple(dict.fromkeys(filter(None, map(relay_of, self._host.addresses()))))
        self._tell()

    def _tell(self) -> None:
        machines = self._outsiders()
        verdict = self._ballot.verdict(trio.current_time(), len(machines))
        if verdict is not self._verdict:
            log.info("from outside this node is now %s", verdict)
            self._verdict = verdict
        self._announce()
        anybody = bool(self._host.connected_peers())
        self._had_relay = self._had_relay or bool(self._relays)
        around = Surroundings(
            anybody=anybody,
            outsiders=bool(machines),
            relays=self._relays,
            had_relay=self._had_relay,
        )
        state, words = in_words(verdict, around)
        public = self._proven_now() or self._believed_mapping()
        end = f"/p2p/{self._host.peer_id}"
        self._context.state.reachability = Standing(
            state, words, self._relays, self._upnp, tuple(each + end for each in public)
        )

    async def own_addresses(self) -> Sequence[str]:
        """Return where this node is seen from outside: its ports at the IPs that others see."""
        if not self._seen:
            for machine, peers in tuple(self._outsiders().items())[:SEEN_AT_ONCE]:
                await self._learn_how_seen(machine, peers[0])
        first = most_named(self._seen.values())
        ips = dict.fromkeys(each for each in (first, *reversed(self._seen.values())) if each)
        found = dict.fromkeys(self._proven)
        for ip in ips:
            found.update(dict.fromkeys(self._candidates(ip)))
        return tuple(found)[:OWN_MAX]

    def mapped(self, addresses: Sequence[str], how: str) -> None:
        """Take the addresses at which a router says it passes connections on to this node."""
        if addresses != self._mapped:
            self._ballot.doubt()
        self._mapped, self._upnp = tuple(addresses), how
        self._wake.set()

    def _announce(self) -> None:
        listening = set(self._listening)
        public = dict.fromkeys((*self._believed_mapping(), *self._proven_now()))
        self._host.set_announced(ANNOUNCED, [each for each in public if each not in listening])

    def _proven_now(self) -> tuple[str, ...]:
        return tuple(self._proven) if self._verdict is Verdict.REACHABLE else ()

    def _believed_mapping(self) -> tuple[str, ...]:
        """What a router claims, or whoever says it is one, unless others see us elsewhere."""
        seen = set(self._seen.values())
        return tuple(each for each in self._mapped if not seen or ip_of(each) in seen)

    def addresses_changed(self) -> None:
        """This machine has other addresses than before, or the same ones again."""
        self._look_at = -math.inf
        self._wake.set()

    def _look_at_addresses(self) -> None:
        self._look_at = trio.current_time() + ADDRESSES_SECONDS
        listening = self._nat.listening()
        if listening == self._listening:
            return
        if self._listening:
            log.info("the addresses of this machine have changed")
            self._ballot.forget()
            self._seen.clear()
            self._proven.clear()
            self._had_relay = False
            self._mapping.addresses_changed()
            self._punching.addresses_changed()
        self._listening = listening
        self._outsiders_at = -1

    # Asking

    def _outsiders(self) -> dict[str, list[str]]:
        """Peers on the internet with a connection of their own, by machine.

        Those for whom the NAT was opened cannot tell how it treats others, nor can neighbours on
        the LAN, who have addresses of the internet as well where there is IPv6.
        """
        if self._outsiders_at != self._nat.changes:
            self._outsiders_at = self._nat.changes
            self._known_outsiders = self._look_for_outsiders()
        lan = self._context.state.lan
        found = {
            machine: [peer_id for peer_id in peers if peer_id not in lan]
            for machine, peers in self._known_outsiders.items()
        }
        return {machine: peers for machine, peers in found.items() if peers}

    def _look_for_outsiders(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        homes = {host_key((each, 0)) for each in map(ip_of, self._listening) if each}
        for peer_id in self._host.connected_peers():
            if self._nat.has_hole_for(peer_id):
                continue
            for address in self._host.remote_addresses(peer_id):
                ip = ip_of(address)
                if ip is None or CIRCUIT in address or not is_outside(ip):
                    continue
                machine = host_key((ip, 0))
                if machine not in homes:
                    found.setdefault(machine, []).append(peer_id)
                    break
        return found

    async def _ask_one(self) -> None:
        machines, now = self._outsiders(), trio.current_time()
        question = self._ballot.next_question(machines, now)
        if question is None or not self._listening:
            return
        machine, due = question
        known = self._ballot.voters.get(machine)
        patient = known is not None and self._verdict is not Verdict.UNKNOWN and not known.doubted
        if now < due + (self._jitter if patient else 0.0):
            return
        self._jitter = self._context.chance.uniform(0.0, JITTER_SECONDS)
        await self._ask(machine, self._context.chance.choice(machines[machine]))

    async def _ask(self, machine: str, peer_id: str) -> None:
        seen = await self._learn_how_seen(machine, peer_id)
        wanted = self._candidates(seen)
        listening = self._listening
        reached = None
        if wanted:
            report = await self._nat.ask(peer_id, wanted)
            reached = report.reached
            log.info("dialled back by %s: %s %s", peer_id, reached, report.words)
            if reached and report.address is not None:
                self._proven.pop(report.address, None)
                self._proven[report.address] = None
                for old in list(self._proven)[:-CANDIDATES_MAX]:
                    del self._proven[old]
        if listening == self._listening:
            self._ballot.note(machine, reached, trio.current_time())

    async def _learn_how_seen(self, machine: str, peer_id: str) -> str | None:
        seen = await self._nat.seen_as(peer_id)
        self._seen.pop(machine, None)
        if seen is not None and is_outside(seen):
            self._seen[machine] = seen
            if len(self._seen) > SEEN_MAX:
                del self._seen[next(iter(self._seen))]
        return seen

    def _candidates(self, seen: str | None) -> list[str]:
        """Addresses at which a peer that sees this node as `seen` may get through."""
        found = dict.fromkeys(self._mapped)
        if seen is not None and is_outside(seen):
            kind = "ip6" if ":" in seen else "ip4"
            ends = (each.split("/") for each in self._listening)
            ports = dict.fromkeys(parts[4] for parts in ends if parts[1] == kind)
            found.update(dict.fromkeys(f"/{kind}/{seen}/tcp/{port}" for port in ports))
        return list(found)[:CANDIDATES_MAX]
