"""A running libp2p host: listens, dials, opens streams, tells who came and went.

All of the library's state stays in here. What a peer does wrong ends its stream or its connection,
never the host.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from p2pcommons.errors import NetworkError
from p2pcommons.net import hardening
from p2pcommons.net.circuits import Circuits
from p2pcommons.net.closing import CLOSE_SECONDS, close_all, only_error
from p2pcommons.net.dialing import DialReport, SwarmDialler, dial_all
from p2pcommons.net.events import PeerEvent, PeerEvents
from p2pcommons.net.interface_changes import watch_interfaces
from p2pcommons.net.interfaces import expand_wildcards
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.library import (
    Multiaddr,
    RawConnection,
    SwarmException,
    background_trio_service,
    make_host,
    read_peer_id,
)
from p2pcommons.net.limits import PAUSED, BufferBudget, ConnectionGate, Handshake, Held, HostLimits
from p2pcommons.net.listening import listen_on
from p2pcommons.net.notices import SwarmNotices
from p2pcommons.net.pacing import Pace
from p2pcommons.net.paths import CIRCUIT, is_circuit, machine_of, path_of
from p2pcommons.net.sleep import watch_for_sleep
from p2pcommons.net.sockets import host_key
from p2pcommons.net.streams import Streams
from p2pcommons.net.traffic import Traffic
from p2pcommons.net.wire import follow, forget

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from p2pcommons.net.frames import FrameStream

log = paced_logger(__name__)

REFUSAL_SECONDS = 0.1


class Host:
    """One peer identity on the network. Made by `open_host`."""

    def __init__(self, key_seed: bytes, limits: HostLimits) -> None:
        self.limits = limits
        self.gate = ConnectionGate(limits)
        self.traffic = Traffic()
        self.pace = (
            Pace(limits.bytes_per_second, self.gate.kept) if limits.bytes_per_second else None
        )
        self._announced: dict[str, tuple[str, ...]] = {}
        self.library_host, self._swarm = make_host(key_seed, limits)
        # The library's own takes the relay's name out of an address that leads over a relay.
        self.library_host.get_addrs = lambda: [Multiaddr(each) for each in self.addresses()]
        self.peer_id: str = str(self._swarm.get_peer_id())
        self._events = PeerEvents()
        self.events: trio.MemoryReceiveChannel[PeerEvent] = self._events.channel
        self._known: set[str] = set()
        self._streams = Streams(self.library_host, limits, self.gate)
        self.circuits = Circuits(self)
        self.circuits.serve()
        self._dialler = SwarmDialler(self._swarm, self.circuits)
        self._inner_add_conn = self._swarm.add_conn
        self._swarm.gate = self.gate
        self._swarm.buffer_budget = BufferBudget()
        self._swarm.add_conn = self._add_connection
        self._swarm._handle_inbound_connection = self._handle_inbound  # noqa: SLF001
        self._swarm.register_notifee(SwarmNotices(self.note_connection, self.note_disconnection))
        self.on_connection_lost: Callable[[str], None] | None = None
        self.on_wake: Callable[[], None] | None = None
        self.on_addresses_changed: Callable[[], None] | None = None

    # Who we are and whom we know

    def addresses(self) -> list[str]:
        """The addresses under which others can reach this host, each with /p2p/ID."""
        listening = map(str, self.library_host.get_transport_addrs())
        more = (each for some in self._announced.values() for each in some)
        found = dict.fromkeys((*expand_wildcards(listening), *more))
        return [f"{each}/p2p/{self.peer_id}" for each in found]

    def set_announced(self, key: str, addresses: Sequence[str]) -> None:
        """Say which other addresses lead here: of a router's port, or over a relay.

        Each caller has a key of its own; what it said before is replaced.
        """
        end = f"/p2p/{self.peer_id}"
        self._announced[key] = tuple(each.removesuffix(end) for each in addresses)

    def connected_peers(self) -> tuple[str, ...]:
        """Peers with at least one open connection."""
        return tuple(str(peer) for peer in self._swarm.connections if self._open_to(str(peer)))

    def remote_addresses(self, peer_id: str) -> tuple[str, ...]:
        """The other ends of the connections with a peer; see `dialled_addresses`."""
        found = (at for each in self._open_to(peer_id) for at in each.get_transport_addresses())
        return tuple(dict.fromkeys(map(str, found)))

    def dialled_addresses(self, peer_id: str) -> tuple[str, ...]:
        """Those remote addresses that we dialled, so that they can be dialled again."""
        return tuple(
            str(address)
            for connection in self._open_to(peer_id)
            if str(connection.direction) == "outbound"
            for address in connection.get_transport_addresses()
        )

    def path_to(self, peer_id: str) -> tuple[str, str | None]:
        """How a peer is reached: "direct", "lan", "relayed" with the relay's id, or "none"."""
        return path_of(self.remote_addresses(peer_id))

    def round_trip_ms(self, peer_id: str) -> float | None:
        """How long a ping to a peer and its answer took lately; None before the first answer."""
        measured = [each.muxed_conn.rtt() for each in self._open_to(peer_id)]
        return min((each * 1_000 for each in measured if each > 0), default=None)

    def _open_to(self, peer_id: str) -> list[Any]:
        try:
            connections = self._swarm.get_connections(read_peer_id(peer_id))
        except ValueError:
            return []
        return [each for each in connections if not each.is_closed]

    # Streams

    def set_stream_handler(
        self,
        protocol: str,
        handler: Callable[[FrameStream], Awaitable[None]],
        per_peer_max: int | None = None,
    ) -> None:
        """Serve a protocol. The stream is closed when the handler returns, reset when it raises.

        `per_peer_max`: streams of it that one peer may have open; None: as many as of any.
        """
        self._streams.serve(protocol, handler, per_peer_max)

    def remove_stream_handler(self, protocol: str) -> None:
        """Serve a protocol no more."""
        self._streams.stop_serving(protocol)

    async def open_stream(
        self, peer_id: str, protocol: str, *, relayed: bool | None = None
    ) -> FrameStream:
        """Open a stream to a connected peer.

        `relayed` chooses the connection: one over a relay, none over a relay, or (None) the best.

        Raises:
            NetworkError: not connected, the peer does not speak the protocol, or does not answer.
        """
        connection = self._preferred_connection(peer_id, relayed)
        return await self._streams.open(connection, protocol)

    def _preferred_connection(self, peer_id: str, relayed: bool | None = None) -> Any:
        """Not one over a relay, when there is another.

        Of two connections made by both sides at once, both sides choose the same one.
        """
        connections = self._open_to(peer_id)
        circuits = [each for each in connections if is_circuit(each)]
        direct = [each for each in connections if each not in circuits]
        usable = {None: direct or circuits, True: circuits, False: direct}[relayed]
        if not usable:
            raise NetworkError("not connected" if relayed is None else "not connected that way")
        ours = "outbound" if self.peer_id < peer_id else "inbound"
        matching = [each for each in usable if str(each.direction) == ours]
        return (matching or usable)[-1]

    # Connections

    async def dial(
        self, peer_id: str, addresses: Sequence[str], timeout_s: float = 15.0
    ) -> DialReport:
        """Connect to a peer by any of its addresses; never raises for what the network does."""
        if peer_id == self.peer_id:
            return DialReport(False, tuple((each, "that is this node") for each in addresses))
        if self._open_to(peer_id) and await self._stays_open(peer_id):
            return DialReport(True)
        return await self._dial(peer_id, addresses, timeout_s)

    async def dial_direct(
        self, peer_id: str, addresses: Sequence[str], timeout_s: float = 15.0
    ) -> DialReport:
        """The same without relays, also when the peer is connected already over one.

        Once it succeeds new streams use the direct connection, and the other one is closed when
        nothing of ours runs on it any more.
        """
        if any(not is_circuit(each) for each in self._open_to(peer_id)):
            return DialReport(True)
        return await self._dial(
            peer_id, [each for each in addresses if CIRCUIT not in each], timeout_s
        )

    async def _dial(self, peer_id: str, addresses: Sequence[str], timeout_s: float) -> DialReport:
        if self.gate.is_paused:
            return DialReport(False, tuple((each, PAUSED) for each in addresses))
        report = await dial_all(self._dialler, peer_id, addresses, timeout_s)
        if report.connected and not await self._stays_open(peer_id):
            return report.hung_up()
        return report

    async def _stays_open(self, peer_id: str) -> bool:
        """Who refuses us can do so only after the handshake; wait for that a little."""
        with trio.move_on_after(REFUSAL_SECONDS):
            for connection in self._open_to(peer_id):
                await connection.muxed_conn.event_closed.wait()
        return bool(self._open_to(peer_id))

    async def disconnect(self, peer_id: str) -> None:
        """Close all connections with a peer."""
        await close_all(self._open_to(peer_id))

    async def block(self, peer_id: str, seconds: float) -> None:
        """Disconnect a peer and refuse it, in both directions, for a time."""
        self.gate.block(peer_id, trio.current_time() + seconds)
        await self.disconnect(peer_id)

    def keep(self, peer_id: str) -> None:
        """Do not give up connections with this peer when others want in."""
        self.gate.kept.add(peer_id)

    def release(self, peer_id: str) -> None:
        """Treat this peer like any other again."""
        self.gate.kept.discard(peer_id)

    def unblock(self, peer_id: str) -> None:
        """Let a blocked peer come again."""
        self.gate.unblock(peer_id)

    def is_blocked(self, peer_id: str) -> bool:
        """Whether a peer is refused now."""
        return self.gate.is_blocked(peer_id, trio.current_time())

    async def _handle_inbound(self, socket_stream: Any, listen_address: Any) -> None:
        """One accepted socket, from first byte to last; replaces the library's.

        The library's own keeps a slot for ever for each connection that ever was, and after 250
        nobody can connect; and 250 idle sockets block everybody for ten seconds.
        """
        self.traffic.begin(socket_stream)
        machine = host_key(socket_stream.get_remote_address())
        try:
            await self.shake_hands(RawConnection(socket_stream, False), machine, listen_address)
        finally:
            self.traffic.end(socket_stream)

    async def shake_hands(self, raw: Any, machine: str, listen_address: Any = None) -> None:
        """Take what somebody else began, circuits too; `machine` is its address for the limits."""
        scope = trio.move_on_after(self.limits.handshake_seconds_max)
        handshake = Handshake(machine, scope.cancel)
        if not self.gate.begin(handshake):
            await raw.close()
            return
        muxed: Any = None
        try:
            with scope:
                muxed = await self._swarm.upgrade_inbound_raw_conn(raw, listen_address)
        except Exception as error:  # noqa: BLE001 - border: whatever a stranger's bytes caused
            log.debug("no handshake with %s: %r", handshake.address, error)
        finally:
            self.gate.end(handshake)
            if muxed is None:
                self.gate.failed += 1
                await raw.close()
        if muxed is not None:
            await muxed.event_closed.wait()

    async def _add_connection(self, muxed: Any, direction: str = "unknown") -> Any:
        """Take a connection that has shaken hands, or refuse it."""
        peer_id = str(muxed.peer_id)
        address = machine_of(muxed)
        is_inbound = direction != "outbound"
        refusal = self.gate.refusal(peer_id, address, is_inbound, trio.current_time())
        refusal = "that is this node" if peer_id == self.peer_id else refusal
        follow(self.traffic, muxed, self.pace)
        if refusal is not None:
            forget(self.traffic, muxed)
            self.gate.note_dropped(peer_id, refusal)
            with trio.move_on_after(CLOSE_SECONDS):
                await muxed.secured_conn.close()
            raise SwarmException(f"refused: {refusal}")
        held = Held(peer_id, address, is_inbound, lambda: muxed.abort("making room for others"))
        self.gate.opened(id(muxed), held)
        try:
            connection = await self._inner_add_conn(muxed, direction)
        except BaseException:
            forget(self.traffic, muxed)
            self.gate.closed(id(muxed))
            raise
        if connection.is_closed:  # the library may add it after it has taken it out
            self._swarm.remove_conn(connection)
        if (refusal := self.gate.refusal_now(peer_id, trio.current_time())) is not None:
            await close_all([connection])  # whoever hung up on all just now did not see it
            raise SwarmException(f"refused: {refusal}")
        return connection

    # Events

    def note_connection(self, muxed: Any) -> None:
        """A connection stands; told by the swarm."""
        peer_id = str(muxed.peer_id)
        if peer_id not in self._known and self._open_to(peer_id):
            self._known.add(peer_id)
            self._events.put(PeerEvent(peer_id, True))

    def note_disconnection(self, muxed: Any) -> None:
        """A connection is gone; told by the swarm."""
        forget(self.traffic, muxed)
        self.gate.closed(id(muxed))
        peer_id = str(muxed.peer_id)
        self.gate.note_dropped(peer_id, muxed.ended_because)
        if self.on_connection_lost is not None:
            self.on_connection_lost(peer_id)
        self.circuits.forget(peer_id)  # a relay may have no other connection, and then no place
        if peer_id in self._known and not self._open_to(peer_id):
            self._known.discard(peer_id)
            self._events.put(PeerEvent(peer_id, False))

    # Start and stop

    async def run(self) -> None:
        """Do what goes on beside everything else; as long as the host is open."""
        tasks: Any
        async with trio.open_nursery() as tasks:
            tasks.start_soon(self._events.pump)
            if self.pace is not None:
                tasks.start_soon(self.pace.run)
            tasks.start_soon(self.circuits.retire)
            tasks.start_soon(watch_for_sleep, self.probe)
            tasks.start_soon(watch_interfaces, self._addresses_changed)

    async def _addresses_changed(self) -> None:
        if self.on_addresses_changed is not None:
            self.on_addresses_changed()
        await self.probe()

    async def probe(self) -> None:
        """After a sleep, or on another network: ping all, give up those that do not answer soon."""
        if self.on_wake is not None:
            self.on_wake()
        tasks: Any
        async with trio.open_nursery() as tasks:
            for connection in self._swarm.get_connections():
                tasks.start_soon(connection.muxed_conn.probe)

    async def listen(self, addresses: Sequence[str]) -> None:
        """Listen on all of the addresses. Raises NetworkError, see `listen_on`."""
        await listen_on(self._swarm, addresses)

    async def close(self) -> None:
        """Close all connections side by side, then the listening sockets. Takes a second or so."""
        await close_all(self._swarm.get_connections())
        await self.library_host.close()

    @property
    def swarm(self) -> Any:
        """The library's swarm, for the other modules of this package."""
        return self._swarm


@asynccontextmanager
async def open_host(
    key_seed: bytes, listen: Sequence[str], *, limits: HostLimits | None = None
) -> AsyncGenerator[Host]:
    """Run a host: `key_seed` is 32 bytes, `listen` are TCP multiaddresses, port 0 for any.

    Raises:
        NetworkError: wrong version of the library, or it cannot listen on an address.
    """
    hardening.apply()
    hardening.settle_process()
    host = Host(key_seed, limits or HostLimits())
    try:
        manager: Any
        async with background_trio_service(host.swarm) as manager:
            # A daemon: what goes wrong in it ends the host with a word, not half of it in silence.
            manager.run_daemon_task(host.run)
            try:
                await host.listen(listen)
                yield host
            finally:
                with trio.move_on_after(3 * CLOSE_SECONDS) as scope:
                    scope.shield = True
                    await host.close()
    except BaseExceptionGroup as group:
        raise only_error(group) from None
