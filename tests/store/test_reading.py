"""Everything about one entry, one person and one peer."""

from __future__ import annotations

import pytest
from histories import ANA, ANAS_LAPTOP, BO, CY, GARDEN, NOW, Writer

from p2pcommons.store import Person, TagStatement, peers

LATER = NOW + 1_000


@pytest.fixture
def garden(store):
    store.join_commons(GARDEN.id, now=NOW)
    store.ingest([GARDEN], received_at=LATER, own=True)
    return store


def take(store, *contributions, **more):
    return store.ingest(contributions, received_at=LATER, **more)


def test_both_heads_of_two_offline_edits_are_shown(garden):
    writer = Writer()
    first = writer.entry(ANA, "Compost", "soil", text="old")
    here = writer.edit(ANA, first, "Hot compost", [first], "soil")
    there = writer.edit(BO, first, "Cold compost", [first], "heap")
    take(garden, there, here, first, writer.profile(ANA, "Ana"))
    detail = garden.entry_detail(GARDEN.id, first.id)
    assert detail is not None
    assert detail.heads == (here.id, there.id)
    assert detail.row.title == "Hot compost"
    assert (detail.row.name, detail.row.heads, detail.row.versions) == ("Ana", 2, 3)
    assert [(item.id, item.is_head, item.title) for item in detail.versions] == [
        (first.id, False, "Compost"),
        (here.id, True, "Hot compost"),
        (there.id, True, "Cold compost"),
    ]
    assert dict(detail.taggers) == {
        "soil": (Person(ANA.author, "Ana"),),
        "heap": (Person(BO.author, None),),
    }
    assert detail.versions[1].parents == (first.id,)
    assert detail.versions[0].device == ANA.device


def test_an_edit_starts_from_ones_own_head_else_the_newest(garden):
    writer = Writer()
    first = writer.entry(ANA, "Ana's")
    by_bo = writer.edit(BO, first, "Bo's", [first])
    take(garden, first, by_bo)
    for viewer, title in ((ANA.author, "Ana's"), (BO.author, "Bo's"), (CY.author, "Bo's")):
        head = garden.head_for(GARDEN.id, first.id, viewer)
        assert head is not None
        assert head.title == title
    assert garden.head_for(bytes(32), first.id, ANA.author) is None
    assert garden.head_for(GARDEN.id, bytes(32), ANA.author) is None


def test_what_one_author_can_withdraw_of_an_entry(garden):
    writer = Writer()
    first = writer.entry(ANA, "One")
    second = writer.edit(ANA, first, "Two", [first])
    by_bo = writer.edit(BO, first, "Bo's", [first])
    take(garden, first, second, by_bo, writer.withdraw(ANA, second))
    assert garden.versions_of(GARDEN.id, first.id, ANA.author) == [first.id]
    assert garden.versions_of(GARDEN.id, first.id, CY.author) == []
    assert garden.versions_of(GARDEN.id, bytes(32), ANA.author) == []


def test_the_next_statement_replaces_all_heads_of_ones_own(garden):
    writer = Writer()
    entry = writer.entry(ANA, "Compost", "soil")
    take(garden, entry)
    assert garden.tag_statement(GARDEN.id, ANA.author, entry.id) == TagStatement(("soil",), ())
    assert garden.tag_statement(GARDEN.id, BO.author, entry.id) == TagStatement((), ())
    here = writer.tag(ANA, entry, "heap")
    there = writer.tag(ANAS_LAPTOP, entry, "worms")
    take(garden, here, there)
    statement = garden.tag_statement(GARDEN.id, ANA.author, entry.id)
    assert statement == TagStatement(("heap", "worms"), (there.id, here.id))
    assert garden.tag_statement(GARDEN.id, bytes(32), entry.id) == TagStatement((), ())
    assert garden.tag_statement(bytes(32), ANA.author, entry.id) == TagStatement((), ())


def test_tagging_goes_on_when_the_tagged_comes_later(garden):
    writer = Writer()
    entry = writer.entry(ANA, "Compost")
    take(garden, writer.tag(BO, entry, "worms"))
    assert garden.tag_counts() == []
    take(garden, entry)
    assert [(item.tag, item.count) for item in garden.tag_counts()] == [("worms", 1)]


def test_names_are_those_of_each_commons(garden):
    writer = Writer()
    assert garden.profile(GARDEN.id, ANA.author) is None
    old = writer.profile(ANA, "Ana")
    take(garden, old)
    new = writer.profile(ANA, "Ana S.", old)
    take(garden, new)
    profile = garden.profile(GARDEN.id, ANA.author)
    assert profile is not None
    assert (profile.name, profile.heads) == ("Ana S.", (new.id,))
    assert garden.name_of(GARDEN.id, ANA.author) == "Ana S."
    assert garden.names(ANA.author) == {GARDEN.id: "Ana S."}
    assert garden.name_of(bytes(32), ANA.author) is None


def test_an_entry_is_looked_for_in_its_own_commons_only(garden):
    entry = Writer().entry(ANA, "Compost")
    take(garden, entry)
    assert garden.entry_row(bytes(32), entry.id) is None
    assert garden.entry_detail(bytes(32), entry.id) is None
    assert garden.envelopes(bytes(32), [entry.id]) == {}


def test_ones_own_are_only_here_until_a_peer_is_equal(garden):
    writer = Writer()
    one, two = writer.entry(ANA, "One"), writer.entry(ANA, "Two")
    take(garden, one, own=True)
    assert garden.only_here(ANA.author) == 2
    garden.mark_equal("peer-1", GARDEN.id, rowid=garden.last_rowid(), now=LATER)
    assert garden.only_here(ANA.author) == 0
    take(garden, two, own=True)
    take(garden, writer.entry(ANA, "From my other machine"), source="peer-1")
    assert garden.only_here(ANA.author) == 1
    assert garden.only_here(ANA.author, GARDEN.id) == 1
    assert garden.only_here(BO.author) == 0
    garden.leave_commons(GARDEN.id, now=LATER)
    assert garden.only_here(ANA.author) == 0


def test_holders_are_peers_that_were_equal_since_or_sent_it(garden):
    writer = Writer()
    first = writer.entry(BO, "One")
    take(garden, first, source="peer-2")
    garden.mark_equal("peer-1", GARDEN.id, rowid=garden.last_rowid(), now=LATER)
    assert garden.holders(GARDEN.id, first.id) == 2
    assert garden.holders(GARDEN.id, GARDEN.id) == 1
    take(garden, writer.edit(BO, first, "Two", [first]))
    detail = garden.entry_detail(GARDEN.id, first.id)
    assert detail is not None
    assert detail.holders == 0
    assert [mark.peer_id for mark in garden.equal_marks(GARDEN.id)] == ["peer-1"]


def test_an_older_mark_never_takes_back_a_newer_one(garden):
    garden.mark_equal("peer-1", GARDEN.id, rowid=9, now=LATER)
    garden.mark_equal("peer-1", GARDEN.id, rowid=5, now=LATER + 1)
    assert [(mark.rowid, mark.at) for mark in garden.equal_marks(GARDEN.id)] == [(9, LATER + 1)]


def test_any_number_of_keys_does_not_fill_the_marks_of_who_is_equal(garden, monkeypatch):
    monkeypatch.setattr(peers, "MARKS_MAX", 3)
    garden.upsert_peer("friend", ["/a"], source="invite", now=LATER)
    for number in range(9):
        garden.mark_equal(f"eve{number}", GARDEN.id, rowid=1, now=LATER)
    garden.mark_equal("friend", GARDEN.id, rowid=1, now=LATER)
    garden.mark_equal("eve0", GARDEN.id, rowid=2, now=LATER)
    assert {mark.peer_id for mark in garden.equal_marks(GARDEN.id)} == {
        *("eve0", "eve1", "eve2", "friend")
    }
    much_later = LATER + peers.MARK_SECONDS + 1
    garden.mark_equal("eve9", GARDEN.id, rowid=3, now=much_later)
    assert {mark.peer_id for mark in garden.equal_marks(GARDEN.id)} == {"friend", "eve9"}


def test_the_address_book_keeps_the_newest_addresses_first(store):
    store.upsert_peer("p", ["/a", "/b"], source="invite", now=5)
    store.upsert_peer("p", ["/c", "/a"], source="lan", now=9)
    peer = store.peer("p")
    assert peer is not None
    assert peer.addresses == ("/c", "/a", "/b")
    assert (peer.source, peer.first_seen, peer.next_try) == ("invite", 5, 5)
    store.upsert_peer("p", [f"/{number}" for number in range(30)], source="lan", now=9)
    peer = store.peer("p")
    assert peer is not None
    assert len(peer.addresses) == 16


def test_failures_add_up_and_success_ends_them(store):
    store.upsert_peer("p", ["/a"], source="manual", now=5)
    store.note_dialled("p", ok=False, next_try=50, now=10)
    store.note_dialled("p", ok=False, next_try=90, now=50)
    peer = store.peer("p")
    assert peer is not None
    assert (peer.failures, peer.next_try, peer.last_success) == (2, 90, None)
    store.note_dialled("p", ok=True, next_try=95, now=90)
    store.note_seen("p", now=99)
    peer = store.peer("p")
    assert peer is not None
    assert (peer.failures, peer.last_success, peer.last_seen) == (0, 90, 99)


def test_a_removed_peer_is_gone_and_can_come_back(store):
    store.upsert_peer("p", ["/a"], source="manual", now=5)
    assert store.remove_peer("p")
    assert not store.remove_peer("p")
    assert store.peers() == []
    assert store.peer("p") is None
    store.upsert_peer("p", ["/b"], source="lan", now=9)
    assert [(peer.addresses, peer.source) for peer in store.peers()] == [(("/b",), "lan")]


def test_an_inviter_is_no_entry_of_the_address_book(store):
    store.join_commons(GARDEN.id, now=NOW, inviter="p")
    assert store.peers() == []
    assert store.inviters(GARDEN.id) == ("p",)
