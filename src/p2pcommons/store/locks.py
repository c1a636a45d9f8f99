"""Who has the store open or locked, as well as the system tells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WRITE_LOCK_BYTE = 120
"""Where the WAL index file is locked by its one writer (SQLite, "WAL-mode file format")."""


def who_writes(path: Path) -> str:
    """Name the process that holds the write lock of the store at `path`."""
    pid = _writer_by_kernel(Path(f"{path}-shm")) or _pid_in(path.with_name("node.lock"))
    return f"process {pid}" if pid else "another process"


def who_has_open(path: Path) -> str:
    """Name a process that has the store at `path` open."""
    pid = next((pid for pid, _, _, _ in _kernel_locks(path)), None)
    return f"process {pid}" if pid else "another process"


def _writer_by_kernel(index: Path) -> int | None:
    """Return who holds the write lock byte of the WAL index."""
    for pid, kind, first, last in _kernel_locks(index):
        if kind == "WRITE" and last.isdigit() and int(first) <= _WRITE_LOCK_BYTE <= int(last):
            return pid
    return None


def _kernel_locks(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """Yield process, kind, first and last byte of each lock on a file (Linux: /proc/locks)."""
    try:
        inode = str(path.stat().st_ino)
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        fields = line.split()
        # Without "->", which marks those who wait.
        if len(fields) == 8 and fields[1] == "POSIX" and fields[4].isdigit():
            pid, place, first, last = fields[4:]
            if place.rpartition(":")[2] == inode:
                yield int(pid), fields[3], first, last


def _pid_in(path: Path) -> int | None:
    try:
        words = path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return int(words[0]) if words and words[0].isdigit() else None
