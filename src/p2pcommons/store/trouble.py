"""What went wrong with the file, in words that name it and the way out; and noticing that it went.

A file that is removed or replaced while it is open goes on taking writes that nobody finds again,
so every transaction begins by looking whether the path still leads to what was opened.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from p2pcommons.errors import StoreError
from p2pcommons.store.locks import who_writes

if TYPE_CHECKING:
    from collections.abc import Callable

REPAIR = "p2pcommons doctor --repair"
FULL_BYTES = 200_000
"""With less than this free a failed write means a full disk, whatever SQLite calls it."""

_READING_FAILED = frozenset(
    {
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_CORRUPTFS,
    }
)
_RIGHTS = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN})
_WRITING = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL})


def in_words(error: sqlite3.Error, path: Path) -> StoreError:
    """Return what to raise in place of an error of SQLite."""
    extended = int(getattr(error, "sqlite_errorcode", None) or 0)
    code = extended & 0xFF
    if code == sqlite3.SQLITE_BUSY:
        return StoreError(f"{path} is locked by {who_writes(path)}; nothing was written", str(path))
    if code == sqlite3.SQLITE_FULL or (code in _WRITING and is_full(path)):
        return full_disk(path)
    if code == sqlite3.SQLITE_NOTADB:
        return StoreError(
            f"{path} is damaged at its beginning, or not a store of p2pcommons. "
            f"If it is yours, run: {REPAIR}",
            str(path),
            is_damage=True,
        )
    if code == sqlite3.SQLITE_CORRUPT or extended in _READING_FAILED:
        return damaged(path, error)
    if code in _RIGHTS:
        return StoreError(f"{path} cannot be {_what_not(path)} ({error})", str(path))
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(
            f"the disk failed under {path} ({error}, {getattr(error, 'sqlite_errorname', '')}); "
            "nothing was written. Try again, and have the disk looked at if it goes on",
            str(path),
        )
    return StoreError(f"{path}: {error}", str(path))


def damaged(path: Path, why: object) -> StoreError:
    """Return the error of a file that does not hold what was written."""
    return StoreError(
        f"{path} is damaged ({why}). To save what can be read and have the rest sent again by "
        f"peers, run: {REPAIR}",
        str(path),
        is_damage=True,
    )


def full_disk(path: Path) -> StoreError:
    """Return the error of a disk that takes nothing more."""
    return StoreError(
        f"the disk is full; nothing was written to {path}. Make room and try again", str(path)
    )


def check_not_taken_away(path: Path) -> None:
    """Raise StoreError where only the side files of a store are left.

    Somebody may have it open still; and SQLite would remove a log whose store is empty, and with
    it what was promised to be kept.
    """
    log, index = Path(f"{path}-wal"), Path(f"{path}-shm")
    if _size(log) and not _size(path):
        raise StoreError(
            f"{path} is gone or empty, but its log {log} is there. Put the file back; or, to "
            f"save what the log holds, run: {REPAIR}",
            str(path),
            is_damage=True,
        )
    # In this order: who makes the store just now makes it before its log.
    if (log.exists() or index.exists()) and not path.exists():
        raise StoreError(
            f"{path} was removed or moved while p2pcommons had it open. Put it back; to begin "
            f"anew, close p2pcommons, stop the node (p2pcommons node stop), and remove {log} and "
            f"{index} too",
            str(path),
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def is_full(path: Path) -> bool:
    """Tell whether there is next to no room on the disk of `path`."""
    try:
        return shutil.disk_usage(path.parent).free < FULL_BYTES
    except OSError:
        return False


class Places:
    """The files that were opened, to be found again by their paths."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = Path(f"{path}-wal")
        self._store_at = _identity(path)
        self._log_at: tuple[int, int] | None = None

    def check(self) -> None:
        """Raise StoreError when the store is no longer where it was opened."""
        if self._store_at is not None and _identity(self._path) != self._store_at:
            raise StoreError(
                f"{self._path} was removed or replaced while it was open; nothing more is "
                "written. Close p2pcommons, stop the node (p2pcommons node stop), put the file "
                "back if it was moved, and start again",
                str(self._path),
            )

    def check_log(self, save: Callable[[], None]) -> None:
        """Raise StoreError when the log was removed while in use, after `save` emptied it.

        Call it while the write lock is held; `save` has to give it up first.
        """
        found = _identity(self._log)
        if self._log_at is None:
            self._log_at = found
        elif found != self._log_at:
            save()
            raise StoreError(
                f"{self._log} was removed while it was in use; what it held was moved into "
                f"{self._path}, and nothing was written now. Close p2pcommons, stop the node "
                "(p2pcommons node stop), and start again",
                str(self._path),
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  twice as quick, and done for each transaction
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _what_not(path: Path) -> str:
    """Return what cannot be done with the file, and what would change it."""
    folder = path.parent
    if path.is_dir():
        return "opened: it is a folder. Move the folder away"
    if not path.exists():
        return f"opened: it is not there, or {folder} does not let you in"
    if not os.access(path, os.R_OK):
        return f"read: it belongs to somebody else or is closed to you. Run: chmod 600 {path}"
    if not os.access(path, os.W_OK):
        return f"written: it, or its disk, is for reading only. Run: chmod 600 {path}"
    if not os.access(folder, os.W_OK):
        return (
            f"used: {folder} is for reading only, and the log lies there. Run: chmod 700 {folder}"
        )
    return f"opened or written here: look at the rights of {folder} and of what is in it"
