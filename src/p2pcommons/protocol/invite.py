"""Invites: one string that names a commons and a way to a peer that holds it.

Upper-case base32, so that a QR code takes its compact form, at most 180 characters. It gives no
rights and holds no secret. Whitespace, dashes, case and a `p2pcommons:` before it do not matter
when it is read.

    version 1 | commons 32 | peer key 32 | title length 1, title | addresses … | checksum 4
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
from dataclasses import dataclass

import base58

from p2pcommons.errors import UserError
from p2pcommons.model.ids import ID_BYTES
from p2pcommons.protocol.addresses import PEER_ID_PREFIX, check_peer_id, split_peer_address
from p2pcommons.protocol.invite_typos import GROUP_LETTERS, find_slip
from p2pcommons.protocol.limits import (
    INVITE_ADDRESSES_MAX,
    INVITE_CHARS_MAX,
    INVITE_TITLE_BYTES_MAX,
)

INVITE_DOMAIN = b"p2pcommons/v1/invite\x00"
VERSION_BYTE = 0x79
"""Version 1. Its five upper bits make every invite begin with the letter P."""

_VERSION_MASK = 0xF8
_KEY_BYTES = 32
_CHECKSUM_BYTES = 4
_BYTES_MAX = INVITE_CHARS_MAX * 5 // 8
_FIXED_BYTES = 1 + ID_BYTES + _KEY_BYTES + 1 + _CHECKSUM_BYTES
_LETTERS_MIN = -(-_FIXED_BYTES * 8 // 5)
_VERSION_LETTERS = 2
_KEYS_LETTERS = (1 + ID_BYTES + _KEY_BYTES) * 8 // 5
"""Version and both keys end where a letter does."""
_IP4, _IP6, _DNS, _DNS4, _DNS6, _RELAY = 1, 2, 3, 4, 5, 9
_IP_BYTES = {_IP4: 4, _IP6: 16}
_NAMES = {_DNS: "dns", _DNS4: "dns4", _DNS6: "dns6"}
_NAME_BYTES_MAX = 253
_SCHEME = re.compile(r"\s*p2pcommons:(//)?", re.IGNORECASE)
_IGNORED = re.compile(r"[\s\u00ad\u200b\ufeff=_-]+")
_HOST = re.compile(r"[A-Za-z0-9.-]+\Z")


@dataclass(frozen=True, slots=True)
class Invite:
    """What an invite says.

    `addresses` are multiaddresses without /p2p/ID. `relay` is that of a peer that relays for the
    inviter, with its own /p2p/ID. `title` are words of a peer, cut to 20 bytes of UTF-8.
    """

    commons: bytes
    title: str
    peer_id: str
    addresses: tuple[str, ...] = ()
    relay: str | None = None


def encode_invite(invite: Invite) -> str:
    """Return the string. Addresses that do not fit are left out, the first ones kept.

    So is a relay that does not fit; beside one that does a title stands whole or not at all.
    Addresses may end in /p2p/ and the inviter's id. Raises UserError for a peer id or an address
    that is not one.
    """
    room = _BYTES_MAX - _FIXED_BYTES
    relay = _encode_relay(invite.relay) if invite.relay else b""
    if len(relay) > room:
        relay = b""
    room -= len(relay)
    title = _cut(invite.title, min(INVITE_TITLE_BYTES_MAX, room))
    if relay and title.decode() != invite.title:
        title = b""
    room -= len(title)
    addresses = b""
    for address in invite.addresses[:INVITE_ADDRESSES_MAX]:
        encoded = _encode_address(address.removesuffix(f"/p2p/{invite.peer_id}"))
        if len(addresses) + len(encoded) <= room:
            addresses += encoded
    payload = (
        bytes([VERSION_BYTE])
        + invite.commons
        + check_peer_id(invite.peer_id)
        + bytes([len(title)])
        + title
        + addresses
        + relay
    )
    return base64.b32encode(payload + _checksum(payload)).decode().rstrip("=")


def decode_invite(text: str) -> Invite:
    """Return what an invite says. Raises UserError naming what is wrong with it."""
    letters = _IGNORED.sub("", _SCHEME.sub("", text, count=1)).upper()
    data = _decode_base32(letters)
    if not data:
        raise _not_right(letters)
    if data[0] & _VERSION_MASK != VERSION_BYTE & _VERSION_MASK:
        raise UserError("this is not an invite: invites begin with the letter P")
    payload, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if len(data) < _FIXED_BYTES or _checksum(payload) != checksum:
        raise _not_right(letters)
    if data[0] != VERSION_BYTE:
        raise UserError("the invite is of a newer version: update p2pcommons to read it")
    return _read(payload)


def _read(payload: bytes) -> Invite:
    """Return what an invite of this version says. Raises UserError where it is malformed."""
    reader = _Reader(payload[1:])
    commons = reader.take(ID_BYTES)
    peer_id = _peer_id(reader.take(_KEY_BYTES))
    title = reader.take(reader.take(1)[0]).decode(errors="replace")
    addresses: list[str] = []
    relay = None
    while reader.left:
        tag = reader.take(1)[0]
        if tag == _RELAY:
            relay_id = _peer_id(reader.take(_KEY_BYTES))
            relay = f"{_read_address(reader, reader.take(1)[0])}/p2p/{relay_id}"
        else:
            addresses.append(_read_address(reader, tag))
    return Invite(commons, title, peer_id, tuple(addresses), relay)


class _Reader:
    """Takes pieces off the front of an invite."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def take(self, size: int) -> bytes:
        if size > len(self.left):
            raise UserError("the invite is malformed: it ends in the middle")
        piece, self.left = self.left[:size], self.left[size:]
        return piece


def _decode_base32(letters: str) -> bytes:
    if not letters:
        raise UserError("the invite is empty")
    if len(letters) > INVITE_CHARS_MAX:
        raise UserError(f"too long for an invite: {len(letters)} letters, {INVITE_CHARS_MAX} fit")
    wrong = re.search(r"[^A-Z2-7]", letters)
    if wrong:
        group = wrong.start() // GROUP_LETTERS + 1
        raise UserError(
            f"{wrong.group()!r} (letter {wrong.start() + 1}, in group {group} of five) is in no "
            "invite: they have letters and the digits 2-7"
        )
    return _bytes_of(letters)


def _bytes_of(letters: str) -> bytes:
    """Return the bytes, none for a number of letters that no bytes give."""
    try:
        return base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:
        return b""


def _not_right(letters: str) -> UserError:
    slip = None
    if len(letters) >= _LETTERS_MIN - 1:
        slip = find_slip(letters, _is_whole, _fits, _fixed_letters(letters))
    if slip is None:
        return UserError("the invite is incomplete or has wrong letters in it: copy it once more")
    return UserError(f"the invite is not right: {slip.words(letters)}")


def _is_whole(value: int, count: int) -> bool:
    data = _bytes_in(value, count)
    payload, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    return bool(data) and _checksum(payload) == checksum


def _fits(value: int, count: int) -> bool:
    """Tell whether an invite of this version can be so long, by what follows both keys."""
    data = _bytes_in(value, count)
    try:
        return bool(data) and bool(_read(data[:-_CHECKSUM_BYTES]))
    except UserError:
        return False


def _bytes_in(value: int, count: int) -> bytes:
    """Return the bytes of letters given as a number; none where they are too few or not whole."""
    size, rest = divmod(count * 5, 8)
    # A letter that adds no byte is never written: what is left of the last one is under five bits.
    return (value >> rest).to_bytes(size, "big") if rest < 5 and size >= _FIXED_BYTES else b""


def _fixed_letters(letters: str) -> range:
    """Return the places of both keys: what follows them is read alike whatever they are.

    Not the last, which may have changed places with what follows. None of another version, of
    which nobody knows here how it goes on.
    """
    is_ours = _bytes_of(letters[:_VERSION_LETTERS]) == bytes([VERSION_BYTE])
    return range(_VERSION_LETTERS, _KEYS_LETTERS - 1) if is_ours else range(0)


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(INVITE_DOMAIN + payload).digest()[:_CHECKSUM_BYTES]


def _peer_id(key: bytes) -> str:
    return base58.b58encode(PEER_ID_PREFIX + key).decode()


def _cut(title: str, size: int) -> bytes:
    """Return `title` in at most `size` bytes of UTF-8, no character cut in two."""
    encoded = title.encode(errors="replace")[: max(0, size)]
    return encoded.decode(errors="ignore").encode()


def relay_fits(relay: str) -> bool:
    """Tell whether an invite has room for this relay: an IPv6 address of one is too long."""
    try:
        return len(_encode_relay(relay)) <= _BYTES_MAX - _FIXED_BYTES
    except UserError:
        return False


def _encode_relay(relay: str) -> bytes:
    address, relay_id = split_peer_address(relay)
    return bytes([_RELAY]) + check_peer_id(relay_id) + _encode_address(address)


def _encode_address(address: str) -> bytes:
    parts = address.split("/")
    wrong = UserError(f"{address!r} is not an address like /ip4/192.0.2.1/tcp/4001")
    if len(parts) != 5 or parts[3] != "tcp" or not parts[4].isascii() or not parts[4].isdigit():
        raise wrong
    _, protocol, host, _, port = parts
    try:
        tail = int(port).to_bytes(2, "big")
        if protocol == "ip4":
            return bytes([_IP4]) + ipaddress.IPv4Address(host).packed + tail
        if protocol == "ip6":
            return bytes([_IP6]) + ipaddress.IPv6Address(host).packed + tail
        tag = {name: tag for tag, name in _NAMES.items()}[protocol]
        name = host.encode("ascii")
        if not _HOST.match(host) or len(name) > _NAME_BYTES_MAX:
            raise wrong
        return bytes([tag, len(name)]) + name + tail
    except (ValueError, OverflowError, KeyError) as error:
        raise wrong from error


def _read_address(reader: _Reader, tag: int) -> str:
    if tag == _IP4:
        host = f"ip4/{ipaddress.IPv4Address(reader.take(_IP_BYTES[tag]))}"
    elif tag == _IP6:
        host = f"ip6/{ipaddress.IPv6Address(reader.take(_IP_BYTES[tag]))}"
    elif tag in _NAMES:
        name = reader.take(reader.take(1)[0]).decode("ascii", errors="replace")
        if not _HOST.match(name):
            raise UserError("the invite is malformed: it names a host that cannot be one")
        host = f"{_NAMES[tag]}/{name}"
    else:
        raise UserError("the invite is malformed: it holds an address of an unknown kind")
    return f"/{host}/tcp/{int.from_bytes(reader.take(2), 'big')}"
