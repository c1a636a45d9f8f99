"""Thirteen years of a real commons of practice notes, replayed with one identity a contributor.

    python bench/replay_tldr.py tldr-history.jsonl[.gz] [--limit N] [--no-sync]

Each event is signed by a key made for its contributor and claims the event's own time:

- publish: the first version of an entry;
- revise: a version that replaces the page's last one, whoever wrote that; a first version where
  the page is not live;
- withdraw: a `withdraw` of the contributor's own live versions where there are any, else a version
  with an empty text and the reason.

Like every writer, a version names what it takes up and all its author's own shown versions.

Prints the count of each, then syncs to a second node and compares.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

from harness import Home, Json, free_address, homes, join, new_commons, say, wait_equal
from p2pcommons.model.keys import Signer, grant_device
from p2pcommons.model.kinds import Body, EntryBody, ProfileBody, WithdrawBody
from p2pcommons.model.limits import PARENTS_MAX
from p2pcommons.model.words import clean_line
from p2pcommons.replica import open_replica

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from p2pcommons.replica import Replica

GONE = "withdrawn by somebody who did not write it"


@dataclass(slots=True)
class Page:
    """A live page: its entry, who began it, its last version, and the shown ones by author."""

    entry: bytes
    first_author: str
    last: bytes
    title: str
    heads: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])

    def parents_for(self, who: str) -> list[bytes]:
        """What a version by `who` names: the last version and the shown ones of `who`."""
        own = [head for head in self.heads.get(who, []) if head != self.last]
        return [self.last, *own[: PARENTS_MAX - 1]]

    def add(self, version: bytes, who: str, parents: list[bytes]) -> None:
        """Keep the heads as the fold does: all replace their own, who began the page any."""
        for author, heads in self.heads.items():
            if author == who or who == self.first_author:
                heads[:] = [head for head in heads if head not in parents]
        self.heads.setdefault(who, []).append(version)
        self.last = version


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--limit", type=int, default=0, help="replay only the first N events")
    parser.add_argument("--no-sync", action="store_true")
    chosen = parser.parse_args()
    with homes(2) as (ana, rui):
        ana.run("init", "--name", "replay")
        commons = new_commons(ana, "Practice notes of many")
        replay_into(ana, commons, chosen.source, chosen.limit)
        if chosen.no_sync:
            return 0
        return sync_and_compare(ana, rui, commons)


def replay_into(home: Home, commons: str, source: Path, limit: int) -> None:
    began = time.monotonic()
    with open_replica(home.path) as replica:
        replay = Replay(replica, bytes.fromhex(commons))
        with replica.batch():
            for number, event in enumerate(events(source), 1):
                replay.take(event)
                if number % 2000 == 0:
                    say(f"{number} events")
                if number == limit:
                    break
    seconds = time.monotonic() - began
    total = sum(replay.counts.values())
    say(
        f"replayed in {seconds:.1f} s, {total / seconds:.0f} contributions/s: "
        f"{len(replay.signers)} contributors, {dict(sorted(replay.counts.items()))}"
    )


def sync_and_compare(ana: Home, rui: Home, commons: str) -> int:
    rui.run("init", "--name", "rui")
    ana.start(listen=free_address())
    join(rui, ana, commons)
    rui.start(listen=free_address())
    seconds, count, fingerprint = wait_equal([ana, rui], commons, 300)
    say(f"synced in {seconds:.1f} s: both have {count} contributions, {fingerprint}")
    return 0


def events(source: Path) -> Iterator[Json]:
    """The events of the file in its order."""
    with gzip.open(source, "rb") if source.suffix == ".gz" else source.open("rb") as lines:
        for line in lines:
            yield cast("Json", json.loads(line))


class Replay:
    """Signs events one after another and keeps what later events refer to."""

    def __init__(self, replica: Replica, commons: bytes) -> None:
        """`commons` takes the contributions; the replica's own person writes none of them."""
        self.replica = replica
        self.commons = commons
        self.pages: dict[str, Page] = {}
        self.signers: dict[str, Signer] = {}
        self.counts: Counter[str] = Counter()

    def take(self, event: Json) -> None:
        """Contribute what one event did."""
        path, who = str(event["path"]), str(event["contributor"])
        at = cast("int", event["time"])
        page = self.pages.get(path)
        if event["action"] == "withdraw":
            if page is not None:
                self._withdraw(page, who, at)
                del self.pages[path]
            else:
                self.counts["withdraw of nothing live"] += 1
            return
        body = body_of(path, str(event["markdown"]))
        if event["action"] == "publish" or page is None:
            kind = "first version" if event["action"] == "publish" else "first version by a revise"
            entry = self._write(kind, who, at, body)
            self.pages[path] = Page(entry, who, entry, body.title, {who: [entry]})
            return
        self._revise("revision", page, who, at, body)

    def _revise(self, kind: str, page: Page, who: str, at: int, body: EntryBody) -> None:
        parents = page.parents_for(who)
        page.add(self._write(kind, who, at, body, page.entry, parents), who, parents)

    def _withdraw(self, page: Page, who: str, at: int) -> None:
        own = page.heads.get(who, [])
        for version in own:
            self._write("withdraw", who, at, WithdrawBody(), version)
        if own:
            self.counts["withdrawals by a writer"] += 1
        else:
            body = EntryBody(form="practice", title=page.title, text="", edit_note=GONE)
            self._revise("empty version", page, who, at, body)

    def _write(
        self,
        kind: str,
        who: str,
        at: int,
        body: Body,
        target: bytes | None = None,
        parents: Sequence[bytes] = (),
    ) -> bytes:
        signer = self.signers.get(who) or self._introduce(who, at)
        self.counts[kind] += 1
        return self.replica.contribute(
            body,
            commons=self.commons,
            target=target,
            parents=parents,
            identity=signer,
            claimed_at=at,
        )

    def _introduce(self, who: str, at: int) -> Signer:
        seed = hashlib.sha256(who.encode()).digest()
        self.signers[who] = grant_device(seed, hashlib.sha256(seed).digest())
        self._write("profile", who, at, ProfileBody(who))
        return self.signers[who]


def body_of(path: str, markdown: str) -> EntryBody:
    """The page as an entry: its platform is a tag, its heading the title."""
    place = PurePosixPath(path)
    heading, _, text = markdown.partition("\n")
    title = clean_line(heading.lstrip("# ")) or place.stem
    return EntryBody(form="practice", title=title, text=text.strip(), tags=(place.parent.name,))


if __name__ == "__main__":
    sys.exit(main())
