"""Bytes of attachments on disk: whole or a part, never something in between."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from p2pcommons import blobstore
from p2pcommons.blobstore import BlobStore, Described
from p2pcommons.errors import StoreError, UserError
from p2pcommons.model.limits import CHUNK_BYTES

CONTENT = b"".join(bytes([number]) * 100_000 for number in range(7))


def filed(tmp_path: Path) -> Path:
    source = tmp_path / "plan.pdf"
    source.write_bytes(CONTENT)
    return source


def test_a_file_is_copied_described_and_read_back(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    described = store.add(filed(tmp_path))
    assert described.sha256 == hashlib.sha256(CONTENT).digest()
    assert described.size == len(CONTENT)
    assert len(described.chunks) == 32 * 3
    assert b"".join(store.pieces(described.sha256)) == CONTENT
    assert store.read_chunk(described.sha256, 1) == CONTENT[CHUNK_BYTES : 2 * CHUNK_BYTES]
    assert store.read_chunk(described.sha256, 3) is None
    assert store.read_chunk(bytes(32), 0) is None
    assert store.all_held() == {described.sha256}


def test_a_part_goes_on_where_it_was_cut_whatever_a_crash_left_in_it(tmp_path: Path) -> None:
    described = BlobStore(tmp_path / "other").add(filed(tmp_path))
    store = BlobStore(tmp_path / "blobs")
    assert store.held_chunks(described) == set()
    store.write_chunk(described.sha256, 2, CONTENT[2 * CHUNK_BYTES :])
    assert store.held_chunks(described) == {2}
    part = next((tmp_path / "blobs").iterdir())
    with part.open("r+b") as file:
        file.write(b"half a chunk, and then the power went")
    assert BlobStore(tmp_path / "blobs").held_chunks(described) == {2}
    for index in (0, 1):
        store.write_chunk(
            described.sha256, index, CONTENT[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
        )
    assert not store.holds(described.sha256)
    assert store.finish(described)
    assert b"".join(store.pieces(described.sha256)) == CONTENT


def test_a_part_that_the_disk_broke_never_becomes_a_whole(tmp_path: Path) -> None:
    described = BlobStore(tmp_path / "other").add(filed(tmp_path))
    store = BlobStore(tmp_path / "blobs")
    for index in range(3):
        store.write_chunk(described.sha256, index, b"\x00" * 10)
    assert store.finish(described) is False
    assert not store.holds(described.sha256)
    assert store.held_chunks(described) == set()


def test_what_nothing_describes_any_more_goes_after_a_while_and_the_rest_stays(
    tmp_path: Path,
) -> None:
    store = BlobStore(tmp_path / "blobs")
    described = store.add(filed(tmp_path))
    store.write_chunk(b"\x07" * 32, 0, b"a part that was given up")
    long_ago = 1_000_000.0
    for path in (tmp_path / "blobs").iterdir():
        os.utime(path, (long_ago, long_ago))
    assert store.sweep({described.sha256}, older_than=long_ago) == 0
    assert store.sweep({described.sha256}, older_than=long_ago + 1) == 1
    assert store.holds(described.sha256)
    assert store.sweep(set(), older_than=long_ago + 1) == 1
    assert store.bytes_used() == 0


def test_what_cannot_be_attached_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = BlobStore(tmp_path / "blobs")
    (tmp_path / "empty").touch()
    with pytest.raises(UserError, match="empty"):
        store.add(tmp_path / "empty")
    with pytest.raises(UserError, match="cannot be read"):
        store.add(tmp_path / "nothing")
    with pytest.raises(UserError, match="cannot be read"):
        store.add(tmp_path)
    monkeypatch.setattr(blobstore, "ATTACHMENT_BYTES_MAX", 1_000)
    with pytest.raises(UserError, match="too large"):
        store.add(filed(tmp_path))
    assert not list((tmp_path / "blobs").iterdir())


def test_a_folder_that_cannot_be_read_is_a_store_that_fails(tmp_path: Path) -> None:
    # A name that no disk takes stands for a disk that is gone: it fails in the same way.
    store = BlobStore(tmp_path / ("x" * 300))
    described = Described(len(CONTENT), hashlib.sha256(CONTENT).digest(), bytes(32 * 3))
    for look in (
        lambda: store.holds(described.sha256),
        lambda: store.read_chunk(described.sha256, 0),
        lambda: store.held_chunks(described),
        store.bytes_used,
    ):
        with pytest.raises(StoreError):
            look()
