"""Writing the file anew gives back what holds nothing, and loses nothing whatever happens."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from histories import BO, GARDEN, NOW, Writer

from p2pcommons.errors import StoreError
from p2pcommons.store import Store, upkeep
from p2pcommons.store.holdings import ROW_BYTES
from tests.store.beds import LATER, bos_entries, take, titles


def test_compacting_gives_back_what_was_dropped_and_loses_nothing(garden):
    made = bos_entries(garden, 200)
    garden.set_budget(GARDEN.id, 10 * ROW_BYTES)
    garden.keep_budgets()
    kept, digest = titles(garden), garden.digest(GARDEN.id)
    before, after = garden.compact()
    assert after.total < before.total
    assert after.log == 0
    assert garden.digest(GARDEN.id) == digest
    assert titles(garden) == kept
    assert len(kept) == len(made)
    assert garden.integrity_check() == []
    assert garden.views_differences() == []


def test_the_sweep_gives_the_room_of_dropped_texts_back_to_the_file(garden, monkeypatch):
    monkeypatch.setattr(upkeep, "TEXTS_TAKEN_OUT_MAX", 50)
    bos_entries(garden, 100)
    garden.set_budget(GARDEN.id, 10 * ROW_BYTES)
    garden.keep_budgets()
    assert int(garden.meta("texts_taken_out")) == 100
    garden._database.empty_log()
    before = garden.disk_state()
    garden.sweep(LATER)
    after = garden.disk_state()
    assert after.file - after.empty < before.file - before.empty
    assert garden.meta("texts_taken_out") is None
    assert garden.integrity_check() == []
    assert garden.views_differences() == []


def test_compacting_without_room_says_so_and_changes_nothing(garden):
    bos_entries(garden, 5)
    before = garden.path.stat().st_mtime_ns, garden.disk_state().file
    with pytest.raises(StoreError, match=r"MB are needed .* nothing was changed"):
        garden.compact(room=lambda: 1_000)
    assert garden.disk_state().file >= before[1]
    assert titles(garden)


def test_compacting_leaves_readers_alone(garden):
    made = bos_entries(garden, 3)
    with Store.open(garden.path) as other:
        assert len(titles(other)) == 3
        garden.compact()
        assert len(titles(other)) == 3
        take(other, Writer(clock=NOW + 60).entry(BO, "After"))
    assert len(titles(garden)) == len(made) + 1


_WRITES_ANEW = """
import sys
from pathlib import Path
from p2pcommons.store import Store
with Store.open(Path(sys.argv[1])) as store:
    print("open", flush=True)
    while True:
        store.compact(room=lambda: 10**12)
"""


def test_a_kill_while_the_file_is_written_anew_loses_nothing(tmp_path):
    path = tmp_path / "replica.db"
    with Store.open(path) as store:
        store.join_commons(GARDEN.id, now=NOW)
        store.ingest([GARDEN], received_at=LATER, own=True)
        made = bos_entries(store, 300)
        digest = store.digest(GARDEN.id)
    for pause in (0.0, 0.01, 0.02, 0.04):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITES_ANEW, str(path)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        time.sleep(pause)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        with Store.open(path) as store:
            assert store.integrity_check() == []
            assert store.digest(GARDEN.id) == digest
            assert len(titles(store)) == len(made)
    assert {file.name for file in tmp_path.iterdir()} <= {
        "replica.db",
        "replica.db-wal",
        "replica.db-shm",
    }


_FULL_DISK = """
import resource, sys
from pathlib import Path
from p2pcommons.errors import StoreError
from p2pcommons.model.kinds import EntryBody
from p2pcommons.store import Store
with Store.open(Path(sys.argv[1])) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        store.compact(room=lambda: 10**12)
    except StoreError as error:
        print(error)
    else:
        print("compacted")
"""


def test_a_disk_that_fills_while_the_file_is_written_anew_leaves_the_store(tmp_path):
    path = tmp_path / "replica.db"
    with Store.open(path) as store:
        store.join_commons(GARDEN.id, now=NOW)
        store.ingest([GARDEN], received_at=LATER, own=True)
        made = bos_entries(store, 300)
        digest = store.digest(GARDEN.id)
    limit = str(path.stat().st_size // 2)
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(path), limit], capture_output=True, text=True
    )
    assert done.stderr == ""
    assert str(path) in done.stdout
    with Store.open(path) as store:
        assert store.integrity_check() == []
        assert store.digest(GARDEN.id) == digest
        assert len(titles(store)) == len(made)
