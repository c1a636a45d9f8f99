"""p2pcommons: two nodes as people run them, their stores watched through the façade."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from measured import APART, LIVE_PAUSE_SECONDS, Entry, Figures, digest, median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cutting import Cut

import corpus
from full_sync import memory_mib, store_bytes
from harness import Home, count_of, free_address
from p2pcommons.control import request
from p2pcommons.model.ids import to_did
from p2pcommons.model.kinds import EntryBody, parse_body
from p2pcommons.paths import find_paths
from p2pcommons.replica import Replica, open_replica

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from p2pcommons.model.contribution import Contribution
    from p2pcommons.store import Store

SECONDS_MAX = 900.0
LOOK_SECONDS = 0.0005
LOOK_SYNC_SECONDS = 0.005
SHARED = 1 + 1 + corpus.AUTHORS
"""Contributions of the corpus that are no entries: the commons, and everybody's name."""


class OwnSystem:
    """This program."""

    name = "p2pcommons"
    notes: Sequence[str] = (
        "121 authors, every contribution signed and verified, full text and tags indexed",
        "122 more contributions (the commons and names) are sent and kept, and not counted",
    )
    entries_max = 10**9

    def install(self, folder: Path) -> None:
        """Nothing is needed but the program itself."""
        del folder

    def measure(self, folder: Path, entries: Sequence[Entry], more: Sequence[Entry]) -> Figures:
        """Measure one size once."""
        source, target = Home(folder / "source"), Home(folder / "target")
        corpus.build(source.path, len(entries))
        for home in (source, target):
            home.run("init", "--name", home.path.name, accept=(0, 7))
        listening = free_address()
        try:
            source.start(listen=listening)
            target.start(listen=free_address())
            with Cut(int(listening.rpartition("/")[2])) as cut:
                return self._run(source, target, cut, entries, more)
        finally:
            source.stop()
            target.stop()

    def _run(
        self,
        source: Home,
        target: Home,
        cut: Cut,
        entries: Sequence[Entry],
        more: Sequence[Entry],
    ) -> Figures:
        figures = Figures()
        commons = corpus.founding().id
        with open_replica(source.path) as sender, open_replica(target.path) as receiver:
            invite = sender.make_invite(commons, addresses=[cut.address]).text
            began = time.monotonic()
            receiver.join(invite)
            receiver.nudge()
            wait(receiver, commons, count_of(sender, commons.hex()), LOOK_SYNC_SECONDS)
            figures.full_s = time.monotonic() - began
            figures.memory_mib = max(memory_mib(source), memory_mib(target))
            if digest(held(receiver.store)) != digest(entries):
                figures.wrong.append("the target holds something else after the full sync")
            figures.reconnect_ms = reconnect(sender, receiver, target, cut, more[:APART]) * 1_000
            times: list[float | None] = []
            for entry in more[APART:]:
                time.sleep(LIVE_PAUSE_SECONDS)
                wanted = count_of(sender, commons.hex()) + 1
                wrote = time.monotonic()
                write(sender, [entry])
                wait(receiver, commons, wanted, LOOK_SECONDS)
                times.append((time.monotonic() - wrote) * 1_000)
            figures.live_ms = median(times)
            if digest(held(receiver.store)) != digest(held(sender.store)):
                figures.wrong.append("the target holds something else at the end")
        target.stop()
        figures.disk_bytes = store_bytes(target) / (len(entries) + len(more))
        return figures


def reconnect(
    sender: Replica, receiver: Replica, target: Home, cut: Cut, apart: Sequence[Entry]
) -> float:
    """Cut the connection, write, let it through again, and wait; return the seconds."""
    commons = corpus.founding().id
    cut.cut()
    while target.connected():
        time.sleep(0.01)
    before = count_of(receiver, commons.hex())
    write(sender, apart)
    if count_of(receiver, commons.hex()) != before:
        raise RuntimeError("what was written while apart came all the same")
    cut.mend()
    began = time.monotonic()
    request(find_paths(target.path), {"op": "dial"})
    wait(receiver, commons, before + len(apart), LOOK_SECONDS)
    return time.monotonic() - began


def wait(replica: Replica, commons: bytes, count: int, pause_s: float) -> None:
    """Return when a replica holds so many contributions of a commons."""
    deadline = time.monotonic() + SECONDS_MAX
    while count_of(replica, commons.hex()) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count_of(replica, commons.hex())} of {count}")
        time.sleep(pause_s)


def write(replica: Replica, entries: Iterable[Entry]) -> None:
    """Write entries as a person does."""
    for entry in entries:
        replica.add_entry(
            corpus.founding().id,
            title=entry.title,
            text=entry.text,
            form="practice",
            tags=entry.tags,
        )


def held(store: Store) -> list[Entry]:
    """The entries in a store."""
    found: list[Entry] = []
    last = 0
    while read := store.contributions_after(corpus.founding().id, last):
        found += as_entries(item for _, item in read)
        last = read[-1][0]
    return found


def as_entries(made: Iterable[Contribution]) -> Generator[Entry]:
    """Yield what the entries among contributions say."""
    for item in made:
        body = parse_body(item.header.kind, item.body or b"")
        if isinstance(body, EntryBody):
            author, when = to_did(item.header.author), item.header.claimed_at
            yield Entry(item.id.hex(), author, when, body.title, body.text, body.tags)
