"""Gossip messages: one author, one commons, ascending, with bodies, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.model import codec
from p2pcommons.model.contribution import Contribution, Envelope, envelope_to_array, verify
from p2pcommons.model.limits import GOSSIP_BYTES_MAX, GOSSIP_ENVELOPES_MAX
from p2pcommons.protocol.budget import (
    AuthorBudgets,
    FairShares,
    ServedBudget,
    TokenBucket,
    units_of,
)
from p2pcommons.protocol.gossip import decode_gossip, encode_gossip
from p2pcommons.protocol.limits import GossipBudget
from p2pcommons.protocol.topic import gossip_topic

from .memory import entry, founding

TOPIC = gossip_topic(founding().id)
OF_ONE_AUTHOR = sorted((entry(number) for number in range(0, 30, 3)), key=lambda item: item.id)


def message(items: list[Contribution]) -> bytes:
    return codec.encode([envelope_to_array(item.envelope()) for item in items])


def test_a_topic_does_not_name_its_commons() -> None:
    assert TOPIC.startswith("/p2pcommons/1/")
    assert len(TOPIC) == len("/p2pcommons/1/") + 32
    assert TOPIC.lower() == TOPIC
    assert founding().id.hex() not in TOPIC


def test_what_was_written_comes_out_grouped_by_author() -> None:
    items = [founding(), *(entry(number) for number in range(20))]
    messages = encode_gossip([*items, items[0]])
    assert len(messages) == 3
    received = [verify(envelope) for data in messages for envelope in decode_gossip(TOPIC, data)]
    assert {item.id for item in received} == {item.id for item in items}


def test_messages_stay_within_count_and_size() -> None:
    many = [entry(number) for number in range(0, 900, 3)]
    large = [entry(number, body_bytes=60_000) for number in range(0, 9, 3)]
    messages = encode_gossip(many + large)
    envelopes = [decode_gossip(TOPIC, data) for data in messages]
    assert max(map(len, messages)) <= GOSSIP_BYTES_MAX
    assert max(map(len, envelopes)) <= GOSSIP_ENVELOPES_MAX
    assert sum(map(len, envelopes)) == 303


def test_writing_across_commons_or_without_a_body_is_a_bug() -> None:
    with pytest.raises(ValueError, match="one commons"):
        encode_gossip([entry(1), entry(1, commons=1)])
    item = entry(1)
    bare = Contribution(item.id, item.header, item.header_bytes, item.signature, item.grant, None)
    with pytest.raises(ValueError, match="bodies"):
        encode_gossip([bare])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (message([]), RejectReason.GOSSIP_SHAPE),
        (message(OF_ONE_AUTHOR[::-1]), RejectReason.GOSSIP_SHAPE),
        (message([OF_ONE_AUTHOR[0]] * 2), RejectReason.GOSSIP_SHAPE),
        (message(sorted([entry(0), entry(1)], key=lambda e: e.id)), RejectReason.GOSSIP_SHAPE),
        (message([entry(1, commons=1)]), RejectReason.WRONG_COMMONS),
        (message([founding(1)]), RejectReason.WRONG_COMMONS),
        (codec.encode({"v": 1}), RejectReason.GOSSIP_SHAPE),
        (codec.encode([[1, 2, 3, 4]]), RejectReason.ENVELOPE_SHAPE),
        (b"\xc1", RejectReason.CODEC),
        (bytes(GOSSIP_BYTES_MAX + 1), RejectReason.MESSAGE_TOO_LARGE),
    ],
)
def test_any_other_shape_is_rejected(data: bytes, reason: RejectReason) -> None:
    with pytest.raises(RejectedError) as caught:
        decode_gossip(TOPIC, data)
    assert caught.value.reason is reason


def test_a_missing_body_is_rejected() -> None:
    whole = entry(1).envelope()
    bare = Envelope(whole.header, whole.signature, whole.grant, None)
    with pytest.raises(RejectedError, match="body is missing"):
        decode_gossip(TOPIC, codec.encode([envelope_to_array(bare)]))


@given(
    st.integers(1, 1_000),
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 80)), max_size=40),
)
@settings(max_examples=100)
def test_a_bucket_never_gives_more_than_burst_and_rate_allow(
    rate: int, burst: int, steps: list[tuple[int, int]]
) -> None:
    bucket = TokenBucket(rate, burst)
    now_ms = taken = 0
    for pause_ms, count in steps:
        now_ms += pause_ms
        if bucket.take(count, now_ms / 1_000):
            taken += count
    assert taken <= burst + rate * now_ms / 1_000 + 1e-6


def test_a_bucket_fills_up_again_and_no_clock_going_back_fills_it() -> None:
    bucket = TokenBucket(10, 20)
    assert bucket.take(20, 1.0)
    assert not bucket.take(1, 1.0)
    assert not bucket.take(1, 0.0)
    assert bucket.take(10, 2.0)
    assert not bucket.take(1, 2.0)


def test_spending_more_than_there_is_costs_time() -> None:
    bucket = TokenBucket(10, 5)
    assert bucket.spend(5, 0.0) == 0.0
    assert bucket.spend(5, 0.0) == 0.5
    assert bucket.spend(0, 0.5) == 0.0


def honest_and_flood(flooders: int, seconds: int = 60) -> tuple[int, float]:
    """Known authors ask for 1,000 units a second each, one asks for one; what each side got."""
    budgets = AuthorBudgets(GossipBudget())
    budgets.met(b"honest")
    for number in range(flooders):
        budgets.met(b"%d" % number)
    honest = flood = 0
    for tenth in range(seconds * 10):
        for number in range(flooders):
            flood += 100 * budgets.take_new(b"%d" % number, 100, tenth / 10)
        if tenth % 10 == 0:
            honest += budgets.take_new(b"honest", 1, tenth / 10)
    return honest, flood / seconds


def test_one_busy_author_may_use_all_that_nobody_else_asks_for() -> None:
    budgets = AuthorBudgets(GossipBudget())
    taken = [budgets.take_new(b"author", 80, tenth / 10) for tenth in range(600)]
    assert all(taken)


@pytest.mark.parametrize("flooders", [1, 3, 50])
def test_a_flood_costs_those_who_flood(flooders: int) -> None:
    limits = GossipBudget()
    honest, flood_per_s = honest_and_flood(flooders)
    assert honest == 60
    assert flood_per_s <= limits.new_units_per_s + limits.new_units_burst / 60


def test_ten_thousand_fresh_authors_get_no_more_than_a_few() -> None:
    limits = GossipBudget()
    budgets = AuthorBudgets(limits)
    budgets.met(b"honest")
    spam = honest = 0
    for number in range(10_000):
        now = number / 1_000
        spam += budgets.take_new(b"fresh %d" % number, 1, now)
        if number % 1_000 == 0:
            honest += budgets.take_new(b"honest", 1, now)
    assert spam <= limits.newcomers_burst + limits.newcomers_per_s * 10
    assert honest == 10


def test_made_up_keys_do_not_grow_the_memory() -> None:
    shares = FairShares(1, 10_000, window_s=1e9, keys_max=10)
    budgets = AuthorBudgets(GossipBudget(authors_met_max=10, newcomers_burst=1_000))
    for number in range(1_000):
        shares.take(str(number), 1, 0)
        budgets.take_new(b"%d" % number, 1, 0)
    assert len(shares._used) == 10
    assert len(budgets._met) == 10


def test_what_is_large_is_charged_by_its_size() -> None:
    assert [units_of(size) for size in (0, 1, 1_024, 1_025, 65_536)] == [1, 1, 1, 2, 64]


def test_a_bucket_that_gives_nothing_is_a_bug() -> None:
    with pytest.raises(ValueError, match="gives nothing"):
        TokenBucket(0, 1)


def test_a_newcomer_gets_everything_at_full_speed_and_nobody_gets_it_again_and_again() -> None:
    budget = ServedBudget()
    held = 1_000_000_000
    part = 1_000_000
    assert not any(budget.spend(part, held, number / 100) for number in range(1_400))
    waits = [budget.spend(part, held, 15.0) for _ in range(1_000)]
    assert waits[-1] > 1_800
    assert budget.spend(part, held, 15.0 + 24 * 3_600) == 0
