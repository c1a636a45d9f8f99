"""The node as a process: start it in the background, stop it, ask how it is.

A started node keeps none of the caller's file descriptors and survives its terminal.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, cast

from p2pcommons import control
from p2pcommons.config import Config
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.logs import last_line
from p2pcommons.model.words import clean_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from p2pcommons.paths import Paths

START_SECONDS = 30.0
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05
_WORDS_BYTES_MAX = 8_192


def start(
    paths: Paths,
    *,
    listen: Sequence[str] = (),
    mode: str | None = None,
    relay: bool = False,
    watch_fd: int | None = None,
    timeout_s: float = START_SECONDS,
) -> dict[str, object]:
    """Start a node in the background and return its status once it listens and answers.

    One that runs already is left as it is. `watch_fd` is the reading end of a pipe: the node
    stops when the other end is closed. Raises UserError for broken settings, and
    UserError(FAILED) with the log's last line and path when the node does not come up within
    `timeout_s`.
    """
    running = status(paths)
    if running["running"]:
        return running
    Config.load(paths.config_file)
    paths.make()
    process = _spawn(paths, listen, mode, watch_fd, relay=relay)
    assert process.stderr is not None
    with process.stderr as said:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            running = status(paths)
            if running["running"]:
                return running
            if process.poll() is not None:
                raise _did_not_start(paths, said.read(_WORDS_BYTES_MAX))
            time.sleep(_POLL_SECONDS)
    process.terminate()
    raise _did_not_start(paths)


def stop(paths: Paths, *, timeout_s: float = STOP_SECONDS) -> bool:
    """Stop the node and return when its process is gone; False when none was running.

    Raises UserError(FAILED) when it does not stop in time.
    """
    try:
        reply = control.request(paths, {"op": "stop"})
    except UserError as error:
        if error.code is ErrorCode.NOT_RUNNING:
            return False
        raise
    pid = cast("int", reply.get("pid", 0))
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not is_alive(pid):
            return True
        time.sleep(_POLL_SECONDS)
    raise UserError(f"the node (process {pid}) does not stop", ErrorCode.FAILED)


def status(paths: Paths) -> dict[str, object]:
    """Return the node's status, or {"running": False} where there is none."""
    try:
        return control.request(paths, {"op": "status"})
    except UserError as error:
        if error.code is ErrorCode.NOT_RUNNING:
            return {"running": False}
        raise


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits to be reaped does not."""
    if pid <= 0:
        return False
    try:
        reaped, _status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        reaped = 0
    if reaped == pid:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def _spawn(
    paths: Paths, listen: Sequence[str], mode: str | None, watch_fd: int | None, *, relay: bool
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "p2pcommons"]
    if paths.config_dir == paths.data_dir:
        command += ["--home", str(paths.home)]
    command += ["node", "run", "--background"]
    for address in listen:
        command += ["--listen", address]
    if mode is not None:
        command += ["--mode", mode]
    if relay:
        command.append("--relay")
    if watch_fd is not None:
        command += ["--watch-fd", str(watch_fd)]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # The reason why it does not start; its log may lie on a full disk. Afterwards it says
        # nothing there.
        stderr=subprocess.PIPE,
        start_new_session=True,
        close_fds=True,
        pass_fds=() if watch_fd is None else (watch_fd,),
        cwd=_steady_folder(paths),
    )


def _steady_folder(paths: Paths) -> Path:
    # A node that stays in the caller's folder would keep that file system busy.
    return paths.state_dir


def _did_not_start(paths: Paths, words: bytes = b"") -> UserError:
    lines = words.decode("utf-8", "replace").strip().splitlines()
    line = (
        clean_line(lines[-1].removeprefix("p2pcommons: ")) if lines else last_line(paths.node_log)
    )
    said = f": {line}" if line else ""
    return UserError(f"the node did not start{said} (log: {paths.node_log})", ErrorCode.FAILED)
