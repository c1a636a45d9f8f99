"""Ids, names, tags and addresses as people write them."""

from __future__ import annotations

import pytest

from p2pcommons.errors import UserError
from p2pcommons.model import ids, tags
from p2pcommons.model.addresses import host_and_path, same_address_key
from p2pcommons.model.glance import four_words
from p2pcommons.model.keys import (
    check_words,
    decode_device_file,
    encode_device_file,
    grant_device,
    new_words,
    words_entropy,
)
from p2pcommons.model.kinds import (
    CommonsBody,
    EntryBody,
    ProfileBody,
    TagBody,
    WithdrawBody,
    encode_body,
    parse_body,
)

SALT = bytes(16)


def test_an_author_is_written_as_did_key_and_read_back():
    author = grant_device(bytes(32), bytes([1]) * 32).author
    did = ids.to_did(author)
    assert did.startswith("did:key:z6Mk")
    assert ids.from_did(did) == author
    assert ids.display_name("Ana", author) == f"Ana~{did[-6:]}"


@pytest.mark.parametrize("text", ["", "did:key:zz", "did:key:z6MkOOO0", "did:web:example.org"])
def test_what_is_no_did_key_is_refused(text: str):
    with pytest.raises(UserError):
        ids.from_did(text)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("http://Example.ORG", "http://example.org/"),
        ("HTTPS://example.org:443/a", "https://example.org/a"),
        ("http://example.org:80", "http://example.org/"),
        ("http://example.org/?a=1&amp;b=2", "http://example.org/?a=1&b=2"),
    ],
)
def test_addresses_that_name_the_same_page_meet(first: str, second: str):
    assert same_address_key(first) == same_address_key(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("http://example.org/a", "http://example.org/A"),
        ("http://example.org/", "https://example.org/"),
        ("http://example.org:8080/", "http://example.org/"),
        ("http://example.org/a", "http://example.org/a/"),
        ("http://example.org/#a", "http://example.org/#b"),
    ],
)
def test_addresses_that_may_differ_stay_apart(first: str, second: str):
    assert same_address_key(first) != same_address_key(second)


@pytest.mark.parametrize("text", ["http://[::1", "http://a:99999/", "", "not an address"])
def test_what_is_no_address_is_its_own_key(text: str):
    assert same_address_key(text) == text
    assert host_and_path(text or "x")


def test_tags_are_written_in_one_form():
    assert tags.normalise("  Écologie Sociale ") == "écologie-sociale"
    assert tags.normalise("#C++") == "c++"
    assert tags.normalise("e\u0301t") == "\u00e9t"


@pytest.mark.parametrize("text", ["", "  ", "#", "x" * 65, "a\x00b"])
def test_what_is_no_tag_is_refused(text: str):
    with pytest.raises(UserError):
        tags.normalise(text)


def test_the_device_file_reads_back_and_damage_is_named():
    signer = grant_device(bytes([3]) * 32, bytes([4]) * 32)
    data = encode_device_file(signer)
    assert decode_device_file(data) == signer
    with pytest.raises(UserError, match="damaged"):
        decode_device_file(data[:-1])
    with pytest.raises(UserError, match="grant"):
        decode_device_file(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match="sealed"):
        decode_device_file(b"\x01" + data[1:])


def test_a_wrong_word_is_named_by_its_place():
    words = list(new_words(bytes(range(32))))
    assert words_entropy(words) == bytes(range(32))
    words[4] = "xylophonist"
    with pytest.raises(UserError, match="word 5"):
        check_words(words)
    with pytest.raises(UserError, match="24 words"):
        check_words(words[:23])


def test_swapped_words_fail_their_checksum():
    words = list(new_words(bytes(range(1, 33))))
    words[0], words[1] = words[1], words[0]
    with pytest.raises(UserError, match="fit together"):
        check_words(words)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("commons", CommonsBody("T", "p", rules=("be kind",))),
        ("profile", ProfileBody("Ana", languages=("pt",))),
        ("entry", EntryBody("link", "T", url="http://x/", dated=-5, tags=("a", "b"))),
        ("tag", TagBody(())),
        ("withdraw", WithdrawBody("wrong place")),
    ],
)
def test_bodies_read_back(kind: str, body: object):
    assert parse_body(kind, encode_body(body, SALT)) == body  # type: ignore[arg-type]


def test_a_body_that_breaks_its_rules_says_nothing():
    from p2pcommons.model import codec

    good = {"salt": SALT, "form": "note", "title": "T", "text": ""}
    assert parse_body("entry", codec.encode(good)) is not None
    for change in (
        {"title": 1},
        {"salt": b""},
        {"tags": ["a"] * 33},
        {"dated": True},
        {"url": None},
    ):
        assert parse_body("entry", codec.encode({**good, **change})) is None
    assert parse_body("unheard-of", codec.encode(good)) is None
    assert parse_body("entry", b"\xc1") is None


def test_limits_of_the_writer_are_named():
    with pytest.raises(UserError, match="300"):
        encode_body(EntryBody("note", "x" * 301), SALT)
    with pytest.raises(UserError, match="65,536"):
        encode_body(EntryBody("note", "t", "x" * 66_000), SALT)
    with pytest.raises(UserError, match="32"):
        encode_body(TagBody(tuple(str(n) for n in range(33))), SALT)


def test_equal_fingerprints_give_equal_words():
    assert four_words(bytes(16)) == ("abandon",) * 4
    assert four_words(bytes(range(16))) == four_words(bytes(range(16)))
    assert four_words(b"\xff" * 16) == ("zoo",) * 4
