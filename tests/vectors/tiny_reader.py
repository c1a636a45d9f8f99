"""A second implementation of reading, written from docs/protocol.md and sharing no code with ours.

Only the standard library and libsodium. It is short because the format is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey


class NotValidError(Exception):
    """The bytes are not a valid contribution, or not canonical."""


def need(condition: bool) -> None:
    if not condition:
        raise NotValidError


class Bytes:
    """Reads canonical msgpack: every value in its shortest form, map keys ascending."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        need(self.at + size <= len(self.data))
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int, low: int) -> int:
        value = int.from_bytes(self.take(size), "big")
        need(value >= low)  # smaller ones have a shorter form
        return value

    def value(self, depth: int) -> object:
        mark = self.take(1)[0]
        if mark <= 0x7F:
            return mark
        if mark <= 0x8F:
            return self.map(mark & 15, depth)
        if mark <= 0x9F:
            return self.array(mark & 15, depth)
        if mark <= 0xBF:
            return self.text(mark & 31)
        if mark >= 0xE0:
            return mark - 256
        if mark in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[mark]
        return self.sized(mark, depth)

    def sized(self, mark: int, depth: int) -> object:
        if 0xC4 <= mark <= 0xC6:
            return self.take(self.number(1 << mark - 0xC4, [0, 256, 65_536][mark - 0xC4]))
        if 0xCC <= mark <= 0xCF:
            return self.number(1 << mark - 0xCC, [128, 256, 65_536, 2**32][mark - 0xCC])
        if 0xD0 <= mark <= 0xD3:
            size = 1 << mark - 0xD0
            value = int.from_bytes(self.take(size), "big", signed=True)
            need(value < [-32, -128, -(2**15), -(2**31)][mark - 0xD0])
            return value
        if 0xD9 <= mark <= 0xDB:
            return self.text(self.number(1 << mark - 0xD9, [32, 256, 65_536][mark - 0xD9]))
        if mark in (0xDC, 0xDD):
            return self.array(self.number(2 * (mark - 0xDB), [16, 65_536][mark - 0xDC]), depth)
        need(mark in (0xDE, 0xDF))
        return self.map(self.number(2 * (mark - 0xDD), [16, 65_536][mark - 0xDE]), depth)

    def text(self, size: int) -> str:
        try:
            return self.take(size).decode()
        except UnicodeDecodeError as error:
            raise NotValidError from error

    def array(self, count: int, depth: int) -> list[object]:
        need(depth > 0)
        return [self.value(depth - 1) for _ in range(count)]

    def map(self, count: int, depth: int) -> dict[str, object]:
        need(depth > 0)
        found: dict[str, object] = {}
        last = None
        for _ in range(count):
            key = self.value(depth - 1)
            need(type(key) is str)
            need(last is None or str(key).encode() > last)
            last = str(key).encode()
            found[str(key)] = self.value(depth - 1)
        return found


def unpack(data: bytes, depth: int) -> object:
    reader = Bytes(data)
    value = reader.value(depth)
    need(reader.at == len(data))
    return value


def is_id(value: object) -> bool:
    return type(value) is bytes and len(value) == 32


def is_uint(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def check_signature(key: bytes, message: bytes, signature: bytes) -> None:
    try:
        VerifyKey(key).verify(message, signature)
    except BadSignatureError as error:
        raise NotValidError from error


def check_header(fields: object) -> list:
    need(type(fields) is list and len(fields) == 10)
    assert isinstance(fields, list)
    version, kind, commons, author, device, claimed_at, target, parents, digest, size = fields
    need(type(version) is int and version == 1)
    need(type(kind) is str and re.fullmatch(r"[a-z-]{1,24}", kind) is not None)
    need(all(map(is_id, (commons, author, device, digest))))
    need(is_uint(claimed_at, 1, 2**32 - 1) and is_uint(size, 1, 65_536))
    need(target is None or is_id(target))
    need(type(parents) is list and len(parents) <= 16 and all(map(is_id, parents)))
    need(parents == sorted(set(parents)))
    need((kind == "commons") == (commons == bytes(32)))
    need(kind != "commons" or (target is None and not parents))
    return fields


def read(data: bytes) -> tuple[bytes, list, bytes | None]:
    """Return id, the ten fields and the body of a valid envelope, or raise NotValidError."""
    envelope = unpack(data, 1)
    need(type(envelope) is list and len(envelope) == 4)
    assert isinstance(envelope, list)
    header, signature, grant, body = envelope
    need(type(header) is bytes and len(header) <= 1_024)
    need(all(type(one) is bytes and len(one) == 64 for one in (signature, grant)))
    need(body is None or type(body) is bytes)
    fields = check_header(unpack(header, 2))
    author, device, digest, size = fields[3], fields[4], fields[8], fields[9]
    if body is not None:
        need(len(body) == size and hashlib.sha256(body).digest() == digest)
    check_signature(author, b"p2pcommons/v1/device\x00" + device + author, grant)
    check_signature(device, b"p2pcommons/v1/contribution\x00" + header, signature)
    return hashlib.sha256(header).digest(), fields, body


def root_seed(words: str, identity: int) -> bytes:
    seed = hashlib.pbkdf2_hmac("sha512", words.encode(), b"mnemonic", 2_048)
    extracted = hmac.digest(b"", seed, "sha256")
    return hmac.digest(extracted, f"p2pcommons/v1/root/{identity}".encode() + b"\x01", "sha256")


def base58(data: bytes) -> str:
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = alphabet[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\x00"))) + digits


def did(author: bytes) -> str:
    return "did:key:z" + base58(b"\xed\x01" + author)


def topic(commons: bytes) -> str:
    digest = hashlib.sha256(b"p2pcommons/v1/topic\x00" + commons).digest()[:20]
    return "/p2pcommons/1/" + base64.b32encode(digest).decode().lower()


def fingerprint(ids: list[bytes]) -> bytes:
    assert len(ids) < 128, "one digit of the variable-length count is enough here"
    total = sum(int.from_bytes(one, "little") for one in ids) % 2**256
    return hashlib.sha256(total.to_bytes(32, "little") + bytes([len(ids)])).digest()[:16]


def blinded(opener_nonce: bytes, other_nonce: bytes, commons: bytes) -> bytes:
    return hashlib.sha256(opener_nonce + other_nonce + commons).digest()[:16]


def invite(text: str) -> dict[str, object]:
    data = base64.b32decode(text + "=" * (-len(text) % 8))
    payload, checksum = data[:-4], data[-4:]
    need(hashlib.sha256(b"p2pcommons/v1/invite\x00" + payload).digest()[:4] == checksum)
    need(payload[0] == 0x79)
    peer_id = b"\x00\x24\x08\x01\x12\x20"
    size = payload[65]
    found: dict[str, object] = {
        "commons": payload[1:33].hex(),
        "peer_id": base58(peer_id + payload[33:65]),
        "title": payload[66 : 66 + size].decode(),
        "relay": None,
    }
    rest = payload[66 + size :]
    addresses: list[str] = []
    while rest:
        relay_id = None
        if rest[0] == 9:
            relay_id, rest = base58(peer_id + rest[1:33]), rest[33:]
        address, rest = invite_address(rest)
        if relay_id:
            found["relay"] = f"{address}/p2p/{relay_id}"
        else:
            addresses.append(address)
    return {**found, "addresses": addresses}


def invite_address(data: bytes) -> tuple[str, bytes]:
    import ipaddress

    if data[0] in (1, 2):
        size = {1: 4, 2: 16}[data[0]]
        host = f"ip{'4' if size == 4 else '6'}/{ipaddress.ip_address(data[1 : 1 + size])}"
        rest = data[1 + size :]
    else:
        size = data[1]
        host = f"{ {3: 'dns', 4: 'dns4', 5: 'dns6'}[data[0]] }/{data[2 : 2 + size].decode()}"
        rest = data[2 + size :]
    return f"/{host}/tcp/{int.from_bytes(rest[:2], 'big')}", rest[2:]
