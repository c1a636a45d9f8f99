"""Unsigned integers of seven bits a byte, the lowest first, as multiformats and protobuf have."""

from __future__ import annotations

from p2pcommons.errors import RejectedError, RejectReason

VARINT_BYTES_MAX = 9
"""63 bits: what the multiformats table allows."""


def write_varint(number: int) -> bytes:
    """Return a number from 0 on as bytes."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def read_varint(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Return the number at a place and the place after it. Raises RejectedError."""
    number = 0
    for index in range(VARINT_BYTES_MAX):
        if at + index >= len(data):
            break
        byte = data[at + index]
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, at + index + 1
    raise RejectedError(RejectReason.MESSAGE_SHAPE, "a number without an end")
