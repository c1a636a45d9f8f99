"""Hosts of the network in memory, and their gossip: what nodes are given instead of libp2p's."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import trio

from p2pcommons.errors import NetworkError
from p2pcommons.net.dialing import DialReport
from p2pcommons.net.events import PeerEvent, PeerEvents
from p2pcommons.net.gossip import GossipMessage, Verdict
from p2pcommons.net.limits import ConnectionGate, Held, HostLimits
from p2pcommons.net.traffic import Traffic as WireTraffic

from .network import Connection, Net, StreamEnd

DIAL_SECONDS = 6.0
STREAMS_PER_PEER_MAX = 8
SEEN_MAX = 2_000
INBOX_MAX = 4_096


class SimHost:
    """A host as nodes see it: what `net.host.Host` is on a machine."""

    def __init__(self, net: Net, peer_id: str, number: int) -> None:
        self.net = net
        self.peer_id = peer_id
        self.address = f"/ip4/10.0.0.{number + 1}/tcp/4001/p2p/{peer_id}"
        self.bytes_per_s = math.inf
        self.gate = ConnectionGate(HostLimits())
        self.traffic = WireTraffic()
        self.on_wake: Callable[[], None] | None = None
        self.on_addresses_changed: Callable[[], None] | None = None
        self.is_silent = False
        """Without power: nothing answers, and nobody is told."""
        self.is_up = True
        self.gossip: SimGossip | None = None
        self._events = PeerEvents()
        self.events = self._events.channel
        self._connections: dict[str, Connection] = {}
        self._announced: dict[str, tuple[str, ...]] = {}
        self._handlers: dict[str, Callable[[Any], Awaitable[None]]] = {}
        self._streams: dict[str, int] = {}
        self._tasks: trio.Nursery | None = None
        net.hosts[peer_id] = self

    async def run(self) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            self._tasks = nursery
            nursery.start_soon(self._events.pump)
            try:
                await trio.sleep_forever()
            finally:
                self._tasks = None  # its node may still write something down; nobody is served

    # --- HostPort ------------------------------------------------------------------------------

    def addresses(self) -> list[str]:
        return [self.address, *(each for some in self._announced.values() for each in some)]

    def set_announced(self, key: str, addresses: Sequence[str]) -> None:
        self._announced[key] = tuple(addresses)

    def path_to(self, peer_id: str) -> tuple[str, str | None]:
        return ("direct" if peer_id in self._connections else "none", None)

    def connected_peers(self) -> tuple[str, ...]:
        return tuple(self._connections)

    def remote_addresses(self, peer_id: str) -> tuple[str, ...]:
        return (self.net.hosts[peer_id].address,) if peer_id in self._connections else ()

    def dialled_addresses(self, peer_id: str) -> tuple[str, ...]:
        connection = self._connections.get(peer_id)
        if connection is None or connection.dialler != self.peer_id:
            return ()
        return (connection.address,)

    def round_trip_ms(self, peer_id: str) -> float | None:
        return None

    def keep(self, peer_id: str) -> None:
        self.gate.kept.add(peer_id)

    def release(self, peer_id: str) -> None:
        self.gate.kept.discard(peer_id)

    def set_stream_handler(self, protocol: str, handler: Callable[[Any], Awaitable[None]]) -> None:
        self._handlers[protocol] = handler

    async def open_stream(self, peer_id: str, protocol: str) -> StreamEnd:
        connection = self._connections.get(peer_id)
        if connection is None:
            raise NetworkError("not connected")
        ours = StreamEnd(connection, self, peer_id)
        theirs = StreamEnd(connection, connection.ends[peer_id], self.peer_id)
        ours.other, theirs.other = theirs, ours
        connection.streams[ours] = connection.streams[theirs] = None
        answered = trio.Event()
        connection.carry(
            self.net.patient_delay(), connection.ends[peer_id]._opened, protocol, theirs, answered
        )
        with trio.move_on_after(10) as scope:
            await answered.wait()
        if scope.cancelled_caught or ours._is_over:
            await ours.reset()
            raise NetworkError("no stream: no answer in time")
        self.net.traffic.streams += 1
        return ours

    async def dial(self, peer_id: str, addresses: Sequence[str]) -> DialReport:
        if peer_id in self._connections:
            await trio.lowlevel.checkpoint()
            return DialReport(True)
        address = addresses[0]
        net = self.net
        found = net.hosts.get(address.rpartition("/")[2])
        delay = net.patient_delay() + net.patient_delay() + net.patient_delay()
        if found is None or net.are_apart(self.peer_id, peer_id) or delay > DIAL_SECONDS:
            await trio.sleep(DIAL_SECONDS)
            return DialReport(False, ((address, "no answer in time"),))
        await trio.sleep(delay)
        if peer_id in self._connections:
            return DialReport(True)
        # A host that has started anew is another one under the same name.
        found = net.hosts[found.peer_id]
        if not found.is_up or net.are_apart(self.peer_id, peer_id):
            return DialReport(False, ((address, "refused"),))
        if self._refuses(found) or found._refuses(self):
            return DialReport(False, ((address, "it hung up at once"),))
        connection = Connection(net, self, found, address)
        self._connected(peer_id, connection)
        found._connected(self.peer_id, connection)
        return DialReport(True, ((address, "connected"),))

    async def dial_direct(self, peer_id: str, addresses: Sequence[str]) -> DialReport:
        return await self.dial(peer_id, addresses)

    async def disconnect(self, peer_id: str) -> None:
        connection = self._connections.get(peer_id)
        if connection is not None:
            connection.lose()
        await trio.lowlevel.checkpoint()

    # --- what the network does -----------------------------------------------------------------

    def _refuses(self, other: SimHost) -> bool:
        now = self.net.timeline.now
        return self.gate.refusal(other.peer_id, other.address, True, now) is not None

    def _connected(self, peer_id: str, connection: Connection) -> None:
        self._connections[peer_id] = connection
        self.gate.opened(id(connection), Held(peer_id, connection.address, True, connection.lose))
        self._events.put(PeerEvent(peer_id, True))
        self.net.note("connected", (self.peer_id, peer_id))

    def lost(self, peer_id: str, connection: Connection) -> None:
        self.gate.closed(id(connection))
        if self._connections.pop(peer_id, None) is not None:
            self._events.put(PeerEvent(peer_id, False))
            self.net.note("lost", (self.peer_id, peer_id))

    def _opened(self, protocol: str, stream: StreamEnd, answered: trio.Event) -> None:
        handler = self._handlers.get(protocol)
        busy = self._streams.get(stream.peer_id, 0)
        if handler is None or self._tasks is None or busy >= STREAMS_PER_PEER_MAX:
            stream.cut()
            stream._connection.carry(self.net.delay(), stream.other.cut)
            stream._connection.carry(self.net.delay(), answered.set)
            return
        self._streams[stream.peer_id] = busy + 1
        stream._connection.carry(self.net.patient_delay(), answered.set)
        self._tasks.start_soon(self._serve, handler, stream)

    async def _serve(self, handler: Callable[[Any], Awaitable[None]], stream: StreamEnd) -> None:
        try:
            await handler(stream)
            await stream.close()
        except NetworkError:
            await stream.reset()
        finally:
            self._streams[stream.peer_id] -= 1
            stream.cut()

    def die(self, *, silently: bool) -> None:
        """The process is gone; without power nobody is told."""
        self.is_up = False
        self._tasks = None
        self.is_silent = silently
        for connection in tuple(self._connections.values()):
            if silently:
                connection.look_at_partition()
            else:
                connection.lose()

    def forget(self) -> None:
        """The machine is back: what was open before is not known any more."""
        for connection in tuple(self._connections.values()):
            connection.lose()


@dataclass
class _Topic:
    validator: Callable[[str, bytes], Verdict | bool]
    channel: trio.MemorySendChannel[GossipMessage]
    heard: int = field(default=0)


class SimGossip:
    """Flooding to whoever is connected and listens: best effort, like the real one."""

    def __init__(self, host: SimHost, on_fault: Callable[[str, str], None]) -> None:
        self._host = host
        self._net = host.net
        self._on_fault = on_fault
        self._topics: dict[str, _Topic] = {}
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        host.gossip = self

    async def subscribe(
        self, topic: str, validator: Callable[[str, bytes], Verdict | bool]
    ) -> trio.MemoryReceiveChannel[GossipMessage]:
        await self.unsubscribe(topic)
        send, receive = trio.open_memory_channel[GossipMessage](INBOX_MAX)
        self._topics[topic] = _Topic(validator, send)
        return receive

    async def unsubscribe(self, topic: str) -> None:
        found = self._topics.pop(topic, None)
        if found is not None:
            found.channel.close()
        await trio.lowlevel.checkpoint()

    async def publish(self, topic: str, data: bytes) -> None:
        self._is_new(data)
        self._pass_on(topic, data, besides="")
        await trio.lowlevel.checkpoint()

    def _pass_on(self, topic: str, data: bytes, besides: str) -> None:
        net, weather = self._net, self._net.weather
        for peer_id, connection in self._host._connections.items():
            gossip = connection.ends[peer_id].gossip
            if peer_id == besides or gossip is None or topic not in gossip._topics:
                continue
            net.traffic.gossip += 1
            copies = 2 if weather.duplication and net.chance.random() < weather.duplication else 1
            for _ in range(copies):
                loss = max(weather.loss, weather.gossip_loss)
                if loss and net.chance.random() < loss:
                    net.traffic.gossip_lost += 1
                else:
                    connection.carry(net.delay(), gossip._receive, self._host.peer_id, topic, data)

    def _is_new(self, data: bytes) -> bool:
        identifier = hashlib.sha256(data).digest()
        if identifier in self._seen:
            return False
        self._seen[identifier] = None
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        return True

    def _receive(self, peer_id: str, topic: str, data: bytes) -> None:
        found = self._topics.get(topic)
        if found is None or not self._is_new(data):
            return
        verdict = found.validator(topic, data)
        self._net.note("gossip", (peer_id, self._host.peer_id, len(data), str(verdict)))
        if verdict in (Verdict.REJECT, False):
            self._on_fault(peer_id, "invalid gossip")
        elif verdict in (Verdict.ACCEPT, True):
            self._pass_on(topic, data, besides=peer_id)
            try:
                found.channel.send_nowait(GossipMessage(peer_id, topic, data))
            except (trio.WouldBlock, trio.BrokenResourceError):
                self._net.traffic.gossip_lost += 1
