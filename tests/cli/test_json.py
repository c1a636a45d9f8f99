"""With --json stdout holds exactly one object, whatever happens."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).with_name("p2pcommons")


@pytest.mark.parametrize(
    ("line", "code", "word"),
    [
        (["nothing"], 2, "usage"),
        (["list", "--limit", "many"], 2, "usage"),
        (["list", "--nothing"], 2, "usage"),
        (["list", "one-too-many"], 2, "usage"),
        (["commons"], 2, "usage"),
        ([], 2, "usage"),
        (["show", "xyz"], 2, "usage"),
        (["show", "00000000"], 3, "not-found"),
        (["withdraw", "00000000"], 3, "not-found"),
        (["import", "/nowhere"], 3, "not-found"),
        (["sync"], 5, "not-running"),
        (["init", "--name", "Ana"], 7, "conflict"),
        (["export", "--format", "jsonl"], 2, "usage"),
    ],
)
def test_failures_are_one_object_with_the_exit_code(
    garden: Any, line: list[str], code: int, word: str
) -> None:
    done = garden(*line, "--json")
    assert done.code == code
    error = done.json["error"]
    assert error["code"] == word
    assert error["message"]
    assert set(error) <= {"code", "message", "candidates"}


def test_a_mistake_before_the_json_option_is_still_answered_in_json(garden: Any) -> None:
    assert garden("list", "--nothing", "--json").json["error"]["code"] == "usage"


def test_the_object_is_ascii_and_its_times_are_integers(ana: Any) -> None:
    ana.add("Brot und Käse 面包 🍞", "--tag", "käse")
    done = ana("list", "--json")
    assert done.out.isascii()
    entry = done.json["items"][0]
    assert entry["title"] == "Brot und Käse 面包 🍞"
    assert type(entry["claimed_at"]) is int
    assert abs(entry["received_at"] - time.time()) < 600


def test_words_go_to_stderr_and_data_to_stdout(ana: Any) -> None:
    done = ana("add", "--title", "One")
    assert done.out.strip() == ana.json("list")["items"][0]["id"][:10]
    assert "published" in done.err


def test_json_keeps_the_next_steps_to_itself(ana: Any) -> None:
    assert ana("add", "--title", "One", "--json").err == ""


def test_exit_codes_are_those_of_the_errors() -> None:
    from p2pcommons.errors import EXIT_CODES

    assert {code.value: number for code, number in EXIT_CODES.items()} == {
        "failed": 1,
        "usage": 2,
        "not-found": 3,
        "refused": 4,
        "not-running": 5,
        "unreachable": 6,
        "conflict": 7,
    }


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "terminate"]
)
def test_an_interrupted_command_says_so_in_one_object(
    ana: Any, sent: signal.Signals, code: int
) -> None:
    running = subprocess.Popen(
        [PROGRAM, "--home", ana.path, "add", "-", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ana.environment,
    )
    wait_until_it_reads(running.pid)
    running.send_signal(sent)
    out, err = running.communicate(timeout=30)
    assert running.returncode == code
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert b"Traceback" not in err


def wait_until_it_reads(pid: int) -> None:
    """Wait until a process sleeps in a read of its stdin."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if Path(f"/proc/{pid}/wchan").read_text().startswith(("pipe_read", "anon_pipe_read")):
            return
        waiting = Path(f"/proc/{pid}/syscall")
        if waiting.exists() and waiting.read_text().startswith("0 0x0 "):
            return
        time.sleep(0.05)
    raise AssertionError("the program never read its stdin")


def test_a_fault_of_the_program_is_one_object_and_stands_in_the_log(
    ana: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from p2pcommons.cli import root
    from p2pcommons.replica import Replica

    def broken(*_args: object, **_options: object) -> None:
        raise ZeroDivisionError("by a test")

    monkeypatch.setattr(Replica, "tag_counts", broken)
    assert root.run(["--home", str(ana.path), "tags", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "failed"
    assert "ZeroDivisionError: by a test" in (ana.path / "node.log").read_text()
    assert str(ana.path / "node.log") in error["message"]
