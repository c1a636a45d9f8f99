"""The contribution: the signed, immutable unit that is hashed, stored and exchanged.

Validity is what `verify` checks and nothing else: no clock, no other contribution, no knowledge
of the kind, no look into the body. Only `verify` and `sign` build a `Contribution`.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.model import codec, ed25519
from p2pcommons.model.ids import ID_BYTES, ZERO_ID
from p2pcommons.model.keys import CONTRIBUTION_DOMAIN, Signer, grant_message
from p2pcommons.model.limits import (
    BODY_BYTES_MAX,
    CLAIMED_AT_MAX,
    HEADER_BYTES_MAX,
    PARENTS_MAX,
)

if TYPE_CHECKING:
    from collections.abc import MutableSet, Sequence

FORMAT_VERSION = 1
FOUNDING_KIND = "commons"
ENVELOPE_BYTES_MAX = HEADER_BYTES_MAX + BODY_BYTES_MAX + 2 * ed25519.SIGNATURE_BYTES + 32

Grant = tuple[bytes, bytes, bytes]
"""(author, device, grant): the key under which a verified grant is remembered."""

_KIND = re.compile(r"[a-z-]{1,24}\Z")
_HEADER_FIELDS = 10
_ENVELOPE_FIELDS = 4


@dataclass(frozen=True, slots=True)
class Header:
    """The ten fields of a header, without its format version."""

    kind: str
    commons: bytes
    author: bytes
    device: bytes
    claimed_at: int
    target: bytes | None
    parents: tuple[bytes, ...]
    body_hash: bytes
    body_size: int

    @property
    def is_founding(self) -> bool:
        """Whether this header founds a commons."""
        return self.commons == ZERO_ID


@dataclass(frozen=True, slots=True)
class Envelope:
    """A contribution on its way: parsed, not verified."""

    header: bytes
    signature: bytes
    grant: bytes
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Contribution:
    """A verified contribution. `body` is None where only the header is held."""

    id: bytes
    header: Header
    header_bytes: bytes
    signature: bytes
    grant: bytes
    body: bytes | None

    @property
    def commons(self) -> bytes:
        """The id of the commons whose set this belongs to; a founding one's is its own."""
        return self.id if self.header.is_founding else self.header.commons

    def envelope(self) -> Envelope:
        """Return the carrier of exactly the bytes that were received."""
        return Envelope(self.header_bytes, self.signature, self.grant, self.body)


def envelope_to_array(envelope: Envelope) -> list[object]:
    """Return the four fields of an envelope, for nesting in a message."""
    return [envelope.header, envelope.signature, envelope.grant, envelope.body]


def envelope_from_array(value: object) -> Envelope:
    """Return the envelope of a decoded array. Raises RejectedError(ENVELOPE_SHAPE)."""
    if type(value) is not list:
        raise RejectedError(RejectReason.ENVELOPE_SHAPE, "not an array")
    fields = cast("list[object]", value)
    if len(fields) != _ENVELOPE_FIELDS:
        raise RejectedError(RejectReason.ENVELOPE_SHAPE, "not four fields")
    header, signature, grant, body = fields
    if type(header) is not bytes or len(header) > HEADER_BYTES_MAX:
        raise RejectedError(RejectReason.ENVELOPE_SHAPE, "header")
    for name, value_64 in (("signature", signature), ("grant", grant)):
        if type(value_64) is not bytes or len(value_64) != ed25519.SIGNATURE_BYTES:
            raise RejectedError(RejectReason.ENVELOPE_SHAPE, name)
    if body is not None and (type(body) is not bytes or len(body) > BODY_BYTES_MAX):
        raise RejectedError(RejectReason.ENVELOPE_SHAPE, "body")
    return Envelope(header, cast("bytes", signature), cast("bytes", grant), body)


def encode_envelope(envelope: Envelope) -> bytes:
    """Return the canonical bytes of an envelope on its own."""
    return codec.encode(envelope_to_array(envelope))


def decode_envelope(data: bytes) -> Envelope:
    """Return the envelope in `data`. Raises RejectedError for anything else."""
    if len(data) > ENVELOPE_BYTES_MAX:
        raise RejectedError(RejectReason.ENVELOPE_SHAPE, "too long")
    return envelope_from_array(codec.decode(data, depth_max=1))


def encode_header(header: Header) -> bytes:
    """Return the canonical bytes that are hashed and signed."""
    return codec.encode(
        [
            FORMAT_VERSION,
            header.kind,
            header.commons,
            header.author,
            header.device,
            header.claimed_at,
            header.target,
            list(header.parents),
            header.body_hash,
            header.body_size,
        ]
    )


def decode_header(data: bytes) -> Header:
    """Return the header in `data`, its types and ranges checked. Raises RejectedError."""
    if len(data) > HEADER_BYTES_MAX:
        raise RejectedError(RejectReason.HEADER_SHAPE, "too long")
    decoded = codec.decode(data, depth_max=2)
    if type(decoded) is not list or len(cast("list[object]", decoded)) != _HEADER_FIELDS:
        raise RejectedError(RejectReason.HEADER_SHAPE, "not ten fields")
    version, kind, commons, author, device, claimed_at, target, parents, body_hash, body_size = (
        cast("list[object]", decoded)
    )
    _in_range(version, FORMAT_VERSION, FORMAT_VERSION, "version")
    if type(kind) is not str or not _KIND.match(kind):
        raise RejectedError(RejectReason.HEADER_RANGE, "kind")
    header = Header(
        kind,
        _id(commons, "commons"),
        _id(author, "author"),
        _id(device, "device"),
        _in_range(claimed_at, 1, CLAIMED_AT_MAX, "claimed_at"),
        None if target is None else _id(target, "target"),
        _parents(parents),
        _id(body_hash, "body_hash"),
        _in_range(body_size, 1, BODY_BYTES_MAX, "body_size"),
    )
    _check_founding(header)
    return header


def verify(envelope: Envelope, grants: MutableSet[Grant] | None = None) -> Contribution:
    """Return the contribution that `envelope` carries, or raise RejectedError with the reason.

    `grants` holds the grants that were verified before and is added to; without it each
    grant is verified anew.
    """
    header = decode_header(envelope.header)
    body = envelope.body
    if body is not None:
        if len(body) != header.body_size:
            raise RejectedError(RejectReason.BODY_SIZE)
        if hashlib.sha256(body).digest() != header.body_hash:
            raise RejectedError(RejectReason.BODY_HASH)
    _verify_grant(header, envelope.grant, grants)
    message = CONTRIBUTION_DOMAIN + envelope.header
    if not ed25519.is_valid(header.device, message, envelope.signature):
        raise RejectedError(RejectReason.BAD_SIGNATURE)
    identifier = hashlib.sha256(envelope.header).digest()
    return Contribution(
        identifier, header, envelope.header, envelope.signature, envelope.grant, body
    )


def sign(
    signer: Signer,
    kind: str,
    *,
    commons: bytes,
    body: bytes,
    claimed_at: int,
    target: bytes | None = None,
    parents: Sequence[bytes] = (),
) -> Contribution:
    """Return a new contribution of `signer`; `commons` is ZERO_ID in a founding one.

    Parents are sorted here. Raises ValueError when the result would not be valid: that is a
    bug of the caller, since people's limits are checked before.
    """
    header = Header(
        kind,
        commons,
        signer.author,
        signer.device,
        claimed_at,
        target,
        tuple(sorted(set(parents))),
        hashlib.sha256(body).digest(),
        len(body),
    )
    header_bytes = encode_header(header)
    try:
        if decode_header(header_bytes) != header:
            raise ValueError("header does not read back")
    except RejectedError as error:
        raise ValueError(f"not a valid contribution: {error}") from error
    signature = signer.sign(CONTRIBUTION_DOMAIN + header_bytes)
    identifier = hashlib.sha256(header_bytes).digest()
    return Contribution(identifier, header, header_bytes, signature, signer.grant, body)


def _verify_grant(header: Header, grant: bytes, grants: MutableSet[Grant] | None) -> None:
    key = (header.author, header.device, grant)
    if grants is not None and key in grants:
        return
    if not ed25519.is_valid(header.author, grant_message(header.device, header.author), grant):
        raise RejectedError(RejectReason.BAD_GRANT)
    if grants is not None:
        grants.add(key)


def _check_founding(header: Header) -> None:
    if (header.kind == FOUNDING_KIND) != header.is_founding:
        raise RejectedError(RejectReason.HEADER_RANGE, "only a commons has no commons")
    if header.is_founding and (header.target is not None or header.parents):
        raise RejectedError(RejectReason.HEADER_RANGE, "a commons has no target and no parents")


def _id(value: object, name: str) -> bytes:
    if type(value) is not bytes or len(value) != ID_BYTES:
        raise RejectedError(RejectReason.HEADER_SHAPE, name)
    return value


def _in_range(value: object, low: int, high: int, name: str) -> int:
    # True == 1 in Python, and a header with True would hash differently: exact types only.
    if type(value) is not int:
        raise RejectedError(RejectReason.HEADER_SHAPE, name)
    if not low <= value <= high:
        raise RejectedError(RejectReason.HEADER_RANGE, name)
    return value


def _parents(value: object) -> tuple[bytes, ...]:
    if type(value) is not list:
        raise RejectedError(RejectReason.HEADER_SHAPE, "parents")
    parents = tuple(_id(parent, "parents") for parent in cast("list[object]", value))
    if len(parents) > PARENTS_MAX:
        raise RejectedError(RejectReason.HEADER_RANGE, "too many parents")
    if any(first >= second for first, second in itertools.pairwise(parents)):
        raise RejectedError(RejectReason.HEADER_RANGE, "parents are not ascending")
    return parents
