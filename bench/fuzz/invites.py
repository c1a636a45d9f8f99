"""Invites: text that a stranger hands over."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from typing import TYPE_CHECKING

from target import Target, must, scratch, vectors

from p2pcommons.errors import UserError
from p2pcommons.protocol import addresses
from p2pcommons.protocol.invite import INVITE_DOMAIN, decode_invite, encode_invite
from p2pcommons.protocol.limits import (
    INVITE_ADDRESSES_MAX,
    INVITE_CHARS_MAX,
    INVITE_TITLE_BYTES_MAX,
)

if TYPE_CHECKING:
    import random

    from p2pcommons.protocol.invite import Invite

WORDS_MAX = 200
"""Characters of a message of refusal: it quotes a letter, never the whole text."""
SEARCHED_SHARE = 64
"""Of the wrong ones, one in so many: looking for a slip costs as much as 500 right ones."""
_FIXED_BYTES = 66
_BYTES_MAX = 108
_WHOLE_SHARE = 0.998


def make_target() -> Target:
    """Return the target."""
    seeds = [case["text"].encode() for case in vectors("protocol-v1.json")["invites"]]
    # A wrong checksum costs a search for the slip: a few of those show what there is to see.
    return Target("invites", seeds, mutate, check, blind=0.002, bytes_max=1_000)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change the payload and write a checksum that fits; now and then the letters themselves."""
    text = re.sub(rb"[^A-Z2-7]", b"", data.upper())
    try:
        payload = base64.b32decode(text + b"=" * (-len(text) % 8))[:-4]
    except (binascii.Error, ValueError):
        payload = b""
    if chance.random() < 0.002 or not payload:
        return scratch(data, chance)
    head, tail = payload[:_FIXED_BYTES], payload[_FIXED_BYTES:]
    match chance.randrange(4):
        case 0:
            payload = scratch(payload, chance)
        case 1:
            payload = head + scratch(tail, chance)
        case 2:
            payload = (head + tail + address(chance))[:_BYTES_MAX]
        case _:
            at = chance.randrange(len(payload))
            payload = payload[:at] + bytes([chance.randrange(256)]) + payload[at + 1 :]
    if chance.random() < _WHOLE_SHARE:
        payload = payload.ljust(_FIXED_BYTES, b"\x00")[:_BYTES_MAX]
    checksum = hashlib.sha256(INVITE_DOMAIN + payload).digest()[:4]
    made = base64.b32encode(payload + checksum).rstrip(b"=")
    return made.lower() if chance.random() < 0.05 else made


def address(chance: random.Random) -> bytes:
    """Return an encoded address, most often a proper one."""
    tag = chance.choice((1, 2, 3, 4, 5, 9, 0, 6, 255))
    if tag == 9:
        return bytes([tag]) + chance.randbytes(32) + address(chance)
    if tag in (1, 2):
        return bytes([tag]) + chance.randbytes({1: 4, 2: 16}[tag] + 2)
    name = chance.choice((b"a", b"example.org", b"..", b"-", b"a/b", b"\xff", b"", b"A.B"))
    return bytes([tag, len(name)]) + name + chance.randbytes(2)


def check(data: bytes) -> str:
    """Return the verdict on an invite."""
    text = data.decode(errors="replace")
    if not has_right_checksum(text) and zlib.crc32(data) % SEARCHED_SHARE:
        return "a wrong checksum, not searched for the slip"
    verdict, invite = _read(text)
    must(_read(text) == (verdict, invite), "the second verdict differs")
    if invite is None:
        must(len(verdict) <= WORDS_MAX, "a refusal that quotes everything")
        return "a wrong letter" if "(letter" in verdict else re.sub(r"\d+", "", verdict)[:40]
    for one in invite.addresses:
        addresses.check_address(one)
    if invite.relay is not None:
        addresses.split_peer_address(invite.relay)
    again = encode_invite(invite)
    must(len(again) <= INVITE_CHARS_MAX, "too long an invite")
    second = decode_invite(again)
    must(second.commons == invite.commons and second.peer_id == invite.peer_id, "another commons")
    must(second.relay == invite.relay, "another relay")
    # Bytes that are no UTF-8 are read as three bytes each: then the room can be too small.
    fits = len(invite.title.encode()) <= INVITE_TITLE_BYTES_MAX and "\ufffd" not in invite.title
    whole = second.title == invite.title or (invite.relay is not None and not second.title)
    must(whole or not fits, "another title")
    few = len(invite.addresses) <= INVITE_ADDRESSES_MAX
    must(second.addresses == invite.addresses or not (fits and few), "other addresses")
    must(decode_invite(encode_invite(second)) == second, "reads back otherwise")
    return "accepted"


def has_right_checksum(text: str) -> bool:
    """Whether the letters, as they stand, end in the checksum of the others."""
    letters = "".join(text.split()).upper()
    try:
        found = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:
        return False
    return hashlib.sha256(INVITE_DOMAIN + found[:-4]).digest()[:4] == found[-4:]


def _read(text: str) -> tuple[str, Invite | None]:
    try:
        return "accepted", decode_invite(text)
    except UserError as error:
        return str(error), None
