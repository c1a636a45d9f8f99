"""Ends connections: side by side, with a goodbye where one can be said, and within a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from p2pcommons.net.journal import paced_logger
from p2pcommons.net.limits import CLOSED_HERE

if TYPE_CHECKING:
    from collections.abc import Sequence

log = paced_logger(__name__)

CLOSE_SECONDS = 1.0


async def close_all(connections: Sequence[Any]) -> None:
    """Close library connections, all at the same time."""
    tasks: Any
    async with trio.open_nursery() as tasks:
        for connection in connections:
            tasks.start_soon(_close_connection, connection)


async def _close_connection(connection: Any) -> None:
    with trio.move_on_after(CLOSE_SECONDS) as scope:
        scope.shield = True
        try:
            await connection.close()
        except Exception as error:  # noqa: BLE001 - border: whatever the library comes upon
            log.info("closing a connection failed: %r", error)
            connection.muxed_conn.abort(CLOSED_HERE)
    if scope.cancelled_caught:
        connection.muxed_conn.abort(CLOSED_HERE)


def only_error(error: BaseException) -> BaseException:
    """The error inside groups of one; a group of several stays as it is."""
    inner: Any = error
    while len(getattr(inner, "exceptions", ())) == 1:
        inner = inner.exceptions[0]
    return inner
