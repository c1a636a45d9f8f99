"""The control socket, seen from the side that asks: one line of JSON there, one line back.

Small, inspectable, scriptable. Nothing that can live in the store goes through it; a lost nudge
is found by polling within a second.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, cast

from p2pcommons.errors import ErrorCode, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from p2pcommons.paths import Paths

ADDRESSES_META = "node.addresses"
"""Where the node notes in the store the addresses it listens on, as a JSON list."""
REPLY_BYTES_MAX = 16 * 1_024 * 1_024
REQUEST_BYTES_MAX = 64 * 1_024
TURN_ASKED = b"w"
"""Datagram to the turn socket: a person's writer finds the store locked and wants to be next."""
TURN_DONE = b"n"
"""Datagram to the turn socket: that write is over."""
_CHUNK_BYTES = 65_536
_NUDGE_SECONDS = 0.2


def request(
    paths: Paths, message: Mapping[str, object], timeout_s: float = 5.0
) -> dict[str, object]:
    """Send one request to the node of this profile and return its reply.

    Raises UserError(NOT_RUNNING) when there is no node, UserError(FAILED) when the node refuses
    or does not answer in time.
    """
    try:
        with _connect(paths, timeout_s) as connection:
            connection.sendall(json.dumps(message).encode() + b"\n")
            line = _read_line(connection)
    except TimeoutError as error:
        raise UserError("the node does not answer; see its log", ErrorCode.FAILED) from error
    except OSError as error:
        raise _not_running() from error
    try:
        reply = cast("object", json.loads(line))
    except ValueError as error:
        raise _not_running() from error
    if not isinstance(reply, dict):
        raise UserError("the node gave an answer that is not understood", ErrorCode.FAILED)
    answer = cast("dict[str, object]", reply)
    failure = answer.get("error")
    if isinstance(failure, str):
        raise UserError(failure, ErrorCode.FAILED)
    return answer


def nudge(paths: Paths) -> bool:
    """Tell the node that the store has something new; False when there is no node to tell."""
    try:
        with _connect(paths, _NUDGE_SECONDS) as connection:
            connection.sendall(b'{"op":"nudge"}\n')
    except OSError:
        return False
    return True


class WriteTurn:
    """Asks the node of a profile to let a person's own write go first; needs no answer."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def ask(self) -> None:
        """Say that a write waits: the node begins no new transaction until `done`, or a while."""
        self._send(TURN_ASKED)

    def done(self) -> None:
        """Say that the write is over."""
        self._send(TURN_DONE)

    def _send(self, word: bytes) -> bool:
        """Send a word; False where no node listens: then nobody has to be asked."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(word, str(self._paths.turn_socket()))
            except OSError:
                return False
        return True


def is_running(paths: Paths) -> bool:
    """Tell whether a node of this profile accepts requests."""
    try:
        with _connect(paths, _NUDGE_SECONDS):
            return True
    except OSError:
        return False


def _connect(paths: Paths, timeout_s: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(str(paths.socket()))
    except BaseException:
        connection.close()
        raise
    return connection


def _read_line(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n") and len(received) < REPLY_BYTES_MAX:
        chunk = connection.recv(_CHUNK_BYTES)
        if not chunk:
            break
        received += chunk
    return bytes(received)


def _not_running() -> UserError:
    return UserError(
        "no node is running; start it with: p2pcommons node start", ErrorCode.NOT_RUNNING
    )
