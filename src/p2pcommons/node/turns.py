"""A person's own write goes first: the node's writer waits a moment when it is asked to.

SQLite gives its write lock to whoever tries at the right instant, and a node that takes in a
hundred thousand entries hardly ever lets go of it. So a person's writer that finds the store
locked sends one datagram, and the node begins nothing new until that write is done, or a tenth of
a second has passed. The writing thread looks for itself between two transactions: no hint takes
a way through the event loop.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from p2pcommons.control import TURN_ASKED, TURN_DONE

if TYPE_CHECKING:
    from pathlib import Path

WAIT_SECONDS = 0.1
"""As long as the node waits for a person who asked: a durable commit takes 20 to 60 ms."""
PERSON_SECONDS = 10.0
"""For so long after a person wrote, transactions stay short."""
ROWS_MAX = 450
"""Rows in one transaction: 30 to 50 ms during which others wait."""
ROWS_BESIDE_PERSON_MAX = 200
"""The same while a person is writing."""


class Turns:
    """What people's writers asked of this node, seen from its writing thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._asking = 0
        self._person_at = float("-inf")

    def open(self) -> None:
        """Listen. Raises OSError."""
        self._path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            listening.bind(str(self._path))
            self._path.chmod(0o600)
        except BaseException:
            listening.close()
            raise
        self._socket = listening

    def close(self) -> None:
        """Stop listening."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._path.unlink(missing_ok=True)

    def give_way(self) -> None:
        """Return when nobody wants to write, or has had time enough. Call before each write."""
        if self._socket is None:
            return
        self._look()
        deadline = time.monotonic() + WAIT_SECONDS
        while self._asking and (left := deadline - time.monotonic()) > 0:
            self._hear(left)
            self._look()
        # Whoever did not say that it is done was killed, or is slow: it waits its turn now.
        self._asking = 0

    def rows_max(self) -> int:
        """Return how many rows the next transaction may have."""
        beside_person = time.monotonic() - self._person_at < PERSON_SECONDS
        return ROWS_BESIDE_PERSON_MAX if beside_person else ROWS_MAX

    def _look(self) -> None:
        """Take in what was said so far."""
        while self._hear(0.0):
            pass

    def _hear(self, seconds: float) -> bool:
        """Take in one word, waiting for it; False if there was none."""
        assert self._socket is not None
        self._socket.settimeout(seconds)
        try:
            word = self._socket.recv(16)
        except (BlockingIOError, TimeoutError):
            return False
        if word == TURN_ASKED:
            self._asking += 1
            self._person_at = time.monotonic()
        elif word == TURN_DONE:
            self._asking = max(0, self._asking - 1)
        return True
