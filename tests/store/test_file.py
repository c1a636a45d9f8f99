"""The file itself: made, migrated, refused, shared between processes, killed in the middle."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from histories import ANA, GARDEN, NOW, Writer

from p2pcommons.errors import StoreError
from p2pcommons.store import Query, Store
from p2pcommons.store.database import Database
from p2pcommons.store.schema import MIGRATIONS, SCHEMA_VERSION

LATER = NOW + 1_000
HISTORIES = Path(__file__).parents[1] / "views"


def test_a_new_store_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "replica.db"
    with Store.open(path) as store:
        store.join_commons(GARDEN.id, now=NOW)
        assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}


def test_opening_again_finds_what_was_written(tmp_path):
    path = tmp_path / "replica.db"
    with Store.open(path) as store:
        store.ingest([GARDEN], received_at=LATER, own=True)
        store.set_meta("colour", "green")
    with Store.open(path) as store:
        assert store.digest(GARDEN.id).count == 1
        assert store.meta("colour") == "green"
        assert store.meta("shape") is None


def test_migrations_run_in_order_and_once(tmp_path):
    path = tmp_path / "replica.db"
    Database(path).close()
    more = [*MIGRATIONS, ["CREATE TABLE later(x)"], ["ALTER TABLE later ADD y"]]
    database = Database(path, migrations=more)
    assert database.read("PRAGMA user_version") == [(SCHEMA_VERSION + 2,)]
    assert database.read("SELECT x, y FROM later") == []
    database.close()
    Database(path, migrations=more).close()


def test_a_migration_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "replica.db"
    Database(path).close()
    broken = [*MIGRATIONS, ["CREATE TABLE later(x)", "CREATE TABLE commons(x)"]]
    with pytest.raises(StoreError, match=r"replica\.db"):
        Database(path, migrations=broken)
    database = Database(path)
    assert database.read("SELECT count(*) FROM sqlite_master WHERE name = 'later'") == [(0,)]
    database.close()


def test_a_newer_schema_is_refused_with_its_number(tmp_path):
    path = tmp_path / "replica.db"
    Database(path, migrations=[*MIGRATIONS, ["CREATE TABLE later(x)"]]).close()
    with pytest.raises(StoreError, match=f"newer.*schema {SCHEMA_VERSION + 1}") as caught:
        Store.open(path)
    assert caught.value.path == str(path)


def test_another_programs_database_is_refused(tmp_path):
    path = tmp_path / "replica.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE things(x)")
    other.close()
    with pytest.raises(StoreError, match="not a store"):
        Store.open(path)


def test_what_is_no_database_is_refused(tmp_path):
    path = tmp_path / "replica.db"
    path.write_bytes(b"my diary, with nothing secret in it\n" * 100)
    with pytest.raises(StoreError, match="not a store"):
        Store.open(path)
    assert path.read_bytes().startswith(b"my diary")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "nowhere" / "replica.db"
    with pytest.raises(StoreError, match="nowhere"):
        Store.open(path)


def test_a_folder_in_the_way_is_named(tmp_path):
    path = tmp_path / "replica.db"
    path.mkdir()
    with pytest.raises(StoreError, match=r"replica\.db"):
        Store.open(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match=r"replica\.db"):
            Store.open(tmp_path / "replica.db")
    finally:
        tmp_path.chmod(0o700)


def test_reading_only_never_makes_or_changes_a_store(tmp_path):
    path = tmp_path / "replica.db"
    with pytest.raises(StoreError, match=r"replica\.db"):
        Store.open(path, read_only=True)
    assert not path.exists()
    Store.open(path).close()
    with Store.open(path, read_only=True) as store:
        assert store.digest(GARDEN.id).count == 0
        with pytest.raises(StoreError, match="reading only"):
            store.ingest([GARDEN], received_at=LATER)


def test_a_full_disk_is_said_and_what_was_there_stays(tmp_path):
    path = tmp_path / "replica.db"
    writer = Writer()
    with Store.open(path) as store:
        store.join_commons(GARDEN.id, now=NOW)
        store.ingest([GARDEN], received_at=LATER, own=True)
        connection = store._database._writer
        assert connection is not None
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        big = [writer.entry(ANA, f"Number {n}", text="words " * 2_000) for n in range(20)]
        with pytest.raises(StoreError, match="disk is full") as caught:
            store.ingest(big, received_at=LATER, own=True)
        assert str(path) in caught.value.message
        assert store.digest(GARDEN.id).count == 1
        assert store.integrity_check() == []
        connection.execute("PRAGMA max_page_count = 1000000")
        assert len(store.ingest(big, received_at=LATER, own=True).new) == 20
        assert store.views_differences() == []


def test_a_lock_held_by_another_process_is_reported_with_its_id(tmp_path):
    path = tmp_path / "replica.db"
    Store.open(path).close()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    database = Database(path, wait_seconds=0.2)
    expected = f"locked by process {holder.pid}" if sys.platform == "linux" else "locked by"
    with pytest.raises(StoreError, match=expected), database.writing():
        pass
    holder.communicate(b"\n")
    with database.writing() as connection:
        connection.execute("INSERT INTO meta VALUES('a', 'b')")
    database.close()


def test_the_node_is_named_where_the_system_does_not_tell_who_holds_a_lock(tmp_path, monkeypatch):
    path = tmp_path / "replica.db"
    (tmp_path / "node.lock").write_text("4711\n", encoding="ascii")
    monkeypatch.setattr("p2pcommons.store.locks._writer_by_kernel", lambda _: None)
    first, second = Database(path), Database(path, wait_seconds=0.05)
    with (
        first.writing(),
        pytest.raises(StoreError, match="process 4711"),
        second.writing(),
    ):
        pass
    first.close()
    second.close()


def test_a_failure_inside_a_transaction_leaves_no_trace(store):
    store.join_commons(GARDEN.id, now=NOW)
    with pytest.raises(RuntimeError):
        _fail_in_the_middle(store, lambda connection: connection.execute("DELETE FROM commons"))
    assert [row.id for row in store.commons_rows()] == [GARDEN.id]
    entry = Writer().entry(ANA, "Compost", "soil")
    store.ingest([GARDEN, entry], received_at=LATER)
    assert store.views_differences() == []


def test_integers_of_a_transaction_that_failed_are_forgotten(store):
    entry = Writer().entry(ANA, "Compost", "soil")

    def intern(connection):
        store._interner.author(connection, entry.header.author)
        store._interner.commons(connection, GARDEN.id)

    with pytest.raises(RuntimeError):
        _fail_in_the_middle(store, intern)
    store.ingest([GARDEN, entry], received_at=LATER)
    assert store.views_differences() == []


def test_every_commit_is_noticed_by_those_who_look(tmp_path):
    path = tmp_path / "replica.db"
    with Store.open(path) as one, Store.open(path) as two:
        before = two.data_version()
        assert two.data_version() == before
        one.ingest([GARDEN], received_at=LATER)
        assert two.data_version() != before
        assert two.digest(GARDEN.id).count == 1


def test_two_stores_of_one_file_know_each_others_tags(tmp_path):
    path = tmp_path / "replica.db"
    writer = Writer()
    with Store.open(path) as one, Store.open(path) as two:
        for number in range(4):
            entry = writer.entry(ANA, f"Number {number}", "soil", f"tag-{number}")
            (one, two)[number % 2].ingest([entry], received_at=LATER)
        assert one.views_differences() == []


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    path = tmp_path / "replica.db"
    with Store.open(path) as store:
        store.join_commons(GARDEN.id, now=NOW)
        store.ingest([GARDEN], received_at=LATER, own=True)
    writers = [_start(ADD_ENTRIES, path, person, 40) for person in (1, 2, 3)]
    printed = [writer.communicate(timeout=60)[0].decode().split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    with Store.open(path) as store:
        ids = [bytes.fromhex(line) for lines in printed for line in lines]
        assert len(store.known(ids)) == 120
        assert store.views_differences() == []
        assert store.integrity_check() == []


def test_processes_that_make_a_store_at_once_make_one(tmp_path):
    path = tmp_path / "replica.db"
    writers = [_start(ADD_ENTRIES, path, person, 1) for person in (1, 2, 3)]
    for writer in writers:
        writer.communicate(timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    with Store.open(path) as store:
        assert store.digest(GARDEN.id).count == 3


def test_a_store_that_another_makes_between_two_looks_is_not_said_to_be_removed(
    tmp_path, monkeypatch
):
    path = tmp_path / "replica.db"
    made: list[Store] = []
    exists = Path.exists

    def looked(self: Path) -> bool:
        found = exists(self)
        if self == path and not made:
            monkeypatch.undo()
            made.append(Store.open(path))
        return found

    monkeypatch.setattr(Path, "exists", looked)
    with Store.open(path) as store:
        assert made
        assert store.digest(GARDEN.id).count == 0
    made[0].close()


def test_a_store_that_another_makes_between_two_looks_is_not_taken_for_a_strangers(
    tmp_path, monkeypatch
):
    path = tmp_path / "replica.db"
    made: list[Store] = []
    schema = Database._schema
    looks: list[int | None] = []

    def looked(self: Database, connection: sqlite3.Connection) -> int | None:
        looks.append(schema(self, connection))
        if len(looks) == 2:
            monkeypatch.undo()
            made.append(Store.open(path))
        return looks[-1]

    monkeypatch.setattr(Database, "_schema", looked)
    with Store.open(path) as store:
        assert made
        assert store.digest(GARDEN.id).count == 0
    made[0].close()


@pytest.mark.parametrize("round_number", range(3))
def test_what_was_reported_survives_a_kill(tmp_path, round_number):
    path = tmp_path / "replica.db"
    with Store.open(path) as store:
        store.join_commons(GARDEN.id, now=NOW)
        store.ingest([GARDEN], received_at=LATER, own=True)
    writer = _start(ADD_ENTRIES, path, 1, 100_000)
    assert writer.stdout is not None
    reported = [writer.stdout.readline().strip() for _ in range(10 + 17 * round_number)]
    writer.send_signal(signal.SIGKILL)
    reported += [line.strip() for line in writer.stdout if line.endswith(b"\n")]
    writer.wait(timeout=10)
    writer.stdout.close()
    with Store.open(path) as store:
        ids = [bytes.fromhex(line.decode()) for line in reported]
        assert store.known(ids) == set(ids)
        assert store.integrity_check() == []
        assert store.views_differences() == []
        assert store.entry_count(Query(), now=LATER * 2) >= len(ids)


def test_a_store_may_be_handed_from_thread_to_thread(store):
    thread = threading.Thread(target=lambda: store.ingest([GARDEN], received_at=LATER))
    thread.start()
    thread.join()
    assert store.digest(GARDEN.id).count == 1


def _fail_in_the_middle(store, work):
    with store._writing() as connection:
        work(connection)
        raise RuntimeError


def _start(script, path, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path), str(HISTORIES), *map(str, arguments)],
        stdout=subprocess.PIPE,
    )


HOLD_THE_LOCK = textwrap.dedent("""
    import sys
    from pathlib import Path
    from p2pcommons.store.database import Database
    with Database(Path(sys.argv[1])).writing():
        print("held", flush=True)
        sys.stdin.readline()
""")

ADD_ENTRIES = textwrap.dedent("""
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from histories import NOW, Writer, signer
    from p2pcommons.store import Store
    who, writer = signer(int(sys.argv[3])), Writer()
    with Store.open(Path(sys.argv[1])) as store:
        for number in range(int(sys.argv[4])):
            entry = writer.entry(who, f"Number {number}", "soil", f"tag-{number % 7}")
            store.ingest([entry], received_at=NOW + number, own=True)
            print(entry.id.hex(), flush=True)
""")
