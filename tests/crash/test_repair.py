"""A damaged store is mended: what proves itself is kept, what is lost comes back from peers."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from random import Random

import pytest
from histories import ANA, BO, GARDEN, NOW, Writer

from p2pcommons.errors import StoreError
from p2pcommons.store import Store
from p2pcommons.store.proof import damaged_contributions, sampled_views_differences
from tests.crash.damaging import (
    PAGE,
    Kept,
    check_equal_after_sync,
    mend,
    page_of,
    shown,
    smash,
)
from tests.crash.session import DB, THURSDAY, record_day


@pytest.mark.parametrize("seed", range(5))
def test_store_with_random_pages_overwritten_is_equal_after_repair_and_sync(
    kept: Kept, folder: Path, seed: int
):
    chance = Random(seed)
    path = kept.copied_to(folder)
    count = chance.choice([1, 2, 5, 15, 40])
    smash(path, chance.sample(range(1, kept.pages + 1), count), chance)
    before = path.read_bytes()
    done = mend(path)
    if done.kept_as is None:
        # What was overwritten was free, or is computed.
        assert done.salvaged is None
    else:
        assert done.kept_as.read_bytes() == before
    check_equal_after_sync(kept, path)
    assert mend(path).faults == ()


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
    mend(path)
    check_equal_after_sync(kept, path)


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
    smash(path, [page_of(path, name) for name in names], Random(1))
    done = mend(path)
    assert done.salvaged is not None
    assert done.salvaged.kept == len(kept.contributions)
    assert done.salvaged.own == len(kept.own)
    check_equal_after_sync(kept, path)


def test_beginning_of_the_file_is_lost_and_nothing_signed_with_it(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    smash(path, [1], Random(1))
    with pytest.raises(StoreError, match=r"doctor --repair"):
        Store.open(path)
    done = mend(path)
    assert done.salvaged is not None
    assert done.salvaged.kept == len(kept.contributions)
    with Store.open(path) as store:
        assert [peer.peer_id for peer in store.peers()] == ["12D3KooWpeer"]
    check_equal_after_sync(kept, path)


def test_words_changed_behind_sqlites_back_are_found_and_fetched_again(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    content = path.read_bytes()
    words = b"Theirs 104"
    assert words in content
    path.write_bytes(content.replace(words, b"Theirs 1O4"))
    with Store.open(path) as store:
        assert store.integrity_check() == []
    assert damaged_contributions(path) == 1
    done = mend(path)
    assert done.salvaged is not None
    assert done.salvaged.without_body == 1
    with Store.open(path) as store:
        assert len(store.bodies_wanted(GARDEN.id, now=THURSDAY)) == 1
    check_equal_after_sync(kept, path)


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
    smash(path, [page_of(path, "entry")], Random(1))
    done = mend(path)
    assert done.salvaged is not None
    assert (done.salvaged.refused, done.salvaged.missing) == (1, 1)
    check_equal_after_sync(kept, path)


def test_log_that_was_not_folded_in_is_read_too(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    late = Writer(clock=THURSDAY).entry(ANA, "Written last", "soil")
    copy = folder / "crashed"
    copy.mkdir()
    with Store.open(path) as store:
        store.ingest([late], received_at=THURSDAY, own=True)
        for name in (DB, f"{DB}-wal"):
            shutil.copy(folder / name, copy / name)
    smash(copy / DB, [page_of(path, "contribution")], Random(1))
    assert mend(copy / DB).kept_as is not None
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
    done = mend(path, dry_run=True)
    assert done.salvaged is not None
    assert done.salvaged.own == len(mine)
    assert path.exists() is (how == "emptied")
    assert mend(path).salvaged is not None
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
    assert mend(copy / DB).faults == ()


def test_dry_run_changes_nothing(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    smash(path, [page_of(path, "contribution")], Random(1))
    before = path.read_bytes()
    done = mend(path, dry_run=True)
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
    done = mend(path)
    assert (done.rebuilt, done.kept_as, done.salvaged) == (True, None, None)
    check_equal_after_sync(kept, path)


def test_own_contributions_are_found_under_a_lost_grant(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    lost = ["author", "sqlite_autoindex_author_1", "device_grant"]
    smash(path, [page_of(path, name) for name in lost], Random(1))
    done = mend(path)
    assert done.salvaged is not None
    mine = {i for i in kept.own if kept.contributions[i].header.device == ANA.device}
    assert done.salvaged.own == len(mine)
    check_equal_after_sync(kept, path)


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
            return [store.pins(), known, store.digest(GARDEN.id), shown(store)]

    before = remembered()
    smash(path, [page_of(path, "entry")], Random(1))
    assert mend(path).kept_as is not None
    assert remembered() == before
    with Store.open(path) as store:
        assert store.bodies_wanted(GARDEN.id, now=THURSDAY) == []
        assert store.views_differences() == []


def test_repaired_store_does_not_use_a_number_twice(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    with Store.open(path) as store:
        last = store.last_rowid()
        newest = store.contributions_after(GARDEN.id, last - 1)[-1][1]
        store._database.empty_log()
    # The newest row no longer proves itself.
    path.write_bytes(path.read_bytes().replace(newest.signature, bytes(64)))
    smash(path, [page_of(path, "entry")], Random(1))
    mend(path)
    with Store.open(path) as store:
        assert store.last_rowid() < last
        more = Writer(clock=THURSDAY).entry(BO, "More", "soil")
        store.ingest([more], received_at=THURSDAY)
        assert store.last_rowid() > last
