"""What the disk may hold after a crash at any moment of a recorded history.

Three ways to crash before the nth change: the program is killed (all changes before stand, the
nth is half done); the power fails and nothing is left that was not synced; the power fails and
of what was not synced any part is left, in any order, whole or torn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

    from tests.crash.disk import Op

SECTOR_BYTES = 512
"""What a disk writes whole or not at all; pages are torn between two of them."""

KILLED, LOST, SHUFFLED = "killed", "lost", "shuffled"

Files = dict[str, bytes]


@dataclass
class _File:
    """A file as the system shows it, as the disk surely has it, and what lies between."""

    shown: bytearray
    synced: bytes
    pending: list[Op] = field(default_factory=list["Op"])


@dataclass(frozen=True)
class Point:
    """A crash before change `number`, and the files it leaves."""

    number: int
    way: str
    files: Files


class Replay:
    """The files of a history after its first `number` changes."""

    def __init__(self, before: Mapping[str, bytes]) -> None:
        """`before` are the files as they lay safely on disk when the history began."""
        self.number = 0
        self._files = {name: _File(bytearray(data), data) for name, data in before.items()}
        # Removed files, of which the disk may not know yet.
        self._ghosts: dict[str, _File] = {}

    def apply(self, op: Op) -> None:
        """Go one change further."""
        self.number += 1
        if op.kind == "delete":
            gone = self._files.pop(op.file)
            if not op.place:
                self._ghosts[op.file] = gone
            return
        file = self._files.setdefault(op.file, _File(bytearray(), b""))
        if op.kind == "sync":
            file.synced = bytes(file.shown)
            file.pending.clear()
            # A file system keeps the order of what it does to names, and syncs it with any file.
            self._ghosts.clear()
        elif op.kind != "create":
            _change(file.shown, op)
            file.pending.append(op)

    def killed(self, op: Op | None) -> Point:
        """The program is killed in the middle of `op`; the system lives."""
        files = {name: bytes(file.shown) for name, file in self._files.items()}
        if op is not None and op.kind == "write":
            torn = bytearray(files.get(op.file, b""))
            _change(torn, op._replace(data=op.data[: len(op.data) // 2]))
            files[op.file] = bytes(torn)
        return Point(self.number, KILLED, files)

    def lost(self) -> Point:
        """The power fails; what was not synced is gone."""
        files = {name: file.synced for name, file in self._files.items()}
        for name, ghost in self._ghosts.items():
            files.setdefault(name, ghost.synced)
        return Point(self.number, LOST, files)

    def shuffled(self, op: Op | None, chance: Random) -> Point:
        """The power fails; any part of what was not synced is left."""
        files: Files = {}
        for name, file in self._files.items():
            pending = list(file.pending)
            if op is not None and op.file == name and op.kind in ("write", "truncate"):
                pending.append(op)
            files[name] = _some_of(file.synced, pending, chance)
        for name, ghost in self._ghosts.items():
            if chance.random() < 0.5:
                files[name] = _some_of(ghost.synced, ghost.pending, chance)
        return Point(self.number, SHUFFLED, files)


def points(
    before: Mapping[str, bytes],
    ops: Sequence[Op],
    chance: Random,
    *,
    shuffles: int = 1,
    share: float = 1.0,
) -> Iterator[Point]:
    """Yield the crashes of a history: at each change killed, lost, and shuffled so many times.

    Of all these a random `share` is made.
    """
    replay = Replay(before)
    for op in [*ops, None]:
        if chance.random() < share:
            yield replay.killed(op)
        if chance.random() < share:
            yield replay.lost()
        for _ in range(shuffles):
            if chance.random() < share:
                yield replay.shuffled(op, chance)
        if op is not None:
            replay.apply(op)


def _some_of(synced: bytes, pending: Sequence[Op], chance: Random) -> bytes:
    content = bytearray(synced)
    kept_share = chance.choice((0.1, 0.5, 0.9, 1.0))
    for op in pending:
        if chance.random() > kept_share:
            continue
        if op.kind == "write" and len(op.data) > SECTOR_BYTES and chance.random() < 0.2:
            for start in range(0, len(op.data), SECTOR_BYTES):
                if chance.random() < 0.5:
                    part = op.data[start : start + SECTOR_BYTES]
                    _change(content, op._replace(place=op.place + start, data=part))
        else:
            _change(content, op)
    return bytes(content)


def _change(content: bytearray, op: Op) -> None:
    if op.kind == "truncate":
        del content[op.place :]
        content.extend(bytes(op.place - len(content)))
        return
    end = op.place + len(op.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[op.place : end] = op.data
