"""What the library's swarm tells of its connections, as two plain calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from p2pcommons.net.library import INotifee

if TYPE_CHECKING:
    from collections.abc import Callable


class SwarmNotices(INotifee):
    """Passes the swarm's notices on; must return at once, since the swarm waits for it."""

    def __init__(
        self, on_connected: Callable[[Any], None], on_disconnected: Callable[[Any], None]
    ) -> None:
        self._on_connected = on_connected
        self._on_disconnected = on_disconnected

    async def connected(self, network: Any, conn: Any) -> None:  # noqa: ARG002
        """A connection stands."""
        self._on_connected(conn.muxed_conn)

    async def disconnected(self, network: Any, conn: Any) -> None:  # noqa: ARG002
        """A connection is gone."""
        self._on_disconnected(conn.muxed_conn)

    async def opened_stream(self, network: Any, stream: Any) -> None:
        """Nobody needs to know."""

    async def closed_stream(self, network: Any, stream: Any) -> None:
        """Nobody needs to know."""

    async def listen(self, network: Any, multiaddr: Any) -> None:
        """Nobody needs to know."""

    async def listen_close(self, network: Any, multiaddr: Any) -> None:
        """Nobody needs to know."""
