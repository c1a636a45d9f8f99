"""A damaged store is mended: what proves itself is kept, what is lost comes back from peers."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from histories import ANA, BO, GARDEN, NOW, Writer

from p2pcommons.errors import StoreError
from p2pcommons.model.contribution import Contribution
from p2pcommons.store import Query, Store
from p2pcommons.store.pages import read_pages
from p2pcommons.store.proof import damaged_contributions, sampled_views_differences
from p2pcommons.store.repair import Repaired, repair
from tests.crash.session import DB, FIRST_STORE, THURSDAY, record_day

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
            self.shown = _shown(store)
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


def _shown(store: Store) -> list[tuple[object, ...]]:
    ids = store.entry_ids(Query(), now=THURSDAY)
    return sorted(
        (row.id, row.title or "", sorted(row.tags), row.versions, row.heads)
        for row in store.entry_rows(ids)
    )


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(dir=memory) as folder:
        yield Kept(Path(folder))


@pytest.fixture
def folder() -> Iterator[Path]:
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(dir=memory) as found:
        yield Path(found)


def _smash(path: Path, pages: list[int], chance: Random) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(chance.randbytes(PAGE))


def _mend(path: Path, **options: bool) -> Repaired:
    return repair(path, now=THURSDAY, own_grant=OWN, **options)


def _check_equal_after_sync(kept: Kept, path: Path) -> None:
    with Store.open(path) as store:
        assert store.integrity_check() == []
        assert store.views_differences() == []
        assert store.known(list(kept.contributions)) <= kept.contributions.keys()
        assert [row.id for row in store.commons_rows()] == [GARDEN.id]
        kept.sync_into(store)
        assert store.digest(GARDEN.id) == kept.digest
        assert _shown(store) == kept.shown
        assert store.views_differences() == []
        new = Writer(clock=THURSDAY).entry(ANA, "Life goes on", "soil")
        assert store.ingest([new], received_at=THURSDAY, own=True).new == (new.id,)
    assert damaged_contributions(path, full=True) == 0


@pytest.mark.parametrize("seed", range(5))
def test_store_with_random_pages_overwritten_is_equal_after_repair_and_sync(
    kept: Kept, folder: Path, seed: int
):
    chance = Random(seed)
    path = kept.copied_to(folder)
    count = chance.choice([1, 2, 5, 15, 40])
    _smash(path, chance.sample(range(1, kept.pages + 1), count), chance)
    before = path.read_bytes()
    done = _mend(path)
    if done.kept_as is None:
        # What was overwritten was free, or is computed.
        assert done.salvaged is None
    else:
        assert done.kept_as.read_bytes() == before
    _check_equal_after_sync(kept, path)
    assert _mend(path).faults == ()


def _page_of(path: Path, name: str) -> int:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,))
    page = found.fetchone()[0]
    connection.close()
    return page


@pytest.mark.parametrize("seed", [8, 33, 34, 57])
def test_store_with_pages_in_each_others_place_or_bytes_changed_is_mended(
    kept: Kept, folder: Path, seed: int
):
    """33, 34 and 57: what SQLite said of the schema could not be decoded."""
    chance = Random(seed)
    path = kept.copied_to(folder)
    content = bytearray(path.read_bytes())
    if seed % 2:
        for _ in range(200):
            content[chance.randrange(len(content))] = chance.randrange(256)
        name = content.index(b"CREATE TABLE commons")
        content[name + 13] = 0xD3
    else:
        for _ in range(5):
            one, other = (chance.randrange(kept.pages) * PAGE for _ in range(2))
            kept_page = content[one : one + PAGE]
            content[one : one + PAGE] = content[other : other + PAGE]
            content[other : other + PAGE] = kept_page
    path.write_bytes(content)
    _mend(path)
    _check_equal_after_sync(kept, path)


@pytest.mark.parametrize(
    "names",
    [
        ["contribution"],
        ["sqlite_autoindex_contribution_1"],
        ["author", "commons"],
        ["entry_text_data"],
        ["entry"],
        ["meta", "peer"],
    ],
    ids="+".join,
)
def test_root_of_a_tree_is_lost(kept: Kept, folder: Path, names: list[str]):
    path = kept.copied_to(folder)
    _smash(path, [_page_of(path, name) for name in names], Random(1))
    done = _mend(path)
    assert done.salvaged is not None
    assert done.salvaged.kept == len(kept.contributions)
    assert done.salvaged.own == len(kept.own)
    _check_equal_after_sync(kept, path)


def test_beginning_of_the_file_is_lost_and_nothing_signed_with_it(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    _smash(path, [1], Random(1))
    with pytest.raises(StoreError, match=r"doctor --repair"):
        Store.open(path)
    done = _mend(path)
    assert done.salvaged is not None
    assert done.salvaged.kept == len(kept.contributions)
    with Store.open(path) as store:
        assert [peer.peer_id for peer in store.peers()] == ["12D3KooWpeer"]
    _check_equal_after_sync(kept, path)


def test_words_changed_behind_sqlites_back_are_found_and_fetched_again(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    content = path.read_bytes()
    words = b"Theirs 104"
    assert words in content
    path.write_bytes(content.replace(words, b"Theirs 1O4"))
    with Store.open(path) as store:
        assert store.integrity_check() == []
    assert damaged_contributions(path) == 1
    done = _mend(path)
    assert done.salvaged is not None
    assert done.salvaged.without_body == 1
    with Store.open(path) as store:
        assert len(store.bodies_wanted(GARDEN.id, now=THURSDAY)) == 1
    _check_equal_after_sync(kept, path)


def test_signature_changed_behind_sqlites_back_costs_only_that_contribution(
    kept: Kept, folder: Path
):
    path = kept.copied_to(folder)
    victim = next(each for each in kept.contributions.values() if each.id not in kept.own)
    content = path.read_bytes()
    path.write_bytes(content.replace(victim.signature, bytes(64)))
    assert damaged_contributions(path) == 0
    assert damaged_contributions(path, full=True) == 1
    # Something that a quick look finds as well.
    _smash(path, [_page_of(path, "entry")], Random(1))
    done = _mend(path)
    assert done.salvaged is not None
    assert (done.salvaged.refused, done.salvaged.missing) == (1, 1)
    _check_equal_after_sync(kept, path)


def test_log_that_was_not_folded_in_is_read_too(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    late = Writer(clock=THURSDAY).entry(ANA, "Written last", "soil")
    copy = folder / "crashed"
    copy.mkdir()
    with Store.open(path) as store:
        store.ingest([late], received_at=THURSDAY, own=True)
        for name in (DB, f"{DB}-wal"):
            shutil.copy(folder / name, copy / name)
    _smash(copy / DB, [_page_of(path, "contribution")], Random(1))
    assert _mend(copy / DB).kept_as is not None
    with Store.open(copy / DB) as store:
        assert store.known([late.id]) == {late.id}


@pytest.mark.parametrize("how", ["removed", "emptied"])
def test_log_whose_store_is_gone_is_kept_and_saved(folder: Path, how: str):
    path = folder / DB
    writer = Writer()
    mine = [GARDEN, *(writer.entry(ANA, f"Number {n}", "soil") for n in range(20))]
    with Store.open(path) as store:
        store.join_commons(GARDEN.id, now=NOW)
        for each in mine:
            store.ingest([each], received_at=THURSDAY, own=True)
        log = (folder / f"{DB}-wal").read_bytes()
    for file in folder.iterdir():
        file.unlink()
    (folder / f"{DB}-wal").write_bytes(log)
    if how == "emptied":
        path.write_bytes(b"")
    with pytest.raises(StoreError, match=r"replica\.db is gone or empty.*doctor --repair"):
        Store.open(path)
    assert (folder / f"{DB}-wal").read_bytes() == log
    done = _mend(path, dry_run=True)
    assert done.salvaged is not None
    assert done.salvaged.own == len(mine)
    assert path.exists() is (how == "emptied")
    assert _mend(path).salvaged is not None
    with Store.open(path) as store:
        assert store.known([each.id for each in mine]) == {each.id for each in mine}


def test_log_cut_in_the_middle_loses_only_its_end(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    writer = Writer(clock=THURSDAY)
    first, second = writer.entry(ANA, "One", "soil"), writer.entry(ANA, "Two", "soil")
    copy = folder / "crashed"
    copy.mkdir()
    with Store.open(path) as store:
        store.ingest([first], received_at=THURSDAY, own=True)
        size = (folder / f"{DB}-wal").stat().st_size
        store.ingest([second], received_at=THURSDAY, own=True)
        for name in (DB, f"{DB}-wal"):
            shutil.copy(folder / name, copy / name)
    with (copy / f"{DB}-wal").open("r+b") as log:
        log.truncate(size + PAGE)
    with Store.open(copy / DB) as store:
        assert store.known([first.id, second.id]) == {first.id}
        assert store.integrity_check() == []
    assert _mend(copy / DB).faults == ()


def test_dry_run_changes_nothing(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    _smash(path, [_page_of(path, "contribution")], Random(1))
    before = path.read_bytes()
    done = _mend(path, dry_run=True)
    assert done.salvaged is not None
    assert done.salvaged.kept == len(kept.contributions)
    assert path.read_bytes() == before
    assert {file.name for file in folder.iterdir()} <= {DB, f"{DB}-wal", f"{DB}-shm"}


def test_views_alone_are_computed_anew_in_place(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM entry_tag")
    connection.commit()
    connection.close()
    done = _mend(path)
    assert (done.rebuilt, done.kept_as, done.salvaged) == (True, None, None)
    _check_equal_after_sync(kept, path)


def test_own_contributions_are_found_under_a_lost_grant(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    lost = ["author", "sqlite_autoindex_author_1", "device_grant"]
    _smash(path, [_page_of(path, name) for name in lost], Random(1))
    done = _mend(path)
    assert done.salvaged is not None
    mine = {i for i in kept.own if kept.contributions[i].header.device == ANA.device}
    assert done.salvaged.own == len(mine)
    _check_equal_after_sync(kept, path)


def test_repair_is_refused_while_another_process_has_the_store_open(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_OPEN, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"
    _smash(path, [_page_of(path, "contribution")], Random(1))
    before = path.read_bytes()
    expected = f"open in process {holder.pid}" if sys.platform == "linux" else "open in"
    with pytest.raises(StoreError, match=expected):
        _mend(path)
    assert path.read_bytes() == before
    holder.communicate(b"\n")
    assert _mend(path).kept_as is not None


def test_repair_that_was_cut_short_is_finished(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    _smash(path, [_page_of(path, "contribution")], Random(1))
    damaged = path.read_bytes()
    _mend(path)
    # As if it had stopped just before the new file took its place.
    path.rename(folder / f"{DB}.repaired")
    path.write_bytes(damaged)
    os.utime(path, (NOW, NOW))
    done = _mend(path)
    assert done.kept_as is not None
    assert done.kept_as.read_bytes() == damaged
    _check_equal_after_sync(kept, path)


def test_repair_begins_anew_when_the_store_was_written_to_since_one_was_cut_short(
    kept: Kept, folder: Path
):
    path = kept.copied_to(folder)
    _smash(path, [_page_of(path, "contribution")], Random(1))
    (folder / f"{DB}.repaired").write_bytes(b"of an earlier day")
    os.utime(folder / f"{DB}.repaired", (NOW, NOW))
    done = _mend(path)
    assert done.salvaged is not None
    _check_equal_after_sync(kept, path)


def test_two_repairs_on_one_day_keep_both_damaged_files(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    names = set[Path | None]()
    for seed in range(2):
        _smash(path, [_page_of(path, "contribution")], Random(seed))
        names.add(_mend(path).kept_as)
    assert len(names) == 2


def _other_program(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE things(x)")
    connection.commit()
    connection.close()


NO_STORES: dict[str, Callable[[Path], object]] = {
    "a diary": lambda path: path.write_bytes(b"nothing secret in it\n" * 1_000),
    "something else's": _other_program,
}


@pytest.mark.parametrize("what", NO_STORES)
def test_what_is_no_store_is_left_alone(folder: Path, what: str):
    path = folder / DB
    NO_STORES[what](path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=DB):
        _mend(path)
    assert path.read_bytes() == before
    assert [file.name for file in folder.iterdir()] == [DB]


def test_store_of_a_newer_version_is_left_alone(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="newer"):
        _mend(path)


def test_sample_of_views_finds_what_the_full_fold_finds(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    assert sampled_views_differences(path, 1_000) == []
    for statement, word in (
        ("UPDATE entry SET versions = versions + 1 WHERE state = 0", "entries differ"),
        ("DELETE FROM tagging", "tags differ"),
        ("UPDATE commons SET count = count + 1", "figures differ"),
        ("UPDATE tag_count SET count = count + 1", "tag counts differ"),
        ("INSERT INTO entry_text(entry_text) VALUES('delete-all')", "full text lacks words"),
        ("UPDATE contribution SET state = 2 WHERE kind = 'entry'", "states differ"),
    ):
        copy = folder / "wrong.db"
        shutil.copy(path, copy)
        connection = sqlite3.connect(copy)
        connection.execute(statement)
        connection.commit()
        connection.close()
        assert word in " ".join(sampled_views_differences(copy, 1_000)), statement


def test_what_was_let_go_for_room_and_what_is_pinned_is_remembered(folder: Path):
    record_day(folder, foreign=96)
    path = folder / DB

    def remembered() -> list[object]:
        with Store.open(path) as store:
            store._database.empty_log()
            known = sorted(store.removed())
            return [store.pins(), known, store.digest(GARDEN.id), _shown(store)]

    before = remembered()
    _smash(path, [_page_of(path, "entry")], Random(1))
    assert _mend(path).kept_as is not None
    assert remembered() == before
    with Store.open(path) as store:
        assert store.bodies_wanted(GARDEN.id, now=THURSDAY) == []
        assert store.views_differences() == []


@pytest.mark.parametrize("name", ["contribution", "author", "commons"])
def test_damaged_store_of_the_first_schema_is_mended_and_brought_up_to_date(
    folder: Path, name: str
):
    path = folder / DB
    path.write_bytes(gzip.decompress(FIRST_STORE.read_bytes()))
    connection = sqlite3.connect(path)
    held = {row[0] for row in connection.execute("SELECT id FROM contribution")}
    connection.close()
    _smash(path, [_page_of(path, name)], Random(1))
    done = repair(path, now=THURSDAY)
    assert done.salvaged is not None
    assert done.salvaged.kept == len(held)
    with Store.open(path) as store:
        assert store.known(list(held)) == held
        assert store.views_differences() == []
    assert damaged_contributions(path, full=True) == 0


def test_header_damaged_in_a_store_of_the_first_schema_is_said_and_mended(folder: Path):
    path = folder / DB
    path.write_bytes(gzip.decompress(FIRST_STORE.read_bytes()))
    connection = sqlite3.connect(path)
    headers = [row[0] for row in connection.execute("SELECT header FROM contribution")]
    connection.close()
    content = path.read_bytes()
    victim = next(header for header in headers if content.count(header) == 1)
    path.write_bytes(content.replace(victim, b"\x00" * len(victim)))
    with pytest.raises(StoreError, match=r"is damaged.*doctor --repair"):
        Store.open(path)
    done = repair(path, now=THURSDAY)
    assert done.salvaged is not None
    assert done.salvaged.kept == len(headers) - 1


def test_migration_leaves_nothing_readable_in_empty_pages(folder: Path):
    path = folder / DB
    path.write_bytes(gzip.decompress(FIRST_STORE.read_bytes()))
    with Store.open(path) as store:
        store._database.empty_log()
    descriptor = os.open(path, os.O_RDONLY)
    pages = read_pages(descriptor, folder / "no-log")
    for root in (1, *pages.roots().values()):
        list(pages.walk(root))
    empty = [pages.page(n) or b"" for n in range(1, pages.count + 1) if n not in pages.seen]
    os.close(descriptor)
    # Pages of the free list hold numbers of others, overflow pages what is still there.
    assert not any(page[0] in (2, 5, 10, 13) for page in empty)


def test_repaired_store_does_not_use_a_number_twice(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    with Store.open(path) as store:
        last = store.last_rowid()
        newest = store.contributions_after(GARDEN.id, last - 1)[-1][1]
        store._database.empty_log()
    # The newest row no longer proves itself.
    path.write_bytes(path.read_bytes().replace(newest.signature, bytes(64)))
    _smash(path, [_page_of(path, "entry")], Random(1))
    _mend(path)
    with Store.open(path) as store:
        assert store.last_rowid() < last
        more = Writer(clock=THURSDAY).entry(BO, "More", "soil")
        store.ingest([more], received_at=THURSDAY)
        assert store.last_rowid() > last


HOLD_OPEN = """
import sys
from pathlib import Path
from p2pcommons.store import Store
with Store.open(Path(sys.argv[1])) as store:
    store.digest(bytes(32))
    print("open", flush=True)
    sys.stdin.readline()
"""
