"""What stands behind the ids of commons that a peer offers: their founding contributions.

    question = canonical array of up to 16 commons ids, ascending
    answer   = for each of them, in order, a frame: its founding envelope, or empty

An id in `commons` says nothing to a person. The founding contribution is signed, and its id is that
of the commons, so nobody can put another title under it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, cast

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.model import codec
from p2pcommons.model.contribution import decode_envelope, verify
from p2pcommons.model.ids import ID_BYTES
from p2pcommons.model.kinds import COMMONS, PUBLIC, CommonsBody, parse_body
from p2pcommons.model.limits import BODY_BYTES_MAX, HEADER_BYTES_MAX, TITLE_CHARS_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

OFFERS_PROTOCOL = "/p2pcommons/offers/1.0.0"
"""The libp2p protocol id of a stream on which one asks what is offered."""

OFFERS_ASKED_MAX = 16
"""Ids in one question."""
QUESTION_BYTES_MAX = OFFERS_ASKED_MAX * (ID_BYTES + 2) + 3
OFFER_BYTES_MAX = HEADER_BYTES_MAX + BODY_BYTES_MAX + 512
"""One founding envelope: header, body, signature, grant and what stands around them."""


def encode_question(ids: Sequence[bytes]) -> bytes:
    """Return the frame that asks for up to 16 commons."""
    return codec.encode(sorted(ids)[:OFFERS_ASKED_MAX])


def decode_question(frame: bytes) -> tuple[bytes, ...]:
    """Return the ids asked for. Raises RejectedError."""
    decoded = codec.decode(frame, depth_max=1)
    ids = cast("list[object]", decoded) if type(decoded) is list else [None]
    if len(ids) > OFFERS_ASKED_MAX or not all(
        type(each) is bytes and len(each) == ID_BYTES for each in ids
    ):
        raise RejectedError(RejectReason.MESSAGE_SHAPE, "a question about offers")
    asked = cast("list[bytes]", ids)
    if not all(first < second for first, second in itertools.pairwise(asked)):
        raise RejectedError(RejectReason.MESSAGE_SHAPE, "a question about offers")
    return tuple(asked)


def read_offer(commons: bytes, frame: bytes) -> str | None:
    """Return the title that a founding envelope gives a commons, in words of a peer, cut to size.

    None where the frame is empty or this version does not understand the commons. Raises
    RejectedError for anything but a valid founding contribution with this id.
    """
    if not frame:
        return None
    found = verify(decode_envelope(frame))
    if found.id != commons:
        raise RejectedError(RejectReason.WRONG_COMMONS, "an offer")
    if not found.header.is_founding or found.body is None:
        raise RejectedError(RejectReason.MESSAGE_SHAPE, "an offer that founds nothing")
    said = parse_body(COMMONS, found.body) if found.header.kind == COMMONS else None
    if isinstance(said, CommonsBody) and said.visibility == PUBLIC:
        return said.title[:TITLE_CHARS_MAX]
    return None
