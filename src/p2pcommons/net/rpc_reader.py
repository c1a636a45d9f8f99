"""Messages of a pubsub stream: a length as varint, then that many bytes, and never too many."""

from __future__ import annotations

from typing import Any

from p2pcommons.net.library import LIBRARY_ERRORS

RPC_BYTES_MAX = 512 * 1024
"""One message of a neighbour: seven full ones of content."""
_READ_BYTES = 65_536


class RpcReader:
    """Length-prefixed messages from a stream, read in big pieces.

    The library reads the length byte by byte, and grants window for each byte.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._unread = bytearray()

    async def read(self) -> bytes | None:
        """The next message; None at the end of the stream.

        Raises:
            ValueError: it is too large, or its length is no length.
        """
        while (found := self._length()) is None:
            if not await self._fill():
                return None
        start, length = found
        if length > RPC_BYTES_MAX:
            raise ValueError(f"a message of {length} bytes")
        while len(self._unread) < start + length:
            if not await self._fill():
                return None
        message = bytes(self._unread[start : start + length])
        del self._unread[: start + length]
        return message

    def _length(self) -> tuple[int, int] | None:
        value = 0
        for index, byte in enumerate(self._unread[:5]):
            value |= (byte & 0x7F) << (7 * index)
            if not byte & 0x80:
                return index + 1, value
        if len(self._unread) >= 5:
            raise ValueError("a length of more than five bytes")
        return None

    async def _fill(self) -> bool:
        try:
            data: bytes = await self._stream.read(_READ_BYTES)
        except LIBRARY_ERRORS:
            return False
        self._unread += data
        return bool(data)
