"""Who is at the other end: a person at a terminal, or a script.

A terminal means that stdin, stdout and stderr all are one; only then is anybody asked anything.
"""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from typing import TYPE_CHECKING

from p2pcommons.errors import UserError

if TYPE_CHECKING:
    from typing import TextIO

PIPE_WIDTH_COLUMNS = 0
"""Width of what is no terminal: nothing is cut there."""


def is_terminal() -> bool:
    """Tell whether stdin, stdout and stderr all are terminals."""
    return all(is_tty(stream) for stream in (sys.stdin, sys.stdout, sys.stderr))


def is_tty(stream: TextIO | None) -> bool:
    """Tell whether a stream is a terminal; a closed or missing one is not."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def width_columns() -> int:
    """Return how many columns a line of data may take, 0 where nothing is to be cut."""
    if not is_tty(sys.stdout):
        return PIPE_WIDTH_COLUMNS
    return max(shutil.get_terminal_size().columns, 20)


def uses_colour(stream: TextIO | None) -> bool:
    """Tell whether emphasis may be used: NO_COLOR and TERM=dumb switch it off."""
    return is_tty(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def ask(question: str) -> str:
    """Ask a person for one line on the terminal. Raises UserError when the input ends."""
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        sys.stderr.write("\n")
        raise UserError("the input ended before there was an answer")
    return line.strip()


def ask_secret(question: str) -> str:
    """Ask for one line that the terminal does not show. Raises UserError when the input ends."""
    try:
        return getpass.getpass(question, stream=sys.stderr).strip()
    except EOFError as error:
        raise UserError("the input ended before there was an answer") from error


def read_line() -> str:
    """Return one line of stdin that comes from a file or a pipe, or "" at its end."""
    return "" if sys.stdin is None else sys.stdin.readline().strip()  # pyright: ignore[reportUnnecessaryComparison]
