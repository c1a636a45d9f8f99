"""Negentropy's variable-length integers: base 128, most significant digit first."""

from __future__ import annotations

from p2pcommons.errors import RejectedError, RejectReason

_CONTINUES = 0x80
_DIGIT = 0x7F
_VARINT_BYTES_MAX = 10
"""Ten digits of seven bits hold any 64-bit integer."""


def encode_varint(value: int) -> bytes:
    """Return `value` >= 0 in as few bytes as possible."""
    digits = [value & _DIGIT]
    value >>= 7
    while value:
        digits.append(value & _DIGIT | _CONTINUES)
        value >>= 7
    return bytes(reversed(digits))


class Reader:
    """Takes pieces off the front of a message. Everything missing raises RejectedError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that have not been taken."""
        return len(self._data) - self._at

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        if size > self.left:
            raise RejectedError(RejectReason.RECONCILE, "ends in the middle")
        start, self._at = self._at, self._at + size
        return self._data[start : self._at]

    def varint(self) -> int:
        """Return the next variable-length integer."""
        value = 0
        for _ in range(_VARINT_BYTES_MAX):
            digit = self.byte()
            value = value << 7 | digit & _DIGIT
            if not digit & _CONTINUES:
                return value
        raise RejectedError(RejectReason.RECONCILE, "integer too long")
