"""Start, drive and stop real nodes: the installed program with homes of its own.

Every bench goes through here, so that what it measures is what a person runs. Nodes listen on
loopback in mode `friends` unless a bench says otherwise, and only processes started here are
ever ended, by their own handle.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from p2pcommons.replica import open_replica

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from p2pcommons.replica import Replica

PROGRAM = Path(sys.executable).with_name("p2pcommons")
COMMAND_SECONDS = 120.0
START_SECONDS = 300.0
"""A start costs some three seconds of a processor, which others may be using."""
POLL_SECONDS = 0.1

os.environ.setdefault("P2PCOMMONS_UPNP", "false")  # no router of this machine's network is asked

Json = dict[str, object]


class ProgramError(Exception):
    """The program ended with an exit code that the bench did not expect."""

    def __init__(self, arguments: Sequence[str], code: int, answer: Json, words: str) -> None:
        super().__init__(f"p2pcommons {' '.join(arguments)} ended with {code}: {answer} {words}")
        self.code = code
        self.answer = answer


class Home:
    """One profile in a folder of its own, and the node that runs for it, if one does."""

    def __init__(self, path: Path, prefix: Sequence[str] = ()) -> None:
        """`prefix` is put before the program, to run it inside a network namespace."""
        self.path = path
        self.prefix = tuple(prefix)
        self.node: subprocess.Popen[bytes] | None = None

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        timeout_s: float = COMMAND_SECONDS,
        accept: Sequence[int] = (0,),
    ) -> Json:
        """Run one command and return its object. Raises ProgramError for other exit codes."""
        command = self.command(*arguments, "--json", "--no-input")
        done = subprocess.run(
            command, input=stdin, capture_output=True, timeout=timeout_s, check=False
        )
        answer = _answer(done.stdout)
        if done.returncode not in accept:
            words = done.stderr.decode(errors="replace")[-2000:]
            raise ProgramError(arguments, done.returncode, answer, words)
        return answer

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs the program for this home."""
        return [*self.prefix, str(PROGRAM), "--home", str(self.path), *arguments]

    def configure(self, settings: Mapping[str, Mapping[str, object]]) -> None:
        """Write settings before the first start; tables of names to plain values."""
        lines: list[str] = []
        for table, values in settings.items():
            lines += [f"[{table}]", *(f"{key} = {json.dumps(values[key])}" for key in values)]
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "config.toml").write_text("\n".join(lines) + "\n")

    def start(self, *options: str, mode: str = "friends", listen: str = "") -> Json:
        """Start `node run` as a child, wait until it answers, and return its status.

        A child and not `node start`, so that a bench can kill exactly this process.
        """
        wanted = ["node", "run", "--mode", mode, *options]
        if listen:
            wanted += ["--listen", listen]
        log = self.path / "bench-node.out"
        with log.open("ab") as out:
            self.node = subprocess.Popen(
                self.command(*wanted), stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            status = self.run("node", "status", accept=(0, 5))
            if status.get("running"):
                return status
            if self.node.poll() is not None:
                break
            time.sleep(POLL_SECONDS)
        tail = log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"node of {self.path} did not start: {tail}")

    def stop(self) -> None:
        """End the node as a person would, and wait until it is gone."""
        if self.node is None:
            return
        self.node.send_signal(signal.SIGTERM)
        try:
            self.node.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
        self.node = None

    def kill(self) -> None:
        """End the node with SIGKILL, in the middle of whatever it does."""
        if self.node is not None:
            self.node.kill()
            self.node.wait()
            self.node = None

    def status(self) -> Json:
        """What the node says about itself; `running` is false when there is none."""
        return self.run("node", "status", accept=(0, 5))

    def connected(self) -> int:
        """Number of peers the node is connected with."""
        return sum(bool(peer.get("connected", True)) for peer in items(self.status(), "peers"))

    def digest(self, commons: str) -> tuple[int, str]:
        """Count and fingerprint of one commons, from the store alone."""
        answer = self.run("digest", commons, accept=(0, 3))
        return cast("int", answer.get("count", 0)), str(answer.get("fingerprint", ""))


@contextmanager
def homes(count: int, *, prefixes: Sequence[Sequence[str]] = ()) -> Generator[list[Home]]:
    """`count` homes in a temporary folder, their nodes ended and their files removed at the end."""
    with tempfile.TemporaryDirectory(prefix="p2pc-") as folder:
        made = [
            Home(Path(folder) / f"n{number}", prefixes[number] if prefixes else ())
            for number in range(count)
        ]
        try:
            yield made
        finally:
            for home in made:
                home.stop()


def items(answer: Json, name: str = "items") -> list[Json]:
    """The objects in a list of an answer."""
    return cast("list[Json]", answer.get(name, []))


def wait_until(what: str, is_so: Callable[[], bool], timeout_s: float) -> float:
    """Poll until `is_so`, return the seconds it took. Raises TimeoutError naming `what`."""
    start = time.monotonic()
    while not is_so():
        if time.monotonic() - start > timeout_s:
            raise TimeoutError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - start


def wait_equal(members: Sequence[Home], commons: str, timeout_s: float) -> tuple[float, int, str]:
    """Wait until all homes have one count and fingerprint; seconds, count and fingerprint.

    Counts are watched in this process, which costs the nodes next to nothing; the digests of the
    program are asked for only when the counts are one.
    """
    seen: list[tuple[int, str]] = []
    with ExitStack() as opened:
        replicas = [opened.enter_context(open_replica(home.path)) for home in members]

        def equal() -> bool:
            counts = {count_of(replica, commons) for replica in replicas}
            if len(counts) != 1 or counts == {0}:
                return False
            seen[:] = [home.digest(commons) for home in members]
            return len(set(seen)) == 1

        try:
            seconds = wait_until("all digests equal", equal, timeout_s)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {[home.digest(commons) for home in members]}") from error
    return seconds, *seen[0]


def count_of(replica: Replica, commons: str) -> int:
    """How many contributions of a commons a replica holds."""
    row = replica.store.commons_row(bytes.fromhex(commons))
    return 0 if row is None else row.count


def free_address() -> str:
    """A loopback listen address with a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"/ip4/127.0.0.1/tcp/{probe.getsockname()[1]}"


def new_commons(home: Home, title: str) -> str:
    """Start a commons on `home` and return its id."""
    return str(home.run("commons", "create", title)["id"])


def join(home: Home, inviter: Home, commons: str) -> None:
    """Let `home` join by an invite of `inviter`."""
    invite = str(inviter.run("invite", commons)["invite"])
    home.run("join", invite)


def say(words: str) -> None:
    """Print a line at once, with the seconds since the bench began."""
    print(f"[{time.monotonic() - _BEGAN:7.1f} s] {words}", flush=True)


def _answer(stdout: bytes) -> Json:
    try:
        value: object = json.loads(stdout)
    except ValueError:
        return {}
    return cast("Json", value) if isinstance(value, dict) else {}


_BEGAN = time.monotonic()
os.environ.pop("P2PCOMMONS_HOME", None)
