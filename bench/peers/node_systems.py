"""The systems of JavaScript: two processes of Node each, driven by lines of JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measured import APART, LIVE_PAUSE_SECONDS, Figures, bytes_in, digest, median, write_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from measured import Entry

HERE = Path(__file__).resolve().parent
STOP_SECONDS = 20


class Driver:
    """One process that holds one replica."""

    def __init__(self, home: Path, script: str, *arguments: object) -> None:
        command = ["node", script, *map(str, arguments)]
        self._errors = (home / f"{Path(str(arguments[0])).name}.log").open("wb")
        self._process = subprocess.Popen(
            command, cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )
        self.read()

    def read(self) -> dict[str, Any]:
        """Return the next answer. Raises RuntimeError for an error or an end."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            raise RuntimeError(f"{answer['error']}; see {self._errors.name}")
        return answer

    def send(self, do: str, **fields: object) -> None:
        """Ask for something without waiting for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **fields}).encode() + b"\n")
        self._process.stdin.flush()

    def ask(self, do: str, **fields: object) -> dict[str, Any]:
        """Ask for something and return the answer."""
        self.send(do, **fields)
        return self.read()

    def close(self) -> None:
        """Let it close its files, and end it if it does not."""
        if self._process.poll() is None:
            self.ask("close")
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._errors.close()


@dataclass
class NodeSystem:
    """A system of npm packages, of exactly these versions, and a driver for it."""

    name: str
    script: str
    packages: dict[str, str]
    notes: Sequence[str] = ()
    entries_max: int = 10**9
    overrides: dict[str, str] = field(default_factory=dict[str, str])
    """Versions of packages further down, where the newest needs a newer Node."""
    passes_address: bool = field(default=False)
    """Whether the target has to be told at its start what it will follow."""

    def install(self, folder: Path) -> None:
        """Install the packages into a folder of their own, the driver beside them."""
        home = folder / self.script
        home.mkdir(parents=True, exist_ok=True)
        wanted = json.dumps(
            {
                "private": True,
                "type": "module",
                "dependencies": self.packages,
                "overrides": self.overrides,
            }
        )
        manifest = home / "package.json"
        if not manifest.exists() or manifest.read_text() != wanted:
            manifest.write_text(wanted)
            command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
            subprocess.run(
                [*command, "--ignore-scripts"], cwd=home, check=True, capture_output=True
            )
        for script in ("driver.mjs", f"{self.script}.mjs"):
            shutil.copy(HERE / script, home / script)
        self._home = home

    def measure(self, folder: Path, entries: Sequence[Entry], more: Sequence[Entry]) -> Figures:
        """Measure one size once."""
        paths = {
            "all": write_lines(folder / "all.jsonl", entries),
            "apart": write_lines(folder / "apart.jsonl", more[:APART]),
        }
        lives = [
            write_lines(folder / f"live{number}.jsonl", [entry])
            for number, entry in enumerate(more[APART:])
        ]
        script = f"{self.script}.mjs"
        with ExitStack() as stack:
            source = Driver(self._home, script, folder / "source")
            stack.callback(source.kill)
            source.ask("fill", path=str(paths["all"]))
            address: str = source.ask("listen")["address"]
            told = [address.split(" ")[1]] if self.passes_address else []
            target = Driver(self._home, script, folder / "target", *told)
            stack.callback(target.kill)
            return self._run(source, target, address, paths["apart"], lives, entries, more, folder)

    def _run(
        self,
        source: Driver,
        target: Driver,
        address: str,
        apart: Path,
        lives: Sequence[Path],
        entries: Sequence[Entry],
        more: Sequence[Entry],
        folder: Path,
    ) -> Figures:
        figures = Figures()
        began = target.ask("connect", address=address)["began"]
        figures.full_s = target.ask("wait", count=len(entries))["at"] - began
        figures.memory_mib = max(side.ask("memory")["mib"] for side in (source, target))
        if target.ask("digest")["digest"] != digest(entries):
            figures.wrong.append("the target holds something else after the full sync")
        target.ask("disconnect")
        source.ask("add", path=str(apart))
        began = target.ask("connect", address=address)["began"]
        seen = target.ask("wait", count=len(entries) + APART)["at"]
        figures.reconnect_ms = (seen - began) * 1_000
        times: list[float | None] = []
        for number, path in enumerate(lives, len(entries) + APART + 1):
            time.sleep(LIVE_PAUSE_SECONDS)
            target.send("wait", count=number)
            wrote = source.ask("add", path=str(path))["began"]
            times.append((target.read()["at"] - wrote) * 1_000)
        figures.live_ms = median(times)
        if target.ask("digest")["digest"] != digest([*entries, *more]):
            figures.wrong.append("the target holds something else at the end")
        target.close()
        source.close()
        figures.disk_bytes = bytes_in(folder / "target") / (len(entries) + len(more))
        return figures


NODE_SYSTEMS = (
    NodeSystem(
        "PouchDB 9",
        "pouchdb",
        {"pouchdb": "9.0.0", "express-pouchdb": "4.2.0", "express": "4.22.3"},
        ("CouchDB replication over HTTP; nothing signed, no encryption, no search index",),
    ),
    NodeSystem(
        "hypercore 11",
        "hypercore",
        {"hypercore": "11.37.1"},
        ("one writer, one signature over a tree of all; no index of any kind",),
        passes_address=True,
    ),
    NodeSystem(
        "ssb-db2 8",
        "ssb",
        {
            "ssb-db2": "8.1.0",
            "ssb-ebt": "9.1.2",
            "secret-stack": "6.4.2",
            "ssb-caps": "1.1.0",
            "ssb-keys": "8.5.0",
        },
        ("one author in one feed, every message signed and verified",),
        passes_address=True,
    ),
    NodeSystem(
        "OrbitDB 4",
        "orbitdb",
        {
            "@orbitdb/core": "4.0.0",
            "helia": "6.0.22",
            "libp2p": "3.3.11",
            "@helia/block-brokers": "5.2.4",
            "@libp2p/gossipsub": "15.0.16",
            "@libp2p/identify": "4.1.14",
            "@libp2p/tcp": "11.0.28",
            "@chainsafe/libp2p-noise": "17.0.0",
            "@chainsafe/libp2p-yamux": "8.0.1",
            "@multiformats/multiaddr": "13.0.3",
            "blockstore-level": "3.0.2",
            "datastore-level": "13.0.1",
        },
        ("one author, every entry signed and verified; only 1,000: a larger log takes minutes",),
        entries_max=1_000,
        overrides={"undici": "7.16.0"},
        passes_address=True,
    ),
)
