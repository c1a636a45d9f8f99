"""Git: an entry is a file, one commit brings many; clone and fetch from a daemon on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from measured import APART, Figures, bytes_in

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from measured import Entry

START_SECONDS = 10.0


class GitSystem:
    """Plain git, as it is found on PATH."""

    name = "git"
    notes: Sequence[str] = (
        "one commit for all, unsigned; it tells nobody of a new commit, so no live figure",
    )
    entries_max = 10**9

    def install(self, folder: Path) -> None:
        """Nothing is needed but git itself."""
        del folder
        subprocess.run(["git", "--version"], check=True, capture_output=True)

    def measure(self, folder: Path, entries: Sequence[Entry], more: Sequence[Entry]) -> Figures:
        """Measure one size once."""
        figures = Figures()
        source, target = folder / "source", folder / "target"
        run(["init", "--quiet", "--bare", "-b", "main", str(source)])
        commit(source, entries)
        with daemon(folder) as port:
            address = f"git://127.0.0.1:{port}/source"
            figures.full_s, figures.memory_mib = timed(["clone", "--quiet", address, str(target)])
            commit(source, more[:APART])
            pulled, _ = timed(["-C", str(target), "pull", "--quiet", "--ff-only"])
            figures.reconnect_ms = pulled * 1_000
            commit(source, more[APART:])
            timed(["-C", str(target), "pull", "--quiet", "--ff-only"])
        held = [path.read_text(encoding="utf-8") for path in target.glob("[0-9a-f][0-9a-f]/*")]
        wanted = [entry.canonical() for entry in (*entries, *more)]
        if sorted(held) != sorted(wanted):
            figures.wrong.append(f"the clone holds {len(held)} of {len(wanted)}, or others")
        figures.disk_bytes = bytes_in(target) / len(wanted)
        return figures


def commit(repository: Path, entries: Sequence[Entry]) -> None:
    """Commit entries as files of a bare repository, in one go."""
    lines: list[bytes] = []
    parents = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "--verify", "--quiet", "main"],
        capture_output=True,
        check=False,
    ).stdout.strip()
    when = int(time.time())
    lines.append(f"commit refs/heads/main\ncommitter a <a@b.invalid> {when} +0000\n".encode())
    lines.append(b"data 7\nentries\n" + (b"from " + parents + b"\n" if parents else b""))
    for entry in entries:
        data = entry.canonical().encode()
        path = f"{entry.id[:2]}/{entry.id[2:]}"
        lines.append(f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n")
    command = ["git", "-C", str(repository), "fast-import", "--quiet"]
    subprocess.run(command, input=b"".join(lines), check=True, capture_output=True)


@contextmanager
def daemon(folder: Path) -> Generator[int]:
    """Serve what lies in a folder on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = ["git", "daemon", "--listen=127.0.0.1", f"--port={port}", "--export-all"]
    command += [f"--base-path={folder}", "--reuseaddr", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    """Return when something listens. Raises TimeoutError."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError("git daemon does not listen")


def timed(arguments: Sequence[str]) -> tuple[float, float]:
    """Run git; return the seconds, and the most memory of it and its children in MiB."""
    began = time.monotonic()
    process = subprocess.Popen(["git", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"git {' '.join(arguments)} ended with {process.returncode}")
    return seconds, usage.ru_maxrss / 1_024


def run(arguments: Sequence[str]) -> None:
    """Run git, and raise if it fails."""
    subprocess.run(["git", *arguments], check=True, capture_output=True)
