"""Requests for pieces of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trees
from target import Target, must, scratch

from p2pcommons.errors import RejectedError
from p2pcommons.protocol.blobs import CHUNKS_PER_REQUEST_MAX, BlobRequest
from p2pcommons.protocol.blobs import decode_request as decode
from p2pcommons.protocol.blobs import encode_request as encode

if TYPE_CHECKING:
    import random


def make_target() -> Target:
    """Return the target."""
    seeds = [
        encode(BlobRequest(bytes(32), first, count)) for first in (0, 3, 900) for count in (1, 16)
    ]

    def mutate(data: bytes, chance: random.Random) -> bytes:
        return trees.changed(data, chance, [bytes(32)]) or scratch(data, chance)

    return Target("blobs", seeds, mutate, check, bytes_max=1_000)


def check(data: bytes) -> str:
    """Return the verdict on a request."""
    try:
        request = decode(data)
    except RejectedError as error:
        return error.reason.name
    must(encode(request) == data, "encodes to other bytes")
    must(1 <= request.count <= CHUNKS_PER_REQUEST_MAX and request.first >= 0, "asks for too much")
    return "accepted"
