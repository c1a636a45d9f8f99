"""A network in memory that is late, loses, doubles, reorders and splits, replayable from a seed.

What libp2p gives a node and how it fails: connections with ordered streams, and gossip.

- A lost packet of a stream comes again later (TCP does that); when it is lost too often the
  connection ends. A lost gossip message is lost. Gossip also comes twice and out of order.
- Between the two sides of a partition nothing moves. Connections hold out for a while, and what
  was under way arrives when the partition heals in time.
- A peer that is killed leaves connections that end at once; one without power leaves some that
  look open until somebody misses the answers.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import trio

from p2pcommons.errors import NetworkError, RejectedError, RejectReason
from p2pcommons.net.dialing import DialReport
from p2pcommons.net.events import PeerEvent, PeerEvents
from p2pcommons.net.gossip import GossipMessage, Verdict
from p2pcommons.net.limits import ConnectionGate, Held, HostLimits
from p2pcommons.net.traffic import Traffic as WireTraffic

from .virtual_time import Timeline

WINDOW_BYTES = 1024 * 1024
SILENCE_SECONDS = 45.0
WRITE_SECONDS = 30.0
DIAL_SECONDS = 6.0
RETRANSMIT_SECONDS = 0.2
RETRANSMITS_MAX = 7
STREAMS_PER_PEER_MAX = 8
SEEN_MAX = 2_000
INBOX_MAX = 4_096


@dataclass
class Weather:
    """How the network is just now, for everybody."""

    delay_s: float = 0.05
    """Longest delay of a packet; each has its own."""
    loss: float = 0.0
    gossip_loss: float = 0.0
    """Where it is more than that of everything."""
    duplication: float = 0.0


@dataclass
class Traffic:
    """What was counted."""

    frames: int = 0
    frame_bytes: int = 0
    frame_bytes_max: int = 0
    buffered_bytes_max: int = 0
    gossip: int = 0
    gossip_lost: int = 0
    connections: int = 0
    streams: int = 0


class Net:
    """All hosts and what lies between them."""

    def __init__(
        self, timeline: Timeline, chance: Random, note: Callable[[str, object], None]
    ) -> None:
        self.timeline = timeline
        self.chance = chance
        self.weather = Weather()
        self.traffic = Traffic()
        self.note = note
        self.hosts: dict[str, SimHost] = {}
        self.island: dict[str, int] = {}
        """On which side of the partition a host is; all on the same one when it has healed."""
        self.connections: list[Connection] = []

    def are_apart(self, first: str, second: str) -> bool:
        return self.island.get(first, 0) != self.island.get(second, 0)

    def split(self, island: dict[str, int]) -> None:
        """Let nothing pass between islands, until the next call."""
        self.island = island
        for connection in tuple(self.connections):
            connection.look_at_partition()

    def delay(self) -> float:
        """Return how long a packet that is not lost takes."""
        return 0.001 + self.chance.random() * self.weather.delay_s

    def patient_delay(self) -> float:
        """Return how long a packet takes that is sent again when it is lost; inf: in vain."""
        delay, pause = self.delay(), RETRANSMIT_SECONDS
        loss = self.weather.loss
        for _ in range(RETRANSMITS_MAX):
            if loss == 0.0 or self.chance.random() >= loss:
                return delay
            delay += pause
            pause *= 2
        return math.inf


class Connection:
    """Two hosts that are connected."""

    def __init__(self, net: Net, dialler: SimHost, listener: SimHost, address: str) -> None:
        self.net = net
        self.ends = {dialler.peer_id: dialler, listener.peer_id: listener}
        self.dialler = dialler.peer_id
        self.address = address
        self.is_open = True
        self.streams: dict[StreamEnd, None] = {}
        self.held_back: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        self.apart_since = math.inf
        net.connections.append(self)
        net.traffic.connections += 1

    def other(self, peer_id: str) -> str:
        first, second = self.ends
        return second if peer_id == first else first

    def carry(self, delay: float, call: Callable[..., None], *arguments: object) -> None:
        """Bring something over, unless the connection ends or a partition holds it back."""
        self.carry_until(self.net.timeline.now + delay, call, *arguments)

    def carry_until(self, when: float, call: Callable[..., None], *arguments: object) -> None:
        """The same, by a time; inf: it is lost again and again, and with it the connection."""
        if when == math.inf:
            self.net.timeline.after(SILENCE_SECONDS / 2, self.lose)
        else:
            self.net.timeline.at(when, self._arrive, call, arguments)

    def _arrive(self, call: Callable[..., None], arguments: tuple[object, ...]) -> None:
        if not self.is_open:
            return
        if self.apart_since < math.inf:
            self.held_back.append((call, arguments))
        else:
            call(*arguments)

    def look_at_partition(self) -> None:
        first, second = self.ends
        if self.net.are_apart(first, second) or any(end.is_silent for end in self.ends.values()):
            if self.apart_since == math.inf:
                since = self.apart_since = self.net.timeline.now
                self.net.timeline.after(SILENCE_SECONDS, self._missed, since)
        elif self.apart_since < math.inf:
            self.apart_since = math.inf
            held_back, self.held_back = self.held_back, []
            for call, arguments in held_back:
                call(*arguments)

    def _missed(self, since: float) -> None:
        if self.is_open and self.apart_since == since:
            self.lose()

    def lose(self) -> None:
        """End for both."""
        if not self.is_open:
            return
        self.is_open = False
        self.net.connections.remove(self)
        for stream in tuple(self.streams):
            stream.cut()
        for peer_id, host in self.ends.items():
            host.lost(self.other(peer_id), self)


class StreamEnd:
    """One side of a stream: what a node calls a StreamPort."""

    def __init__(self, connection: Connection, owner: SimHost, peer_id: str) -> None:
        self.peer_id = peer_id
        self.other: StreamEnd
        self._connection = connection
        self._owner = owner
        self._frames: deque[bytes | None] = deque()
        self._unread_bytes = 0
        self.bytes_read = 0
        self._in_flight_bytes = 0
        self._arrived = trio.Event()
        self._has_room = trio.Event()
        self._clear_at = 0.0
        self._is_over = False
        self._has_ended = False
        self._is_closed = False

    async def read_frame(self, bytes_max: int) -> bytes | None:
        while not self._frames:
            if self._is_over or self._has_ended:
                await trio.lowlevel.checkpoint()
                return None
            self._arrived = trio.Event()
            await self._arrived.wait()
        if self._is_over or not self._frames:
            return None
        frame = self._frames.popleft()
        if frame is None:
            self._has_ended = True
            return None
        self._unread_bytes -= len(frame)
        self.other._taken(len(frame))
        if len(frame) > bytes_max:
            await self.reset()
            raise RejectedError(RejectReason.FRAME_TOO_LARGE, f"{len(frame)} of {bytes_max} bytes")
        return frame

    async def write_frame(self, data: bytes) -> None:
        if self._is_over or self._is_closed:
            raise NetworkError("the stream is closed")
        # A frame larger than the window passes when nothing else is under way.
        if self._in_flight_bytes and self._in_flight_bytes + len(data) > WINDOW_BYTES:
            await self._wait_for_room(len(data))
        self._in_flight_bytes += len(data)
        self._carry(data)

    async def _wait_for_room(self, size: int) -> None:
        with trio.move_on_after(WRITE_SECONDS) as scope:
            while self._in_flight_bytes and self._in_flight_bytes + size > WINDOW_BYTES:
                self._has_room = trio.Event()
                await self._has_room.wait()
                if self._is_over:
                    raise NetworkError("the stream was cut")
        if scope.cancelled_caught:
            await self.reset()
            raise NetworkError("the other side does not read")

    async def close(self) -> None:
        if not self._is_over and not self._is_closed:
            self._is_closed = True
            self._carry(None)
            self._forget_when_done()
        await trio.lowlevel.checkpoint()

    async def reset(self) -> None:
        if not self._is_over:
            self.cut()
            self._connection.carry(self._connection.net.patient_delay(), self.other.cut)
        await trio.lowlevel.checkpoint()

    def cut(self) -> None:
        """The stream is over, whatever was under way."""
        if not self._is_over:
            self._is_over = True
            self._arrived.set()
            self._has_room.set()
            self._connection.streams.pop(self, None)

    def _carry(self, data: bytes | None) -> None:
        """Send in order: what is late keeps back what follows it in this stream."""
        net = self._connection.net
        size = 0 if data is None else len(data)
        speed = min(self._owner.bytes_per_s, self.other._owner.bytes_per_s)
        arrives = net.timeline.now + net.patient_delay() + size / speed
        self._clear_at = max(arrives, self._clear_at + size / speed)
        self._connection.carry_until(self._clear_at, self.other._take, data)

    def _take(self, data: bytes | None) -> None:
        if self._is_over:
            return
        self._frames.append(data)
        self._arrived.set()
        self._forget_when_done()
        net = self._connection.net
        if data is not None:
            self._unread_bytes += len(data)
            self.bytes_read += len(data)
            traffic = net.traffic
            traffic.frames += 1
            traffic.frame_bytes += len(data)
            traffic.frame_bytes_max = max(traffic.frame_bytes_max, len(data))
            traffic.buffered_bytes_max = max(traffic.buffered_bytes_max, self._unread_bytes)
        net.note("frame", (self.peer_id, self._owner.peer_id, data and len(data)))

    def _forget_when_done(self) -> None:
        if self._is_closed and self._frames and self._frames[-1] is None:
            self._connection.streams.pop(self, None)

    def _taken(self, size: int) -> None:
        self._in_flight_bytes -= size
        self._has_room.set()


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
