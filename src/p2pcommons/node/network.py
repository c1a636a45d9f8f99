"""The network side of a node: host, gossip, LAN, meeting and reconciling, wired to one another."""

from __future__ import annotations

import logging
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from p2pcommons.config import Mode
from p2pcommons.errors import NetworkError
from p2pcommons.net.lan import LanDiscovery
from p2pcommons.node.attachments import Attachments
from p2pcommons.node.finding import Finding
from p2pcommons.node.introducing import Introducing
from p2pcommons.node.live import Live
from p2pcommons.node.measuring import Measuring
from p2pcommons.node.meeting import Meeting
from p2pcommons.node.nearby import Nearby
from p2pcommons.node.pausing import Pausing
from p2pcommons.node.reachability import Reachability
from p2pcommons.node.reconciling import Reconciling
from p2pcommons.node.relaying import Relaying
from p2pcommons.protocol.addresses import is_circuit, read_peer_addresses

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import GossipPort, HostPort, OpenPorts
    from p2pcommons.node.reachability import OpenNat
    from p2pcommons.node.relaying import OpenRelays

log = logging.getLogger(__name__)

GOSSIP_FAULTS_MAX = 3
"""Faults in gossip before a neighbour is refused: one may be a bug of its version."""
EXCESS_STREAMS_MAX = 256
"""Streams beyond its share before a peer is refused: no honest one ever has a second share open."""
ANNOUNCE_AGAIN_SECONDS = 5.0
"""Until this node tries again to announce itself on a LAN where that failed."""


class Network:
    """Everything that a node in another mode than `off` has."""

    def __init__(
        self,
        context: NodeContext,
        open_ports: OpenPorts,
        open_nat: OpenNat | None = None,
        open_relays: OpenRelays | None = None,
    ) -> None:
        """`open_nat` and `open_relays` are left out where there are none, as in simulations."""
        self._context = context
        self._open_ports = open_ports
        self._open_nat = open_nat
        self._open_relays = open_relays
        self._reachability: Reachability | None = None
        self._relaying: Relaying | None = None
        self._host: HostPort
        self._gossip: GossipPort
        self._reconciling: Reconciling
        self._meeting: Meeting
        self._live: Live
        self._attachments: Attachments
        self._introducing: Introducing
        self._finding: Finding | None = None
        self._measuring: Measuring
        self._nearby: Nearby
        self.pausing = Pausing(context)
        """Being away on purpose; of the parts that meet peers this asks each to stand still."""
        self._tasks: trio.Nursery | None = None
        self._moved = trio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Network]:
        """Listen. Raises NetworkError when that is not possible."""
        await self.pausing.load()
        async with self._open_ports(self._gossip_fault) as (host, gossip):
            self._host, self._gossip = host, gossip
            self._reconciling = Reconciling(self._context, host)
            self._meeting = Meeting(self._context, host, self._reconciling)
            self._live = Live(self._context, gossip, self._reconciling)
            self._attachments = Attachments(self._context, host, self._reconciling.blame)
            self._introducing = Introducing(
                self._context,
                host,
                self._reconciling.blame,
                self._meeting.address_book_changed,
            )
            self._meeting.bootstrap = self._bootstrap()
            if self._context.mode is Mode.OPEN:
                self._finding = self._open_finding()
            self._measuring = Measuring(self._context, host, self.pausing)
            self.pausing.attach(host, self.hurry)
            host.gate.on_dropped = self._dropped
            host.on_addresses_changed = self._addresses_changed
            host.gate.on_slowed = self._slowed
            host.gate.on_excess_stream = self._excess_stream
            self._nearby = Nearby(self._context, host, self._reconciling.blame)
            self._reconciling.on_offers = self._nearby.learn
            self._reconciling.on_shared = self._shares_something
            if self._open_nat is not None:
                nat = self._open_nat(host, self._reconciling.blame)
                self._reachability = Reachability(
                    self._context, host, nat, self.pausing.run_unless_paused
                )
            if self._open_relays is not None:
                self._relaying = Relaying(
                    self._context, host, self._open_relays(host), self._reconciling.blame
                )
            yield self

    async def run(self) -> None:
        """Meet, reconcile, gossip, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._tasks = nursery
            self._introducing.serve()
            self._nearby.serve()
            nursery.start_soon(self._reconciling.run)
            nursery.start_soon(self._live.run)
            nursery.start_soon(self._attachments.run)
            nursery.start_soon(self._meeting.run)
            nursery.start_soon(self._measuring.run)
            nursery.start_soon(self.pausing.run)
            if self._reachability is not None:
                nursery.start_soon(self._reachability.run)
            if self._relaying is not None:
                nursery.start_soon(self._relaying.run)
            if self._context.mode in (Mode.LAN, Mode.OPEN):
                nursery.start_soon(self.pausing.run_unless_paused, self._follow_lan)
            if self._finding is not None:
                nursery.start_soon(self.pausing.run_unless_paused, self._finding.run)

    async def _shares_something(self, peer_id: str) -> None:
        """A session found that a peer shares a commons: note it, and ask whom it knows."""
        await self._meeting.note_shared(peer_id)
        await self._introducing.introduce(peer_id)

    def measure(self) -> None:
        """Bring the figures of the status up to date."""
        self._measuring.measure()
        if self._reachability is not None:
            self._reachability.look()
        if self._relaying is not None:
            self._relaying.measure()

    def addresses(self) -> list[str]:
        """Return the addresses others can use, each with /p2p/ID."""
        return self._host.addresses()

    def next_try(self) -> int | None:
        """Return when somebody is dialled next, in seconds since 1970 UTC."""
        return self._meeting.next_try()

    def hurry(self) -> None:
        """Dial everybody known now."""
        self._meeting.hurry()
        if self._finding is not None:
            self._finding.hurry()

    def nudged(self) -> None:
        """Something was committed, perhaps of ours: publish it."""
        self._live.nudged()

    @property
    def attachments(self) -> Attachments:
        """Files that go with entries, over the network."""
        return self._attachments

    async def store_changed(self, commons_changed: bool) -> None:
        """Something was committed by another process, or a person joined or left a commons."""
        self._meeting.address_book_changed()
        if commons_changed:
            await self._live.follow_commons()
            self._meeting.hurry()
            self._reconciling.soon()
        if self._finding is not None:
            self._finding.changed()
        self._live.nudged()

    def offers_changed(self) -> None:
        """The person offers other commons than before: tell those who are connected."""
        self._reconciling.soon()

    def texts_wanted(self) -> None:
        """Texts of a commons are wanted that were not: ask those who are connected."""
        self._reconciling.soon()

    async def sync(self, deadline: float) -> None:
        """Reconcile with everybody connected; when nobody is, dial and wait for the first."""
        if self._context.state.paused is not None:
            return
        self._meeting.hurry()
        while not self._host.connected_peers() and trio.current_time() < deadline:
            if not self._meeting.has_anybody() and not await self._anybody_known():
                return
            await trio.sleep(0.05)
        await self._reconciling.now_with_all(deadline)

    def _open_finding(self) -> Finding:
        finding = Finding(self._context, self._host, self._reconciling.blame)
        finding.directory.kept = frozenset(self._meeting.bootstrap)
        self._meeting.on_met = finding.met
        self._meeting.on_left = finding.changed
        return finding

    def _bootstrap(self) -> dict[str, tuple[str, ...]]:
        """Return the peers of the settings; a wrong entry is told and stops nothing."""
        peers, wrong = read_peer_addresses(self._context.config.texts("network.bootstrap"))
        for said in wrong:
            log.error("network.bootstrap: %s", said)
        return peers

    async def _anybody_known(self) -> bool:
        known = await self._context.storage.read(lambda store: store.peers())
        return bool(known) or self._context.mode in (Mode.LAN, Mode.OPEN)

    def _gossip_fault(self, peer_id: str, what: str) -> None:
        """Refuse a neighbour that keeps sending what is no valid gossip."""
        peer = self._context.state.peer(peer_id)
        peer.gossip_faults += 1
        log.info("%s sent %s", peer_id, what)
        if peer.gossip_faults >= GOSSIP_FAULTS_MAX:
            peer.gossip_faults = 0
            self._reconciling.blame(peer_id, what)

    def _dropped(self, peer_id: str, why: str) -> None:
        """Keep why a peer was let go; one that was never heard of before is not worth the room."""
        peer = self._context.state.peers.get(peer_id)
        if peer is not None:
            peer.drop(why, self._context.now())

    def _slowed(self, peer_id: str, why: str) -> None:
        self._context.state.peer(peer_id).slow(why, self._context.now())

    def _excess_stream(self, peer_id: str) -> None:
        """Refuse a peer that goes on opening streams beyond its share."""
        peer = self._context.state.peer(peer_id)
        peer.slow("opens more streams than its share", self._context.now())
        peer.excess_streams += 1
        if peer.excess_streams >= EXCESS_STREAMS_MAX:
            peer.excess_streams = 0
            self._reconciling.blame(peer_id, f"{EXCESS_STREAMS_MAX} streams beyond its share")

    def _addresses_changed(self) -> None:
        """This machine has other addresses than before; the host tries everybody again itself."""
        moved, self._moved = self._moved, trio.Event()
        moved.set()
        if self._reachability is not None:
            self._reachability.addresses_changed()

    async def _follow_lan(self) -> None:
        """Announce this node and look for others, on the interfaces there are just now."""
        lan, again = LanDiscovery(), False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take_lan_peers, lan)
            nursery.start_soon(lan.ask)
            try:
                while True:
                    moved, pause = self._moved, math.inf
                    try:
                        # Who hears this is on the same network and needs no relay.
                        own = [each for each in self._host.addresses() if not is_circuit(each)]
                        await lan.start(self._host.peer_id, own, again=again)
                    except NetworkError as error:
                        log.info("%s", error)
                        pause = ANNOUNCE_AGAIN_SECONDS
                    with trio.move_on_after(pause):
                        await moved.wait()
                    again = moved.is_set()
            finally:
                await lan.stop()

    async def _take_lan_peers(self, lan: LanDiscovery) -> None:
        async for seen in lan.found:
            if seen.addresses:
                self._meeting.seen_on_lan(seen.peer_id, seen.addresses)
            else:
                self._context.state.lan.pop(seen.peer_id, None)
