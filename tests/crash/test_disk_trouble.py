"""Trouble with the disk is said in words that name the file and the way out, and costs nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from histories import ANA, GARDEN, NOW, Writer

from p2pcommons import nodeprocess
from p2pcommons.errors import P2PCommonsError, StoreError, UserError
from p2pcommons.replica import Replica, open_replica
from p2pcommons.replica.checks import examine
from p2pcommons.replica.drafts import Draft
from p2pcommons.store import Store

LATER = NOW + 1_000
DB = "replica.db"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, which can be filled."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"NO SMALL DISK CAN BE MOUNTED HERE: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            while True:
                try:
                    file.write(bytes(size))
                except OSError:
                    break
    return filler


def _add_many(replica: Replica, commons: bytes) -> None:
    for number in range(50):
        replica.add_entry(commons, title=f"Number {number}", text="words " * 1_000)


def _begin(home: Path) -> bytes:
    with open_replica(home) as replica:
        replica.create_identity("ana")
        commons = replica.create_commons("Garden").id
        replica.add_entry(commons, title="Compost", text="Turn it weekly.")
        return commons


def test_full_disk_is_said_everywhere_and_everything_can_still_be_read(disk: Path):
    home = disk / "home"
    commons = _begin(home)
    filler = _fill(disk)
    with open_replica(home) as replica:
        assert [row.title for row in replica.entries()] == ["Compost"]
        with pytest.raises(StoreError, match=r"the disk is full.*replica\.db.*Make room"):
            replica.add_entry(commons, title="Too much")
        assert [row.title for row in replica.search("weekly")] == ["Compost"]
        wrong = [check for check in examine(replica) if not check.ok]
        said = {check.name: check.text for check in wrong}
        assert "0 MB free" in said["folders"]
        assert "the disk is full" in said["store"]
        with pytest.raises(UserError, match="drafts"):
            replica.save_draft(Draft("", title="Too much", text="words " * 2_000))
        assert replica.drafts() == []
        filler.unlink()
        replica.add_entry(commons, title="There is room again")
        assert len(replica.entries()) == 2
        assert replica.store.integrity_check() == []
        assert replica.store.views_differences() == []


def test_node_on_a_full_disk_says_why_it_does_not_start(disk: Path):
    _begin(disk / "home")
    _fill(disk)
    with open_replica(disk / "home") as replica, pytest.raises(UserError) as caught:
        nodeprocess.start(replica.paths, mode="off")
    assert "No space left" in caught.value.message or "disk is full" in caught.value.message
    assert "node.log" in caught.value.message


def test_disk_that_fills_up_while_the_store_is_open_takes_up_again(disk: Path):
    home = disk / "home"
    commons = _begin(home)
    with open_replica(home) as replica:
        filler = None
        replica.add_entry(commons, title="Second")
        filler = _fill(disk)
        with pytest.raises(StoreError, match="the disk is full"):
            _add_many(replica, commons)
        held = {row.id for row in replica.entries()}
        filler.unlink()
        added = replica.add_entry(commons, title="There is room again").id
        assert {row.id for row in replica.entries()} == held | {added}
        assert replica.store.views_differences() == []


def test_folder_for_reading_only_is_named(disk: Path):
    home = disk / "home"
    _begin(home)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with open_replica(home) as replica, pytest.raises(P2PCommonsError, match=f"{home}.*--home"):
        replica.entries()


def test_store_removed_while_it_is_open_takes_nothing_more(tmp_path: Path):
    writer = Writer()
    path = tmp_path / DB
    with Store.open(path) as store:
        store.ingest([GARDEN], received_at=LATER, own=True)
        store.data_version()
        store._database.empty_log()
        path.unlink()
        with pytest.raises(StoreError, match=r"replica\.db was removed or replaced"):
            store.ingest([writer.entry(ANA, "Lost", "soil")], received_at=LATER, own=True)
        with pytest.raises(StoreError, match="was removed or replaced"):
            store.data_version()
        with pytest.raises(StoreError, match="was removed or moved"):
            Store.open(path)
    assert not path.exists()


def test_store_replaced_while_it_is_open_takes_nothing_more(tmp_path: Path):
    writer = Writer()
    path = tmp_path / DB
    with Store.open(path) as store:
        store.ingest([GARDEN], received_at=LATER, own=True)
        shutil.copy(path, tmp_path / "copy")
        (tmp_path / "copy").replace(path)
        with pytest.raises(StoreError, match="was removed or replaced"):
            store.ingest([writer.entry(ANA, "Lost", "soil")], received_at=LATER, own=True)


def test_log_removed_while_it_is_open_costs_nothing_that_was_promised(tmp_path: Path):
    writer = Writer()
    path = tmp_path / DB
    kept = writer.entry(ANA, "Kept", "soil")
    with Store.open(path) as store:
        store.ingest([GARDEN, kept], received_at=LATER, own=True)
        Path(f"{path}-wal").unlink()
        with pytest.raises(StoreError, match=r"replica\.db-wal was removed"):
            store.ingest([writer.entry(ANA, "Not taken", "soil")], received_at=LATER, own=True)
        assert store.known([kept.id]) == {kept.id}
    with Store.open(path) as store:
        assert store.known([kept.id]) == {kept.id}
        assert store.integrity_check() == []
        assert store.views_differences() == []
        store.ingest([writer.entry(ANA, "Taken", "soil")], received_at=LATER, own=True)


def test_damaged_page_names_the_way_out(tmp_path: Path):
    path = tmp_path / DB
    writer = Writer()
    with Store.open(path) as store:
        store.ingest([GARDEN], received_at=LATER, own=True)
        entries = [writer.entry(ANA, f"Number {n}", text="x " * 500) for n in range(60)]
        store.ingest(entries, received_at=LATER, own=True)
        root = store._database.read(
            "SELECT rootpage FROM sqlite_master WHERE name = 'contribution'"
        )[0][0]
    with path.open("r+b") as file:
        file.seek((root - 1) * 4_096)
        file.write(b"\xff" * 4_096)
    with Store.open(path) as store, pytest.raises(StoreError) as caught:
        store.contributions_after(GARDEN.id, 0)
    assert str(path) in caught.value.message
    assert "p2pcommons doctor --repair" in caught.value.message
    assert caught.value.is_damage


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may do all")
def test_file_of_somebody_else_names_the_rights(tmp_path: Path):
    path = tmp_path / DB
    Store.open(path).close()
    path.chmod(0)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path(folder.anchor):
            folder.chmod(folder.stat().st_mode | 0o055)
    command = [sys.executable, "-c", TRY_TO_OPEN, str(path)]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ModuleNotFoundError" in done.stderr or "Permission denied: '" in done.stderr:
        pytest.skip("the other account cannot run this Python")
    assert f"chmod 600 {path}" in done.stdout, done


TRY_TO_OPEN = """
import sys
from pathlib import Path
from p2pcommons.errors import StoreError
from p2pcommons.store import Store
try:
    Store.open(Path(sys.argv[1]))
except StoreError as error:
    print(error)
"""
