"""The envelope, from every side: what was signed reads back, and nothing else is accepted."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.model import codec
from p2pcommons.model.contribution import (
    Envelope,
    decode_envelope,
    decode_header,
    encode_envelope,
    encode_header,
    sign,
    verify,
)
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.keys import Signer, grant_device, new_words, root_seed
from p2pcommons.model.kinds import CommonsBody, EntryBody, encode_body

SALT = bytes(range(16))
NOW = 1_790_000_000


def signer(number: int = 1) -> Signer:
    return grant_device(bytes([number]) * 32, bytes([number + 100]) * 32)


def founding(who: Signer):
    body = encode_body(CommonsBody("Garden", "Grow things"), SALT)
    return sign(who, "commons", commons=ZERO_ID, body=body, claimed_at=NOW)


def entry(who: Signer, commons: bytes, title: str = "Compost"):
    body = encode_body(EntryBody("note", title, "Turn it weekly."), SALT)
    return sign(who, "entry", commons=commons, body=body, claimed_at=NOW)


def test_what_was_signed_reads_back_the_same():
    alice = signer()
    signed = entry(alice, founding(alice).id)
    read = verify(decode_envelope(encode_envelope(signed.envelope())))
    assert read == signed
    assert read.id == hashlib.sha256(signed.header_bytes).digest()


def test_a_founding_contribution_belongs_to_its_own_set():
    start = founding(signer())
    assert start.commons == start.id
    assert start.header.is_founding


def test_header_without_body_is_valid():
    signed = entry(signer(), founding(signer()).id)
    bare = dataclasses.replace(signed.envelope(), body=None)
    assert verify(bare).body is None


def reason_of(envelope: Envelope) -> RejectReason:
    with pytest.raises(RejectedError) as caught:
        verify(envelope)
    return caught.value.reason


def test_changed_body_is_rejected():
    envelope = entry(signer(), founding(signer()).id).envelope()
    assert envelope.body is not None
    changed = envelope.body[:-1] + bytes([envelope.body[-1] ^ 1])
    assert reason_of(dataclasses.replace(envelope, body=changed)) is RejectReason.BODY_HASH
    assert reason_of(dataclasses.replace(envelope, body=changed + b"x")) is RejectReason.BODY_SIZE


def test_signature_of_another_device_is_rejected():
    commons = founding(signer()).id
    mine, theirs = entry(signer(1), commons), entry(signer(2), commons)
    swapped = dataclasses.replace(mine.envelope(), signature=theirs.signature)
    assert reason_of(swapped) is RejectReason.BAD_SIGNATURE


def test_grant_of_another_author_is_rejected_even_when_remembered_for_its_own():
    commons = founding(signer()).id
    mine, theirs = entry(signer(1), commons), entry(signer(2), commons)
    grants: set[tuple[bytes, bytes, bytes]] = set()
    verify(theirs.envelope(), grants)
    swapped = dataclasses.replace(mine.envelope(), grant=theirs.grant)
    with pytest.raises(RejectedError) as caught:
        verify(swapped, grants)
    assert caught.value.reason is RejectReason.BAD_GRANT


def test_small_order_device_key_is_rejected():
    """libsodium refuses the key of order 1 that makes any message verify elsewhere."""
    root = bytes([7]) * 32
    alice = grant_device(root, bytes([8]) * 32)
    signed = entry(alice, founding(alice).id)
    weak = bytes([1]) + bytes(31)
    header = encode_header(dataclasses.replace(signed.header, device=weak))
    forged = Envelope(header, bytes([1]) + bytes(63), signed.grant, signed.body)
    assert reason_of(forged) in (RejectReason.BAD_SIGNATURE, RejectReason.BAD_GRANT)


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, 2),
        (0, True),
        (1, "Entry"),
        (1, ""),
        (1, "a" * 25),
        (1, "commons"),
        (1, b"entry"),
        (2, bytes(31)),
        (2, ZERO_ID),
        (3, None),
        (5, 0),
        (5, 2**32),
        (5, True),
        (5, 1.0),
        (6, bytes(33)),
        (7, [bytes([2]) * 32, bytes([1]) * 32]),
        (7, [bytes([1]) * 32, bytes([1]) * 32]),
        (7, [bytes([n]) * 32 for n in range(17)]),
        (8, bytes(31)),
        (9, 0),
        (9, 65_537),
    ],
)
def test_header_outside_its_rules_is_rejected(position: int, value: object):
    alice = signer()
    fields = codec.decode(entry(alice, founding(alice).id).header_bytes)
    assert isinstance(fields, list)
    fields[position] = value
    import msgpack

    with pytest.raises(RejectedError):
        decode_header(msgpack.packb(fields, use_bin_type=True))


def test_header_with_an_eleventh_field_is_rejected():
    fields = codec.decode(founding(signer()).header_bytes)
    assert isinstance(fields, list)
    with pytest.raises(RejectedError):
        decode_header(codec.encode([*fields, 1]))


@pytest.mark.parametrize(
    "data",
    [
        b"\xcd\x00\x01",  # 1 in three bytes
        b"\xd9\x01a",  # "a" with a length byte
        b"\xc4\x00\x00",  # trailing byte
        b"\x82\xa1b\x01\xa1a\x01",  # keys descending
        b"\x82\xa1a\x01\xa1a\x01",  # key twice
        b"\x81\x01\x01",  # key that is no string
        b"\xca\x3f\x80\x00\x00",  # float
        b"\xd6\xff\x00\x00\x00\x00",  # timestamp
        b"\xd4\x01\x00",  # ext
        b"\xa1\xff",  # not UTF-8
        b"\xc1",
        b"",
        b"\x91" * 2_000 + b"\xc0",
    ],
)
def test_bytes_that_are_not_canonical_are_rejected(data: bytes):
    with pytest.raises(RejectedError):
        codec.decode(data)


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.binary(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(json_like)
@settings(max_examples=150, deadline=None)
def test_every_encodable_value_decodes_to_itself(value: object):
    assert codec.decode(codec.encode(value), depth_max=20) == value


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_random_bytes_raise_nothing_but_the_declared_rejection(data: bytes):
    for decoder in (codec.decode, decode_envelope, decode_header):
        with contextlib.suppress(RejectedError):
            decoder(data)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_flipped_bit_anywhere_is_rejected_or_changes_the_grant_only(data: st.DataObject):
    alice = signer()
    good = encode_envelope(entry(alice, founding(alice).id).envelope())
    position = data.draw(st.integers(0, len(good) * 8 - 1))
    bad = bytearray(good)
    bad[position // 8] ^= 1 << (position % 8)
    with pytest.raises(RejectedError):
        verify(decode_envelope(bytes(bad)))


def test_words_give_the_same_root_key_every_time():
    words = new_words(bytes(range(32)))
    assert len(words) == 24
    assert root_seed(words) == root_seed([word.upper() for word in words])
    assert root_seed(words) != root_seed(words, 1)
