"""What a node takes of strangers: everything while there is room, and then the newest."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from p2pcommons.node.admission import StrangersPool
from p2pcommons.store import PoolLimits, Store

sys.path.insert(0, str(Path(__file__).parents[1] / "views"))

from histories import ANA, BO, CY, GARDEN, NOW, Writer, signer, without_body

LATER = NOW + 100_000


@pytest.fixture
def garden(tmp_path):
    with Store.open(tmp_path / "replica.db") as store:
        store.join_commons(GARDEN.id, now=NOW)
        store.set_meta("own.author", BO.author.hex())
        store.ingest([GARDEN], received_at=LATER)
        yield store


def pool_of(contributions_max, bytes_max=10**9, let_go_max=10_000):
    limits = PoolLimits(bytes_max, contributions_max, let_go_max)
    return StrangersPool(lambda: limits, lambda: LATER)


def take(store, pool, *contributions):
    """Offer contributions to a node; return which of them were declined."""
    admitted = pool.admit(store, contributions, "peer")
    store.ingest(admitted, received_at=LATER, source="peer")
    here = {each.id for each in admitted}
    return [each for each in contributions if each.id not in here]


def strangers(writer, count, first=20, text=""):
    return [
        writer.entry(signer(first + number), f"Spam {number}", text=text) for number in range(count)
    ]


def test_while_there_is_room_nobody_is_judged(garden):
    pool = pool_of(100)
    assert take(garden, pool, *strangers(Writer(), 99)) == []
    assert pool.declined(GARDEN.id) == ()


def test_a_flood_of_strangers_is_bounded_and_known_people_still_get_through(garden):
    writer = Writer()
    pool = pool_of(50)
    chance = random.Random(1)
    offered = strangers(writer, 230)
    founders = [writer.entry(ANA, f"Founder {number}") for number in range(20)]
    everything = [*offered, *founders]
    chance.shuffle(everything)
    declined = []
    for start in range(0, len(everything), 10):
        declined += take(garden, pool, *everything[start : start + 10])
    look = garden.pool_look(GARDEN.id)
    assert look.contributions <= 50 + 10
    assert declined
    assert all(each.header.author not in (ANA.author, BO.author) for each in declined)
    assert set(garden.envelopes(GARDEN.id, [each.id for each in founders])) == {
        each.id for each in founders
    }
    assert set(pool.declined(GARDEN.id)) == {each.id for each in declined}
    assert not garden.known([each.id for each in declined])
    assert garden.views_differences() == []


def test_the_newest_of_strangers_win_in_whatever_order_they_come(garden):
    writer = Writer()
    offered = strangers(writer, 200)
    pool = pool_of(50)
    for start in reversed(range(0, 200, 20)):
        take(garden, pool, *offered[start : start + 20])
    held = garden.envelopes(GARDEN.id, [each.id for each in offered])
    assert set(held) >= {each.id for each in offered[-45:]}
    assert len(held) <= 70


def test_claiming_the_future_brings_nothing(garden):
    writer = Writer()
    pool = pool_of(20)
    for start in range(0, 60, 10):
        take(garden, pool, *strangers(writer, 10, first=20 + start))
    floor = garden.pool_floor(GARDEN.id)
    assert floor is not None
    writer.clock = LATER * 2
    ahead = strangers(writer, 60, first=120)
    for start in range(0, 60, 10):
        take(garden, pool, *ahead[start : start + 10])
    writer.clock = LATER + 5_000
    late = StrangersPool(pool._limits, lambda: LATER + 10_000)
    late.load(garden)
    honest = writer.entry(CY, "Written after the flood")
    assert take(garden, late, honest) == []


def test_what_is_declined_is_not_known_and_stays_declined_over_a_restart(garden):
    writer = Writer()
    old = strangers(writer, 5, first=10)
    pool = pool_of(20)
    for start in range(0, 60, 10):
        take(garden, pool, *strangers(writer, 10, first=20 + start))
    assert take(garden, pool, *old) == old
    assert set(pool.declined(GARDEN.id)) == {each.id for each in old}
    again = pool_of(20)
    again.load(garden)
    assert set(again.declined(GARDEN.id)) == {each.id for each in old}


def test_a_commons_deleted_and_joined_again_has_declined_nothing(garden):
    writer = Writer()
    old = strangers(writer, 5, first=10)
    pool = pool_of(20)
    for start in range(0, 60, 10):
        take(garden, pool, *strangers(writer, 10, first=20 + start))
    assert take(garden, pool, *old) == old
    garden.delete_commons(GARDEN.id)
    garden.join_commons(GARDEN.id, now=NOW)
    pool.load(garden)
    assert not pool.declined(GARDEN.id)
    assert not pool.declines
    assert take(garden, pool, GARDEN, *old) == []


def test_a_known_contribution_gets_its_body_whoever_wrote_it(garden):
    writer = Writer()
    bare = writer.entry(CY, "Bed")
    newest = [without_body(writer.entry(signer(100 + n), "New")) for n in range(8)]
    writer.clock = NOW + 500
    kept = writer.entry(signer(99), "Bare")
    pool = pool_of(20)
    take(garden, pool, without_body(kept))
    take(garden, pool, *newest, bare)
    for start in range(0, 30, 10):
        take(garden, pool, *strangers(writer, 10, first=20 + start))
    assert garden.pool_floor(GARDEN.id) is not None
    for each in (*newest, kept):
        if garden.known([each.id]):
            assert take(garden, pool, each) == []


def test_a_withdrawal_of_what_is_held_is_always_taken(garden):
    writer = Writer()
    old = Writer(clock=NOW - 5_000)
    pool = pool_of(20)
    for start in range(0, 60, 10):
        take(garden, pool, *strangers(writer, 10, first=20 + start))
    held = writer.entry(CY, "Held")
    assert take(garden, pool, held) == []
    genuine, foreign = old.withdraw(CY, held), old.withdraw(signer(200), held)
    assert take(garden, pool, genuine, foreign) == [foreign]
    assert take(garden, pool, old.withdraw(CY, held)) != []


def test_somebody_who_is_known_by_now_is_asked_for_again(garden):
    writer = Writer()
    early = writer.entry(CY, "Early")
    pool = pool_of(20)
    for start in range(0, 60, 10):
        take(garden, pool, *strangers(writer, 10, first=20 + start))
    assert take(garden, pool, early) == [early]
    assert not pool.ease(garden)
    garden.keep_author(CY.author, now=LATER)
    assert pool.ease(garden)
    assert early.id not in pool.declined(GARDEN.id)
    assert take(garden, pool, early) == []


def test_strangers_own_bytes_count_not_only_their_number(garden):
    writer = Writer()
    pool = pool_of(10_000, bytes_max=200_000)
    for start in range(0, 100, 10):
        take(garden, pool, *strangers(writer, 10, first=20 + start, text="word " * 2_000))
    assert garden.pool_look(GARDEN.id).bytes <= 200_000 + 10 * 16_000
