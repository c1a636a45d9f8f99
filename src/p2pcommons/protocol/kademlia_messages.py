"""The messages of the directory: those of libp2p's Kademlia, in protobuf, as far as we use them.

    message = 1 type, 2 key, 8 closer peers *, 9 provider peers *
    peer    = 1 peer id, 2 address *, 3 connection

So other libp2p programs can look up what we announce, under the protocol id of our own. Values are
neither kept nor given: nothing but "who holds this" is asked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.protocol.multiaddrs import (
    address_from_bytes,
    address_to_bytes,
    peer_id_from_bytes,
    peer_id_to_bytes,
)
from p2pcommons.protocol.protobuf import BYTES, VARINT, read_fields
from p2pcommons.protocol.varint import write_varint

if TYPE_CHECKING:
    from collections.abc import Iterable

KAD_PROTOCOL = "/p2pcommons/kad/1.0.0"
"""The libp2p protocol id; messages on its streams have lengths in varints."""

MESSAGE_BYTES_MAX = 64 * 1024
"""Forty peers with eight long addresses each, and what other programs sign beside them."""
KEY_BYTES_MAX = 80
"""A multihash of the longest hash in use; the specification has the same."""
CONTACTS_MAX = 20
"""Peers of either kind that are read from one message, and written into it: k of Kademlia."""
ADDRESSES_MAX = 8
"""Of one peer: one for each interface of an ordinary machine, and some to spare."""

_TYPE, _KEY, _CLOSER, _PROVIDERS = 1, 2, 8, 9
_PEER_ID, _ADDRESS, _CONNECTION = 1, 2, 3
_CAN_CONNECT = 2


class Kind(IntEnum):
    """What a message asks or tells."""

    ADD_PROVIDER = 2
    GET_PROVIDERS = 3
    FIND_NODE = 4
    PING = 5


@dataclass(frozen=True, slots=True)
class Contact:
    """A peer and where it may be met; addresses are without its own /p2p/ID."""

    peer_id: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message. An answer has the kind and the key of its question."""

    kind: Kind
    key: bytes = b""
    closer: tuple[Contact, ...] = ()
    """In a question: the asker, if it wants to be named to others."""
    providers: tuple[Contact, ...] = ()


def encode_message(message: Message) -> bytes:
    """Return the bytes of a message. Contacts and addresses beyond the limits are left out."""
    written = _number(_TYPE, message.kind)
    if message.key:
        written += _field(_KEY, message.key)
    written += b"".join(_field(_CLOSER, _contact(each)) for each in message.closer[:CONTACTS_MAX])
    return written + b"".join(
        _field(_PROVIDERS, _contact(each)) for each in message.providers[:CONTACTS_MAX]
    )


def decode_message(data: bytes) -> Message:
    """Return a message. Raises RejectedError for bytes that are none, or one of another kind.

    Peers with other kinds of keys and addresses of other kinds are left out, as are those beyond
    the limits: other programs have some.
    """
    kind, key = 0, b""
    closer: list[Contact] = []
    providers: list[Contact] = []
    for number, value in read_fields(data):
        if number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _KEY and isinstance(value, bytes):
            key = value
        elif number in (_CLOSER, _PROVIDERS) and isinstance(value, bytes):
            listed = closer if number == _CLOSER else providers
            if len(listed) < CONTACTS_MAX:
                listed.extend(_read_contact(value))
    if len(key) > KEY_BYTES_MAX:
        raise _shape("a key too long")
    try:
        return Message(Kind(kind), key, tuple(closer), tuple(providers))
    except ValueError as error:
        raise _shape("a kind of message that is not served") from error


def _contact(contact: Contact) -> bytes:
    addresses = b"".join(
        _field(_ADDRESS, address_to_bytes(address)) for address in contact.addresses[:ADDRESSES_MAX]
    )
    written = _field(_PEER_ID, peer_id_to_bytes(contact.peer_id)) + addresses
    return written + _number(_CONNECTION, _CAN_CONNECT)


def _read_contact(data: bytes) -> Iterable[Contact]:
    fields = [(number, value) for number, value in read_fields(data) if isinstance(value, bytes)]
    named = [value for number, value in fields if number == _PEER_ID]
    peer_id = peer_id_from_bytes(named[-1]) if named else None
    if peer_id is None:
        return ()
    read = (address_from_bytes(value, peer_id) for number, value in fields if number == _ADDRESS)
    addresses = [address for address in read if address is not None][:ADDRESSES_MAX]
    return (Contact(peer_id, tuple(dict.fromkeys(addresses))),)


def _number(number: int, value: int) -> bytes:
    return write_varint(number << 3 | VARINT) + write_varint(value)


def _field(number: int, value: bytes) -> bytes:
    return write_varint(number << 3 | BYTES) + write_varint(len(value)) + value


def _shape(why: str) -> RejectedError:
    return RejectedError(RejectReason.MESSAGE_SHAPE, f"not a message of the directory: {why}")
