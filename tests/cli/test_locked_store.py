"""A store that a stopped process holds: it is named, and what was typed is not lost."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from p2pcommons.cli.root import run
from p2pcommons.replica import open_replica

HOLD = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def stopped_holder(tmp_path, monkeypatch):
    """A home whose store is locked by a process that was stopped inside a transaction."""
    monkeypatch.setattr("p2pcommons.store.database.WAIT_SECONDS", 0.2)
    home = tmp_path / "home"
    assert run(["--home", str(home), "init", "--name", "Ana", "--no-input"]) == 0
    assert run(["--home", str(home), "commons", "create", "Garden", "--no-input"]) == 0
    assert run(["--home", str(home), "add", "--title", "Oven", "--text", "Hot.", "--no-input"]) == 0
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home / "replica.db")], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    yield home, holder.pid
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()


def test_add_to_a_locked_store_names_the_process_and_keeps_what_was_typed(stopped_holder, capsys):
    home, pid = stopped_holder
    typed = ["--title", "Compost", "--text", "Turn it weekly.", "--tag", "soil"]
    assert run(["--home", str(home), "add", *typed, "--no-input"]) == 1
    said = capsys.readouterr().err
    expected = f"locked by process {pid}" if sys.platform == "linux" else "locked by"
    assert expected in said
    assert "kept as a draft" in said
    with open_replica(home) as replica:
        (draft,) = replica.drafts()
        assert (draft.title, draft.text, draft.tags) == ("Compost", "Turn it weekly.", ("soil",))
        assert draft.commons == replica.commons()[0].id.hex()


def test_edit_of_a_locked_store_keeps_the_whole_version_as_a_draft(stopped_holder, capsys):
    home, _ = stopped_holder
    with open_replica(home) as replica:
        (commons,) = replica.commons()
        (entry,) = replica.entries(commons=[commons.id])
    given = ["edit", entry.id.hex(), "--text", "Hotter."]
    assert run(["--home", str(home), *given, "--no-input"]) == 1
    assert "kept as a draft" in capsys.readouterr().err
    with open_replica(home) as replica:
        (draft,) = replica.drafts()
    assert (draft.entry, draft.title, draft.text) == (entry.id.hex(), "Oven", "Hotter.")
