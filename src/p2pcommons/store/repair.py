"""Mending a store: views are computed anew; a damaged file is replaced by what can be read of it.

The new file is finished and safe on disk before the damaged one gives way, and the damaged one is
kept beside it under a name with the date. Whoever has the store open in another process is named,
and nothing is done then. What is lost comes back from peers: it is not known here any more.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from p2pcommons.errors import StoreError
from p2pcommons.store.locks import who_has_open
from p2pcommons.store.pages import read_pages
from p2pcommons.store.proof import NONSENSE, damaged_contributions
from p2pcommons.store.salvage import Salvaged, salvage
from p2pcommons.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from p2pcommons.model.contribution import Grant

_LOCK_START, _LOCK_BYTES = 0x40000000, 512
"""Every process that has the store open holds a lock in this range (SQLite, "os.h")."""
_MARGIN_BYTES = 10_000_000
_SIDE_FILES = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was, or with a dry run would be, done. Nothing was wrong when `faults` is empty."""

    faults: tuple[str, ...]
    rebuilt: bool = False
    salvaged: Salvaged | None = None
    kept_as: Path | None = None


def repair(
    path: Path,
    *,
    now: int,
    own_grant: Grant | None = None,
    dry_run: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Repaired:
    """Find out what is wrong with a store and mend it.

    Call it only while no node runs. `now` names the damaged file and dates what has lost its
    date; `own_grant` is that of this machine's key. `progress` gets what is being done, how much
    is done and of how many, which is 0 where that is not known. Raises StoreError when the file
    is missing, open elsewhere, of a newer version, no store at all, or when there is no room.
    """
    told = progress or _untold
    finished, unfinished = _beside(path, ".repaired"), _beside(path, ".repairing")
    if not path.exists():
        if not Path(f"{path}-wal").exists():
            raise StoreError(f"there is no store at {path}", str(path))
        with _stand_in(path, dry_run=dry_run):
            return repair(path, now=now, own_grant=own_grant, dry_run=dry_run, progress=progress)
    if not dry_run and _is_newer(finished, path):
        # A repair was cut short when all but the exchange of files was done.
        with _alone(path) as _:
            kept = _exchange(path, finished, now)
        return Repaired(("an earlier repair was cut short",), kept_as=kept)
    for leftover in (unfinished, finished):
        _remove(leftover)
    faults, is_sound = _faults(path, told)
    if not faults:
        return Repaired(())
    if is_sound:
        if not dry_run:
            with Store.open(path) as store:
                store.rebuild_views()
        return Repaired(faults, rebuilt=True)
    _check_room(path)
    with _alone(path) as descriptor:
        pages = read_pages(descriptor, Path(f"{path}-wal"))
        try:
            done = salvage(pages, unfinished, now=now, own_grant=own_grant, progress=told)
        except StoreError as error:
            _remove(unfinished)
            if error.path == str(unfinished):
                raise StoreError(f"{path}: {error.message}", str(path)) from error
            raise
        if dry_run:
            _remove(unfinished)
            return Repaired(faults, salvaged=done)
        _sync(unfinished)
        unfinished.rename(finished)
        _sync(path.parent)
        kept = _exchange(path, finished, now)
    return Repaired(faults, salvaged=done, kept_as=kept)


@contextmanager
def _stand_in(path: Path, *, dry_run: bool) -> Generator[None]:
    """Put an empty file where the store was, so that its log can be read."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    try:
        yield
    finally:
        if dry_run:
            path.unlink()


def _untold(_what: str, _done: int, _of: int) -> None:
    """Show no progress."""


def _faults(path: Path, told: Callable[[str, int, int], None]) -> tuple[tuple[str, ...], bool]:
    """Return what is wrong, and whether it is only what is computed."""
    try:
        with Store.open(path) as store:
            told("checking the file", 0, 0)
            found = store.integrity_check()
            if found:
                return tuple(found), False
            wrong = damaged_contributions(
                path, full=True, progress=lambda done, of: told("checking contributions", done, of)
            )
            if wrong:
                return (f"{wrong} contributions are not as they were signed",), False
            told("checking views", 0, 0)
            return tuple(store.views_differences()), True
    except StoreError as error:
        if not error.is_damage:
            raise
        return (f"{path} cannot be read: {error.__cause__ or error.message}",), False
    except NONSENSE as error:
        return (f"{path} holds rows that make no sense ({type(error).__name__}: {error})",), False


@contextmanager
def _alone(path: Path) -> Generator[int]:
    """Keep other processes from the file, which is open for reading as the descriptor given.

    Raises StoreError naming the process that has it open. While this lasts nothing in this
    process may open the file by its path: closing that would let the lock go.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(f"{path} cannot be opened: {reason}", str(path)) from error
    try:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.lockf(
                    descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCK_BYTES, _LOCK_START, os.SEEK_SET
                )
            except OSError as error:
                who = who_has_open(path)
                raise StoreError(
                    f"{path} is open in {who}; close the screens, stop the node "
                    "(p2pcommons node stop), and try again",
                    str(path),
                ) from error
        yield descriptor
    finally:
        os.close(descriptor)


def _exchange(path: Path, finished: Path, now: int) -> Path:
    """Put the finished file in the place of the damaged one, which stays under another name.

    Each step can be the last one before a crash: until the end the damaged file, with its log,
    is there under its new name, and the finished one under one of its two.
    """
    kept = _free_name(path, now)
    for suffix in ("", "-wal"):
        old = Path(f"{path}{suffix}")
        if old.exists():
            _link(old, Path(f"{kept}{suffix}"))
    _sync(path.parent)
    # A log that is left would be laid over the new file.
    for suffix in _SIDE_FILES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    _sync(path.parent)
    finished.replace(path)
    _sync(path.parent)
    return kept


def _free_name(path: Path, now: int) -> Path:
    date = time.strftime("%Y-%m-%d", time.localtime(now))
    number = 1
    while True:
        kept = _beside(path, f".damaged-{date}" + (f"-{number}" if number > 1 else ""))
        if not kept.exists() or (path.exists() and kept.samefile(path)):
            return kept
        number += 1


def _link(old: Path, new: Path) -> None:
    with suppress(FileExistsError):
        try:
            os.link(old, new)
        except (OSError, NotImplementedError) as error:
            if isinstance(error, FileExistsError):
                raise
            # A file system without second names, as on many sticks.
            shutil.copy2(old, new)
            _sync(new)


def _is_newer(finished: Path, path: Path) -> bool:
    """Tell whether a finished file is there and nothing was written to the store after it."""
    if not finished.exists():
        return False
    store = [Path(f"{path}{suffix}") for suffix in ("", "-wal")]
    last = max(file.stat().st_mtime_ns for file in store if file.exists())
    return last <= finished.stat().st_mtime_ns


def _check_room(path: Path) -> None:
    need = path.stat().st_size + _MARGIN_BYTES
    free = shutil.disk_usage(path.parent).free
    if free < need:
        raise StoreError(
            f"repairing {path} takes {need // 1_000_000} MB beside it, and {free // 1_000_000} MB "
            f"are free at {path.parent}: make room first",
            str(path),
        )


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _remove(path: Path) -> None:
    for suffix in ("", *_SIDE_FILES, "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _sync(path: Path) -> None:
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
