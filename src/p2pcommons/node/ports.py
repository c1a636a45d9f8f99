"""What the node needs of a network, as types: libp2p stands behind them, or a simulated one.

The names, the errors and what is told when are those of `net.host`, `net.frames` and `net.gossip`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from collections.abc import Set as AbstractSet
    from contextlib import AbstractAsyncContextManager

    import trio

    from p2pcommons.net.dialing import DialReport
    from p2pcommons.net.events import PeerEvent
    from p2pcommons.net.gossip import GossipMessage, Verdict
    from p2pcommons.net.traffic import Traffic


class StreamPort(Protocol):
    """Frames to and from one peer."""

    peer_id: str
    bytes_read: int
    """What has come so far, also of a frame that is not complete."""

    async def read_frame(self, bytes_max: int) -> bytes | None:
        """Read the next frame; None at the end. Raises RejectedError, NetworkError."""
        ...

    async def write_frame(self, data: bytes) -> None:
        """Write one frame. Raises NetworkError."""
        ...

    async def close(self) -> None:
        """Write no more."""
        ...

    async def reset(self) -> None:
        """Give the stream up at once, in both directions."""
        ...


class GatePort(Protocol):
    """Who is refused, and who is over a budget."""

    on_slowed: Callable[[str, str], None] | None
    """Told which peer is over one of its budgets, and which."""
    on_excess_stream: Callable[[str], None] | None
    """Told which peer opened a stream beyond its share."""
    on_dropped: Callable[[str, str], None] | None
    """Told which peer was let go or not let in without a fault of its, and why."""
    is_paused: bool
    """Whether nobody is let in, and nobody dialled."""

    @property
    def kept(self) -> AbstractSet[str]:
        """Peers whose connections are not given up for those of others."""
        ...

    def handshake_counts(self) -> dict[str, int]:
        """Return how many sockets shake hands now, and how many never did, by what became of it."""
        ...

    def block(self, peer_id: str, until: float) -> None:
        """Refuse a peer until a time of trio's clock."""
        ...

    def blocked_until(self, peer_id: str) -> float:
        """Return until when a peer is refused; a time past when it is not."""
        ...


class HostPort(Protocol):
    """Connections with peers."""

    peer_id: str
    events: trio.MemoryReceiveChannel[PeerEvent]
    on_wake: Callable[[], None] | None
    """Called when the machine has slept, or somebody has set its clock, or its network changed."""
    on_addresses_changed: Callable[[], None] | None
    """Called when this machine got or lost an address or a link; `on_wake` follows."""

    @property
    def gate(self) -> GatePort:
        """Who is refused."""
        ...

    @property
    def traffic(self) -> Traffic:
        """Bytes with whom and in all."""
        ...

    def round_trip_ms(self, peer_id: str) -> float | None:
        """Return how long a ping and its answer took lately; None before the first answer."""
        ...

    def addresses(self) -> list[str]:
        """Return the addresses others can use, each with /p2p/ID."""
        ...

    def set_announced(self, key: str, addresses: Sequence[str]) -> None:
        """Add addresses that lead here to what `addresses` returns; each caller has its own key."""
        ...

    def path_to(self, peer_id: str) -> tuple[str, str | None]:
        """Return how a peer is reached, and over which relay.

        The first is "direct", "lan", "relayed", or "none" without a connection.
        """
        ...

    def connected_peers(self) -> tuple[str, ...]:
        """Return the peers with an open connection."""
        ...

    def remote_addresses(self, peer_id: str) -> tuple[str, ...]:
        """Return the other ends of the connections with a peer."""
        ...

    def dialled_addresses(self, peer_id: str) -> tuple[str, ...]:
        """Return the addresses under which a connected peer was dialled."""
        ...

    def keep(self, peer_id: str) -> None:
        """Do not give up connections with this peer when others want in."""
        ...

    def release(self, peer_id: str) -> None:
        """Treat this peer like any other again."""
        ...

    def set_stream_handler(
        self, protocol: str, handler: Callable[[StreamPort], Awaitable[None]]
    ) -> None:
        """Serve a protocol."""
        ...

    async def open_stream(self, peer_id: str, protocol: str) -> StreamPort:
        """Open a stream to a connected peer. Raises NetworkError."""
        ...

    async def dial(self, peer_id: str, addresses: Sequence[str]) -> DialReport:
        """Connect to a peer by any of its addresses; never raises for what the network does."""
        ...

    async def dial_direct(self, peer_id: str, addresses: Sequence[str]) -> DialReport:
        """The same without relays, also when the peer is connected already over one."""
        ...

    async def disconnect(self, peer_id: str) -> None:
        """Close all connections with a peer."""
        ...


class GossipPort(Protocol):
    """Messages on topics, to whoever listens now."""

    async def subscribe(
        self, topic: str, validator: Callable[[str, bytes], Verdict | bool]
    ) -> trio.MemoryReceiveChannel[GossipMessage]:
        """Listen to a topic; the validator decides what is delivered and passed on."""
        ...

    async def unsubscribe(self, topic: str) -> None:
        """Leave a topic; its channel ends."""
        ...

    async def publish(self, topic: str, data: bytes) -> None:
        """Send data to those who listen to a topic."""
        ...


class OpenPorts(Protocol):
    """Opens host and gossip; closing the context closes both. Raises NetworkError."""

    def __call__(
        self, on_fault: Callable[[str, str], None]
    ) -> AbstractAsyncContextManager[tuple[HostPort, GossipPort]]:
        """`on_fault(peer_id, what)` is told what a neighbour did wrong in gossip."""
        ...
