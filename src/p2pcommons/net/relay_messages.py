"""What is said to a relay and by one: circuit relay v2 of libp2p, `hop` and `stop`, on the wire.

https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md. The protobuf classes are the
library's, typed here; whatever a peer sends decodes, or is rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from google.protobuf.message import DecodeError
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage, StopMessage

from p2pcommons.errors import NetworkError, RejectedError, RejectReason
from p2pcommons.net.library import Multiaddr, PeerId, read_peer_id

HOP_PROTOCOL = "/libp2p/circuit/relay/0.2.0/hop"
STOP_PROTOCOL = "/libp2p/circuit/relay/0.2.0/stop"
MESSAGE_BYTES_MAX = 4_096
"""The specification names this number."""
ADDRESSES_MAX = 16
"""Of one reservation; those after them are not looked at."""


class Status(IntEnum):
    """What a relay answers; the numbers are the specification's."""

    OK = 100
    RESERVATION_REFUSED = 200
    RESOURCE_LIMIT_EXCEEDED = 201
    PERMISSION_DENIED = 202
    CONNECTION_FAILED = 203
    NO_RESERVATION = 204
    MALFORMED_MESSAGE = 400
    UNEXPECTED_MESSAGE = 401


_WORDS = {
    Status.RESERVATION_REFUSED: "the relay refuses: no room",
    Status.RESOURCE_LIMIT_EXCEEDED: "the relay refuses: limit reached",
    Status.PERMISSION_DENIED: "the relay refuses",
    Status.CONNECTION_FAILED: "the relay does not get through to it",
    Status.NO_RESERVATION: "the relay has no reservation for it",
}


class RelayRefusal(NetworkError):  # noqa: N818 - an answer, in words for people
    """A relay answered, and not with yes."""

    def __init__(self, status: int) -> None:
        known = status in Status.__members__.values()
        self.status = status
        super().__init__(_WORDS.get(Status(status), "") if known else "")
        if not self.args[0]:
            self.args = (f"the relay answers with status {status}",)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a relay is asked: to connect with `peer_id`, or, without one, for a reservation."""

    peer_id: str | None


@dataclass(frozen=True, slots=True)
class Granted:
    """A relay's yes; each field is what it claims."""

    expires: int = 0
    """Of a reservation: seconds since 1970 UTC, by the relay's clock."""
    addresses: tuple[str, ...] = ()
    """Of a reservation: where the relay can be reached, some with /p2p/RELAY."""
    circuit_seconds: int = 0
    """How long one circuit may last; 0: as long as it likes."""
    circuit_bytes: int = 0
    """What one circuit may carry; 0: as much as it likes."""


def encode_reserve() -> bytes:
    """Ask for a reservation."""
    return HopMessage(type=HopMessage.RESERVE).SerializeToString()


def encode_connect(peer_id: str) -> bytes:
    """Ask to be connected with a peer that has a reservation."""
    message: Any = HopMessage(type=HopMessage.CONNECT)
    message.peer.id = read_peer_id(peer_id).to_bytes()
    return message.SerializeToString()


def decode_ask(data: bytes) -> Ask:
    """Return what somebody asks a relay. Raises RejectedError."""
    message: Any = _parsed(HopMessage(), data)
    if message.type == HopMessage.RESERVE:
        return Ask(None)
    if message.type == HopMessage.CONNECT and message.HasField("peer"):
        return Ask(_peer_id(message.peer.id))
    raise RejectedError(RejectReason.MESSAGE_SHAPE, "nothing to ask a relay for")


def encode_status(status: Status, granted: Granted | None = None) -> bytes:
    """Answer as a relay; `granted` goes with a yes."""
    message: Any = HopMessage(type=HopMessage.STATUS, status=int(status))  # pyright: ignore[reportArgumentType]
    if granted is not None:
        if granted.expires:
            message.reservation.expire = granted.expires
            message.reservation.addrs.extend(
                Multiaddr(each).to_bytes() for each in granted.addresses
            )
        message.limit.duration = granted.circuit_seconds
        message.limit.data = granted.circuit_bytes
    return message.SerializeToString()


def decode_status(data: bytes) -> Granted:
    """Return what a relay grants. Raises RelayRefusal when it says no, RejectedError."""
    message: Any = _parsed(HopMessage(), data)
    if message.type != HopMessage.STATUS:
        raise RejectedError(RejectReason.MESSAGE_SHAPE, "not the answer of a relay")
    if message.status != Status.OK:
        raise RelayRefusal(int(message.status))
    return Granted(
        int(message.reservation.expire),
        tuple(_addresses(message.reservation.addrs)),
        int(message.limit.duration),
        int(message.limit.data),
    )


def encode_stop(peer_id: str, seconds: int, bytes_max: int) -> bytes:
    """Tell a peer who wants a circuit with it, and what that circuit may carry."""
    message: Any = StopMessage(type=StopMessage.CONNECT)
    message.peer.id = read_peer_id(peer_id).to_bytes()
    message.limit.duration = seconds
    message.limit.data = bytes_max
    return message.SerializeToString()


def decode_stop(data: bytes) -> str:
    """Return the peer that is to be connected, as the relay names it. Raises RejectedError."""
    message: Any = _parsed(StopMessage(), data)
    if message.type != StopMessage.CONNECT or not message.HasField("peer"):
        raise RejectedError(RejectReason.MESSAGE_SHAPE, "not what a relay says at a circuit's end")
    return _peer_id(message.peer.id)


def encode_stop_status(status: Status) -> bytes:
    """Answer a relay at the end of a circuit."""
    return StopMessage(type=StopMessage.STATUS, status=int(status)).SerializeToString()  # pyright: ignore[reportArgumentType]


def decode_stop_status(data: bytes) -> int:
    """Return what the end of a circuit answers. Raises RejectedError."""
    message: Any = _parsed(StopMessage(), data)
    if message.type != StopMessage.STATUS:
        raise RejectedError(RejectReason.MESSAGE_SHAPE, "not the answer of a circuit's end")
    return int(message.status)


def _parsed(message: Any, data: bytes) -> Any:
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise RejectedError(RejectReason.MESSAGE_SHAPE, "not a relay's message") from error
    return message


def _peer_id(encoded: bytes) -> str:
    try:
        text = str(PeerId(encoded))
        read_peer_id(text)
    except ValueError as error:
        raise RejectedError(RejectReason.MESSAGE_SHAPE, "not a peer id") from error
    return text


def _addresses(encoded: Any) -> list[str]:
    """Read binary multiaddresses; those of kinds that nobody here knows are left out."""
    found: list[str] = []
    for each in list(encoded)[:ADDRESSES_MAX]:
        try:
            text = str(Multiaddr(each)) if each else ""
        except Exception:  # noqa: BLE001, S112 - border: the library raises many kinds here
            continue
        if text:
            found.append(text)
    return found
