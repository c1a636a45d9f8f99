"""The conformance vectors, read by us and by a second reader that shares no code with us."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from p2pcommons.errors import RejectedError
from p2pcommons.model import contribution, ids, keys, kinds
from p2pcommons.protocol import gossip, invite, items, messages, session, topic

from . import tiny_reader

HERE = Path(__file__).parent
Case = dict[str, Any]


def load(name: str) -> Case:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


CONTRIBUTIONS = load("contributions-v1.json")
PROTOCOL = load("protocol-v1.json")
VALID: list[Case] = [
    *CONTRIBUTIONS["contributions"],
    *load("later-kinds-v1.json")["contributions"],
]
INVALID: list[Case] = CONTRIBUTIONS["invalid"]


def named(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def test_the_files_are_what_the_script_writes() -> None:
    command = [sys.executable, str(HERE / "make_vectors.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@named(VALID)
def test_a_valid_contribution_is_read_field_by_field(case: Case) -> None:
    made = contribution.verify(contribution.decode_envelope(bytes.fromhex(case["envelope"])))
    fields = case["fields"]
    header = made.header
    assert made.id.hex() == case["id"]
    assert made.header_bytes.hex() == case["header"]
    assert made.signature.hex() == case["signature"]
    assert made.grant.hex() == case["grant"]
    assert (header.kind, header.claimed_at) == (fields["kind"], fields["claimed_at"])
    assert header.commons.hex() == fields["commons"]
    assert [parent.hex() for parent in header.parents] == fields["parents"]
    assert made.body is not None
    assert made.body.hex() == case["body"]
    says = kinds.parse_body(header.kind, made.body) is not None
    assert says is case["says_something"]
    assert contribution.encode_envelope(made.envelope()).hex() == case["envelope"]


@named(VALID)
def test_the_second_reader_reads_the_same(case: Case) -> None:
    identifier, fields, body = tiny_reader.read(bytes.fromhex(case["envelope"]))
    expected = case["fields"]
    assert identifier.hex() == case["id"]
    assert body is not None
    assert body.hex() == case["body"]
    readable = [
        [parent.hex() for parent in value]
        if isinstance(value, list)
        else (value.hex() if isinstance(value, bytes) else value)
        for value in fields
    ]
    assert readable == list(expected.values())


@named(INVALID)
def test_an_invalid_contribution_is_rejected_for_the_reason_given(case: Case) -> None:
    with pytest.raises(RejectedError) as caught:
        contribution.verify(contribution.decode_envelope(bytes.fromhex(case["envelope"])))
    assert caught.value.reason.name == case["reason"]


@named(INVALID)
def test_the_second_reader_rejects_the_same(case: Case) -> None:
    with pytest.raises(tiny_reader.NotValidError):
        tiny_reader.read(bytes.fromhex(case["envelope"]))


@pytest.mark.parametrize("case", CONTRIBUTIONS["identities"])
def test_words_lead_to_the_same_keys(case: Case) -> None:
    words = case["words"].split()
    root = keys.root_seed(words, case["identity"])
    signer = keys.grant_device(root, bytes.fromhex(case["device_seed"]))
    assert keys.new_words(bytes.fromhex(case["entropy"])) == tuple(words)
    assert root.hex() == case["root_seed"]
    assert tiny_reader.root_seed(case["words"], case["identity"]).hex() == case["root_seed"]
    assert signer.author.hex() == case["author"]
    assert signer.device.hex() == case["device"]
    assert signer.grant.hex() == case["grant"]
    assert ids.to_did(signer.author) == tiny_reader.did(signer.author) == case["did"]


def test_topic_fingerprint_and_blinded_hash() -> None:
    commons = bytes.fromhex(PROTOCOL["topic"]["commons"])
    for function in (topic.gossip_topic, tiny_reader.topic):
        assert function(commons) == PROTOCOL["topic"]["topic"]
    known = [bytes.fromhex(one) for one in PROTOCOL["fingerprint"]["ids"]]
    for function in (items.fingerprint_of, tiny_reader.fingerprint):
        assert function(known).hex() == PROTOCOL["fingerprint"]["fingerprint"]
    case = PROTOCOL["blinded"]
    opener, other = bytes.fromhex(case["opener_nonce"]), bytes.fromhex(case["other_nonce"])
    assert session.blinded_commons(opener + other, commons).hex() == case["blinded"]
    assert tiny_reader.blinded(opener, other, commons).hex() == case["blinded"]


def test_gossip_messages_are_read() -> None:
    envelopes = [
        envelope
        for data in PROTOCOL["gossip"]
        for envelope in gossip.decode_gossip(PROTOCOL["topic"]["topic"], bytes.fromhex(data))
    ]
    authors = {case["fields"]["author"] for case in CONTRIBUTIONS["contributions"]}
    assert len(authors) == 2
    read = {contribution.verify(envelope).id.hex() for envelope in envelopes}
    ana = CONTRIBUTIONS["identities"][0]["author"]
    listed = CONTRIBUTIONS["contributions"]
    assert read == {case["id"] for case in listed if case["fields"]["author"] == ana}


@pytest.mark.parametrize("case", PROTOCOL["invites"])
def test_invites_are_read(case: Case) -> None:
    read = invite.decode_invite(case["text"])
    second = tiny_reader.invite(case["text"])
    for name in ("title", "peer_id", "relay"):
        assert getattr(read, name) == second[name] == case[name]
    assert read.commons.hex() == second["commons"] == case["commons"]
    assert list(read.addresses) == second["addresses"] == case["addresses"]


@named(PROTOCOL["messages"])
def test_session_messages_are_read(case: Case) -> None:
    frame = bytes.fromhex(case["frame"])
    message = messages.decode_message(frame)
    assert type(message).__name__.lower() == case["name"]
    assert messages.encode_message(message) == frame
    fields = tiny_reader.unpack(frame, 4)
    assert isinstance(fields, list)
    assert fields[0] == case["name"]
