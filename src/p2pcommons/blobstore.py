"""The bytes of attachments on disk: whole files named by their SHA-256, and parts of others.

A file is whole or it is a part; a part becomes a whole by one rename, after its last chunk and
its hash were checked. What is held of a part is found by hashing it, so no list can be wrong.
Nothing here looks into the bytes, and nothing is ever executed or opened by name of its sender.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from p2pcommons.errors import ErrorCode, StoreError, UserError
from p2pcommons.model.limits import ATTACHMENT_BYTES_MAX, CHUNK_BYTES
from p2pcommons.paths import make_private

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

_PART = ".part"
_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Described:
    """A file as it is signed: `chunks` are the hashes of its pieces, 32 bytes each."""

    size: int
    sha256: bytes
    chunks: bytes


class BlobStore:
    """The attachments of one profile, below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def holds(self, sha256: bytes) -> bool:
        """Tell whether a whole file is here. Raises StoreError when the folder cannot be read."""
        path = self._whole(sha256)
        with _store_errors(path):
            return path.is_file()

    def path(self, sha256: bytes) -> Path:
        """Return where a whole file lies, or would."""
        return self._whole(sha256)

    def add(self, source: Path) -> Described:
        """Copy a file in and return its description; constant memory.

        Raises UserError for a file that cannot be read, is empty or too large, and StoreError
        where there is no room.
        """
        temporary = self._make_folder() / f".{os.getpid()}{_PART}"
        try:
            described = _copy(source, temporary)
            with _store_errors(self._folder):
                temporary.replace(self._whole(described.sha256))
                _sync_folder(self._folder)
        finally:
            temporary.unlink(missing_ok=True)
        return described

    def read_chunk(self, sha256: bytes, index: int) -> bytes | None:
        """Return a chunk of a whole file; None where the file or the chunk is not here.

        Raises StoreError when it cannot be read.
        """
        if not self.holds(sha256):
            return None
        path = self._whole(sha256)
        with _store_errors(path), path.open("rb") as file:
            file.seek(index * CHUNK_BYTES)
            return file.read(CHUNK_BYTES) or None

    def pieces(self, sha256: bytes) -> Iterator[bytes]:
        """Yield a whole file piece by piece. Raises StoreError when it cannot be read."""
        with _store_errors(self._folder), self._whole(sha256).open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                yield piece

    def held_chunks(self, described: Described) -> set[int]:
        """Return the chunks of a part that are here and right. Raises StoreError."""
        part = self._part(described.sha256)
        held: set[int] = set()
        with _store_errors(part):
            is_begun = part.is_file()
        if not is_begun:
            return held
        with _store_errors(part), part.open("rb") as file:
            for index in range(len(described.chunks) // 32):
                wanted = described.chunks[index * 32 : index * 32 + 32]
                if hashlib.sha256(file.read(CHUNK_BYTES)).digest() == wanted:
                    held.add(index)
        return held

    def write_chunk(self, sha256: bytes, index: int, data: bytes) -> None:
        """Write one chunk, whose hash was checked, into the part. Raises StoreError."""
        part = self._make_folder() / self._part(sha256).name
        with _store_errors(part):
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT, _MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.seek(index * CHUNK_BYTES)
                file.write(data)

    def finish(self, described: Described) -> bool:
        """Make a part whole when it is; False, and the part gone, when its hash is wrong.

        Each chunk was right when it was written: only a broken disk or another program changes
        that. Raises StoreError.
        """
        part = self._part(described.sha256)
        with _store_errors(part):
            with part.open("r+b") as file:
                file.truncate(described.size)
                os.fsync(file.fileno())
                digest = hashlib.file_digest(file, "sha256").digest()
            if digest != described.sha256:
                part.unlink()
                return False
            part.replace(self._whole(described.sha256))
            _sync_folder(self._folder)
        return True

    def remove(self, sha256: bytes) -> bool:
        """Take a file and its part away; False where there was neither. Raises StoreError."""
        removed = False
        for path in (self._whole(sha256), self._part(sha256)):
            with _store_errors(path):
                if path.exists():
                    path.unlink()
                    removed = True
        return removed

    def all_held(self) -> set[bytes]:
        """Return the hashes of all whole files."""
        if not self._folder.is_dir():
            return set()
        names = [path.name for path in self._folder.iterdir() if len(path.name) == 64]
        return {bytes.fromhex(name) for name in names if set(name) <= set("0123456789abcdef")}

    def sweep(self, described: set[bytes], older_than: float) -> int:
        """Remove what nothing describes any more and has not changed since `older_than`.

        `older_than` is in seconds since 1970 UTC. Returns how many files went. Raises StoreError.
        """
        removed = 0
        wanted = {sha256.hex() for sha256 in described}
        with _store_errors(self._folder):
            for path in list(self._folder.iterdir()) if self._folder.is_dir() else []:
                name = path.name.removesuffix(_PART)
                is_wanted = name in wanted
                if not is_wanted and path.stat().st_mtime < older_than:
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed

    def bytes_used(self) -> int:
        """Return how much all files and parts take on disk, in bytes. Raises StoreError."""
        used = 0
        with _store_errors(self._folder):
            for path in self._folder.iterdir() if self._folder.is_dir() else ():
                with suppress(FileNotFoundError):  # a part that has become a whole meanwhile
                    used += path.stat().st_size
        return used

    def _make_folder(self) -> Path:
        make_private(self._folder)
        return self._folder

    def _whole(self, sha256: bytes) -> Path:
        return self._folder / sha256.hex()

    def _part(self, sha256: bytes) -> Path:
        return self._folder / f"{sha256.hex()}{_PART}"


def _copy(source: Path, target: Path) -> Described:
    whole, chunks, size = hashlib.sha256(), bytearray(), 0
    try:
        reading = source.open("rb")
    except OSError as error:
        raise UserError(f"{source} cannot be read: {error.strerror}") from error
    with reading, _store_errors(target.parent):
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
        with os.fdopen(descriptor, "wb") as writing:
            while piece := _read(reading, source):
                size += len(piece)
                if size > ATTACHMENT_BYTES_MAX:
                    raise UserError(
                        f"{source} is too large: an attachment has at most "
                        f"{ATTACHMENT_BYTES_MAX // 1_048_576} MiB"
                    )
                whole.update(piece)
                chunks += hashlib.sha256(piece).digest()
                writing.write(piece)
            writing.flush()
            os.fsync(writing.fileno())
    if not size:
        raise UserError(f"{source} is empty")
    return Described(size, whole.digest(), bytes(chunks))


def _read(file: BinaryIO, source: Path) -> bytes:
    try:
        return file.read(CHUNK_BYTES)
    except OSError as error:
        raise UserError(f"{source} cannot be read: {error.strerror}", ErrorCode.USAGE) from error


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _store_errors(path: Path) -> Generator[None]:
    """Raise StoreError for what the disk does, or another program that takes a file away."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}", str(path)) from error
