"""What is measured of a system, and what every system has to be able to do for it."""

from __future__ import annotations

import hashlib
import json
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LIVE_ADDS = 20
LIVE_PAUSE_SECONDS = 0.1
"""Between two of them: one person writes, and no batch is waited for."""
APART = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as all systems get it: the words, the tags, who says so and when."""

    id: str
    author: str
    time: int
    title: str
    text: str
    tags: tuple[str, ...]

    def as_json(self) -> str:
        """One line of JSON, with names."""
        return json.dumps(
            {
                "id": self.id,
                "author": self.author,
                "time": self.time,
                "title": self.title,
                "text": self.text,
                "tags": list(self.tags),
            },
            ensure_ascii=False,
        )

    def canonical(self) -> str:
        """What is hashed to compare what two systems hold."""
        fields = [self.id, self.author, self.time, self.title, self.text, list(self.tags)]
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def digest(entries: Sequence[Entry]) -> str:
    """SHA-256 over all entries, in the order of their canonical lines."""
    hashed = hashlib.sha256()
    # JavaScript sorts by UTF-16; the words of the corpus are ASCII, where that is the same.
    for line in sorted(entry.canonical() for entry in entries):
        hashed.update(line.encode() + b"\n")
    return hashed.hexdigest()


def write_lines(path: Path, entries: Sequence[Entry]) -> Path:
    """Write entries as lines of JSON."""
    path.write_text("".join(entry.as_json() + "\n" for entry in entries), encoding="utf-8")
    return path


@dataclass
class Figures:
    """One run of one system; None for what it cannot do."""

    full_s: float | None = None
    reconnect_ms: float | None = None
    live_ms: float | None = None
    disk_bytes: float | None = None
    memory_mib: float | None = None
    wrong: list[str] = field(default_factory=list[str])


class System(Protocol):
    """A system to be measured; one object measures one size once."""

    name: str
    notes: Sequence[str]
    entries_max: int

    def install(self, folder: Path) -> None:
        """Put what is needed into `folder`, unless it is there."""
        ...

    def measure(self, folder: Path, entries: Sequence[Entry], more: Sequence[Entry]) -> Figures:
        """Measure in an empty folder; `more` are entries to write later, LIVE_ADDS + APART."""
        ...


def median(values: Sequence[float | None]) -> float | None:
    """The median of what was measured."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def bytes_in(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
