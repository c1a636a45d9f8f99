"""The strangers' pool: who is a stranger, what goes when it is full, what is declined."""

from __future__ import annotations

import pytest
from histories import ANA, BO, CY, GARDEN, NOW, Writer, signer

from p2pcommons.model.limits import CLAIMED_AT_MAX
from p2pcommons.store import PoolLimits

LATER = NOW + 100_000
DEE, EVE = signer(4), signer(5)
TEXT = "word " * 200


@pytest.fixture
def garden(store):
    """Ana's commons, on Bo's machine."""
    store.join_commons(GARDEN.id, now=NOW)
    store.ingest([GARDEN], received_at=LATER)
    store.set_meta("own.author", BO.author.hex())
    return store


def take(store, *contributions, **more):
    return store.ingest(contributions, received_at=LATER, **more)


def standings(garden):
    return {each.author: each.standing for each in garden.contributors(GARDEN.id)}


def test_who_is_known_and_who_a_stranger(garden):
    writer = Writer()
    entries = {who: writer.entry(who, "Bed") for who in (CY, DEE, EVE, BO)}
    take(garden, *entries.values())
    assert standings(garden) == {
        ANA.author: "founder",
        BO.author: "own",
        CY.author: "stranger",
        DEE.author: "stranger",
        EVE.author: "stranger",
    }
    take(garden, writer.tag(BO, entries[CY], "mine"))  # used by oneself
    take(garden, writer.edit(ANA, entries[DEE], "Better", [entries[DEE]]))  # by the founder
    take(garden, writer.tag(EVE, entries[CY], "me-too"))  # using others makes nobody known
    assert standings(garden)[CY.author] == standings(garden)[DEE.author] == "used"
    assert standings(garden)[EVE.author] == "stranger"
    garden.keep_author(EVE.author, now=LATER)
    assert standings(garden)[EVE.author] == "kept"
    assert garden.let_author_go(EVE.author)
    assert standings(garden)[EVE.author] == "stranger"
    garden.pin(GARDEN.id, entries[EVE].id, now=LATER)
    assert standings(garden)[EVE.author] == "used"


def test_only_strangers_count_for_the_pool(garden):
    writer = Writer()
    take(garden, writer.entry(BO, "Own"), writer.entry(ANA, "Founder's"))
    assert garden.pool_look(GARDEN.id).contributions == 0
    take(garden, writer.entry(CY, "Stranger's"))
    look = garden.pool_look(GARDEN.id)
    assert look.contributions == 1
    assert look.bytes > 0
    assert look.known_authors == {ANA.author, BO.author}


def test_a_full_pool_lets_the_oldest_of_strangers_go_and_keeps_the_set(garden):
    writer = Writer()
    take(garden, *[writer.entry(ANA, f"Old {number}") for number in range(5)])
    strange = [writer.entry(signer(50 + number), f"Spam {number}") for number in range(20)]
    take(garden, *strange)
    before = garden.digest(GARDEN.id)
    limits = PoolLimits(10**9, 10, 100)
    look = garden.trim_pool(GARDEN.id, limits)
    assert look.contributions == 9
    assert look.floor == strange[10].header.claimed_at
    after = garden.digest(GARDEN.id)
    assert (after.count, after.fingerprint) == (before.count, before.fingerprint)
    held = garden.envelopes(GARDEN.id, [each.id for each in strange])
    assert set(held) == {each.id for each in strange[11:]}
    assert garden.known([strange[0].id]) == {strange[0].id}
    assert garden.views_differences() == []
    assert garden.space_use(GARDEN.id).let_go == 11
    assert garden.trim_pool(GARDEN.id, limits) == look


def test_a_claim_from_the_far_future_is_no_newer_than_the_day_it_came(garden):
    writer = Writer()
    old = writer.write(CY, writer_body(), at=CLAIMED_AT_MAX)
    garden.ingest([old], received_at=NOW + 10)
    newer = [writer.entry(DEE, f"New {number}") for number in range(5)]
    for number, entry in enumerate(newer):
        garden.ingest([entry], received_at=NOW + 100 + number)
    writer.clock = NOW + 1_000
    garden.ingest([writer.entry(DEE, "Newest")], received_at=NOW + 1_000)
    garden.trim_pool(GARDEN.id, PoolLimits(10**9, 6, 100))
    assert not garden.envelopes(GARDEN.id, [newer[0].id])
    garden.trim_pool(GARDEN.id, PoolLimits(10**9, 1, 100))
    assert not garden.envelopes(GARDEN.id, [old.id])


def writer_body():
    from p2pcommons.model.kinds import EntryBody

    return EntryBody("note", "From the future")


def test_withdrawals_and_revocations_go_only_with_everything_of_their_author(garden):
    writer = Writer()
    entry = writer.entry(CY, "Withdrawn")
    withdrawal = writer.withdraw(CY, entry)
    revocation = writer.revoke(DEE, bytes(32))
    newer = [writer.entry(EVE, f"New {number}") for number in range(8)]
    late = writer.entry(CY, "Late")
    take(garden, entry, withdrawal, revocation, *newer, late)
    garden.trim_pool(GARDEN.id, PoolLimits(10**9, 10, 100))
    # Of Dee nothing else is left; Cy has a newer entry, so the withdrawal stays.
    assert set(garden.envelopes(GARDEN.id, [entry.id, withdrawal.id, revocation.id, late.id])) == {
        withdrawal.id,
        late.id,
    }
    assert garden.pool_look(GARDEN.id).contributions == 9
    assert garden.views_differences() == []


def test_ids_that_were_let_go_are_bounded_and_then_strangers_get_nothing_more(garden):
    writer = Writer()
    limits = PoolLimits(10**9, 10, 15)
    take(garden, *[writer.entry(signer(50 + number), "Spam") for number in range(20)])
    assert garden.trim_pool(GARDEN.id, limits).contributions == 9
    take(garden, *[writer.entry(signer(80 + number), "Spam") for number in range(20)])
    look = garden.trim_pool(GARDEN.id, limits)
    assert look.contributions == 29
    assert look.floor == CLAIMED_AT_MAX


def test_room_again_lowers_the_floor_and_forgets_what_was_declined(garden):
    writer = Writer()
    take(garden, *[writer.entry(signer(50 + number), "Spam") for number in range(20)])
    garden.trim_pool(GARDEN.id, PoolLimits(10**9, 10, 100))
    garden.decline(GARDEN.id, [(b"\x01" * 32, CY.author), (b"\x02" * 32, DEE.author)], LATER)
    tight, roomy = PoolLimits(10**9, 10, 100), PoolLimits(10**9, 100, 100)
    assert not garden.ease_pool(GARDEN.id, tight)
    assert len(garden.declined_ids(GARDEN.id)) == 2
    garden.keep_author(CY.author, now=LATER)
    assert garden.ease_pool(GARDEN.id, tight)
    assert garden.declined_ids(GARDEN.id) == [b"\x02" * 32]
    assert garden.ease_pool(GARDEN.id, roomy)
    assert garden.pool_floor(GARDEN.id) is None
    assert garden.declined_ids(GARDEN.id) == []


def test_declined_ids_are_bounded_and_the_oldest_give_way(garden):
    for number in range(10):
        garden.decline(GARDEN.id, [(bytes([number]) * 32, CY.author)], LATER + number)
    garden.forget_declined(4)
    assert garden.declined_ids(GARDEN.id) == [bytes([number]) * 32 for number in range(6, 10)]
