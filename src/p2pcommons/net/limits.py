"""What one remote machine may cost this node: sockets, streams, buffered bytes, log lines.

Every number that a peer could otherwise drive up has a limit here, with its unit and its reason.
Pure bookkeeping: times are passed in, nothing here opens or closes anything by itself.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PROTOCOL_LINE_BYTES_MAX = 1024
"""A multistream line. The library reads as many bytes as the other side claims, before any key."""

WINDOW_BYTES_MAX = 1024 * 1024
"""Largest receive window of one stream; 16 MiB in the library. 1 MiB is 20 MB/s over 50 ms."""

NOISE_FRAME_BYTES_MAX = 65_519
"""One muxer frame fits one Noise message; 65,536 is split into two, the second of 17 bytes."""

CONNECTION_BUFFER_BYTES_MAX = 8 * 1024 * 1024
"""Received and not yet read, all streams of one connection. More: the connection is closed."""

HOST_BUFFER_BYTES_MAX = 64 * 1024 * 1024
"""The same for all connections; the connection that holds the most is closed."""

STREAM_ENTRIES_MAX = 512
"""Stream records kept for one connection, with those that the other side never closes."""

REPLIES_PER_SECOND = 200
REPLIES_BURST = 2000
"""Muxer frames that a peer makes us send (ping answers, acknowledgements, resets)."""

STALL_SECONDS_MAX = 5.0
"""Of a stream of the library's own protocols, gossip for one: a neighbour that takes nothing."""

SLOWEST_BYTES_PER_S = 1_000
"""A peer that takes less than this of a frame, on average, does not really read it."""

WRITE_SECONDS_MAX = 20.0
"""A frame that the other side does not take in this time ends the connection."""

PING_INTERVAL_SECONDS = 15.0
SILENCE_SECONDS_MAX = 45.0
"""A connection on which nothing arrives, though asked, is dead after this (sleep, pulled cable)."""

PROBE_SECONDS = 3.0
"""After a sleep each peer has this long to show that it is still there."""

HALF_CLOSED_SECONDS_MAX = 60.0
"""A stream that we closed and the other side did not is forgotten after this time."""

LOG_LINES_PER_SECOND = 5
LOG_LINES_BURST = 50
"""Lines of the library that reach our log; anyone who can connect can cause them."""

BLOCKED_PEERS_MAX = 10_000

BLOCKED = "blocked"
PAUSED = "paused"
CLOSED_HERE = "closed here"
HUNG_UP = "the other side has hung up"
"""Why somebody is not let in or a connection ends, where another word says more or none is due."""


@dataclass(frozen=True, slots=True)
class HostLimits:
    """Limits of one host. The defaults suit a laptop; tests lower them."""

    connections_max: int = 256
    outbound_reserved: int = 64
    """Of these, for peers that we dial: a crowd that comes in must not keep us from our friends."""
    connections_per_address_max: int = 64
    """Several people behind one router, or several nodes on one machine, share an address."""
    connections_per_peer_max: int = 4
    """Two can arise when both dial at once; more have no use."""
    handshakes_max: int = 128
    """Sockets that have not finished the handshake. A new one pushes out the oldest one of the
    address that holds the most, so idle sockets cannot lock out an honest dial."""
    handshake_seconds_max: float = 5.0
    """From accept to muxed connection; 10 in the library."""
    streams_per_peer_max: int = 64
    streams_max: int = 1024
    protocol_streams_per_peer_max: int = 8
    """Streams of our own protocols that one peer may have open towards us."""
    negotiate_seconds_max: float = 10.0
    stream_writes_seconds_max: float = 30.0
    """Until a peer that takes nothing at all of what is written is given up."""
    bytes_per_second: int = 0
    """In and out together, for the whole host; 0: as fast as it goes."""


@dataclass(eq=False, slots=True)
class Handshake:
    """A socket between accept and finished handshake; `evict` ends it."""

    address: str
    evict: Callable[[], None]


@dataclass(eq=False, slots=True)
class Held:
    """A connection that has shaken hands; `evict` ends it."""

    peer_id: str
    address: str
    is_inbound: bool
    evict: Callable[[], None]


@dataclass(slots=True)
class ConnectionGate:
    """Decides which inbound sockets may shake hands and which connections may stay."""

    limits: HostLimits
    handshakes: OrderedDict[int, Handshake] = field(default_factory=OrderedDict[int, Handshake])
    held: OrderedDict[int, Held] = field(default_factory=OrderedDict[int, Held])
    kept: set[str] = field(default_factory=set[str])
    """Peers whose connections are not given up for those of others."""
    by_address: Counter[str] = field(default_factory=Counter[str])
    by_peer: Counter[str] = field(default_factory=Counter[str])
    streams: Counter[str] = field(default_factory=Counter[str])
    blocked: dict[str, float] = field(default_factory=dict[str, float])
    on_slowed: Callable[[str, str], None] | None = None
    """Told which peer is over one of its budgets, and which."""
    on_excess_stream: Callable[[str], None] | None = None
    """Told which peer opened a stream beyond its share."""
    on_dropped: Callable[[str, str], None] | None = None
    """Told which peer was let go or not let in without a fault of its, and why."""
    is_paused: bool = False
    """Whether nobody is let in, and nobody dialled."""
    failed: int = 0
    """Sockets that ended before they had shaken hands, for whatever reason."""
    pushed_out: int = 0
    """Those of them that had to go for newer ones."""
    refused: int = 0
    """Sockets that were closed at once: paused, or too many from their address."""

    def begin(self, handshake: Handshake) -> bool:
        """Admit a socket to the handshake; False: close it at once."""
        if (
            self.is_paused
            or self.by_address[handshake.address] >= self.limits.connections_per_address_max
        ):
            self.refused += 1
            return False
        while len(self.handshakes) >= self.limits.handshakes_max:
            self._evict_oldest()
        self.handshakes[id(handshake)] = handshake
        return True

    def _evict_oldest(self) -> None:
        pending = Counter(handshake.address for handshake in self.handshakes.values())
        busiest, _ = pending.most_common(1)[0]
        key = next(key for key, each in self.handshakes.items() if each.address == busiest)
        self.pushed_out += 1
        self.handshakes.pop(key).evict()

    def end(self, handshake: Handshake) -> None:
        """The handshake is over, however it went."""
        self.handshakes.pop(id(handshake), None)

    def refusal(self, peer_id: str, address: str, is_inbound: bool, now: float) -> str | None:
        """Why a connection that has shaken hands may not stay; None when it may.

        When the house is full an inbound connection may push out another one.
        """
        refusal = self.refusal_now(peer_id, now)
        if refusal is not None:
            return refusal
        if self.by_peer[peer_id] >= self.limits.connections_per_peer_max:
            return "too many connections of this peer"
        if self.by_address[address] >= self.limits.connections_per_address_max:
            return "too many connections from this address"
        room = self.limits.connections_max
        if is_inbound:
            room -= self.limits.outbound_reserved
        if len(self.held) < room or self._make_room():
            return None
        return "too many connections"

    def refusal_now(self, peer_id: str, now: float) -> str | None:
        """Why nobody, or this peer, may be connected now; None when that is not so."""
        if self.is_paused:
            return PAUSED
        return BLOCKED if self.is_blocked(peer_id, now) else None

    def _make_room(self) -> bool:
        """End the oldest inbound connection of the address that has the most, if any may end."""
        idle = [
            (key, each)
            for key, each in self.held.items()
            if each.is_inbound and each.peer_id not in self.kept
        ]
        if not idle:
            return False
        busiest, _ = Counter(each.address for _, each in idle).most_common(1)[0]
        key, given_up = next((key, each) for key, each in idle if each.address == busiest)
        self.closed(key)
        given_up.evict()
        return True

    def opened(self, key: int, held: Held) -> None:
        """Count a connection that stays, under a key of the caller's."""
        self.held[key] = held
        self.by_peer[held.peer_id] += 1
        self.by_address[held.address] += 1

    def closed(self, key: int) -> None:
        """Stop counting a connection; a second time changes nothing."""
        held = self.held.pop(key, None)
        if held is None:
            return
        for counter, name in ((self.by_peer, held.peer_id), (self.by_address, held.address)):
            counter[name] -= 1
            if counter[name] <= 0:
                del counter[name]

    def note_slowed(self, peer_id: str, what: str) -> None:
        """A peer is over one of its budgets."""
        if self.on_slowed is not None:
            self.on_slowed(peer_id, what)

    def note_dropped(self, peer_id: str, why: str) -> None:
        """A peer was let go or not let in; what it did wrong is told elsewhere."""
        if self.on_dropped is not None and why not in ("", BLOCKED, PAUSED, CLOSED_HERE, HUNG_UP):
            self.on_dropped(peer_id, why)

    def handshake_counts(self) -> dict[str, int]:
        """Return how many sockets shake hands now, and how many never did, by what became of it."""
        return {
            "open": len(self.handshakes),
            "failed": self.failed,
            "pushed_out": self.pushed_out,
            "refused": self.refused,
        }

    def note_excess_stream(self, peer_id: str) -> None:
        """A peer opened a stream beyond its share."""
        if self.on_excess_stream is not None:
            self.on_excess_stream(peer_id)

    def begin_stream(self, peer_id: str) -> bool:
        """Count an inbound stream; False: reset it."""
        if self.streams[peer_id] >= self.limits.streams_per_peer_max:
            self.note_excess_stream(peer_id)
            return False
        if self.streams.total() >= self.limits.streams_max:
            return False
        self.streams[peer_id] += 1
        return True

    def end_stream(self, peer_id: str) -> None:
        """Stop counting an inbound stream."""
        self.streams[peer_id] -= 1
        if self.streams[peer_id] <= 0:
            del self.streams[peer_id]

    def block(self, peer_id: str, until: float) -> None:
        """Refuse this peer until the given time, in seconds of the caller's clock."""
        self.blocked.pop(peer_id, None)
        while len(self.blocked) >= BLOCKED_PEERS_MAX:
            del self.blocked[next(iter(self.blocked))]
        self.blocked[peer_id] = until

    def unblock(self, peer_id: str) -> None:
        """Forget a block."""
        self.blocked.pop(peer_id, None)

    def blocked_until(self, peer_id: str) -> float:
        """Until when this peer is refused; a time past when it is not."""
        return self.blocked.get(peer_id, -math.inf)

    def is_blocked(self, peer_id: str, now: float) -> bool:
        """Whether this peer is refused now; forgets blocks that are over."""
        until = self.blocked.get(peer_id)
        if until is None:
            return False
        if until <= now:
            del self.blocked[peer_id]
            return False
        return True


@dataclass(slots=True)
class BufferBudget:
    """Bytes received and not yet read. Counting is lazy: exact sums only when they may matter.

    `holders` are the connections; `held(holder)` is what each holds now.
    """

    connection_bytes_max: int = CONNECTION_BUFFER_BYTES_MAX
    host_bytes_max: int = HOST_BUFFER_BYTES_MAX
    known_bytes: int = 0
    holders: dict[int, Callable[[], int]] = field(default_factory=dict[int, "Callable[[], int]"])

    def over(self, arriving_bytes: int) -> int | None:
        """Account for bytes about to be read; the holder to close when the host's sum is over."""
        self.known_bytes += arriving_bytes
        if self.known_bytes <= self.host_bytes_max:
            return None
        held = {key: count() for key, count in self.holders.items()}
        self.known_bytes = sum(held.values()) + arriving_bytes
        if self.known_bytes <= self.host_bytes_max:
            return None
        return max(held, key=lambda key: held[key], default=None)
