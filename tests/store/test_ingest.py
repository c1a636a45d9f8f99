"""The one way in: what is new, what is known, what is filled in, what is never taken again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from histories import ANA, ANAS_LAPTOP, BO, GARDEN, NOW, Writer, without_body

from p2pcommons.model.keys import Signer
from p2pcommons.model.limits import ERASE_AFTER_SECONDS
from p2pcommons.protocol.items import fingerprint_of
from p2pcommons.store import Query, Store, parse_query

LATER = NOW + 1_000


@pytest.fixture
def garden(store):
    store.join_commons(GARDEN.id, now=NOW)
    store.ingest([GARDEN], received_at=LATER, own=True)
    return store


def take(store, *contributions, **more):
    return store.ingest(contributions, received_at=LATER, **more)


def titles(store, text=""):
    rowids = store.entry_ids(parse_query(text), now=LATER)
    return [row.title for row in store.entry_rows(rowids)]


def test_new_and_known_are_told_apart(garden):
    entry = Writer().entry(ANA, "Compost")
    assert take(garden, entry, entry).new == (entry.id,)
    again = take(garden, entry, GARDEN)
    assert (again.new, again.filled, again.known) == ((), (), 2)


def test_nothing_given_is_nothing_done(garden):
    before = garden.data_version()
    assert take(garden).known == 0
    assert garden.data_version() == before


def test_the_bytes_come_out_as_they_went_in(garden):
    entry = Writer().entry(ANA, "Compost", "soil")
    take(garden, entry)
    assert garden.envelopes(GARDEN.id, [entry.id]) == {entry.id: entry.envelope()}
    assert [item for _, item in garden.contributions_after(GARDEN.id, 0)] == [GARDEN, entry]


def test_of_two_signatures_of_one_id_the_first_is_kept(garden):
    entry = Writer().entry(ANA, "Compost")
    other = replace(entry, signature=bytes(64))
    take(garden, entry)
    assert take(garden, other).new == ()
    assert garden.envelopes(GARDEN.id, [entry.id])[entry.id].signature == entry.signature


def test_the_first_grant_of_a_device_is_kept(garden):
    writer = Writer()
    one = writer.entry(ANAS_LAPTOP, "One")
    two = replace(writer.entry(ANAS_LAPTOP, "Two"), grant=bytes(64))
    take(garden, one, two)
    assert garden.envelopes(GARDEN.id, [two.id])[two.id].grant == one.grant


def test_a_missing_body_is_wanted_until_it_comes(garden):
    entry = Writer().entry(ANA, "Compost", "soil")
    take(garden, without_body(entry))
    assert garden.bodies_wanted(GARDEN.id, now=LATER) == [entry.id]
    row = garden.entry_row(GARDEN.id, entry.id)
    assert row is not None
    assert row.missing
    assert row.title is None
    assert take(garden, entry).filled == (entry.id,)
    assert garden.bodies_wanted(GARDEN.id, now=LATER) == []
    assert titles(garden, "#soil compost") == ["Compost"]
    assert garden.digest(GARDEN.id).bodies == 2


def test_a_body_nobody_has_is_asked_for_ever_more_rarely_and_then_no_more(garden):
    entry = without_body(Writer().entry(ANA, "Compost"))
    take(garden, entry)
    now = LATER
    for pause in (3_600, 86_400, 7 * 86_400):
        garden.bodies_absent([entry.id], now=now)
        assert garden.bodies_wanted(GARDEN.id, now=now + pause - 1) == []
        assert garden.bodies_wanted(GARDEN.id, now=now + pause) == [entry.id]
        now += pause
    garden.bodies_absent([entry.id], now=now)
    assert garden.bodies_wanted(GARDEN.id, now=now * 2) == []


def test_a_withdrawn_body_is_hidden_and_not_served_at_once(garden):
    writer = Writer()
    entry = writer.entry(ANA, "Compost", "soil")
    take(garden, entry)
    take(garden, writer.withdraw(ANA, entry))
    assert garden.envelopes(GARDEN.id, [entry.id])[entry.id].body is None
    assert titles(garden) == titles(garden, "compost") == titles(garden, "#soil") == []
    assert garden.tag_counts() == []
    assert dict(garden.contributions_after(GARDEN.id, 0))[2].body is None
    detail = garden.entry_detail(GARDEN.id, entry.id)
    assert detail is not None
    assert detail.row.withdrawn
    assert detail.text is None
    assert [(item.author, item.target) for item in detail.withdrawals] == [(ANA.author, entry.id)]


def test_a_withdrawn_body_is_not_accepted_again(garden):
    writer = Writer()
    entry = writer.entry(ANA, "Compost")
    withdrawal = writer.withdraw(ANA, entry)
    take(garden, withdrawal)
    take(garden, entry)
    assert take(garden, entry).filled == ()
    assert garden.bodies_wanted(GARDEN.id, now=LATER) == []
    # Should the withdrawal turn out to be a thief's, the body is wanted again: it was never kept.
    assert garden.digest(GARDEN.id).bodies == 2
    assert garden.views_differences() == []


def test_withdrawn_words_are_erased_from_the_file_after_72_hours(garden, tmp_path):
    writer = Writer()
    entry = writer.entry(ANA, "Zanzibarian", "quetzalcoatl", text="xylophonic")
    other = writer.entry(ANA, "Another")
    take(garden, entry, other)
    take(garden, writer.withdraw(ANA, entry))
    assert garden.sweep(LATER + ERASE_AFTER_SECONDS - 1) == 0
    assert garden.sweep(LATER + ERASE_AFTER_SECONDS) == 1
    assert garden.sweep(LATER + ERASE_AFTER_SECONDS) == 0
    assert take(garden, entry).filled == ()
    garden.close()
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for word in (b"anzibarian", b"ylophonic", b"uetzalcoatl"):
        assert word not in left
    assert b"nother" in left


def test_sweeping_many_withdrawals_takes_them_all(garden):
    writer = Writer()
    entries = [writer.entry(ANA, f"Number {number}") for number in range(460)]
    withdrawals = [writer.withdraw(ANA, entry) for entry in entries]
    take(garden, *entries)
    take(garden, *withdrawals)
    assert garden.sweep(LATER + ERASE_AFTER_SECONDS) == 460


def test_what_a_thief_withdrew_comes_back_when_the_device_is_revoked(garden):
    writer = Writer()
    entry = writer.entry(ANA, "Compost")
    take(garden, entry)
    take(garden, writer.withdraw(ANAS_LAPTOP, entry))
    assert titles(garden) == []
    take(garden, writer.revoke(ANA, ANAS_LAPTOP.device))
    assert titles(garden) == ["Compost"]
    assert garden.sweep(LATER + ERASE_AFTER_SECONDS) == 0
    assert garden.digest(GARDEN.id).bodies == 4


def test_what_a_revoked_device_signs_later_is_kept_and_counts_nowhere(garden):
    writer = Writer()
    take(garden, writer.revoke(ANA, ANAS_LAPTOP.device))
    entry = writer.entry(ANAS_LAPTOP, "Not mine")
    take(garden, entry)
    assert titles(garden) == []
    assert garden.known([entry.id]) == {entry.id}


def test_the_keep_list_that_comes_late_gives_back_what_it_names(garden):
    writer = Writer()
    entry = writer.entry(ANAS_LAPTOP, "Mine")
    revocation = writer.revoke(ANA, ANAS_LAPTOP.device, entry)
    take(garden, entry, without_body(revocation))
    assert titles(garden) == []
    take(garden, revocation)
    assert titles(garden) == ["Mine"]
    assert garden.views_differences() == []


def test_the_digest_is_that_of_the_ids(garden):
    writer = Writer()
    entries = [writer.entry(ANA, f"Number {number}") for number in range(300)]
    take(garden, *entries)
    digest = garden.digest(GARDEN.id)
    ids = [GARDEN.id, *(entry.id for entry in entries)]
    assert digest.count == digest.bodies == 301
    assert digest.fingerprint == fingerprint_of(ids)
    assert {identifier for _, identifier in garden.items(GARDEN.id)} == set(ids)


def test_the_digest_of_an_unknown_commons_is_empty(store):
    digest = store.digest(bytes(32))
    assert (digest.count, digest.bodies) == (0, 0)
    assert digest.fingerprint == fingerprint_of([])


def test_items_after_a_row_are_those_that_came_later(garden):
    writer = Writer()
    one, two = writer.entry(ANA, "One"), writer.entry(ANA, "Two")
    take(garden, one)
    mark = garden.last_rowid()
    take(garden, two)
    assert garden.items_after(GARDEN.id, mark) == [(two.header.claimed_at, two.id)]


def test_only_ones_own_are_handed_to_the_publisher(garden):
    writer = Writer()
    foreign, own = writer.entry(BO, "Bo's"), writer.entry(ANA, "Mine")
    take(garden, foreign, source="peer")
    take(garden, own, own=True)
    ahead = garden.own_after(0)
    assert [item for _, item in ahead] == [GARDEN, own]
    assert garden.own_after(ahead[-1][0]) == []
    garden.leave_commons(GARDEN.id, now=LATER)
    assert garden.own_after(0) == []


def test_unknown_references_are_named(garden):
    writer = Writer()
    first = writer.entry(ANA, "One")
    second = writer.edit(ANA, first, "Two", [first])
    take(garden, second)
    assert garden.unknown_references(GARDEN.id, [second.id]) == {first.id}
    take(garden, first)
    assert garden.unknown_references(GARDEN.id, [second.id]) == set()


def test_a_commons_is_known_by_id_before_its_first_words_arrive(store):
    store.join_commons(GARDEN.id, now=NOW, title_hint="Gard", inviter="peer-1")
    entry = Writer().entry(ANA, "Compost")
    take(store, entry)
    row = store.commons_row(GARDEN.id)
    assert row is not None
    assert (row.title, row.title_hint, row.count, row.entries) == (None, "Gard", 1, 1)
    assert store.inviters(GARDEN.id) == ("peer-1",)
    take(store, GARDEN)
    row = store.commons_row(GARDEN.id)
    assert row is not None
    assert (row.title, row.founder, row.count) == ("Garden", ANA.author, 2)


def test_leaving_hides_and_coming_back_shows_again(garden):
    take(garden, Writer().entry(ANA, "Compost", "soil"))
    garden.leave_commons(GARDEN.id, now=LATER)
    assert titles(garden) == titles(garden, "compost") == []
    assert garden.commons_rows() == []
    assert garden.tag_counts() == []
    assert [row.left_at for row in garden.commons_rows(left=True)] == [LATER]
    garden.join_commons(GARDEN.id, now=LATER + 1)
    assert titles(garden) == ["Compost"]
    assert [row.joined_at for row in garden.commons_rows()] == [NOW]


def test_a_deleted_commons_leaves_nothing_and_rowids_are_not_given_again(garden):
    entry = Writer().entry(ANA, "Compost", "soil")
    take(garden, entry)
    mark = garden.last_rowid()
    garden.delete_commons(GARDEN.id)
    assert garden.commons_row(GARDEN.id) is None
    assert garden.entry_ids(Query(commons=(GARDEN.id,)), now=LATER).tolist() == []
    assert garden.views_differences() == []
    garden.join_commons(GARDEN.id, now=LATER)
    take(garden, GARDEN, entry, own=True)
    assert [rowid for rowid, _ in garden.own_after(mark)] == [mark + 1, mark + 2]
    assert titles(garden) == ["Compost"]


def test_a_circle_is_stored_and_relayed_but_not_shown(store):
    from histories import SALT

    from p2pcommons.model.contribution import sign
    from p2pcommons.model.ids import ZERO_ID
    from p2pcommons.model.kinds import CommonsBody, encode_body

    body = CommonsBody("Us", visibility="circle", why_private="we are few")
    circle = sign(ANA, "commons", commons=ZERO_ID, body=encode_body(body, SALT), claimed_at=NOW)
    writer = Writer(commons=circle.id)
    early, late = writer.entry(ANA, "Early", "soil"), writer.entry(ANA, "Late")
    store.join_commons(circle.id, now=NOW)
    take(store, early, writer.profile(ANA, "Ana"))
    assert titles(store) == ["Early"]
    take(store, circle)
    take(store, late, writer.profile(BO, "Bo"))
    assert titles(store) == []
    row = store.commons_row(circle.id)
    assert row is not None
    assert row.unsupported is not None
    assert row.entries == 0
    assert store.digest(circle.id).count == 5
    assert store.views_differences() == []


def test_hundreds_of_versions_by_many_people_fold_to_their_heads(garden):
    writer = Writer()
    people = [Signer(*_pair(number)) for number in range(40)]
    first = writer.entry(ANA, "Version 0")
    versions, newest = [first], first
    for number in range(400):
        newest = writer.edit(people[number % 40], first, f"Version {number}", [newest])
        versions.append(newest)
    for start in range(0, len(versions), 50):
        take(garden, *versions[start : start + 50])
    row = garden.entry_row(GARDEN.id, first.id)
    assert row is not None
    assert row.versions == 401
    # Each names the version of somebody else, so nobody's last word is replaced.
    assert row.heads == 401
    assert garden.views_differences() == []


def _pair(number):
    from histories import signer

    made = signer(10 + number, 1)
    return made.author, made.device, made.grant, made.seed


def test_many_at_once_are_taken_as_the_same_ones_one_by_one(garden, tmp_path):
    writer = Writer()
    many = [
        writer.entry(ANA, f"Entry {number}", f"tag{number % 7}", "all", url=f"https://a.b/{number}")
        for number in range(131)
    ]
    first = many[3]
    many += [
        writer.edit(BO, first, "Another version", [first]),
        writer.tag(BO, many[4], "mine"),
        writer.withdraw(ANA, many[5]),
    ]
    take(garden, *many)
    with Store.open(tmp_path / "other.db") as other:
        other.join_commons(GARDEN.id, now=NOW)
        for item in (GARDEN, *many):
            take(other, item)
        for store in (garden, other):
            assert store.views_differences() == []
            assert store.digest(GARDEN.id).count == 135
        for text in ("", "entry", "#all", "#mine", "another"):
            assert titles(garden, text) == titles(other, text)
        assert len(titles(garden, "#all")) == 130
        assert sorted(garden.items(GARDEN.id)) == sorted(other.items(GARDEN.id))
