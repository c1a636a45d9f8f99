"""`demo`: two real nodes, and nothing of it left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from p2pcommons.cli import demo_nodes as demo_nodes_module
from p2pcommons.nodeprocess import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = Path(sys.executable).with_name("p2pcommons")


def demo(tmp_path: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PROGRAM, "demo", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path), **environment},
    )


def homes_in(folder: Path) -> list[Path]:
    """Return what a demo left of its homes; the folder of sockets may stay where paths are long."""
    return list(folder.glob("p2pcommons-demo-*"))


def nodes_in(folder: Path) -> list[int]:
    """Return the processes of nodes whose homes lie in a folder."""
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if str(folder) in read(path) and "node" in read(path)
    ]


def read(path: Path) -> str:
    try:
        return path.read_text().replace("\0", " ")
    except OSError:
        return ""


def test_the_demo_shows_two_equal_replicas_and_a_tag_that_crosses(tmp_path: Path) -> None:
    running = demo(tmp_path, P2PCOMMONS_HOME=str(tmp_path / "mine"), P2PCOMMONS_NAME="Somebody")
    out, err = running.communicate(timeout=90)
    assert running.returncode == 0, err
    held = re.findall(r"(Ana|Rui)  (\d+) contributions  fingerprint (\w{32})  (.+)", out)
    assert [line[0] for line in held] == ["Ana", "Rui"]
    assert held[0][1:] == held[1][1:]
    assert len(held[0][3].split()) == 4
    assert re.search(r"on Ana's replica after .* by Rui~\w{6}", out)
    assert "pipx install ." in out.splitlines()[-1]
    assert "uv tool install --overrides constraints.txt ." in out.splitlines()[-1]
    assert nodes_in(tmp_path) == []
    assert homes_in(tmp_path) == []


def test_the_demo_takes_a_file_and_answers_with_one_object(tmp_path: Path) -> None:
    data = tmp_path / "links.jsonl"
    data.write_text(
        "".join(
            json.dumps({"title": f"Entry {number}", "url": f"https://example.org/{number}"}) + "\n"
            for number in range(300)
        )
    )
    running = demo(tmp_path, str(data), "--json")
    out, err = running.communicate(timeout=90)
    assert running.returncode == 0, err
    answer = json.loads(out)
    assert answer["equal"] is True
    assert answer["count"] >= 302
    assert answer["tag"]["by"].startswith("Rui~")
    assert " 1. " in err


def test_a_demo_without_its_file_ends_before_anything_starts(tmp_path: Path) -> None:
    running = demo(tmp_path, str(tmp_path / "none.html"))
    _, err = running.communicate(timeout=30)
    assert running.returncode == 3
    assert "none.html" in err


def test_stopping_or_killing_the_demo_leaves_no_process(tmp_path: Path) -> None:
    for sent, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        running = demo(tmp_path)
        try:
            pids = wait_for(lambda: nodes_in(tmp_path))
        finally:
            running.send_signal(sent)
        _, err = running.communicate(timeout=60)
        assert running.returncode == code, err
        assert "Traceback" not in err
        wait_for(lambda: not any(is_alive(pid) for pid in pids))  # noqa: B023
        assert bool(homes_in(tmp_path)) is (sent is signal.SIGKILL)


def test_on_a_terminal_the_demo_opens_the_second_replica(
    tmp_path: Path, terminal: Callable[..., Any]
) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("P2PCOMMONS_")
    }
    environment |= {"TMPDIR": str(tmp_path), "TERM": "xterm-256color", "COLUMNS": "120"}
    shown = terminal("demo", environment={**environment, "LINES": "36"})
    shown.expect("on Ana's replica")
    shown.expect("\x1b[?1049h")
    shown.expect("demo: ")
    shown.press(b"\x11")
    shown.expect("pipx install .")
    shown.press(b"\r")
    shown.end()
    assert shown.code == 0
    assert nodes_in(tmp_path) == []


def test_closing_the_terminal_of_the_demo_leaves_nothing(
    tmp_path: Path, terminal: Callable[..., Any]
) -> None:
    shown = terminal("demo", environment={**os.environ, "TMPDIR": str(tmp_path)})
    wait_for(lambda: nodes_in(tmp_path))
    shown.hang_up()
    assert nodes_in(tmp_path) == []
    assert homes_in(tmp_path) == []


def wait_for(is_so: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (value := is_so()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


def test_a_demo_that_is_stopped_while_a_node_starts_waits_for_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(Exception):
        pass

    def stop(*_: object) -> None:
        raise StoppedError

    begin = subprocess.Popen

    def begin_and_be_stopped(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        process = begin(*arguments, **options)  # type: ignore[call-overload]
        signal.raise_signal(signal.SIGTERM)
        return process

    before = {number: signal.getsignal(number) for number in demo_nodes_module.STOPPING}
    signal.signal(signal.SIGTERM, stop)
    monkeypatch.setattr(demo_nodes_module.subprocess, "Popen", begin_and_be_stopped)
    try:
        with pytest.raises(StoppedError), demo_nodes_module.demo_nodes() as nodes:
            nodes.start("Ana", tmp_path / "ana")
        (process,) = nodes._processes
        assert process.returncode is not None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
