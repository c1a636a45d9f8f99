"""A bug of ours written to a file the person can send: what happened where, no words of anybody."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from p2pcommons.paths import Paths

REPORTS_BYTES_MAX = 200_000
"""The file begins anew beyond this."""


def write_bug(paths: Paths, error: Exception, now: int) -> Path:
    """Append the error's type and where it came from, and return the file's path.

    The error's own text is left out: it may hold what a person wrote.
    """
    path = paths.state_dir / "screens.log"
    frames = "".join(traceback.format_tb(error.__traceback__))
    moment = datetime.fromtimestamp(now, UTC).isoformat()
    too_long = path.exists() and path.stat().st_size > REPORTS_BYTES_MAX
    with path.open("w" if too_long else "a", encoding="utf-8") as file:
        file.write(f"{moment} {type(error).__name__}\n{frames}\n")
    path.chmod(0o600)
    return path
