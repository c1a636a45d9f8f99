"""The node that this program starts, and whether it may outlive it.

A node started here watches a pipe whose other end only this process holds: however the
program ends, the node ends too, unless the person chose to keep it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from p2pcommons import nodeprocess

if TYPE_CHECKING:
    from p2pcommons.tui.lanes import Desk


class NodeKeeper:
    """Starts, stops and lets go of the node; every method may take seconds."""

    def __init__(self, desk: Desk) -> None:
        self._paths = desk.paths
        self._pipe: int | None = None

    @property
    def started_here(self) -> bool:
        """True while a node runs that this program started."""
        return self._pipe is not None

    def status(self) -> dict[str, object]:
        """The node's status, or {"running": False}."""
        return nodeprocess.status(self._paths)

    def start(self, *, keep: bool) -> dict[str, object]:
        """Start a node unless one runs, with `keep` one that outlives this program.

        Returns its status. Raises UserError.
        """
        running = nodeprocess.status(self._paths)
        if running.get("running") is True:
            return running
        self._let_go()
        if keep:
            return nodeprocess.start(self._paths)
        reading, writing = os.pipe()
        try:
            reply = nodeprocess.start(self._paths, watch_fd=reading)
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        self._pipe = writing
        return reply

    def stop(self) -> None:
        """Stop the node, whoever started it."""
        nodeprocess.stop(self._paths)
        self._let_go()

    def detach(self) -> None:
        """Start the node anew as one that outlives this program."""
        nodeprocess.stop(self._paths)
        self._let_go()
        nodeprocess.start(self._paths)

    def _let_go(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
