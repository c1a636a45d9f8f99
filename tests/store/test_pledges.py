"""Pledges in the store: what a kept commons is spared, and what ends the keeping."""

from __future__ import annotations

import pytest
from histories import ANA, BO, GARDEN, NOW, Writer, signer, without_body

from p2pcommons.model.ids import to_did
from p2pcommons.model.kinds import AttachBody
from p2pcommons.store import OWN_META, Store, pledges

LATER = NOW + 100_000
TEXT = "word " * 400


@pytest.fixture
def garden(store: Store) -> Store:
    """Ana's garden with five long entries of Bo's."""
    writer = Writer()
    store.join_commons(GARDEN.id, now=NOW)
    store.set_meta(OWN_META, ANA.author.hex())
    store.ingest([GARDEN], received_at=LATER, own=True)
    made = [writer.entry(BO, f"Bed {number}", text=TEXT) for number in range(5)]
    store.ingest(made, received_at=LATER)
    return store


def pledged(store, *, keep=True):
    _said, heads = store.pledge_statement(GARDEN.id, ANA.author)
    made = Writer(clock=NOW + 100 + len(heads)).pledge(ANA, "I weed", keep=keep)
    store.ingest([made], received_at=LATER, own=True)
    return made


def kept(store, now=LATER):
    return GARDEN.id in store.kept_commons(now)


def test_keeping_takes_the_budget_away_and_wants_back_what_went_for_room(garden):
    garden.set_budget(GARDEN.id, 1)
    gone = garden.keep_budget(GARDEN.id).going
    assert garden.bodies_wanted(GARDEN.id, now=LATER) == []
    pledged(garden)
    garden.keep_commons(GARDEN.id, files=0, until=None)
    assert garden.budget(GARDEN.id) is None
    assert set(garden.bodies_wanted(GARDEN.id, now=LATER)) == {each.id for each in gone}
    assert garden.texts_lacking(GARDEN.id) == len(gone) == 5
    assert kept(garden)


def test_a_text_that_nobody_had_is_asked_for_again_where_the_commons_is_kept(garden):
    headless = without_body(Writer(clock=NOW + 50).entry(BO, "Late"))
    garden.ingest([headless], received_at=LATER)
    for _ in range(20):
        garden.bodies_absent([headless.id], now=LATER)
    assert garden.bodies_wanted(GARDEN.id, now=LATER + 10**9) == []
    garden.want_again(GARDEN.id)
    assert garden.bodies_wanted(GARDEN.id, now=LATER) == [headless.id]


def test_a_pledge_taken_back_on_another_machine_ends_the_keeping_here(garden):
    made = pledged(garden)
    garden.keep_commons(GARDEN.id, files=0, until=None)
    back = Writer(clock=NOW + 200).pledge(ANA, "", made)
    assert kept(garden)
    garden.ingest([back], received_at=LATER)
    assert not kept(garden)


def test_a_withdrawn_pledge_ends_the_keeping(garden):
    made = pledged(garden)
    garden.keep_commons(GARDEN.id, files=0, until=None)
    garden.ingest([Writer(clock=NOW + 200).withdraw(ANA, made)], received_at=LATER, own=True)
    assert not kept(garden)


def test_a_pledge_of_another_machine_of_ones_own_does_not_keep_here(garden):
    pledged(garden)
    assert not kept(garden)


def test_a_pledge_ends_with_its_last_day(garden):
    pledged(garden)
    garden.keep_commons(GARDEN.id, files=0, until=LATER)
    assert kept(garden, LATER)
    assert not kept(garden, LATER + 1)


def test_a_commons_that_was_left_is_not_kept_until_it_is_joined_again(garden):
    pledged(garden)
    garden.keep_commons(GARDEN.id, files=0, until=None)
    garden.leave_commons(GARDEN.id, now=LATER)
    assert not kept(garden)
    garden.join_commons(GARDEN.id, now=LATER)
    assert kept(garden)


def test_a_deleted_commons_is_kept_no_longer(garden):
    pledged(garden)
    garden.keep_commons(GARDEN.id, files=0, until=None)
    garden.delete_commons(GARDEN.id)
    garden.join_commons(GARDEN.id, now=LATER)
    garden.ingest([GARDEN], received_at=LATER)
    pledged(garden)
    assert not kept(garden)


def test_a_flood_of_pledges_by_strangers_hides_neither_ones_own_nor_those_of_people_one_knows(
    garden, monkeypatch
):
    monkeypatch.setattr(pledges, "PLEDGES_READ_MAX", 10)
    pledged(garden)
    garden.keep_commons(GARDEN.id, files=0, until=None)
    flood = [Writer().pledge(signer(50 + number), "I keep all", keep=True) for number in range(30)]
    garden.ingest(flood, received_at=LATER)
    assert kept(garden)
    monkeypatch.setattr(pledges, "PLEDGES_READ_MAX", 100)
    rows = garden.pledges(GARDEN.id)
    assert (rows[0].author, rows[0].is_stranger) == (ANA.author, False)
    assert all(row.is_stranger for row in rows[1:])
    assert len({to_did(row.author) for row in rows}) == 31


def test_files_are_followed_by_what_came_after(garden):
    writer = Writer(clock=NOW + 300)
    body = AttachBody("a.txt", 5, bytes(32), bytes(32))
    first = writer.write(BO, body, GARDEN.id)
    garden.ingest([first], received_at=LATER)
    rows, last = garden.attachments_after(GARDEN.id, 0)
    assert [row.id for row in rows] == [first.id]
    second = writer.write(BO, body, GARDEN.id)
    garden.ingest([second], received_at=LATER)
    rows, _last = garden.attachments_after(GARDEN.id, last)
    assert [row.id for row in rows] == [second.id]
