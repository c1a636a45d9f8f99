"""What the node knows about itself and its peers right now, and how it says so.

Only the event loop touches it. The store keeps what must outlive the process; this does not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from p2pcommons.node.measuring import TrafficLog
from p2pcommons.protocol.reachability import Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.protocol.events import ReconcileResult
    from p2pcommons.store.pauses import Paused

FAULTS_MAX = 16
BLOCK_SECONDS = 30
"""After the first fault; doubled with each further one."""
BLOCK_SECONDS_MAX = 3_600
RECENT_SESSIONS = 8
OFFERS_MAX = 64
"""Offered commons that are shown of one peer."""
DROPPED_SECONDS = 3_600
"""As long as somebody who was let go stays in the list with the reason."""
SLOWED_SECONDS = 60
"""As long as a person can still read why a peer was served slowly."""


@dataclass(slots=True)
class Exchange:
    """The last reconciliation of one commons with one peer, and the one that is going on."""

    result: ReconcileResult | None = None
    at: int = 0
    progress: tuple[int, int] | None = None
    """(received, lacking) while contributions are coming."""


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """What one session cost and brought, over all its commons."""

    opened: bool
    """Whether this node opened it."""
    ended: str
    milliseconds: float
    """Until the last answer, with the opening of the stream where this node opened it."""
    rounds: int
    bytes_sent: int
    bytes_received: int
    """Frames, without what lengths, multiplexing and encryption add."""
    sent: int
    received: int
    again: int
    """Contributions that came although they were here by then."""


@dataclass(frozen=True, slots=True)
class RelayFigures:
    """What this node does as a relay for others; since it started, or now."""

    serving: bool = False
    reservations: int = 0
    """Peers that have a place here now."""
    circuits: int = 0
    """Pairs that are connected through here now."""
    bytes: int = 0
    refused: int = 0


@dataclass(slots=True)
class PeerState:
    """One peer: how dialling it went, what it did wrong, what was exchanged with it."""

    peer_id: str
    connected_since: int | None = None
    path: str | None = None
    """How it is reached while it is connected: "direct", "lan" or "relayed"."""
    relay: str | None = None
    """The peer id of the relay between."""
    tried: tuple[tuple[str, str], ...] = ()
    tried_at: int = 0
    next_try: int = 0
    failures: int = 0
    faults: list[str] = field(default_factory=list[str])
    dropped: str = ""
    """Why its last connection was ended from here, where that was no fault of its."""
    dropped_until: int = 0
    """As long as that is shown although nothing else is known of it."""
    slowed: str = ""
    """Why it was served more slowly than it asked for, in words."""
    slowed_until: int = 0
    excess_streams: int = 0
    """Streams beyond its share, since it was last refused for them."""
    gossip_faults: int = 0
    """Messages that were no valid gossip, since it was last refused for them."""
    by_gossip: int = 0
    """Contributions that were new here and came from it by gossip, since the node started."""
    by_session: int = 0
    """The same by reconciliation."""
    blocked_until: int = 0
    shared: frozenset[bytes] | None = None
    """Commons both know, as the last session found; None before one got that far."""
    sessions: int = 0
    """Sessions that came to an end since it connected."""
    recent: deque[SessionFigures] = field(
        default_factory=lambda: deque[SessionFigures](maxlen=RECENT_SESSIONS)
    )
    """The last sessions with it, the latest last."""
    full_check_at: int = 0
    """When all ids were last compared in full with it."""
    clock_ahead: int = 0
    """Seconds by which its clock is ahead of ours; for telling a person, nothing else."""
    exchanges: dict[bytes, Exchange] = field(default_factory=dict[bytes, Exchange])
    bytes_in: int = 0
    bytes_out: int = 0
    """On the wire, since the node started."""
    round_trip_ms: float | None = None
    offers: dict[bytes, str] = field(default_factory=dict[bytes, str])
    """Public commons that it offers to whoever meets it, with their titles as far as known."""

    def offer(self, ids: Sequence[bytes]) -> None:
        """Note what it names in clear; beyond a number it is no list for a person any more."""
        self.offers = {each: self.offers.get(each, "") for each in ids[:OFFERS_MAX]}

    def exchange(self, commons: bytes) -> Exchange:
        """Return what is known of one commons with this peer."""
        return self.exchanges.setdefault(commons, Exchange())

    def fault(self, reason: str, now: int) -> int:
        """Count a fault and return for how many seconds the peer is refused now."""
        self.faults = [*self.faults, reason][-FAULTS_MAX:]
        seconds = min(BLOCK_SECONDS * 2 ** (len(self.faults) - 1), BLOCK_SECONDS_MAX)
        self.blocked_until = now + seconds
        return seconds

    def drop(self, reason: str, now: int) -> None:
        """Note why it was let go, which is shown for a while."""
        self.dropped, self.dropped_until = reason, now + DROPPED_SECONDS

    def slow(self, reason: str, now: int) -> None:
        """Note that it is over one of its budgets; the words stand for a while."""
        self.slowed, self.slowed_until = reason, now + SLOWED_SECONDS


@dataclass(slots=True)
class Found:
    """What the directory of who holds what brought since the node started."""

    dht_peers: int = 0
    """Nodes known there now."""
    looked_up: int = 0
    asked: int = 0
    """Nodes that answered in these searches."""
    named: int = 0
    """Holders that were named and dialled."""
    found: int = 0
    """Holders met that way."""
    last: int | None = None
    """When something was last looked up."""
    words: str = ""
    """What came of it, for a person."""


class NodeState:
    """Peers by id, and what the node is doing, in words."""

    def __init__(self) -> None:
        self.peers: dict[str, PeerState] = {}
        self.lan: dict[str, tuple[str, ...]] = {}
        self.started_at = 0
        self.by_gossip = 0
        """Contributions that were new here and came by gossip, since the node started."""
        self.by_session = 0
        """The same by reconciliation."""
        self.gossip_shed = 0
        """Contributions that gossip had no room for; they come by reconciliation."""
        self.traffic = TrafficLog()
        self.handshakes: dict[str, int] = {}
        """Sockets of others that have not shaken hands, or never did."""
        self.paused: Paused | None = None
        self.finding = Found()
        self.reachability = Standing()
        """How others can reach this node, as far as it knows."""
        self.relay = RelayFigures()
        self.trouble = ""
        """The last failure of the store, in words; empty while all is well."""

    def peer(self, peer_id: str) -> PeerState:
        """Return a peer's state, made when it is first heard of."""
        state = self.peers.get(peer_id)
        if state is None:
            state = self.peers[peer_id] = PeerState(peer_id)
        return state

    def connected(self) -> list[PeerState]:
        """Return the peers with a connection."""
        return [peer for peer in self.peers.values() if peer.connected_since is not None]

    def forget_strangers(self, keep: int = 512) -> None:
        """Bound the memory: drop the unconnected that were tried longest ago."""
        if len(self.peers) <= keep:
            return
        idle = [peer for peer in self.peers.values() if peer.connected_since is None]
        idle.sort(key=lambda peer: max(peer.tried_at, peer.blocked_until))
        for peer in idle[: len(self.peers) - keep]:
            del self.peers[peer.peer_id]
