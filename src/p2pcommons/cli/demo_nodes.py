"""The node processes of the demo: started with a pipe that they watch, ended whatever happens.

The other end of the pipe lies in this process alone. When it goes, even by SIGKILL, the system
closes that end and the nodes stop by themselves.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from p2pcommons.errors import ErrorCode, UserError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from p2pcommons.replica import Replica

STOPPING = (signal.SIGINT, signal.SIGTERM)
LISTEN = "/ip4/127.0.0.1/tcp/0"
MODE = "friends"
START_SECONDS = 60.0
_POLL_SECONDS = 0.05
_END_SECONDS = 15.0


class DemoNodes:
    """The nodes of one demo."""

    def __init__(self, watch_fd: int) -> None:
        self._watch_fd = watch_fd
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, home: Path) -> Replica:
        """Make a person with a home and a node, and return the replica once the node listens."""
        from p2pcommons import nodeprocess
        from p2pcommons.replica import open_replica

        replica = open_replica(home)
        replica.create_identity(name)
        replica.confirm_words()
        process = self._spawn(home)
        deadline = time.monotonic() + START_SECONDS
        while not nodeprocess.status(replica.paths)["running"]:
            if process.poll() is not None or time.monotonic() > deadline:
                raise UserError(_why_not(name, replica), ErrorCode.FAILED)
            time.sleep(_POLL_SECONDS)
        return replica

    def end(self) -> None:
        """Wait until all nodes are gone; what does not go by itself is killed."""
        deadline = time.monotonic() + _END_SECONDS
        for process in self._processes:
            try:
                process.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _spawn(self, home: Path) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-m", "p2pcommons", "--home", str(home)]
        how = ["--background", "--mode", MODE, "--listen", LISTEN]
        # Stopped between the start of a node and the note of it, nobody would wait for its end.
        with _signals_later():
            process = subprocess.Popen(
                [*program, "node", "run", *how, "--watch-fd", str(self._watch_fd)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(self._watch_fd,),
                # Ctrl-C in the terminal is for the demo, which ends its nodes in order.
                start_new_session=True,
            )
            self._processes.append(process)
        return process


@contextmanager
def _signals_later() -> Generator[None]:
    """Hold back what would stop the demo until the block is through."""
    noted: list[int] = []
    before = {
        number: signal.signal(number, lambda came, _frame: noted.append(came))
        for number in STOPPING
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in noted:
            signal.raise_signal(number)


@contextmanager
def demo_nodes() -> Generator[DemoNodes]:
    """Yield a place for the nodes of a demo, and see them ended at the end."""
    reading, writing = os.pipe()
    nodes = DemoNodes(reading)
    try:
        yield nodes
    finally:
        # A second Ctrl-C must not leave processes behind.
        for signal_number in STOPPING:
            signal.signal(signal_number, signal.SIG_IGN)
        os.close(writing)
        os.close(reading)
        nodes.end()


def _why_not(name: str, replica: Replica) -> str:
    from p2pcommons.logs import last_line

    line = last_line(replica.paths.node_log)
    return f"{name}'s node did not start" + (f": {line}" if line else "")
