"""Damages stores and mends them, and knows what they held before."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from random import Random

from histories import ANA, GARDEN, NOW, Writer

from p2pcommons.model.contribution import Contribution
from p2pcommons.store import Query, Store
from p2pcommons.store.proof import damaged_contributions
from p2pcommons.store.repair import Repaired, repair
from tests.crash.session import DB, THURSDAY, record_day

PAGE = 4_096
OWN = (ANA.author, ANA.device, ANA.grant)


class Kept:
    """A store as it was, and everything that a peer would send of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        record_day(folder, foreign=200, room=False)
        with Store.open(folder / DB) as store:
            store.upsert_peer("12D3KooWpeer", ["/ip4/192.0.2.1/tcp/1"], source="manual", now=NOW)
            store._database.empty_log()
            rows = store.contributions_after(GARDEN.id, 0, limit=10_000)
            self.contributions = {item.id: item for _, item in rows}
            self.digest = store.digest(GARDEN.id)
            self.shown = shown(store)
            self.pages = (folder / DB).stat().st_size // PAGE
            self.own = {item.id for _, item in store.own_after(0, limit=10_000)}

    def copied_to(self, folder: Path) -> Path:
        shutil.copy(self.folder / DB, folder / DB)
        return folder / DB

    def sync_into(self, store: Store) -> list[Contribution]:
        """Give a store what it does not know, and the bodies it wants, as a peer would."""
        known = store.known(list(self.contributions))
        wanted = set(store.bodies_wanted(GARDEN.id, now=THURSDAY, limit=10_000))
        sent = [each for each in self.contributions.values() if each.id not in known - wanted]
        for start in range(0, len(sent), 100):
            store.ingest(sent[start : start + 100], received_at=THURSDAY, source="peer")
        return sent


def shown(store: Store) -> list[tuple[object, ...]]:
    ids = store.entry_ids(Query(), now=THURSDAY)
    return sorted(
        (row.id, row.title or "", sorted(row.tags), row.versions, row.heads)
        for row in store.entry_rows(ids)
    )


def smash(path: Path, pages: list[int], chance: Random) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(chance.randbytes(PAGE))


def mend(path: Path, **options: bool) -> Repaired:
    return repair(path, now=THURSDAY, own_grant=OWN, **options)


def check_equal_after_sync(kept: Kept, path: Path) -> None:
    with Store.open(path) as store:
        assert store.integrity_check() == []
        assert store.views_differences() == []
        assert store.known(list(kept.contributions)) <= kept.contributions.keys()
        assert [row.id for row in store.commons_rows()] == [GARDEN.id]
        kept.sync_into(store)
        assert store.digest(GARDEN.id) == kept.digest
        assert shown(store) == kept.shown
        assert store.views_differences() == []
        new = Writer(clock=THURSDAY).entry(ANA, "Life goes on", "soil")
        assert store.ingest([new], received_at=THURSDAY, own=True).new == (new.id,)
    assert damaged_contributions(path, full=True) == 0


def page_of(path: Path, name: str) -> int:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,))
    page = found.fetchone()[0]
    connection.close()
    return page
