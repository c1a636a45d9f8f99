"""What went wrong, as an exit code, a word for scripts and a sentence for people.

The exit codes are a contract (docs/cli.md); every failure of a command gets its code here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from p2pcommons.errors import (
    EXIT_CODES,
    ErrorCode,
    NetworkError,
    RejectedError,
    StoreError,
    UserError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERRUPTED = "interrupted"
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
EXIT_BROKEN_PIPE = 141


class TerminatedError(BaseException):
    """SIGTERM or SIGHUP arrived; raised where the program stands, so that all is closed."""


@dataclass(frozen=True, slots=True)
class Failure:
    """`code` and `message` are for scripts and people, `hint` and `candidates` for people."""

    code: str
    message: str
    exit_code: int
    candidates: tuple[str, ...] = ()
    hint: str = ""

    def fields(self) -> Mapping[str, object]:
        """Return the JSON object of the failure, without its version."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.candidates:
            error["candidates"] = list(self.candidates)
        return {"error": error}


def failure_of(error: BaseException) -> Failure | None:
    """Return what to say about an error, or None for one that is a bug of ours."""
    if isinstance(error, UserError):
        return _of(error.code, error.message, error.candidates)
    if isinstance(error, click.UsageError):
        return _of_usage(error)
    if isinstance(error, click.ClickException):
        return _of(ErrorCode.FAILED, error.format_message())
    if isinstance(error, StoreError):
        named = error.message if error.path in error.message else f"{error.message} ({error.path})"
        return _of(ErrorCode.FAILED, named)
    if isinstance(error, RejectedError):
        return _of(ErrorCode.REFUSED, str(error))
    if isinstance(error, NetworkError):
        return _of(ErrorCode.FAILED, str(error))
    if isinstance(error, TerminatedError):
        return Failure(INTERRUPTED, "terminated", EXIT_TERMINATED)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Failure(INTERRUPTED, "interrupted", EXIT_INTERRUPTED)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return _of(ErrorCode.FAILED, f"{where}{error.strerror or error}")
    return None


def bug_of(error: BaseException, log: str) -> Failure:
    """Return what to say about an error that is ours."""
    where = f"; what happened is written down in {log}" if log else ""
    return _of(
        ErrorCode.FAILED,
        f"an error in p2pcommons itself ({type(error).__name__}: {error}){where}",
    )


def _of(code: ErrorCode, message: str, candidates: tuple[str, ...] = ()) -> Failure:
    return Failure(code.value, message, EXIT_CODES[code], candidates)


def _of_usage(error: click.UsageError) -> Failure:
    hint = ""
    if error.ctx is not None:
        hint = f"{error.ctx.get_usage()}\nhelp: {error.ctx.command_path} --help"
    message = error.format_message().rstrip(".")
    usage = ErrorCode.USAGE
    return Failure(usage.value, message, EXIT_CODES[usage], (), hint)
