"""The program without its start: a process that has imported it forks once for each command line.

Two thirds of what a short command costs is the interpreter and its imports, some seven hundred
times in these tests. A fork has descriptors, signals, exit code, threads and end of its own, and
runs the same `main` in the environment that the server was started with. What the start itself
does is for the tests that run the installed program.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = ("cli", "interchange", "model", "replica", "store", "views")
NEVER = {"textual", "rich", "trio", "libp2p", "numpy", "zeroconf", "segno", "asyncio"}
LENGTH_BYTES = 4
PIPE_BYTES = 65_536


class Server:
    """A process from which command lines are forked, with the environment it was started with."""

    def __init__(self, environment: dict[str, str]) -> None:
        """Start it; it ends with its input."""
        self.environment = dict(environment)
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                # Pipes, as each fork will have: what kind they are is looked at when Python starts.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
            )
        self._socket = ours
        self._turn = threading.Lock()

    def run(
        self, arguments: list[str], given: bytes, seconds_max: float
    ) -> tuple[int, bytes, bytes]:
        """Run a command line; return its exit code and what it wrote. Like `subprocess.run`."""
        (stdin, feed), (out, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
        answer, theirs = socket.socketpair()
        request = json.dumps([str(Path.cwd()), *arguments]).encode()
        passed = [stdin, stdout, stderr, theirs.fileno()]
        with theirs, self._turn:
            socket.send_fds(self._socket, [len(request).to_bytes(LENGTH_BYTES, "big")], passed)
            self._socket.sendall(request)
        for each in (stdin, stdout, stderr):
            os.close(each)
        answer.settimeout(seconds_max)
        with answer, answer.makefile("rb") as lines:
            pid = int(lines.readline())
            try:
                written = _exchange(given, feed, (out, err), seconds_max)
                code = int(lines.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
        return code, *written

    def close(self) -> None:
        """End the server, which has said nothing of its own."""
        self._socket.close()
        out, err = self._process.communicate(timeout=30)
        assert (self._process.returncode, out, err) == (0, b"", b"")


def _exchange(
    given: bytes, feed: int, sources: tuple[int, int], seconds_max: float
) -> tuple[bytes, bytes]:
    """Write to one pipe and read the two others until their ends."""
    found: dict[int, list[bytes]] = {source: [] for source in sources}
    rest = memoryview(given)
    os.set_blocking(feed, False)
    with selectors.DefaultSelector() as waiting:
        waiting.register(feed, selectors.EVENT_WRITE)
        for source in sources:
            waiting.register(source, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(seconds_max)
            if not ready:
                for each in (feed, *sources):
                    if each in waiting.get_map():
                        os.close(each)
                raise TimeoutError("the program neither wrote nor ended")
            for key, _ in ready:
                if key.fd == feed:
                    try:
                        rest = rest[os.write(feed, rest[:PIPE_BYTES]) :]
                    except BrokenPipeError:
                        rest = rest[:0]
                    is_over = not rest
                else:
                    data = os.read(key.fd, PIPE_BYTES)
                    found[key.fd].append(data)
                    is_over = not data
                if is_over:
                    waiting.unregister(key.fd)
                    os.close(key.fd)
    out, err = (b"".join(found[source]) for source in sources)
    return out, err


# --- the server --------------------------------------------------------------------------------


def _serve(requests: socket.socket) -> None:
    """Answer requests until there are no more; a fork ends in here."""
    main = _import_all()
    running: dict[int, socket.socket] = {}
    wake, woken = socket.socketpair()
    woken.setblocking(False)
    before = signal.signal(signal.SIGCHLD, _wake)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    with selectors.DefaultSelector() as waiting:
        waiting.register(requests, selectors.EVENT_READ)
        waiting.register(wake, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj is wake:
                    wake.recv(4096)
                    _tell_ends(running)
                    continue
                received = _received(requests)
                if received is None:
                    return
                (place, *arguments), descriptors = received
                answer = socket.socket(fileno=descriptors.pop())
                pid = os.fork()
                if pid:
                    for each in descriptors:
                        os.close(each)
                    running[pid] = answer
                    with contextlib.suppress(OSError):
                        answer.sendall(b"%d\n" % pid)
                    continue
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, before)
                for each in (waiting, wake, woken, requests, answer, *running.values()):
                    each.close()
                for number, each in enumerate(descriptors):
                    os.dup2(each, number)
                    os.close(each)
                os.chdir(place)
                sys.argv = ["p2pcommons", *arguments]
                _end(main())


def _wake(signum: int, frame: object) -> None:
    """Be there, so that the signal wakes the server through its descriptor."""


def _end(code: int) -> None:
    """End as the interpreter does, but do not take its modules apart: half of what is left."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _received(requests: socket.socket) -> tuple[list[str], list[int]] | None:
    length, descriptors, _, _ = socket.recv_fds(requests, LENGTH_BYTES, 4)
    if not length:
        return None
    request = requests.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL)
    return json.loads(request), descriptors


def _tell_ends(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with running.pop(pid) as answer, contextlib.suppress(OSError):
            answer.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _import_all() -> Callable[[], int]:
    """Import what commands import on their way, and none of what only some of them need."""
    from p2pcommons.__main__ import main

    for package in PACKAGES:
        top = importlib.import_module(f"p2pcommons.{package}")
        for module in pkgutil.walk_packages(top.__path__, f"{top.__name__}."):
            importlib.import_module(module.name)
    assert not NEVER & sys.modules.keys(), NEVER & sys.modules.keys()
    # Neither looked through nor copied by each fork.
    gc.collect()
    gc.freeze()
    return main


if __name__ == "__main__":
    # As in a start of its own, nothing of this folder is on the path.
    sys.path.remove(str(Path(__file__).parent))
    _serve(socket.socket(fileno=int(sys.argv[1])))
