"""Errors, split by who must act on them and never by the module that raises them.

`UserError`: the person can fix it, and the text says how. `RejectedError`: a peer broke the rules;
it is counted and never shown as a crash. `StoreError`: the store cannot be trusted to take more;
the path is named. `NetworkError`: no network as wanted; it belongs into the status line.
Anything else that is raised is a bug of ours.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence


class ErrorCode(StrEnum):
    """What scripts read in `error.code`; `EXIT_CODES` gives the exit code of each."""

    FAILED = "failed"
    USAGE = "usage"
    NOT_FOUND = "not-found"
    REFUSED = "refused"
    NOT_RUNNING = "not-running"
    UNREACHABLE = "unreachable"
    CONFLICT = "conflict"


EXIT_CODES: dict[ErrorCode, int] = {
    ErrorCode.FAILED: 1,
    ErrorCode.USAGE: 2,
    ErrorCode.NOT_FOUND: 3,
    ErrorCode.REFUSED: 4,
    ErrorCode.NOT_RUNNING: 5,
    ErrorCode.UNREACHABLE: 6,
    ErrorCode.CONFLICT: 7,
}


class P2PCommonsError(Exception):
    """Root of all errors that are not bugs."""


class UserError(P2PCommonsError):
    """The person can fix it; `str(error)` is shown as it stands.

    `candidates` are what the person may have meant, each ready to be shown on a line.
    """

    def __init__(
        self, message: str, code: ErrorCode = ErrorCode.USAGE, candidates: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.candidates = tuple(candidates)


class RejectReason(StrEnum):
    """Why bytes of a peer were not accepted; the network screen shows these words."""

    CODEC = "not canonical msgpack"
    ENVELOPE_SHAPE = "malformed envelope"
    HEADER_SHAPE = "malformed header"
    HEADER_RANGE = "header value out of range"
    BODY_SIZE = "body size differs from the header"
    BODY_HASH = "body hash differs from the header"
    BAD_SIGNATURE = "bad signature"
    BAD_GRANT = "bad device grant"
    MESSAGE_SHAPE = "malformed message"
    MESSAGE_TOO_LARGE = "message too large"
    FRAME_TOO_LARGE = "frame too large"
    GOSSIP_SHAPE = "malformed gossip"
    WRONG_COMMONS = "contribution of another commons"
    NOT_WANTED = "sent what was not asked for"
    OUT_OF_TURN = "message out of turn"
    RECONCILE = "malformed reconciliation"
    BUDGET = "over its budget"


class RejectedError(P2PCommonsError):
    """A peer broke the rules, or bytes from anywhere do not decode."""

    def __init__(self, reason: RejectReason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail


class StoreError(P2PCommonsError):
    """The store cannot be read or written: full disk, damage, newer schema, locked.

    `is_damage` says that what stands in the file cannot be read as it was written.
    """

    def __init__(self, message: str, path: str = "", *, is_damage: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.is_damage = is_damage


class ReadGivenUpError(P2PCommonsError):
    """A read was given up because nobody waits for its answer any more."""


class NetworkError(P2PCommonsError):
    """The network is not as wanted: cannot listen, no peer, a stream cut in the middle."""


def first_error(error: BaseException) -> BaseException:
    """Return the first error inside groups, or the error itself where it is none."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseException", error.exceptions[0])
    return error
