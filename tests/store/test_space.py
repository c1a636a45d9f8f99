"""Room: budgets, pins, texts on demand, entries removed from here, and the file written anew."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import pytest
from histories import ANA, BO, CY, GARDEN, NOW, Writer, histories, signer, without_body
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.model.kinds import EntryBody
from p2pcommons.protocol.items import fingerprint_of
from p2pcommons.store import Store
from p2pcommons.store.database import Database
from p2pcommons.store.dropping import drop_bodies, drop_rows
from p2pcommons.store.holdings import disk_bytes
from p2pcommons.store.schema import MIGRATIONS
from tests.store.beds import LATER, TEXT, bos_entries, small_budget, take, titles


def test_no_budget_lets_nothing_go(garden):
    bos_entries(garden, 5)
    assert garden.budget_plan(GARDEN.id).going == ()
    assert garden.keep_budgets() == 0


def test_a_budget_lets_the_oldest_texts_of_others_go_and_keeps_the_set(garden):
    made = bos_entries(garden, 10)
    before = garden.digest(GARDEN.id)
    small_budget(garden)
    plan = garden.budget_plan(GARDEN.id)
    going = [each.id for each in plan.going]
    assert going == [each.id for each in made[: len(going)]]
    assert 0 < len(going) < 10
    assert garden.keep_budget(GARDEN.id) == plan
    after = garden.digest(GARDEN.id)
    assert (after.count, after.fingerprint) == (before.count, before.fingerprint)
    assert after.bodies == before.bodies - len(going)
    assert garden.bytes_used(GARDEN.id) <= garden.budget(GARDEN.id)
    assert garden.bytes_used(GARDEN.id) == pytest.approx(plan.bytes - plan.freed, abs=10)
    assert garden.views_differences() == []
    assert garden.integrity_check() == []
    assert garden.budget_plan(GARDEN.id).going == ()


def test_the_preview_of_a_budget_changes_nothing(garden):
    bos_entries(garden, 10)
    version = garden.data_version()
    assert garden.budget_plan(GARDEN.id, 1_000).going
    assert garden.data_version() == version
    assert garden.budget(GARDEN.id) is None


def test_what_is_not_kept_shows_its_title_and_is_not_found_by_its_words(garden):
    (entry,) = bos_entries(garden, 1)
    assert titles(garden, "word") == ["Bed 0"]
    garden.set_budget(GARDEN.id, 0)
    garden.keep_budgets()
    row = garden.entry_row(GARDEN.id, entry.id)
    assert row is not None
    assert (row.title, row.missing, row.not_kept) == ("Bed 0", True, True)
    assert titles(garden, "word") == []
    assert titles(garden) == ["Bed 0"]
    version = garden.entry_detail(GARDEN.id, entry.id).versions[0]
    assert (version.missing, version.not_kept) == (True, True)


def test_own_pinned_tagged_and_changed_entries_are_never_let_go(garden):
    writer = Writer()
    pinned, tagged, changed, plain = (
        writer.entry(BO, title, text=TEXT) for title in ("Pinned", "Tagged", "Changed", "Plain")
    )
    own = writer.entry(ANA, "Own", text=TEXT)
    take(garden, pinned, tagged, changed, plain)
    take(garden, own, writer.tag(ANA, tagged, "mine"), own=True)
    take(garden, writer.edit(ANA, changed, "Changed more", [changed]), own=True)
    garden.pin(GARDEN.id, pinned.id, now=LATER)
    garden.set_budget(GARDEN.id, 0)
    plan = garden.keep_budget(GARDEN.id)
    assert [each.id for each in plan.going] == [plain.id]
    assert plan.over == garden.bytes_used(GARDEN.id)


def test_a_version_that_one_has_tagged_is_not_let_go(garden):
    writer = Writer()
    entry = writer.entry(BO, "Bed", text=TEXT)
    edit = writer.write(BO, EntryBody("note", "Bed two", text=TEXT), entry, [entry])
    take(garden, entry, edit)
    take(garden, writer.tag(ANA, edit, "mine"), own=True)
    garden.set_budget(GARDEN.id, 0)
    assert [each.id for each in garden.keep_budget(GARDEN.id).going] == [entry.id]
    assert garden.views_differences() == []


def test_own_words_of_another_machine_are_not_let_go_after_a_restore(garden):
    garden.set_meta("own.author", BO.author.hex())
    bos_entries(garden, 3)
    garden.set_budget(GARDEN.id, 0)
    assert garden.budget_plan(GARDEN.id).going == ()


def test_tags_names_and_revocations_keep_their_bodies(garden):
    writer = Writer()
    entry = writer.entry(BO, "Bed", text=TEXT)
    take(garden, entry, writer.tag(BO, entry, "bed"), writer.profile(BO, "Bo"))
    garden.set_budget(GARDEN.id, 0)
    assert len(garden.keep_budget(GARDEN.id).going) == 1
    assert titles(garden, "#bed") == ["Bed"]
    assert garden.name_of(GARDEN.id, BO.author) == "Bo"


def test_a_dropped_text_is_neither_wanted_nor_taken_until_somebody_asks(garden):
    (entry,) = bos_entries(garden, 1)
    garden.set_budget(GARDEN.id, 0)
    garden.keep_budgets()
    assert garden.bodies_wanted(GARDEN.id, now=LATER * 2) == []
    assert take(garden, entry).filled == ()
    assert garden.fetch_texts(GARDEN.id, entry.id) == 1
    assert garden.bodies_wanted(GARDEN.id, now=LATER) == [entry.id]
    assert not garden.entry_row(GARDEN.id, entry.id).not_kept
    assert take(garden, entry).filled == (entry.id,)
    assert titles(garden, "word") == ["Bed 0"]
    assert garden.fetch_texts(GARDEN.id, entry.id) == 0
    assert garden.views_differences() == []
    assert garden.space_use(GARDEN.id).not_kept == 0


def test_what_a_person_asks_for_is_wanted_before_what_is_merely_missing(garden):
    old, *newer = bos_entries(garden, 1)
    garden.set_budget(GARDEN.id, 0)
    garden.keep_budgets()
    newer = [Writer(clock=NOW + 50).entry(BO, f"New {number}") for number in range(3)]
    take(garden, *map(without_body, newer))
    garden.fetch_texts(GARDEN.id, old.id)
    assert garden.bodies_wanted(GARDEN.id, now=LATER, limit=1) == [old.id]


def test_pinning_asks_for_the_texts_that_are_not_here(garden):
    (entry,) = bos_entries(garden, 1)
    garden.set_budget(GARDEN.id, 0)
    garden.keep_budgets()
    assert garden.pin(GARDEN.id, entry.id, now=LATER) == 1
    assert [(pin.entry, pin.lacking) for pin in garden.pins()] == [(entry.id, 1)]
    take(garden, entry)
    assert garden.pins(GARDEN.id)[0].lacking == 0
    assert garden.keep_budget(GARDEN.id).going == ()
    assert garden.unpin(entry.id)
    assert not garden.unpin(entry.id)
    assert len(garden.keep_budget(GARDEN.id).going) == 1


def test_a_removed_entry_stays_known_and_does_not_come_back(garden):
    writer = Writer()
    entry = writer.entry(BO, "Rubbish", "soil", text=TEXT)
    tag, edit = writer.tag(CY, entry, "bad"), writer.edit(CY, entry, "Worse", [entry])
    take(garden, entry, tag, edit, writer.tag(signer(4), entry, "spam"))
    before = garden.digest(GARDEN.id)
    items = sorted(garden.items(GARDEN.id))
    rowid = garden.last_rowid()
    assert garden.removable(GARDEN.id, entry.id) == (4, False)
    assert garden.remove_entry(GARDEN.id, entry.id) == 4
    after = garden.digest(GARDEN.id)
    assert (after.count, after.fingerprint) == (before.count, before.fingerprint)
    assert sorted(garden.items(GARDEN.id)) == items
    assert garden.known([entry.id, tag.id, edit.id]) == {entry.id, tag.id, edit.id}
    assert take(garden, entry, tag, edit).new == ()
    assert titles(garden) == []
    assert garden.envelopes(GARDEN.id, [entry.id]) == {}
    assert garden.views_differences() == []
    garden.rebuild_views()
    assert garden.digest(GARDEN.id) == after
    # Whoever had read the set up to the founding contribution still learns of all of it.
    assert len(garden.items_after(GARDEN.id, rowid - 4)) == 4
    # And no rowid is ever given twice.
    take(garden, Writer(clock=NOW + 90).entry(BO, "Next"))
    assert garden.last_rowid() > rowid


def test_a_removed_entry_can_be_had_back(garden):
    entry = bos_entries(garden, 1)[0]
    garden.remove_entry(GARDEN.id, entry.id)
    assert garden.removed() == garden.removed(entry.id.hex()[:8]) == [(entry.id, GARDEN.id, 1)]
    assert garden.restore_removed(entry.id) == 1
    assert garden.digest(GARDEN.id).count == 1
    assert garden.digest(GARDEN.id).fingerprint == fingerprint_of([GARDEN.id])
    assert take(garden, entry).new == (entry.id,)
    assert garden.views_differences() == []


def test_own_words_are_not_removed_with_an_entry(garden):
    writer = Writer()
    entry = writer.entry(BO, "Bed")
    tag = writer.tag(ANA, entry, "mine")
    take(garden, entry)
    take(garden, tag, own=True)
    assert garden.remove_entry(GARDEN.id, entry.id) == 1
    assert tag.id in garden.envelopes(GARDEN.id, [tag.id])
    own = writer.entry(ANA, "Own")
    take(garden, own, own=True)
    assert garden.removable(GARDEN.id, own.id)[1]
    assert garden.remove_entry(GARDEN.id, own.id) == 0


def test_withdrawals_stay_when_their_entry_is_removed(garden):
    writer = Writer()
    entry = writer.entry(BO, "Bed")
    edit = writer.edit(BO, entry, "Bed two", [entry])
    withdrawal = writer.withdraw(BO, entry)
    take(garden, entry, edit, withdrawal)
    garden.remove_entry(GARDEN.id, entry.id)
    assert set(garden.envelopes(GARDEN.id, [entry.id, edit.id, withdrawal.id])) == {withdrawal.id}


@settings(max_examples=30, deadline=None)
@given(history=histories(), chance=st.randoms(use_true_random=False))
def test_views_equal_a_full_fold_whatever_is_dropped(tmp_path_factory, history, chance):
    path = tmp_path_factory.mktemp("dropping") / "replica.db"
    with Store.open(path) as store:
        store.ingest(history, received_at=LATER)
        rows = store._database.read("SELECT rowid, kind FROM contribution WHERE rowid > 1")
        entries = [row[0] for row in rows if row[1] == "entry"]
        bare = [rowid for rowid in entries if chance.random() < 0.4]
        gone = [row[0] for row in rows if row[1] in ("entry", "tag") and chance.random() < 0.3]
        before = store.digest(GARDEN.id)
        with store._writing() as connection:
            drop_bodies(connection, store._interner, bare)
            drop_rows(connection, store._interner, gone)
        assert store.views_differences() == []
        after = store.digest(GARDEN.id)
        assert (after.count, after.fingerprint) == (before.count, before.fingerprint)
        store.ingest(history, received_at=LATER)
        assert store.views_differences() == []
        assert store.digest(GARDEN.id).count == before.count


def test_sizes_are_near_what_the_disk_gives(tmp_path):
    with Store.open(tmp_path / "replica.db") as store:
        store.join_commons(GARDEN.id, now=NOW)
        store.compact()
        empty = store.disk_state().total
        writer = Writer()
        made = [
            writer.entry(BO, f"Bed {number}", "bed", text=f"{number} " * 120)
            for number in range(2_000)
        ]
        for start in range(0, len(made), 400):
            take(store, *made[start : start + 400])
        store.compact()
        real = store.disk_state().total - empty
        assert 0.5 < store.bytes_used(GARDEN.id) / real < 2


def test_a_store_of_before_gets_its_sizes_counted(tmp_path):
    path = tmp_path / "replica.db"
    old = Database(path, migrations=MIGRATIONS[:2])
    with old.writing() as connection:
        connection.execute("INSERT INTO commons(id, joined_at) VALUES(?, 1)", (GARDEN.id,))
    old.close()
    with Store.open(path) as store:
        assert store.bytes_used(GARDEN.id) == 0
        assert store.budget(GARDEN.id) is None
        take(store, GARDEN, own=True)
        assert store.bytes_used(GARDEN.id) == disk_bytes(1, len(GARDEN.body or b""))
        assert store.views_differences() == []


def test_a_store_of_before_knows_what_is_ones_own(tmp_path):
    path = tmp_path / "replica.db"
    old = Path(__file__).parents[1] / "vectors" / "store-1.db.gz"
    path.write_bytes(gzip.decompress(old.read_bytes()))
    with Store.open(path) as store:
        own = store._database.read("SELECT DISTINCT author FROM contribution WHERE own = 1")
        assert store._database.read("SELECT author FROM own_author") == sorted(own) != []
        store.set_budget(GARDEN.id, 0)
        authors = {row[0] for row in own}
        for going in store.keep_budget(GARDEN.id).going:
            number = "SELECT rowid FROM author WHERE key = ?"
            assert store._database.read_one(number, (going.author,))[0] not in authors
        assert store.views_differences() == []


def test_a_title_of_a_withdrawn_text_is_erased_with_it(garden):
    (entry,) = bos_entries(garden, 1)
    garden.set_budget(GARDEN.id, 0)
    garden.keep_budgets()
    take(garden, Writer(clock=NOW + 60).withdraw(BO, entry))
    garden.sweep(LATER * 2)
    garden._database.empty_log()
    with sqlite3.connect(garden.path) as raw:
        assert raw.execute("SELECT count(*) FROM dropped").fetchone() == (0,)
