"""Files in pieces: who is asked for what, and nothing wrong is ever written."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.errors import RejectedError
from p2pcommons.model.limits import CHUNK_BYTES
from p2pcommons.protocol.blobs import (
    CHUNKS_PER_REQUEST_MAX,
    BlobFetch,
    BlobRequest,
    absent,
    chunk_size,
    decode_request,
    encode_request,
)

ID = bytes(range(32))


def pieces_of(count: int, last: int = 7) -> tuple[int, list[bytes], bytes]:
    """A file of `count` chunks that are cheap to hash: size, chunks and their hashes."""
    size = (count - 1) * CHUNK_BYTES + last
    pieces = [bytes([index]) * chunk_size(size, index) for index in range(count)]
    return size, pieces, b"".join(hashlib.sha256(piece).digest() for piece in pieces)


@given(st.integers(0, 1_023), st.integers(1, CHUNKS_PER_REQUEST_MAX))
@settings(max_examples=50)
def test_a_request_comes_back(first: int, count: int) -> None:
    request = BlobRequest(ID, first, count)
    assert decode_request(encode_request(request)) == request


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes_are_a_request_or_refused(data: bytes) -> None:
    try:
        request = decode_request(data)
    except RejectedError:
        return
    assert encode_request(request) == data


@given(
    st.integers(1, 12),
    st.sets(st.integers(0, 11)),
    st.lists(st.sets(st.integers(0, 11)), min_size=1, max_size=4),
    st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_what_somebody_has_arrives_whoever_leaves_and_whoever_lacks_it(
    count: int, here: set[int], lacking: list[set[int]], seed: int
) -> None:
    chance = random.Random(seed)
    size, pieces, hashes = pieces_of(count)
    fetch = BlobFetch(ID, size, hashes, {index for index in here if index < count})
    written = {index for index in here if index < count}
    # The last holder has all of it and stays; the others lack something and may leave.
    holders = {f"peer{number}": lacks for number, lacks in enumerate(lacking)} | {"last": set()}
    answers: dict[str, list[bytes]] = {peer: [] for peer in holders}
    for peer in holders:
        fetch.add_holder(peer)
    for _ in range(10_000):
        if not fetch.missing:
            break
        peer = chance.choice(list(answers))
        if peer != "last" and chance.random() < 0.02:
            fetch.remove_holder(peer)
            del answers[peer]
            continue
        if not answers[peer]:
            request = fetch.next_request(peer)
            if request is None:
                continue
            assert request.count <= CHUNKS_PER_REQUEST_MAX
            for index in range(request.first, request.first + request.count):
                answers[peer].append(absent() if index in holders[peer] else pieces[index])
            continue
        got = fetch.take(peer, answers[peer].pop(0))
        if got is not None:
            assert got[1] == pieces[got[0]]
            assert got[0] not in written
            written.add(got[0])
            fetch.written(got[0])
    assert written == set(range(count))


def test_a_chunk_that_was_not_signed_is_refused_and_its_sender_asked_no_more() -> None:
    size, pieces, hashes = pieces_of(3)
    fetch = BlobFetch(ID, size, hashes, ())
    fetch.add_holder("liar")
    assert fetch.next_request("liar") == BlobRequest(ID, 0, 3)
    with pytest.raises(RejectedError, match="chunk 0"):
        fetch.take("liar", pieces[1])
    assert fetch.next_request("liar") is None
    assert fetch.missing == 3


def test_a_chunk_nobody_asked_for_is_refused() -> None:
    size, pieces, hashes = pieces_of(2)
    fetch = BlobFetch(ID, size, hashes, ())
    fetch.add_holder("eager")
    with pytest.raises(RejectedError):
        fetch.take("eager", pieces[0])


def test_two_holders_are_asked_for_different_parts_and_a_stalled_one_is_overtaken() -> None:
    size, pieces, hashes = pieces_of(CHUNKS_PER_REQUEST_MAX + 4)
    fetch = BlobFetch(ID, size, hashes, ())
    for peer in ("slow", "quick"):
        fetch.add_holder(peer)
    assert fetch.next_request("slow") == BlobRequest(ID, 0, CHUNKS_PER_REQUEST_MAX)
    rest = fetch.next_request("quick")
    assert rest == BlobRequest(ID, CHUNKS_PER_REQUEST_MAX, 4)
    for index in range(rest.first, rest.first + rest.count):
        fetch.take("quick", pieces[index])
        fetch.written(index)
    assert fetch.next_request("quick") == BlobRequest(ID, 0, CHUNKS_PER_REQUEST_MAX)
