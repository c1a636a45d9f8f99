"""What peers say to each other about NATs, on the wire: AutoNAT v1, DCUtR and Identify.

Typed where the library's protobuf classes are not. Whatever a peer sends decodes, or is rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from google.protobuf.message import DecodeError
from libp2p.host.autonat.pb.autonat_pb2 import Message
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.relay.circuit_v2.pb.dcutr_pb2 import HolePunch

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.net.library import Multiaddr, read_peer_id

AUTONAT_PROTOCOL = "/libp2p/autonat/1.0.0"
DCUTR_PROTOCOL = "/libp2p/dcutr"
MESSAGE_BYTES_MAX = 4_096
"""A peer id and some addresses; the DCUtR specification names this number."""
IDENTIFY_BYTES_MAX = 16_384
"""Addresses, protocols and a signed record; other implementations send up to 8 KiB."""
ADDRESSES_MAX = 16
"""Of one message; the others are not looked at."""


class DialStatus(IntEnum):
    """How a dial-back went, as AutoNAT numbers it."""

    OK = 0
    ERROR = 100
    REFUSED = 101
    BAD_REQUEST = 200
    INTERNAL = 300


@dataclass(frozen=True, slots=True)
class DialAnswer:
    """What a peer says of its dial-back."""

    status: int
    address: str | None
    """The address that it reached."""


def encode_dial(peer_id: str, addresses: list[str]) -> bytes:
    """Ask to be dialled back at one of some addresses without /p2p/ID."""
    message: Any = Message()
    message.type = Message.DIAL
    message.dial.peer.id = read_peer_id(peer_id).to_bytes()
    message.dial.peer.addrs.extend(Multiaddr(each).to_bytes() for each in addresses)
    return message.SerializeToString()


def decode_dial(data: bytes, peer_id: str) -> list[str]:
    """Return the addresses at which `peer_id`, who sent this, wants to be dialled.

    Raises:
        RejectedError: it is no such request, or names another peer.
    """
    message: Any = _parsed(Message(), data)
    if message.type != Message.DIAL:
        raise RejectedError(RejectReason.MESSAGE_SHAPE, "no request to dial back")
    if message.dial.peer.id != read_peer_id(peer_id).to_bytes():
        raise RejectedError(RejectReason.MESSAGE_SHAPE, "asks to dial another peer back")
    return _addresses(message.dial.peer.addrs)


def encode_dial_answer(status: DialStatus, words: str = "", address: str | None = None) -> bytes:
    """Say how a dial-back went."""
    message: Any = Message()
    message.type = Message.DIAL_RESPONSE
    message.dialResponse.status = int(status)
    if words:
        message.dialResponse.statusText = words
    if address is not None:
        message.dialResponse.addr = Multiaddr(address).to_bytes()
    return message.SerializeToString()


def decode_dial_answer(data: bytes) -> DialAnswer:
    """Return what a peer says of its dial-back. Raises RejectedError."""
    message: Any = _parsed(Message(), data)
    if message.type != Message.DIAL_RESPONSE:
        raise RejectedError(RejectReason.MESSAGE_SHAPE, "no answer about a dial-back")
    addresses = _addresses([message.dialResponse.addr])
    return DialAnswer(int(message.dialResponse.status), addresses[0] if addresses else None)


@dataclass(frozen=True, slots=True)
class PunchMessage:
    """One message of DCUtR: `is_sync` says "dial now", else it tells addresses."""

    is_sync: bool
    addresses: tuple[str, ...] = ()


def encode_punch(message: PunchMessage) -> bytes:
    """Return the bytes of a DCUtR message."""
    made: Any = HolePunch()
    made.type = HolePunch.SYNC if message.is_sync else HolePunch.CONNECT
    made.ObsAddrs.extend(Multiaddr(each).to_bytes() for each in message.addresses)
    return made.SerializeToString()


def decode_punch(data: bytes) -> PunchMessage:
    """Return a DCUtR message. Raises RejectedError."""
    message: Any = _parsed(HolePunch(), data)
    return PunchMessage(message.type == HolePunch.SYNC, tuple(_addresses(message.ObsAddrs)))


def observed_address(data: bytes) -> str | None:
    """Return where a peer sees us, as its Identify message says. Raises RejectedError."""
    message: Any = _parsed(Identify(), data)
    found = _addresses([message.observed_addr])
    return found[0] if found else None


def _parsed(message: Any, data: bytes) -> Any:
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise RejectedError(RejectReason.MESSAGE_SHAPE, "not such a message") from error
    return message


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
