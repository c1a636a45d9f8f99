"""Headers on disk: what stands in the row's columns anyway is left out, and put back exactly.

A header has one canonical encoding, so from kind, commons, author, device, time and target, which
the row has, and hash, size and parents, which the short form has, the very bytes follow that were
signed. A third of the row is saved. A header that would not come back exactly is kept whole.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from p2pcommons.model.contribution import FOUNDING_KIND, Header, decode_header, encode_header
from p2pcommons.model.ids import ID_BYTES, ZERO_ID

if TYPE_CHECKING:
    from p2pcommons.model.contribution import Contribution

SHORT = b"\x00"
"""How a short form begins; a whole header begins with the mark of an array."""

_HASH_END = len(SHORT) + ID_BYTES
_SIZE_BYTES = 3
_PARENTS = _HASH_END + _SIZE_BYTES
_ID = b"\xc4\x20"
"""What msgpack puts before 32 bytes."""
_NIL = b"\xc0"
_NO_PARENTS = b"\x90"
_UINT_BYTES = ((0x7F, b"", 1), (0xFF, b"\xcc", 1), (0xFFFF, b"\xcd", 2), (0xFFFFFFFF, b"\xce", 4))


def stored_header(item: Contribution) -> bytes:
    """Return what is kept of a header beside the row's columns; `whole_header` undoes it."""
    header = item.header
    short = b"".join(
        (
            SHORT,
            header.body_hash,
            header.body_size.to_bytes(_SIZE_BYTES, "big"),
            *header.parents,
        )
    )
    restored = whole_header(
        short,
        header.kind,
        item.commons,
        header.author,
        header.device,
        header.claimed_at,
        header.target,
    )
    return short if restored == item.header_bytes else item.header_bytes


def whole_header(
    stored: bytes,
    kind: str,
    commons: bytes,
    author: bytes,
    device: bytes,
    claimed_at: int,
    target: bytes | None,
) -> bytes:
    """Return the bytes that were signed, from `stored` and the columns of its row.

    `commons` is the id of the commons also for its founding contribution.
    """
    if not stored.startswith(SHORT):
        return stored
    if len(stored) > _PARENTS:
        parts = (stored, kind, commons, author, device, claimed_at, target)
        return encode_header(parsed_header(*parts))
    # The usual header, put together without the general encoder: this is done for every one sent.
    return b"".join(
        (
            _beginning(kind, commons, author, device),
            _uint(claimed_at),
            _NIL if target is None else _ID + target,
            _NO_PARENTS,
            _ID,
            stored[len(SHORT) : _HASH_END],
            _uint(int.from_bytes(stored[_HASH_END:_PARENTS], "big")),
        )
    )


def parsed_header(
    stored: bytes,
    kind: str,
    commons: bytes,
    author: bytes,
    device: bytes,
    claimed_at: int,
    target: bytes | None,
) -> Header:
    """Return the fields of a header, from `stored` and the columns of its row."""
    if not stored.startswith(SHORT):
        return decode_header(stored)
    return Header(
        kind,
        ZERO_ID if kind == FOUNDING_KIND else commons,
        author,
        device,
        claimed_at,
        target,
        tuple(stored[at : at + ID_BYTES] for at in range(_PARENTS, len(stored), ID_BYTES)),
        stored[len(SHORT) : _HASH_END],
        int.from_bytes(stored[_HASH_END:_PARENTS], "big"),
    )


@lru_cache(4_096)
def _beginning(kind: str, commons: bytes, author: bytes, device: bytes) -> bytes:
    """Return the first five of the ten fields."""
    shown = ZERO_ID if kind == FOUNDING_KIND else commons
    named = kind.encode()
    # Ten fields, version 1, a text of at most 24 bytes.
    marks = bytes((0x9A, 1, 0xA0 | len(named)))
    return b"".join((marks, named, _ID, shown, _ID, author, _ID, device))


def _uint(number: int) -> bytes:
    for largest, mark, size in _UINT_BYTES:
        if number <= largest:
            return mark + number.to_bytes(size, "big")
    raise ValueError("no number of a header is so large")
