"""The control socket's answering side: one JSON object a line, each answered by one.

Only this machine's user can open it (folder 0700, socket 0600). What it can do is the list of
methods named `_op_…`; everything else is refused in words.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

import trio

from p2pcommons.control import REQUEST_BYTES_MAX
from p2pcommons.errors import P2PCommonsError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

Operation = Callable[[dict[str, object]], Awaitable[dict[str, object]]]

log = logging.getLogger(__name__)

_BACKLOG = 64
_CONNECTIONS_MAX = 64
_IDLE_SECONDS = 60.0


class ControlServer:
    """Serves the operations it is given on a Unix socket."""

    def __init__(self, path: Path, operations: dict[str, Operation]) -> None:
        self._path = path
        self._operations = operations
        self._limiter = trio.CapacityLimiter(_CONNECTIONS_MAX)

    async def listen(self) -> trio.SocketListener:
        """Bind the socket; one that a killed node left behind is removed. Raises OSError."""
        if self._path.exists() and stat.S_ISSOCK(self._path.stat().st_mode):
            self._path.unlink()
        socket = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
        await socket.bind(str(self._path))
        self._path.chmod(0o600)
        socket.listen(_BACKLOG)
        return trio.SocketListener(socket)

    async def serve(self, listener: trio.SocketListener) -> None:
        """Answer until cancelled."""
        await trio.serve_listeners(self._converse, [listener])

    def remove(self) -> None:
        """Remove the socket's file."""
        self._path.unlink(missing_ok=True)

    async def _converse(self, stream: trio.SocketStream) -> None:
        """Answer line after line; a caller that breaks off hurts nobody."""
        buffered = bytearray()
        try:
            async with self._limiter, cast("AbstractAsyncContextManager[object]", stream):
                while (line := await _read_line(stream, buffered)) is not None:
                    reply = await self._answer(line)
                    if reply is not None:
                        await stream.send_all(json.dumps(reply).encode() + b"\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            log.debug("a caller on the control socket broke off")

    async def _answer(self, line: bytes) -> dict[str, object] | None:
        try:
            request = cast("object", json.loads(line))
        except (ValueError, RecursionError):
            return {"error": "not a line of JSON"}
        if not isinstance(request, dict):
            return {"error": "not a JSON object"}
        asked = cast("dict[str, object]", request)
        operation = self._operations.get(str(asked.get("op")))
        if operation is None:
            return {"error": f"no such operation: {str(asked.get('op'))[:40]}"}
        try:
            return await operation(asked)
        except P2PCommonsError as error:
            return {"error": str(error)}
        except OSError as error:
            return {"error": os.strerror(error.errno or 0)}


async def _read_line(stream: trio.SocketStream, buffered: bytearray) -> bytes | None:
    """Return the next line, or None at the end, after a pause, or when one is too long."""
    with trio.move_on_after(_IDLE_SECONDS):
        while b"\n" not in buffered:
            chunk = await stream.receive_some(4_096)
            if not chunk or len(buffered) > REQUEST_BYTES_MAX:
                return None
            buffered += chunk
        line, _, rest = bytes(buffered).partition(b"\n")
        buffered[:] = rest
        return line
    return None
