"""Where a peer can be met, in its own signed words, as others pass it on.

    record = msgpack array [1, key 32, seq, [address …]]          canonical
    signature = Ed25519(peer key, "p2pcommons/v1/peer-record" || 0x00 || record)
    frame = msgpack array of [record, signature]

A record is a hint about an address and gives no rights. Each is small, so is their number, and the
highest `seq` of a peer counts; it is the second in which the record was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import base58

from p2pcommons.errors import RejectedError, RejectReason, UserError
from p2pcommons.model import codec, ed25519
from p2pcommons.protocol.addresses import PEER_ID_PREFIX, check_address, check_peer_id, fitting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PEERS_PROTOCOL = "/p2pcommons/peers/1.0.0"
"""The libp2p protocol id of a stream on which two peers tell each other records."""

RECORD_DOMAIN = b"p2pcommons/v1/peer-record\x00"
RECORD_ADDRESSES_MAX = 8
"""One for each interface of an ordinary machine, and some to spare."""
RECORD_BYTES_MAX = 1_024
"""Eight long names still fit."""
RECORDS_MAX = 32
"""Records in one frame: more members than anybody needs to be connected with."""
RECORDS_BYTES_MAX = RECORDS_MAX * (RECORD_BYTES_MAX + 80)
"""One frame of them."""

_VERSION = 1


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """A verified record: `content` and `signature` are its bytes as they are passed on."""

    peer_id: str
    seq: int
    addresses: tuple[str, ...]
    content: bytes
    signature: bytes


def make_record(
    peer_id: str, seq: int, addresses: Sequence[str], sign: Callable[[bytes], bytes]
) -> PeerRecord:
    """Return the record of a peer of ours; `addresses` are multiaddresses without /p2p/ID."""
    chosen = list(addresses[:RECORD_ADDRESSES_MAX])
    content = codec.encode([_VERSION, check_peer_id(peer_id), seq, chosen])
    while len(content) > RECORD_BYTES_MAX:
        chosen.pop()
        content = codec.encode([_VERSION, check_peer_id(peer_id), seq, chosen])
    return PeerRecord(peer_id, seq, tuple(chosen), content, sign(RECORD_DOMAIN + content))


def encode_records(records: Iterable[PeerRecord]) -> bytes:
    """Return the frame that tells of some peers."""
    return codec.encode([[each.content, each.signature] for each in records][:RECORDS_MAX])


def decode_records(data: bytes) -> list[PeerRecord]:
    """Return the records of a frame. Raises RejectedError at the first that is not valid."""
    value = codec.decode(data)
    if type(value) is not list or len(cast("list[object]", value)) > RECORDS_MAX:
        raise _shape()
    return [_read_record(item) for item in cast("list[object]", value)]


def fitting_addresses(record: PeerRecord, heard_at: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses of a record that can mean the same here as where it comes from.

    `heard_at` are the addresses at which its bringer is connected.
    """
    return fitting(record.addresses, heard_at)


def _read_record(item: object) -> PeerRecord:
    if type(item) is not list or len(cast("list[object]", item)) != 2:
        raise _shape()
    content, signature = cast("list[object]", item)
    if type(content) is not bytes or len(content) > RECORD_BYTES_MAX:
        raise _shape()
    if type(signature) is not bytes or len(signature) != ed25519.SIGNATURE_BYTES:
        raise _shape()
    key, seq, addresses = _read_content(content)
    if not ed25519.is_valid(key, RECORD_DOMAIN + content, signature):
        raise RejectedError(RejectReason.BAD_SIGNATURE, "a peer record")
    peer_id = base58.b58encode(PEER_ID_PREFIX + key).decode()
    return PeerRecord(peer_id, seq, addresses, content, signature)


def _read_content(content: bytes) -> tuple[bytes, int, tuple[str, ...]]:
    value = codec.decode(content)
    if type(value) is not list or len(cast("list[object]", value)) != 4:
        raise _shape()
    version, key, seq, listed = cast("list[object]", value)
    if type(version) is not int or version != _VERSION or type(seq) is not int or seq < 0:
        raise _shape()
    if type(key) is not bytes or len(key) != ed25519.KEY_BYTES or type(listed) is not list:
        raise _shape()
    addresses: list[str] = []
    for address in cast("list[object]", listed):
        if type(address) is not str or len(addresses) == RECORD_ADDRESSES_MAX:
            raise _shape()
        try:
            check_address(address)
        except UserError:
            continue  # of a kind that a later version dials
        addresses.append(address)
    return key, seq, tuple(addresses)


def _shape() -> RejectedError:
    return RejectedError(RejectReason.MESSAGE_SHAPE, "not a list of peer records")
