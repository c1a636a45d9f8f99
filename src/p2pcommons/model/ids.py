"""How ids and authors are written down, and read back from what a person types."""

from __future__ import annotations

import base64
import re

import base58

from p2pcommons.errors import ErrorCode, UserError

ID_BYTES = 32
ZERO_ID = bytes(ID_BYTES)
SHORT_HEX_CHARS = 10
"""Length of an id where a person reads it."""
PREFIX_HEX_CHARS_MIN = 6
"""The shortest prefix that is accepted from a person."""
DID_PREFIX = "did:key:z"
SUFFIX_CHARS = 6

_ED25519_PUB = b"\xed\x01"
_RAW_SHA256 = b"\x01\x55\x12\x20"
_HEX_PREFIX = re.compile(r"[0-9a-f]{6,64}\Z")


def short(identifier: bytes) -> str:
    """Return the ten hex digits under which people see an id."""
    return identifier.hex()[:SHORT_HEX_CHARS]


def hex_prefix(text: str) -> str | None:
    """Return `text` as a lower-case hex prefix of 6 to 64 digits, or None if it is not one."""
    lowered = text.strip().lower()
    return lowered if _HEX_PREFIX.match(lowered) else None


def to_cid(digest: bytes) -> str:
    """Return a SHA-256 as people with IPFS tools write it: CIDv1, raw, sha2-256, base32."""
    return "b" + base64.b32encode(_RAW_SHA256 + digest).decode().lower().rstrip("=")


def to_did(author: bytes) -> str:
    """Return the author's id as did:key (multicodec ed25519-pub, base58btc)."""
    return DID_PREFIX + base58.b58encode(_ED25519_PUB + author).decode()


def from_did(text: str) -> bytes:
    """Return the 32 bytes of an author's verifying key.

    Raises UserError if `text` is not the did:key of an Ed25519 key.
    """
    try:
        decoded = base58.b58decode(text.strip().removeprefix(DID_PREFIX))
    except ValueError:
        decoded = b""
    well_formed = len(decoded) == len(_ED25519_PUB) + ID_BYTES and decoded.startswith(_ED25519_PUB)
    if not (text.strip().startswith(DID_PREFIX) and well_formed):
        raise UserError(f"{text!r} is not the did:key of a person", ErrorCode.USAGE)
    return decoded[len(_ED25519_PUB) :]


def suffix(author: bytes) -> str:
    """Return the six characters that stand behind a name."""
    return to_did(author)[-SUFFIX_CHARS:]


def display_name(name: str | None, author: bytes) -> str:
    """Return `name~suffix`; somebody who gave no name is shown as `~suffix` alone."""
    return f"{name or ''}~{suffix(author)}"
