"""The program, run as a person or a script runs it, on homes that are quick to make."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.warm import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(sys.executable).with_name("p2pcommons")
SECONDS_MAX = 60.0


def clean_environment(**more: str) -> dict[str, str]:
    """Return the environment without anything that names a profile; no router is asked."""
    not_ours = ("P2PCOMMONS_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(not_ours)}
    return {**kept, "COLUMNS": "100", "P2PCOMMONS_UPNP": "false", **more}


@cache
def warm() -> Server:
    """Return the process that command lines are forked from."""
    return Server(clean_environment())


@pytest.fixture(scope="session", autouse=True)
def _warm_until_the_end() -> Iterator[None]:
    yield
    if warm.cache_info().currsize:
        warm().close()


@dataclass
class Done:
    """What one run of the program left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on stdout; fails the test when there is anything else."""
        assert self.out.endswith("\n"), self.out
        assert self.out.count("\n") == 1, self.out
        value = json.loads(self.out)
        assert type(value) is dict
        assert value.pop("v") == 1
        return value


@dataclass
class Home:
    """One profile, driven by the program."""

    path: Path
    environment: dict[str, str] = field(default_factory=clean_environment)

    def __call__(self, *arguments: str, stdin: str | bytes = b"") -> Done:
        """Run a command line and return what came of it."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        line = ["--home", str(self.path), *map(str, arguments)]
        if hasattr(os, "fork") and self.environment == warm().environment:
            code, out, err = warm().run(line, given, SECONDS_MAX)
        else:
            done = subprocess.run(
                [PROGRAM, *line],
                input=given,
                capture_output=True,
                timeout=SECONDS_MAX,
                check=False,
                env=self.environment,
            )
            code, out, err = done.returncode, done.stdout, done.stderr
        return Done(code, out.decode(), err.decode())

    def json(self, *arguments: str, stdin: str | bytes = b"") -> Any:
        """Run a command line with --json that must succeed, and return its object."""
        done = self(*arguments, "--json", stdin=stdin)
        assert done.code == 0, done
        return done.json

    def error(self, *arguments: str, stdin: str | bytes = b"") -> tuple[int, str, str]:
        """Run a command line with --json that must fail: exit code, code, message."""
        done = self(*arguments, "--json", stdin=stdin)
        error = done.json["error"]
        return done.code, error["code"], error["message"]

    def add(self, title: str, *options: str) -> str:
        """Publish an entry and return its whole id."""
        return self.json("add", "--title", title, *options)["id"]

    def copy(self, path: Path) -> Home:
        """Return a home with the same files."""
        shutil.copytree(self.path, path)
        return Home(path)


class Terminal:
    """The program on a terminal of its own: stdin, stdout and stderr are one pty."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        """Start the program; its size is that of a small terminal."""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.clear()
            os.environ.update(environment or clean_environment(TERM="xterm", LINES="40"))
            os.execv(PROGRAM, [str(PROGRAM), *arguments])
        self.seen = ""
        self.code: int | None = None

    def expect(self, text: str, seconds: float = SECONDS_MAX) -> str:
        """Read until `text` has been written, and return everything up to it."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert self._read(deadline), f"{text!r} is not in …{self.seen[-500:]!r}"
        before, _, self.seen = self.seen.partition(text)
        return before

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self.fd, text.encode() + b"\r")

    def press(self, keys: bytes) -> None:
        """Press keys as they are."""
        os.write(self.fd, keys)

    def end(self, seconds: float = SECONDS_MAX) -> str:
        """Read until the program ends, and return what it wrote since the last `expect`."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        _, status = os.waitpid(self.pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        os.close(self.fd)
        return self.seen

    def hang_up(self) -> None:
        """Close the terminal under the program and wait until it has ended."""
        os.close(self.fd)
        _, status = os.waitpid(self.pid, 0)
        self.code = os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """End the program if it still runs."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.fd)
            self.code = -1

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self.fd], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"nothing came after …{self.seen[-500:]!r}"
        try:
            data = os.read(self.fd, 65_536)
        except OSError:
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which Ana has started one commons. Never changed: copy it."""
    path = tmp_path_factory.mktemp("homes") / "ana"
    # By the installed program: what a fork of one that has imported everything leaves out.
    home = Home(path, clean_environment(PYTHONHASHSEED="random"))
    home.json("init", "--name", "Ana")
    home.json("commons", "create", "Sun kitchen", "--purpose", "Cooking with the sun")
    return Home(path)


@pytest.fixture
def ana(begun: Home, tmp_path: Path) -> Iterator[Home]:
    """A home of Ana's own, with one commons and no entry; its node is stopped at the end."""
    home = begun.copy(tmp_path / "ana")
    yield home
    if (home.path / "node.sock").exists():
        home("node", "stop")


@pytest.fixture(scope="session")
def garden(begun: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with four entries, for tests that only read."""
    home = begun.copy(tmp_path_factory.mktemp("homes") / "garden")
    home.add(
        "Build a solar oven", "--tag", "solar", "--tag", "diy", "--text", "Mark the focal line."
    )
    home.add("Sprouts on a window sill", "--tag", "food", "--text", "Rinse twice a day.")
    home.add("Parabola", "--tag", "solar", "--form", "article", "--text", "A focal point, no line.")
    home.json("add", "https://example.org/glass", "--title", "Glass or foil", "--tag", "solar")
    return home


@pytest.fixture
def empty(tmp_path: Path) -> Home:
    """A home that does not exist yet."""
    return Home(tmp_path / "new")


@pytest.fixture
def terminal() -> Any:
    """Start programs on terminals of their own; those still running are ended at the end."""
    started: list[Terminal] = []

    def start(*arguments: str, **options: Any) -> Terminal:
        started.append(Terminal(*arguments, **options))
        return started[-1]

    yield start
    for each in started:
        each.close()
