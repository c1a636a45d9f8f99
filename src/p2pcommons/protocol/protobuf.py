"""Reading protobuf as far as the messages of other libp2p programs need it: numbers and bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.protocol.varint import read_varint

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, _FIXED64, BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types."""


def read_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a message by number; those of fixed size are skipped.

    Raises RejectedError where the bytes are no message.
    """
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = read_varint(data, at)
            yield number, value
            continue
        if wire == BYTES:
            size, at = read_varint(data, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise _shape("an unknown kind of field")
        if at + size > len(data):
            raise _shape("it ends in the middle")
        if wire == BYTES:
            yield number, bytes(data[at : at + size])
        at += size


def _shape(why: str) -> RejectedError:
    return RejectedError(RejectReason.MESSAGE_SHAPE, f"not protobuf: {why}")
