"""Reconciliation of any two sets, within any frame limit, against any bytes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.errors import RejectedError
from p2pcommons.protocol.items import ORDER_MAX, ItemSet, fingerprint_of
from p2pcommons.protocol.limits import RANGES_MAX
from p2pcommons.protocol.negentropy import Negentropy, split_ids
from p2pcommons.protocol.negentropy_varint import encode_varint

Items = set[tuple[int, bytes]]


def random_items(chance: random.Random, count: int, *, seconds: int) -> Items:
    return {(chance.randrange(1, seconds + 1), chance.randbytes(32)) for _ in range(count)}


def differences(
    opener_items: Items,
    other_items: Items,
    *,
    frame: int,
    seed: int | None,
    fresh: int | None = None,
) -> tuple[set[bytes], set[bytes], list[int]]:
    """Run to the end; return what the opener found out and the sizes of all messages."""
    jitter = None if seed is None else random.Random(seed).randrange
    opener = Negentropy(ItemSet(opener_items).snapshot(), frame_bytes_max=frame, jitter=jitter)
    other = Negentropy(ItemSet(other_items).snapshot(), frame_bytes_max=frame)
    have: set[bytes] = set()
    need: set[bytes] = set()
    message: bytes | None = opener.initiate(fresh)
    sizes: list[int] = []
    for _ in range(5_000):
        assert message is not None
        answer = other.reconcile(message).message
        assert answer is not None
        step = opener.reconcile(answer)
        sizes += [len(message), len(answer)]
        have |= set(split_ids(step.have))
        need |= set(split_ids(step.need))
        message = step.message
        if message is None:
            return have, need, sizes
    raise AssertionError("does not end")


@given(
    st.integers(0, 2**32),
    st.integers(0, 700),
    st.integers(0, 250),
    st.integers(0, 250),
    st.sampled_from([1, 40, 10**8]),
    st.sampled_from([0, 4_096, 5_000]),
    st.booleans(),
    st.none() | st.integers(0, 60),
)
@settings(max_examples=150, deadline=None)
def test_all_differences_are_found(
    seed: int,
    common: int,
    left: int,
    right: int,
    seconds: int,
    frame: int,
    moved: bool,
    fresh: int | None,
) -> None:
    chance = random.Random(seed)
    shared = random_items(chance, common, seconds=seconds)
    mine, theirs = (random_items(chance, count, seconds=seconds) for count in (left, right))
    have, need, sizes = differences(
        shared | mine, shared | theirs, frame=frame, seed=seed if moved else None, fresh=fresh
    )
    assert have == {identifier for _, identifier in mine}
    assert need == {identifier for _, identifier in theirs}
    if frame:
        assert max(sizes) <= frame


def test_a_range_that_did_not_fit_is_never_summed_up_as_nothing() -> None:
    """Else a side that has nothing there would take the two for equal, and miss all of it."""
    items = {(10_000 - n, n.to_bytes(32, "big")) for n in range(2_000)}
    nothing = fingerprint_of([])
    full_frames = 0
    for ranges in range(1, 30):
        message = bytearray(b"\x61")
        for _ in range(ranges):  # 50 items each, and a fingerprint that differs
            message += encode_varint(51 if len(message) > 1 else ORDER_MAX - 10_000 + 51)
            message += b"\x00\x01" + bytes(16)
        message += b"\x00\x00\x01" + nothing
        side = Negentropy(ItemSet(items).snapshot(), frame_bytes_max=4_096)
        answer = side.reconcile(bytes(message)).message
        assert answer is not None
        full_frames += len(answer) > 3_400
        assert not answer.endswith(nothing)
    assert full_frames > 10


def test_jitter_moves_split_points_and_nothing_else() -> None:
    chance = random.Random(1)
    items = random_items(chance, 5_000, seconds=10**6)
    snapshot = ItemSet(items).snapshot()
    fixed = Negentropy(snapshot).initiate()
    moved = {Negentropy(snapshot, jitter=random.Random(n).randrange).initiate() for n in range(5)}
    assert len(moved) == 5
    assert fixed not in moved


@given(st.binary(max_size=200), st.booleans(), st.integers(0, 80))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_answered_or_rejected(data: bytes, is_opener: bool, count: int) -> None:
    items = random_items(random.Random(count), count, seconds=100)
    side = Negentropy(ItemSet(items).snapshot(), frame_bytes_max=4_096)
    if is_opener:
        side.initiate()
    for message in (data, b"\x61" + data):
        try:
            answer = side.reconcile(message).message
        except RejectedError:
            continue
        assert answer is None or len(answer) <= 4_096


def test_another_version_is_answered_with_ours_and_ends_the_opener() -> None:
    snapshot = ItemSet().snapshot()
    assert Negentropy(snapshot).reconcile(b"\x62whatever").message == b"\x61"
    opener = Negentropy(snapshot)
    opener.initiate()
    with pytest.raises(RejectedError):
        opener.reconcile(b"\x60")
    with pytest.raises(RejectedError):
        Negentropy(snapshot).reconcile(b"\x50")


@pytest.mark.parametrize(
    "message",
    [
        b"\x61\x05\x01\x09\x00\x01\x01\x08\x00",  # the second bound sorts before the first
        b"\x61\x00\x21" + bytes(33) + b"\x00",  # a bound of 33 bytes
        b"\x61\x00\x00\x03",  # no such mode
        b"\x61\x00\x00\x02\x7f" + bytes(32),  # 127 ids announced, one there
        b"\x61" + b"\xff" * 11,  # an integer that does not end
        b"",
    ],
)
def test_malformed_messages_are_rejected(message: bytes) -> None:
    with pytest.raises(RejectedError):
        Negentropy(ItemSet().snapshot()).reconcile(message)


def test_message_of_nothing_but_empty_ranges_is_rejected() -> None:
    empty = b"\x01\x00\x00"
    assert Negentropy(ItemSet().snapshot()).reconcile(b"\x61" + empty * RANGES_MAX).message
    with pytest.raises(RejectedError):
        Negentropy(ItemSet().snapshot()).reconcile(b"\x61" + empty * (RANGES_MAX + 1))


def test_frames_smaller_than_the_protocol_needs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        Negentropy(ItemSet().snapshot(), frame_bytes_max=100)


def newest(count: int, seed: int) -> Items:
    chance = random.Random(seed)
    return {(2 * 10**6 + chance.randrange(10**6), chance.randbytes(32)) for _ in range(count)}


@pytest.mark.parametrize(("mine", "theirs"), [(0, 0), (10, 0), (0, 10), (10, 10), (25, 0), (25, 3)])
def test_what_is_new_since_two_sets_were_equal_takes_one_round(mine: int, theirs: int) -> None:
    shared = random_items(random.Random(3), 20_000, seconds=10**6)
    here, there = newest(mine, 1), newest(theirs, 2)
    have, need, sizes = differences(shared | here, shared | there, frame=0, seed=5, fresh=mine)
    assert have == {identifier for _, identifier in here}
    assert need == {identifier for _, identifier in there}
    assert len(sizes) == 2
    assert sum(sizes) < 120 + 33 * (min(mine, 16) + theirs)


@pytest.mark.parametrize(
    ("mine", "theirs", "lacks_nothing"),
    [(0, 0, True), (0, 10, True), (10, 0, False), (10, 10, False), (25, 0, False)],
)
def test_the_other_side_knows_at_once_when_it_lacks_nothing(
    mine: int, theirs: int, lacks_nothing: bool
) -> None:
    shared = random_items(random.Random(3), 20_000, seconds=10**6)
    opener = Negentropy(ItemSet(shared | newest(mine, 1)).snapshot())
    other = Negentropy(ItemSet(shared | newest(theirs, 2)).snapshot())
    step = other.reconcile(opener.initiate(mine))
    assert step.lacks_nothing is lacks_nothing


def test_the_opener_has_never_heard_what_the_other_side_lacks() -> None:
    opener = Negentropy(ItemSet().snapshot())
    other = Negentropy(ItemSet(random_items(random.Random(3), 20_000, seconds=99)).snapshot())
    assert other.reconcile(opener.initiate()).lacks_nothing
    assert not opener.reconcile(other.reconcile(opener.initiate()).message or b"").lacks_nothing
