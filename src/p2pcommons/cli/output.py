"""The one place that writes: data on stdout, words for people on stderr.

With `--json` stdout gets exactly one object, `{"v": 1, ...}`, in ASCII, whatever happens. A
reader that goes away (`| head`) raises BrokenPipeError here, which `root.run` turns into silence.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from p2pcommons.cli.terminal import is_tty, uses_colour

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TextIO

JSON_VERSION = 1
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_CLEAR_LINE = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a command answers.

    `fields` is the JSON object without its version. `lines` is the same for a person, `next_steps`
    what a person may do now; `chunks` is data that goes to stdout as it is (an export).
    """

    fields: Mapping[str, object]
    lines: Iterable[str] = ()
    next_steps: tuple[str, ...] = ()
    exit_code: int = 0
    chunks: Iterable[bytes] = ()


class Output:
    """Writes for one run of the program."""

    def __init__(self) -> None:
        self.json = False
        self._progress_shown = False
        self._object_written = False
        for stream in (sys.stdout, sys.stderr):
            # What the terminal cannot show must not end the program.
            with contextlib.suppress(AttributeError):
                stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

    def finish(self, reply: Reply) -> None:
        """Write a command's answer: data, then what a person may do next."""
        self.end_progress()
        if self.json:
            self.write_object(reply.fields)
            return
        for chunk in reply.chunks:
            _write_bytes(chunk)
        for line in reply.lines:
            self.write_line(line)
        self.flush()
        for step in reply.next_steps:
            self.say(self.dim(step))

    def write_line(self, text: str) -> None:
        """Write a line of data to stdout."""
        _write(sys.stdout, text + "\n")

    def write_object(self, fields: Mapping[str, object]) -> bool:
        """Write the one JSON object of this run to stdout; False for any further one."""
        if self._object_written:
            return False
        self._object_written = True
        _write(sys.stdout, json.dumps({"v": JSON_VERSION, **fields}, ensure_ascii=True) + "\n")
        self.flush()
        return True

    def flush(self) -> None:
        """Hand over everything written to stdout so far."""
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]
            sys.stdout.flush()

    def say(self, text: str) -> None:
        """Write words for a person to stderr; nobody reading them is no failure."""
        self.end_progress()
        _say(text + "\n")

    def hint(self, text: str) -> None:
        """Say what a person may like to know and a script does not."""
        if not self.json:
            self.say(self.dim(text))

    def progress(self, text: str) -> None:
        """Show how far something is, on one line that is written over; on terminals only."""
        if is_tty(sys.stderr):
            _say(_CLEAR_LINE + text)
            self._progress_shown = True

    def end_progress(self) -> None:
        """Remove the line of `progress`."""
        if self._progress_shown:
            _say(_CLEAR_LINE)
            self._progress_shown = False

    def dim(self, text: str) -> str:
        """Return words for stderr, less bright where the terminal can."""
        return f"{_DIM}{text}{_PLAIN}" if uses_colour(sys.stderr) else text

    def bold(self, text: str) -> str:
        """Return data for stdout, brighter where the terminal can."""
        return f"{_BOLD}{text}{_PLAIN}" if uses_colour(sys.stdout) else text


def abandon_stdout() -> None:
    """Point stdout nowhere, so that the interpreter's last flush does not fail again."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is not None:
        stream.write(text)


def _write_bytes(chunk: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(chunk)


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        _write(sys.stderr, text)
        if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison]
            sys.stderr.flush()
