"""Logging: to one rotating file under the state folder, never to a terminal.

Words of peers do not belong into the log at all; where a peer is quoted, the line is cleaned.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

from p2pcommons.model.words import clean_line

if TYPE_CHECKING:
    from pathlib import Path

LOG_BYTES_MAX = 2_000_000
LOG_FILES = 3
_LINE_CHARS_MAX = 2_000


class CleanFormatter(logging.Formatter):
    """Formats one record a line, whatever a message or a traceback contains."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as lines of visible characters."""
        lines = super().format(record).splitlines() or [""]
        return "\n".join(clean_line(line, _LINE_CHARS_MAX) for line in lines)


class PrivateLog(RotatingFileHandler):
    """Rotated files too are for their owner alone; a full disk is not told on the terminal."""

    def _open(self) -> io.TextIOWrapper:
        opened = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return io.TextIOWrapper(io.FileIO(opened, "a"), encoding=self.encoding, write_through=True)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Lose a line for which there is no room: each would bring a traceback instead."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def log_to(path: Path, *, verbose: bool = False) -> None:
    """Send everything that is logged in this process to `path`, and nothing to the terminal."""
    handler = PrivateLog(
        path, maxBytes=LOG_BYTES_MAX, backupCount=LOG_FILES - 1, encoding="utf-8", delay=False
    )
    path.chmod(0o600)
    handler.setFormatter(CleanFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(True)


def last_line(path: Path) -> str:
    """Return the last line of a log, or an empty string where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 8_192))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return clean_line(lines[-1], _LINE_CHARS_MAX) if lines else ""
