"""Invites: what goes in comes out, and what was copied wrongly is named."""

from __future__ import annotations

import re

import base58
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.errors import UserError
from p2pcommons.protocol import invite
from p2pcommons.protocol.addresses import PEER_ID_PREFIX
from p2pcommons.protocol.invite import Invite, decode_invite, encode_invite, relay_fits
from p2pcommons.protocol.limits import INVITE_CHARS_MAX

COMMONS = bytes(range(32))


def peer_id(number: int = 7) -> str:
    return base58.b58encode(PEER_ID_PREFIX + bytes([number] * 32)).decode()


LAN, WAN, OTHER = "/ip4/192.168.1.7/tcp/4001", "/ip4/203.0.113.9/tcp/65535", "/ip4/10.0.0.1/tcp/1"
IP6 = "/ip6/2001:db8::1/tcp/4001"
RELAY = f"/ip4/198.51.100.4/tcp/4001/p2p/{peer_id(9)}"

addresses = st.lists(
    st.sampled_from([LAN, WAN, OTHER, IP6, "/dns4/example.org/tcp/443", "/dns/a.b/tcp/0"]),
    max_size=5,
)


@given(st.binary(min_size=32, max_size=32), st.text(max_size=60), addresses, st.booleans())
@settings(max_examples=200)
def test_an_invite_fits_a_qr_code_and_comes_back(
    commons: bytes, title: str, named: list[str], relayed: bool
) -> None:
    invite = Invite(commons, title, peer_id(), tuple(named), RELAY if relayed else None)
    text = encode_invite(invite)
    assert len(text) <= INVITE_CHARS_MAX
    assert text.startswith("P")
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    back = decode_invite(text)
    assert (back.commons, back.peer_id, back.relay) == (commons, peer_id(), invite.relay)
    assert len(back.title.encode()) <= 20
    assert len(back.addresses) <= 3
    assert set(back.addresses) <= set(named)


def test_three_ip4_addresses_fit_beside_a_title_of_twenty_bytes() -> None:
    invite = Invite(COMMONS, "x" * 20, peer_id(), (LAN, WAN, OTHER))
    assert decode_invite(encode_invite(invite)) == invite


def test_addresses_that_do_not_fit_are_left_out_the_first_kept() -> None:
    back = decode_invite(encode_invite(Invite(COMMONS, "x" * 20, peer_id(), (LAN, IP6, WAN))))
    assert back.addresses == (LAN, WAN)


def test_a_relay_takes_the_place_of_the_title_and_of_what_else_does_not_fit() -> None:
    back = decode_invite(encode_invite(Invite(COMMONS, "Bread", peer_id(), (WAN,), RELAY)))
    assert back == Invite(COMMONS, "", peer_id(), (), RELAY)


def test_a_relay_that_does_not_fit_is_left_out_of_an_invite() -> None:
    relay = f"{IP6}/p2p/{peer_id(9)}"
    assert relay_fits(RELAY)
    assert not relay_fits(relay)
    text = encode_invite(Invite(COMMONS, "Bread", peer_id(), (LAN,), relay))
    assert len(text) <= INVITE_CHARS_MAX
    assert decode_invite(text) == Invite(COMMONS, "Bread", peer_id(), (LAN,))


@pytest.mark.parametrize("before", ["p2pcommons:", " P2PCommons://", "\n\tp2pcommons: "])
def test_an_invite_may_be_written_as_a_link(before: str) -> None:
    invite = Invite(COMMONS, "Bread", peer_id(), (LAN,))
    text = encode_invite(invite)
    assert decode_invite(before + text) == decode_invite(before + text.lower()) == invite
    slipped = before + text[:5] + ("A" if text[5] != "A" else "B") + text[6:]
    with pytest.raises(UserError, match="group 2"):
        decode_invite(slipped)


def test_addresses_may_end_in_the_inviters_own_id() -> None:
    invite = Invite(COMMONS, "Bread", peer_id(), (f"{LAN}/p2p/{peer_id()}",))
    assert decode_invite(encode_invite(invite)).addresses == (LAN,)


def test_a_title_is_cut_between_characters() -> None:
    back = decode_invite(encode_invite(Invite(COMMONS, "Бібліотека громади", peer_id())))
    assert back.title == "Бібліотека"


@given(st.data())
@settings(max_examples=20)
def test_case_spaces_dashes_and_line_breaks_do_not_matter(data: st.DataObject) -> None:
    text = encode_invite(Invite(COMMONS, "Bread", peer_id(), (LAN,)))
    mangled = "".join(
        (letter.lower() if data.draw(st.booleans()) else letter)
        + data.draw(st.sampled_from(["", "", "", " ", "-", "\n", "\r\n    ", "\u00a0"]))
        for letter in text
    )
    assert decode_invite(mangled).addresses == (LAN,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("https://example.org/", "is in no invite"),
        ("P1", r"'1' \(letter 2, in group 1 of five\) is in no invite"),
        ("A" * 120, "begin with the letter P"),
        ("P" * 181, "too long"),
        ("P" * 30, "incomplete"),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        decode_invite(text)


def test_each_single_wrong_letter_is_noticed() -> None:
    text = encode_invite(Invite(COMMONS, "Bread", peer_id(), (LAN,)))
    for at in range(0, len(text) - 1, 9):
        wrong = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises(UserError):
            decode_invite(wrong)


@given(st.integers(0, 200), st.sampled_from(["wrong", "missing", "extra", "swapped"]))
@settings(max_examples=30, deadline=None)
def test_a_single_slip_is_named_with_its_group_and_what_was_meant(place: int, slip: str) -> None:
    text = encode_invite(Invite(COMMONS, "Bread", peer_id(), (LAN,)))
    at = 1 + place % (len(text) - 3)
    before, after = text[:at], text[at + 1 :]
    other = "Q" if text[at] != "Q" else "R"
    slipped = {
        "wrong": before + other + after,
        "missing": before + after,
        "extra": before + other + text[at:],
        "swapped": before + after[0] + text[at] + after[1:],
    }[slip]
    if slipped == text:
        return
    with pytest.raises(UserError, match="not right") as caught:
        decode_invite(slipped)
    group = int(re.findall(r"group (\d+)", str(caught.value))[0])
    # Beside its twin a letter may be missing, or too many, in the group before.
    assert at // 5 - 1 <= group - 1 <= at // 5
    right = str(caught.value).rpartition("most likely ")[2]
    assert right in text


@pytest.mark.parametrize("typed", ["right", "wrong"])
def test_an_invite_that_is_typed_is_searched_for_slips_only_where_one_can_end(
    monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    text = encode_invite(Invite(COMMONS, "Bread", peer_id(), (LAN, WAN, OTHER)))
    if typed == "wrong":
        text = text[:40] + ("A" if text[40] != "A" else "B") + text[41:]
    asked = 0

    def counted(payload: bytes) -> bytes:
        nonlocal asked
        asked += 1
        return checksum(payload)

    checksum = invite._checksum  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(invite, "_checksum", counted)
    tried: list[int] = []
    for end in range(1, len(text)):
        asked = 0
        with pytest.raises(UserError, match=r"incomplete|not right"):
            decode_invite(text[:end])
        tried.append(asked)
    # Sixty-five slips at each letter; those of both keys are tried where an address has ended.
    keys = 60 * 100
    assert len([each for each in tried if each > keys]) <= 3 * 6
    assert sum(tried) < len(text) * 65 * 25
    said = "group 9" if typed == "wrong" else ""
    assert said in (error_of(text) or "")


def error_of(text: str) -> str | None:
    try:
        decode_invite(text)
    except UserError as error:
        return error.message
    return None


@given(st.integers(0, 10_000), st.booleans(), st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_slip_anywhere_in_any_invite_is_found(place: int, relayed: bool, named: bool) -> None:
    addresses = (WAN, IP6) if named else ()
    text = encode_invite(Invite(COMMONS, "Bread", peer_id(), addresses, RELAY if relayed else None))
    at = 1 + place % (len(text) - 2)
    swapped = text[:at] + text[at + 1 :][:1] + text[at] + text[at + 2 :]
    for slipped in (
        text[:at] + ("Q" if text[at] != "Q" else "R") + text[at + 1 :],
        text[:at] + text[at + 1 :],
        text[:at] + "Q" + text[at:],
        swapped,
    ):
        # The last letter may hold bits that belong to no byte.
        if slipped != text and error_of(slipped) is not None:
            assert "not right" in (error_of(slipped) or ""), (slipped, text)


def test_a_missing_tail_is_noticed() -> None:
    text = encode_invite(Invite(COMMONS, "Bread", peer_id(), (LAN,)))
    for end in range(0, len(text) - 1, 4):
        with pytest.raises(UserError):
            decode_invite(text[:end])


@given(st.text(alphabet="PABCDEFGHIJKLMNOQRSTUVWXYZ234567 -", max_size=200) | st.text())
@settings(max_examples=200)
def test_any_text_is_read_or_refused(text: str) -> None:
    for candidate in (text, "P" + text):
        try:
            decode_invite(candidate)
        except UserError:
            continue


@pytest.mark.parametrize(
    "address", ["", "/ip4/1.2.3.4/udp/4001", "/ip4/1.2.3/tcp/1", "/ip4/1.2.3.4/tcp/65536", "x"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="not an address"):
        encode_invite(Invite(COMMONS, "Bread", peer_id(), (address,)))
