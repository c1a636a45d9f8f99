"""What stands behind the id of an offered commons is its founder's own words, or nothing."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from p2pcommons.errors import RejectedError
from p2pcommons.model import codec, keys
from p2pcommons.model.contribution import Contribution, encode_envelope, sign
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.kinds import CommonsBody, EntryBody, encode_body
from p2pcommons.model.limits import TITLE_CHARS_MAX
from p2pcommons.protocol.offers import (
    OFFER_BYTES_MAX,
    OFFERS_ASKED_MAX,
    QUESTION_BYTES_MAX,
    decode_question,
    encode_question,
    read_offer,
)

ANA = keys.grant_device(hashlib.sha256(b"ana").digest(), hashlib.sha256(b"laptop").digest())


def founding(body: CommonsBody) -> Contribution:
    salted = encode_body(body, bytes(16))
    return sign(ANA, "commons", commons=ZERO_ID, body=salted, claimed_at=1_790_000_000)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.binary(min_size=32, max_size=32), max_size=OFFERS_ASKED_MAX))
def test_questions_come_back_as_they_were_asked(ids: set[bytes]) -> None:
    frame = encode_question(tuple(ids))
    assert len(frame) <= QUESTION_BYTES_MAX
    assert decode_question(frame) == tuple(sorted(ids))


@pytest.mark.parametrize(
    "question",
    [
        *(7, "all", {"ids": []}, [b"short"], [7], [bytes(32), bytes(32)], [b"\1" * 32, bytes(32)]),
        [bytes([number]) * 32 for number in range(OFFERS_ASKED_MAX + 1)],
    ],
)
def test_malformed_questions_are_rejected(question: object) -> None:
    with pytest.raises(RejectedError):
        decode_question(codec.encode(question))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_rejected_and_nothing_else_happens(frame: bytes) -> None:
    assume(frame != encode_question(()))  # to ask for nothing is a question
    with pytest.raises(RejectedError):
        decode_question(frame)
    if frame:
        with pytest.raises(RejectedError):
            read_offer(bytes(32), frame)


def test_the_title_is_the_founders() -> None:
    garden = founding(CommonsBody("Garden", "Growing together"))
    frame = encode_envelope(garden.envelope())
    assert len(frame) <= OFFER_BYTES_MAX
    assert read_offer(garden.id, frame) == "Garden"
    assert read_offer(garden.id, b"") is None


def test_the_title_of_another_commons_is_no_answer() -> None:
    garden, bank = founding(CommonsBody("Garden", "")), founding(CommonsBody("Bank", ""))
    with pytest.raises(RejectedError, match="another commons"):
        read_offer(bank.id, encode_envelope(garden.envelope()))


def test_a_circle_is_not_offered_to_anybody() -> None:
    circle = founding(CommonsBody("Us", "", visibility="circle", why_private="names of people"))
    assert read_offer(circle.id, encode_envelope(circle.envelope())) is None


def test_what_founds_nothing_is_rejected() -> None:
    body = encode_body(EntryBody("link", "Garden"), bytes(16))
    entry = sign(ANA, "entry", commons=bytes(range(32)), body=body, claimed_at=1_790_000_000)
    with pytest.raises(RejectedError):
        read_offer(entry.id, encode_envelope(entry.envelope()))
    bodiless = founding(CommonsBody("Garden", "")).envelope()
    bare = type(bodiless)(bodiless.header, bodiless.signature, bodiless.grant, None)
    commons = hashlib.sha256(bodiless.header).digest()
    with pytest.raises(RejectedError):
        read_offer(commons, encode_envelope(bare))


def test_a_title_of_sixty_kilobytes_is_not_kept_whole() -> None:
    """A thousand of them would be kept, and as many for each peer."""
    said: dict[str, object] = {
        "title": "long " * 12_000,
        "purpose": "",
        "licence": "",
        "rules": [],
        "visibility": "public",
        "salt": bytes(16),
    }
    body = codec.encode(said)
    made = sign(ANA, "commons", commons=ZERO_ID, body=body, claimed_at=1_790_000_000)
    title = read_offer(made.id, encode_envelope(made.envelope()))
    assert title is not None
    assert len(title) == TITLE_CHARS_MAX
