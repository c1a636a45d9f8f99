"""The ids of a commons: fingerprints, growth, snapshots that stay as they were."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.protocol.items import (
    ORDER_MAX,
    ItemLoader,
    ItemSet,
    fingerprint_of,
    full_fingerprint,
)
from p2pcommons.protocol.negentropy import Negentropy, split_ids

ids = st.binary(min_size=32, max_size=32) | st.integers(0, 40).map(lambda n: bytes([n] * 32))
items = st.tuples(st.integers(1, 2**32 - 1) | st.integers(1, 5), ids)


def in_order(pairs: set[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    return sorted((ORDER_MAX - claimed_at, identifier) for claimed_at, identifier in pairs)


@given(st.lists(st.lists(items, max_size=30), max_size=6))
@settings(max_examples=100, deadline=None)
def test_growing_in_pieces_is_the_same_as_at_once(batches: list[list[tuple[int, bytes]]]) -> None:
    grown = ItemSet()
    known: set[tuple[int, bytes]] = set()
    for batch in batches:
        assert grown.add_many(batch) == len(set(batch) - known)
        known |= set(batch)
    expected = in_order(known)
    snapshot = grown.snapshot()
    assert snapshot.count == grown.count == len(known)
    assert split_ids(snapshot.ids(0, snapshot.count)) == [identifier for _, identifier in expected]
    assert [snapshot.item(index) for index in range(snapshot.count)] == expected
    assert grown.fingerprint() == fingerprint_of(identifier for _, identifier in expected)
    assert grown.fingerprint() == ItemSet(known).fingerprint()
    assert all(item in grown for item in known)


@given(st.sets(items, max_size=60), st.sets(items, max_size=10), st.data())
@settings(max_examples=100, deadline=None)
def test_any_range_has_the_fingerprint_of_its_ids(
    first: set[tuple[int, bytes]], later: set[tuple[int, bytes]], data: st.DataObject
) -> None:
    grown = ItemSet(first)
    grown.add_many(later)
    snapshot = grown.snapshot()
    low = data.draw(st.integers(0, snapshot.count))
    high = data.draw(st.integers(low, snapshot.count))
    expected = [identifier for _, identifier in in_order(first | later)][low:high]
    assert snapshot.fingerprint(low, high) == fingerprint_of(expected)
    assert split_ids(snapshot.ids(low, high)) == expected


@given(st.sets(items, max_size=60), st.sets(items, max_size=10), items)
@settings(max_examples=100, deadline=None)
def test_position_counts_what_sorts_before(
    first: set[tuple[int, bytes]], later: set[tuple[int, bytes]], bound: tuple[int, bytes]
) -> None:
    grown = ItemSet(first)
    grown.add_many(later)
    order, prefix = ORDER_MAX - bound[0], bound[1][: bound[0] % 33]
    padded = (order, prefix.ljust(32, b"\x00"))
    expected = sum(item < padded for item in in_order(first | later))
    assert grown.snapshot().position(order, prefix) == expected


def test_a_snapshot_does_not_see_what_is_added_later() -> None:
    growing = ItemSet([(5, b"a" * 32)])
    snapshot = growing.snapshot()
    before = snapshot.fingerprint()
    growing.add_many([(second, bytes([second]) * 32) for second in range(1, 200)])
    assert (snapshot.count, snapshot.fingerprint()) == (1, before)


def test_newest_since_leaves_out_what_is_older() -> None:
    growing = ItemSet((second, bytes([second]) * 32) for second in range(1, 100))
    part = growing.snapshot().newest_since(90)
    assert part.count == 10
    assert part.fingerprint() == fingerprint_of(bytes([second]) * 32 for second in range(90, 100))
    assert part.position(2**40, b"") == 10


def test_full_fingerprint_depends_on_salt_and_set_not_on_who_brought_what() -> None:
    everything = [(second, bytes([second]) * 32) for second in range(1, 100)]
    some, rest = everything[:60], [identifier for _, identifier in everything[60:]]
    whole = full_fingerprint(b"salt", ItemSet(everything).snapshot(), ())
    assert whole == full_fingerprint(b"salt", ItemSet(some).snapshot(), rest[::-1])
    assert whole != full_fingerprint(b"tlas", ItemSet(everything).snapshot(), ())
    assert whole != full_fingerprint(b"salt", ItemSet(some).snapshot(), rest[1:])


def test_many_small_additions_merge_into_the_large_run() -> None:
    growing = ItemSet()
    for start in range(0, 6_000, 300):
        growing.add_many((10 + n, n.to_bytes(32, "big")) for n in range(start, start + 300))
    assert growing.count == 6_000
    expected = fingerprint_of(n.to_bytes(32, "big") for n in range(6_000))
    assert growing.fingerprint() == expected


def test_equal_sets_take_one_message_each_way() -> None:
    chosen = [(n % 977 + 1, n.to_bytes(32, "little")) for n in range(20_000)]
    opener = Negentropy(ItemSet(chosen).snapshot(), jitter=lambda n: n // 3)
    first = opener.initiate()
    answer = Negentropy(ItemSet(reversed(chosen)).snapshot()).reconcile(first).message
    assert answer is not None
    assert opener.reconcile(answer).message is None
    assert len(first) + len(answer) < 420


def test_a_digest_needs_no_numpy() -> None:
    code = (
        "import sys, p2pcommons.protocol.items as items;"
        "items.fingerprint_of([bytes(32)]);"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def spread(count: int) -> list[tuple[int, bytes]]:
    chance = random.Random(count)
    return [(chance.randrange(1, 10**6), chance.randbytes(32)) for _ in range(count)]


def test_loading_in_parts_is_the_same_as_at_once_whatever_was_expected() -> None:
    everything = spread(3_000)
    for expected in (0, 100, 3_000, 5_000):
        loader = ItemLoader(expected)
        for start in range(0, 3_000, 700):
            loader.add(everything[start : start + 700])
        loader.add(everything[:50])  # read twice
        assert loader.finish().fingerprint() == ItemSet(everything).fingerprint()


def test_a_large_set_takes_no_more_than_its_keys_and_a_tenth_also_while_it_is_loaded() -> None:
    count = 100_000
    everything = spread(count)
    tracemalloc.start()
    try:
        loader = ItemLoader(count)
        for start in range(0, count, 5_000):
            loader.add(everything[start : start + 5_000])
        loaded = loader.finish()
        del loader
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert loaded.count == count
    assert kept < loaded.bytes_used < 40 * count
    assert peak < 50 * count  # what is being read stands beside it


def test_growing_copies_only_the_blocks_that_take_something_new() -> None:
    growing = ItemSet(spread(100_000))
    before = growing.snapshot()
    tracemalloc.start()
    try:
        growing.add_many([(10**6 + 5, b"n" * 32)])
        after = growing.snapshot()
        copied, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (before.count, after.count) == (100_000, 100_001)
    assert copied < 60_000


def test_what_was_replaced_in_a_loaded_set_is_let_go_of() -> None:
    loader = ItemLoader(20_000)
    loader.add(spread(20_000))
    growing = loader.finish()
    for number in range(40):
        growing.add_many((second, bytes([number]) * 32) for second in range(number, 10**6, 20_000))
    assert growing.count == 20_000 + 40 * 50
    assert growing.bytes_used < 55 * growing.count


def test_fingerprints_of_many_ranges_are_those_of_each() -> None:
    everything = spread(5_000)
    snapshot = ItemSet(everything).snapshot()
    chance = random.Random(7)
    cuts = sorted(chance.choices(range(5_001), k=300))
    alone = [snapshot.fingerprint(low, high) for low, high in itertools.pairwise(cuts)]
    assert snapshot.fingerprints(cuts) == alone
    bounds = sorted((order, chance.randbytes(2)) for order in chance.choices(range(2**32), k=300))
    bounds += [(ORDER_MAX - second, b"") for second in range(10**6, 0, -5_000)]
    bounds += [(2**40, b""), (2**64 - 1, b"")]
    bounds.sort()
    assert snapshot.positions(bounds) == [snapshot.position(*bound) for bound in bounds]
    ids = [identifier for _, identifier in in_order(set(everything))]
    for low, high in itertools.pairwise(cuts):
        assert snapshot.ids(low, high) == b"".join(ids[low:high])
