"""A layer between SQLite and the disk that writes down, and can refuse, whatever is done to files.

It is an SQLite VFS, registered as the default one in the very library that Python's `sqlite3`
uses; so the store runs as it is, with its own SQL, pragmas and connections. Reading, locking and
shared memory go straight to the VFS below.
"""

from __future__ import annotations

import ctypes
import importlib
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

SQLITE_OK = 0
SQLITE_IOERR_FSYNC = 10 | 4 << 8
SQLITE_FULL = 13
_OPEN_CREATE = 0x4
_NAME = b"p2pcommons-recording"


class Op(NamedTuple):
    """One change of a file; `data` are the bytes of a write, `place` its offset or a new size."""

    kind: str
    file: str
    place: int = 0
    data: bytes = b""


@dataclass
class Disk:
    """What was done to the files of one folder, in order."""

    folder: Path
    ops: list[Op] = field(default_factory=list[Op])
    refuse: Callable[[Op], int] = field(default=lambda _op: SQLITE_OK)
    """Asked before each change; anything but SQLITE_OK is what SQLite gets in its stead."""

    def note(self, op: Op) -> int:
        """Write a change down unless it is refused."""
        code = self.refuse(op)
        if code == SQLITE_OK:
            self.ops.append(op)
        return code


class _Methods(ctypes.Structure):
    """sqlite3_io_methods, whose entries are all function pointers."""

    _fields_ = [("version", ctypes.c_int), ("calls", ctypes.c_void_p * 18)]


class _Vfs(ctypes.Structure):
    """sqlite3_vfs of version 3."""

    _fields_ = [
        ("version", ctypes.c_int),
        ("file_bytes", ctypes.c_int),
        ("path_bytes", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("calls", ctypes.c_void_p * 17),
    ]


_CLOSE, _WRITE, _TRUNCATE, _SYNC = 0, 2, 3, 4
_OPEN, _DELETE = 0, 1
_P, _I, _I64 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_CLOSE_CALL = ctypes.CFUNCTYPE(_I, _P)
_WRITE_CALL = ctypes.CFUNCTYPE(_I, _P, _P, _I, _I64)
_TRUNCATE_CALL = ctypes.CFUNCTYPE(_I, _P, _I64)
_SYNC_CALL = ctypes.CFUNCTYPE(_I, _P, _I)
_OPEN_CALL = ctypes.CFUNCTYPE(_I, _P, _P, _P, _I, _P)
_DELETE_CALL = ctypes.CFUNCTYPE(_I, _P, _P, _I)


def why_not() -> str:
    """Return why this Python's SQLite cannot be watched; empty if it can."""
    library = _library()
    return "" if library is not None else "this Python hides its SQLite, so it cannot be watched"


@contextmanager
def watched(folder: Path) -> Generator[Disk]:
    """Write down all that SQLite does to files in `folder` while this lasts.

    Close every connection inside. Only one may be used at a time, in one thread.
    """
    library = _library()
    assert library is not None
    disk = Disk(folder)
    layer = _Layer(disk, library)
    library.sqlite3_vfs_register(ctypes.byref(layer.vfs), 1)
    try:
        yield disk
    finally:
        library.sqlite3_vfs_unregister(ctypes.byref(layer.vfs))
        if layer.open_files:
            raise RuntimeError(f"still open: {sorted(layer.open_files.values())}")


def _library() -> ctypes.CDLL | None:
    """Return the SQLite that this Python's `sqlite3` is linked with."""
    module = importlib.import_module("_sqlite3")
    try:
        library = ctypes.CDLL(getattr(module, "__file__", None))
        library.sqlite3_libversion.restype = ctypes.c_char_p
        same = library.sqlite3_libversion().decode() == sqlite3.sqlite_version
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
    except (OSError, AttributeError):
        return None
    return library if same else None


class _Layer:
    """The VFS itself; it lives as long as it is registered."""

    def __init__(self, disk: Disk, library: ctypes.CDLL) -> None:
        self._disk = disk
        self._below = library.sqlite3_vfs_find(None)
        self._methods: dict[int, _Methods] = {}
        self._kept: list[object] = []
        self.open_files: dict[int, str] = {}
        self.vfs = _Vfs()
        ctypes.pointer(self.vfs)[0] = self._below.contents
        self.vfs.name = _NAME
        self.vfs.next = None
        self._real_open = _OPEN_CALL(self.vfs.calls[_OPEN])
        self._real_delete = _DELETE_CALL(self.vfs.calls[_DELETE])
        self.vfs.calls[_OPEN] = self._keep(_OPEN_CALL(self._open))
        self.vfs.calls[_DELETE] = self._keep(_DELETE_CALL(self._delete))

    def _keep(self, call: ctypes._CFunctionType) -> int | None:  # pyright: ignore[reportPrivateUsage]
        self._kept.append(call)
        return ctypes.cast(call, ctypes.c_void_p).value

    def _open(self, _vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
        path = Path(ctypes.string_at(name).decode()) if name else None
        ours = path is not None and path.parent == self._disk.folder
        is_new = path is not None and ours and flags & _OPEN_CREATE and not path.exists()
        if is_new and path is not None:
            code = self._disk.note(Op("create", path.name))
            if code != SQLITE_OK:
                # The caller may close only what has methods.
                ctypes.c_void_p.from_address(file).value = None
                return code
        code = self._real_open(ctypes.addressof(self._below.contents), name, file, flags, out)
        if code == SQLITE_OK and path is not None and ours:
            place = ctypes.c_void_p.from_address(file)
            assert place.value is not None
            self.open_files[file] = path.name
            place.value = ctypes.addressof(self._patched(place.value))
        return code

    def _delete(self, _vfs: int, name: int, sync_folder: int) -> int:
        path = Path(ctypes.string_at(name).decode())
        if path.parent == self._disk.folder and path.exists():
            code = self._disk.note(Op("delete", path.name, sync_folder))
            if code != SQLITE_OK:
                return code
        return self._real_delete(ctypes.addressof(self._below.contents), name, sync_folder)

    def _patched(self, original: int) -> _Methods:
        """Return the methods of a file with our own in the place of those that change it."""
        if original in self._methods:
            return self._methods[original]
        methods = _Methods()
        ctypes.pointer(methods)[0] = _Methods.from_address(original)
        calls = methods.calls
        close, write = _CLOSE_CALL(calls[_CLOSE]), _WRITE_CALL(calls[_WRITE])
        truncate, sync = _TRUNCATE_CALL(calls[_TRUNCATE]), _SYNC_CALL(calls[_SYNC])
        note, files = self._disk.note, self.open_files

        def on_close(file: int) -> int:
            files.pop(file, None)
            return close(file)

        def on_write(file: int, data: int, size: int, place: int) -> int:
            code = note(Op("write", files[file], place, ctypes.string_at(data, size)))
            return code or write(file, data, size, place)

        def on_truncate(file: int, size: int) -> int:
            return note(Op("truncate", files[file], size)) or truncate(file, size)

        def on_sync(file: int, flags: int) -> int:
            return note(Op("sync", files[file])) or sync(file, flags)

        calls[_CLOSE] = self._keep(_CLOSE_CALL(on_close))
        calls[_WRITE] = self._keep(_WRITE_CALL(on_write))
        calls[_TRUNCATE] = self._keep(_TRUNCATE_CALL(on_truncate))
        calls[_SYNC] = self._keep(_SYNC_CALL(on_sync))
        self._methods[original] = methods
        return methods
