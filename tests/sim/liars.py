"""Peers that lie: real nodes whose frames are twisted on their way out, and some that only shout.

A liar takes part in everything, so each lie comes at the moment when it may be believed. What it
says is changed as bytes on the wire, below everything that would refuse to say it.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, cast

import trio

from p2pcommons.errors import NetworkError, RejectedError
from p2pcommons.model import codec
from p2pcommons.protocol.limits import FRAME_BYTES_MAX, RECONCILE_PROTOCOL
from p2pcommons.protocol.topic import gossip_topic

from .hosts import SimHost
from .network import StreamEnd
from .nodes import SimNode

Twist = Callable[["Liar", list[Any]], list[bytes]]


class TwistedStream:
    """A stream on which every frame is said in another way."""

    def __init__(self, stream: StreamEnd, liar: Liar) -> None:
        self.peer_id = stream.peer_id
        self._stream = stream
        self._liar = liar
        self.close = stream.close
        self.reset = stream.reset

    @property
    def bytes_read(self) -> int:
        return self._stream.bytes_read

    async def read_frame(self, bytes_max: int) -> bytes | None:
        frame = await self._stream.read_frame(bytes_max)
        if frame is not None and frame.find(b"done", 0, 8) > 0:
            self._liar.heard_done = cast("list[Any]", codec.decode(frame))[-1]
        return frame

    async def write_frame(self, data: bytes) -> None:
        for frame in self._liar.twist(data):
            await self._stream.write_frame(frame)


class LyingHost(SimHost):
    """A host that twists what its node says."""

    liar: Liar

    def set_stream_handler(self, protocol: str, handler: Callable[[Any], Awaitable[None]]) -> None:
        async def answer(stream: StreamEnd) -> None:
            await handler(TwistedStream(stream, self.liar))

        super().set_stream_handler(protocol, answer)

    async def open_stream(self, peer_id: str, protocol: str) -> Any:
        return TwistedStream(await super().open_stream(peer_id, protocol), self.liar)


class Liar(SimNode):
    """A node that lies in one way."""

    lie = ""
    chance: Random
    heard_done: dict[str, Any] | None = None
    """What somebody said last of how much there is: so the same can be claimed."""

    def lies(self, lie: str, chance: Random) -> None:
        """Choose how it lies."""
        self.lie, self.chance = lie, chance

    def make_host(self) -> SimHost:
        host = LyingHost(self.net, self.peer_id, self.number)
        host.liar = self
        return host

    def twist(self, frame: bytes) -> list[bytes]:
        """Return what is sent instead of a frame."""
        if self.lie in SHOUTS or self.chance.random() < 0.3:
            return [frame]
        if self.lie == "garbage":
            return [self.chance.randbytes(self.chance.randrange(1, 300))]
        if self.lie == "huge frames":
            return [bytes(FRAME_BYTES_MAX + 1)]
        if self.lie == "duplicates":
            return [frame, frame]
        if self.lie == "flipped bits":
            return [_flipped(frame, self.chance)]
        try:
            message = cast("list[Any]", codec.decode(frame))
        except RejectedError:
            return [frame]
        return TWISTS[self.lie](self, message)

    async def shout(self) -> None:
        """Open streams to everybody again and again, beside the node."""
        while True:
            await trio.sleep(self.chance.uniform(30, 600))
            if self.host is None or not self.is_up:
                continue
            for peer_id in self.host.connected_peers():
                await SHOUTS[self.lie](self, peer_id)


def _flipped(data: bytes, chance: Random) -> bytes:
    if not data:
        return data
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


def _twist_envelopes(message: list[Any], change: Callable[[list[Any]], None]) -> list[bytes]:
    if message[0] == "put":
        for envelope in message[-1]:
            if isinstance(envelope, list):
                change(cast("list[Any]", envelope))
    return [codec.encode(message)]


def _bad_signature(liar: Liar, message: list[Any]) -> list[bytes]:
    def change(envelope: list[Any]) -> None:
        envelope[1] = _flipped(envelope[1], liar.chance)

    return _twist_envelopes(message, change)


def _other_body(liar: Liar, message: list[Any]) -> list[bytes]:
    def change(envelope: list[Any]) -> None:
        if envelope[3] is not None:
            envelope[3] = _flipped(envelope[3], liar.chance)

    return _twist_envelopes(message, change)


def _wrong_commons(liar: Liar, message: list[Any]) -> list[bytes]:
    """What was asked for in one commons is answered with what belongs to another."""
    others = [each for each in liar.acknowledged.values() if each.header.commons != bytes(32)]
    if message[0] == "put" and others:
        chosen = liar.chance.choice(others)
        envelope = [chosen.header_bytes, chosen.signature, chosen.grant, chosen.body]
        message[-1] = [envelope for _ in message[-1]]
    return [codec.encode(message)]


def _invented_ids(liar: Liar, message: list[Any]) -> list[bytes]:
    if message[0] in ("have", "want", "bodies", "absent"):
        invented = [liar.chance.randbytes(32) for _ in range(5)]
        message[2] = invented if liar.chance.random() < 0.5 else [*message[2], *invented]
    return [codec.encode(message)]


def _claims_equal(liar: Liar, message: list[Any]) -> list[bytes]:
    """Keep everything back, and then say that nothing is missing."""
    if message[0] == "done" and liar.heard_done is not None:
        message[-1] = liar.heard_done
    if message[0] == "have":
        return []
    return [codec.encode(message)]


def _withholds(_liar: Liar, message: list[Any]) -> list[bytes]:
    """Know everything and give nothing."""
    if message[0] == "put":
        return []
    return [codec.encode(message)]


async def _never_reads(liar: Liar, peer_id: str) -> None:
    assert liar.host is not None
    try:
        stream = await SimHost.open_stream(liar.host, peer_id, RECONCILE_PROTOCOL)
        await stream.write_frame(codec.encode(["hello", liar.chance.randbytes(32), 1, {}]))
    except NetworkError:
        return


async def _floods(liar: Liar, peer_id: str) -> None:
    """Bytes that are no message, as many as the stream takes."""
    assert liar.host is not None
    try:
        stream = await SimHost.open_stream(liar.host, peer_id, RECONCILE_PROTOCOL)
        for _ in range(5):
            await stream.write_frame(liar.chance.randbytes(20_000))
    except NetworkError:
        return


async def _invalid_gossip(liar: Liar, _peer_id: str) -> None:
    assert liar.host is not None
    assert liar.host.gossip is not None
    for commons in {each.commons: None for each in liar.acknowledged.values()}:
        data = liar.chance.randbytes(liar.chance.randrange(1, 500))
        await liar.host.gossip.publish(gossip_topic(commons), data)


TWISTS: dict[str, Twist] = {
    "bad signatures": _bad_signature,
    "other bodies": _other_body,
    "wrong commons": _wrong_commons,
    "invented ids": _invented_ids,
    "claims equal": _claims_equal,
    "withholds": _withholds,
}
SHOUTS: dict[str, Callable[[Liar, str], Awaitable[None]]] = {
    "never reads": _never_reads,
    "floods": _floods,
    "invalid gossip": _invalid_gossip,
}
LIES = ("garbage", "huge frames", "duplicates", "flipped bits", *TWISTS, *SHOUTS)
SLOW_BYTES_PER_S = (200.0, 2_000.0, 20_000.0, math.inf)
