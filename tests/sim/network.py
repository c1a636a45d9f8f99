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

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import trio

from p2pcommons.errors import NetworkError, RejectedError, RejectReason

from .virtual_time import Timeline

if TYPE_CHECKING:
    from .hosts import SimHost

WINDOW_BYTES = 1024 * 1024
SILENCE_SECONDS = 45.0
WRITE_SECONDS = 30.0
RETRANSMIT_SECONDS = 0.2
RETRANSMITS_MAX = 7


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
