"""A js-libp2p peer as a child process: packages installed once, then one JSON object a line."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

FOLDER = Path(__file__).with_name("js")
INSTALL_SECONDS = 300
ANSWER_SECONDS = 60
NODE_MAJOR_MIN = 20
PUBLISHED_BEFORE = "2026-11-01"
"""Packages that others ask for are taken as they were on this day."""
INSTALL = (
    "install",
    f"--before={PUBLISHED_BEFORE}",
    "--no-package-lock",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
)


def node_program() -> str:
    """Install the packages unless they are there, and return the program `node`.

    Skips the test, and says why, where that is not possible.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("NOT TESTED WITH JS-LIBP2P: the programs node and npm are missing")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.findall(r"\d+", version)[0]) < NODE_MAJOR_MIN:
        pytest.skip(f"NOT TESTED WITH JS-LIBP2P: node {version.strip()} is too old")
    wanted = (FOLDER / "package.json").read_bytes() + " ".join(INSTALL).encode()
    stamp = FOLDER / "node_modules" / ".installed"
    lock = os.open(FOLDER / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        # Tests run side by side.
        fcntl.flock(lock, fcntl.LOCK_EX)
        digest = hashlib.sha256(wanted).hexdigest()
        if not stamp.exists() or stamp.read_text() != digest:
            done = subprocess.run(
                [npm, *INSTALL],
                cwd=FOLDER,
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS,
                check=False,
            )
            if done.returncode != 0:
                said = done.stderr.strip()[-500:]
                pytest.skip(f"NOT TESTED WITH JS-LIBP2P: npm cannot install the packages: {said}")
            stamp.write_text(digest)
    finally:
        os.close(lock)
    return node


class JsPeer:
    """A running js-libp2p peer; see `js/peer.mjs` for what it can be told."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._answer = b""
        self.peer_id = ""
        self.addresses: list[str] = []

    def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """Tell the peer what to do and return what it answers; an error fails the test."""
        answer = self.try_to(op, **fields)
        assert "error" not in answer, answer
        return answer

    def try_to(self, op: str, **fields: object) -> dict[str, Any]:
        """The same; an error is an answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"op": op, **fields}).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._line())

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._answer:
            ready, _, _ = select.select([self._process.stdout], [], [], ANSWER_SECONDS)
            assert ready, "the js peer does not answer"
            data = os.read(self._process.stdout.fileno(), 1 << 20)
            assert data, f"the js peer has ended: {self._process.poll()}"
            self._answer += data
        line, _, self._answer = self._answer.partition(b"\n")
        return line


@contextmanager
def js_peer(
    node: str,
    *,
    listen: Sequence[str] = ("/ip4/127.0.0.1/tcp/0",),
    prefix: Sequence[str] = (),
    **options: object,
) -> Generator[JsPeer]:
    """Run a peer until the block ends; `prefix` runs it inside a network namespace."""
    command = [*prefix, node, "--import", "./polyfill.mjs", "peer.mjs"]
    with subprocess.Popen(
        command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            peer = JsPeer(process)
            started = peer.ask("start", listen=list(listen), **options)
            peer.peer_id, peer.addresses = started["peer_id"], started["addresses"]
            yield peer
        finally:
            process.kill()
