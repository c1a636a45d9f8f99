"""docs/protocol.md says what the code does: reasons, limits, messages, examples."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from p2pcommons.errors import RejectReason
from p2pcommons.model import limits as data_limits
from p2pcommons.model.kinds import KIND_OF
from p2pcommons.protocol import kademlia, kademlia_messages, limits, lookup
from p2pcommons.protocol.invite import decode_invite
from p2pcommons.protocol.kademlia import provider_cid, provider_key
from p2pcommons.protocol.kademlia_messages import Contact, Kind, Message, encode_message
from p2pcommons.protocol.messages import PeerLimits, decode_message

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
VECTORS = json.loads((ROOT / "tests/vectors/protocol-v1.json").read_text(encoding="utf-8"))
BLOCKS = re.findall(r"```\n(.*?)\n```", TEXT, re.DOTALL)


@pytest.mark.parametrize("reason", RejectReason)
def test_every_reason_for_a_rejection_is_listed(reason: RejectReason) -> None:
    assert f"| {reason.name} | {reason.value} |" in TEXT


def test_limits_stand_in_the_text_with_their_values() -> None:
    for name, value in [
        ("HEADER_BYTES_MAX", data_limits.HEADER_BYTES_MAX),
        ("BODY_BYTES_MAX", data_limits.BODY_BYTES_MAX),
        ("DEPTH_MAX", data_limits.DEPTH_MAX),
        ("GOSSIP_BYTES_MAX", data_limits.GOSSIP_BYTES_MAX),
        ("FRAME_BYTES_MAX", limits.FRAME_BYTES_MAX),
        ("NEGENTROPY_BYTES_MAX", limits.NEGENTROPY_BYTES_MAX),
        ("COMMONS_MAX", limits.COMMONS_MAX),
        ("CHANNELS_OPEN_MAX", limits.CHANNELS_OPEN_MAX),
        ("WANTS_IN_FLIGHT_MAX", limits.WANTS_IN_FLIGHT_MAX),
        ("WANT_IDS_MAX", limits.WANT_IDS_MAX),
        ("WANT_IDS_SERVED_MAX", limits.WANT_IDS_SERVED_MAX),
        ("IDS_PER_FRAME_MAX", limits.IDS_PER_FRAME_MAX),
        ("HAVES_AHEAD_MAX", limits.HAVES_AHEAD_MAX),
        ("FRUITLESS_ROUNDS_MAX", limits.FRUITLESS_ROUNDS_MAX),
        ("FRUITLESS_ROUNDS_SERVED_MAX", limits.FRUITLESS_ROUNDS_SERVED_MAX),
        ("CHANNEL_INBOX_MAX", limits.CHANNEL_INBOX_MAX),
        ("INVITE_CHARS_MAX", limits.INVITE_CHARS_MAX),
    ]:
        row = next(line for line in TEXT.splitlines() if f"`{name}`" in line)
        assert f"{value:,}" in row, name


@pytest.mark.parametrize("name", [case["name"] for case in VECTORS["messages"]])
def test_every_message_has_its_row(name: str) -> None:
    assert f"| `{name}` |" in TEXT


def test_every_peer_limit_is_named() -> None:
    assert all(f"`{field.name}`" in TEXT for field in fields(PeerLimits))


@pytest.mark.parametrize("kind", KIND_OF.values())
def test_every_kind_has_its_row(kind: str) -> None:
    assert f"| `{kind}` |" in TEXT


def test_frames_in_the_text_are_those_of_the_vectors() -> None:
    frames = {case["frame"] for case in VECTORS["messages"]}
    shown = [block for block in BLOCKS if re.fullmatch(r"[0-9a-f]+", block)]
    assert len(shown) == 3
    for block in shown:
        assert block in frames
        decode_message(bytes.fromhex(block))


def test_the_invite_in_the_text_is_one() -> None:
    [shown] = [block for block in BLOCKS if re.fullmatch(r"P[A-Z2-7]+", block)]
    assert shown == VECTORS["invites"][0]["text"]
    assert decode_invite(shown).title == "Sourdough"


def test_links_inside_the_text_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in headings}
    assert set(re.findall(r"\]\(#([^)]*)\)", TEXT)) <= anchors


def test_the_key_and_the_message_of_the_directory_are_those_of_the_code() -> None:
    commons = bytes(range(32))
    assert f"{provider_key(commons).hex()}\n{provider_cid(commons)}" in BLOCKS
    shown = next(block for block in BLOCKS if block.startswith("0802"))
    holder = Contact(
        "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA", ("/ip4/192.0.2.7/tcp/4001",)
    )
    told = Message(Kind.ADD_PROVIDER, provider_key(commons), (), (holder,))
    assert encode_message(told).hex() == shown.replace("\n", "")
    section = TEXT.partition("### 11.8 Directory")[2].partition("## 12")[0]
    for number in (
        kademlia_messages.MESSAGE_BYTES_MAX,
        kademlia_messages.KEY_BYTES_MAX,
        kademlia.KEYS_PER_PEER_MAX,
        kademlia.HINTS_PER_NETWORK_MAX,
        kademlia.HINTS_MAX,
        lookup.ASKED_MAX,
    ):
        assert f"{number:,}" in section
    assert kademlia.PROVIDER_SECONDS == 3 * 3_600
    assert kademlia.REFRESH_SECONDS == 3_600
