"""The person's own editor, on a private file that is removed afterwards."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def editor_command() -> list[str]:
    """VISUAL, else EDITOR, split into words; empty when neither is set."""
    return shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")


def edit_outside(command: Sequence[str], text: str) -> str | None:
    """Let the person edit `text` and return it; None when the editor failed."""
    with tempfile.TemporaryDirectory(prefix="p2pcommons-") as folder:
        path = Path(folder) / "entry.md"
        path.write_text(text, encoding="utf-8")
        try:
            ended = subprocess.run([*command, str(path)], check=False)
            edited = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        return edited.removesuffix("\n") if ended.returncode == 0 else None
