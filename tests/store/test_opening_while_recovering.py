"""Opening waits for a process that has the whole file to itself, as after a kill, and goes on."""

from __future__ import annotations

import sqlite3
import threading

from p2pcommons.store.database import Database


def test_opening_waits_while_another_process_has_the_file_to_itself(tmp_path):
    path = tmp_path / "replica.db"
    Database(path).close()
    held, release = threading.Event(), threading.Event()

    def recover() -> None:
        # What recovering or removing the log looks like from outside: an exclusive lock.
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
        held.set()
        release.wait(10)
        connection.close()

    other = threading.Thread(target=recover)
    other.start()
    held.wait(10)
    threading.Timer(0.3, release.set).start()
    database = Database(path)
    with database.writing() as connection:
        connection.execute("INSERT INTO meta VALUES('a', 'b')")
    assert database.read("SELECT value FROM meta WHERE key = 'a'") == [("b",)]
    database.close()
    other.join()
