"""The ids of a commons: fingerprints, growth, snapshots that stay as they were."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.protocol.items import ORDER_MAX, ItemSet, fingerprint_of, full_fingerprint
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
