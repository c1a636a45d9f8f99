"""JSON Lines: contributions travel unchanged, new entries are taken, the rest says why not."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.interchange.jsonl import envelope_line, parse_jsonl
from p2pcommons.interchange.records import ImportedEntry, ImportedEnvelope, ImportFailure
from p2pcommons.model.contribution import Contribution, sign, verify
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.keys import grant_device
from p2pcommons.model.kinds import CommonsBody, encode_body


def founding() -> Contribution:
    body = encode_body(CommonsBody(title="Garden"), bytes(16))
    return sign(
        grant_device(bytes(32), bytes(32)), "commons", commons=ZERO_ID, body=body, claimed_at=1
    )


def test_a_contribution_comes_back_with_its_id_and_verifies() -> None:
    written = founding()
    (record,) = parse_jsonl([envelope_line(written).encode()])
    assert isinstance(record, ImportedEnvelope)
    assert record.id == written.id
    assert verify(record.envelope) == written


def test_any_other_object_with_a_title_is_a_new_entry() -> None:
    line = {"title": "Oven", "url": "http://a.example/", "text": "Foil.", "tags": ["Solar"]}
    lines = [
        json.dumps({**line, "dated": 5}),
        "",
        json.dumps({"title": "Note", "dated": "1970-01-02"}),
    ]
    assert list(parse_jsonl(text.encode() for text in lines)) == [
        ImportedEntry("http://a.example/", "Oven", "Foil.", ("solar",), 5, 1),
        ImportedEntry(None, "Note", "", (), 86_400, 3),
    ]


def altered(**changes: object) -> str:
    return json.dumps({**json.loads(envelope_line(founding())), **changes})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "not JSON"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "not JSON"),
        ("{}", "neither"),
        ('{"title": 5}', "neither"),
        ('{"title": "a", "tags": "b"}', "list of words"),
        ('{"title": "a", "url": 5}', "url is not text"),
        ('{"title": "a", "url": "javascript:x"}', "javascript:"),
        ('{"title": "\\ud800"}', "surrogate"),
        ('{"title": "a", "dated": 1' + "0" * 6000 + "}", "not JSON"),
        (altered(v=2), "version"),
        (altered(id="00" * 32), "not the id"),
        (altered(envelope="!!"), "base64"),
        (altered(envelope=5), "not text"),
        (altered(envelope=base64.b64encode(b"\x93\x01").decode()), "does not decode"),
        ('{"title": "' + "a" * 600_000 + '"}', "524288"),
    ],
)
def test_a_line_that_is_neither_fails_with_its_reason(line: str, reason: str) -> None:
    (record,) = parse_jsonl([line.encode("utf-8", "surrogatepass")])
    assert isinstance(record, ImportFailure)
    assert reason in record.reason


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=80) | st.text(max_size=40).map(str.encode), max_size=5))
def test_no_line_makes_the_parser_raise(lines: list[bytes]) -> None:
    assert len(list(parse_jsonl(lines))) <= len(lines)
