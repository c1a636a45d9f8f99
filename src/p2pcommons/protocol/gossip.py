"""Gossip messages: own new contributions of one author, told to everybody who is listening.

A message is a pure function of what is in it, so every node gives the same verdict on it.
"""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, cast

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.model import codec
from p2pcommons.model.contribution import decode_header, envelope_from_array, envelope_to_array
from p2pcommons.model.limits import GOSSIP_BYTES_MAX, GOSSIP_ENVELOPES_MAX
from p2pcommons.protocol.limits import GOSSIP_COALESCED_BYTES
from p2pcommons.protocol.topic import gossip_topic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from p2pcommons.model.contribution import Contribution, Envelope, Header

_DEPTH_MAX = 2
_ENVELOPE_OVERHEAD_BYTES = 2 * 64 + 16
"""Signature, grant, and the marks of msgpack."""


def encode_gossip(contributions: Sequence[Contribution]) -> list[bytes]:
    """Return the messages that carry these contributions of one commons, at least one each author.

    Every contribution has its body. Raises ValueError for a missing body or several commons:
    both are bugs of the caller.
    """
    if len({item.commons for item in contributions}) > 1:
        raise ValueError("a topic belongs to one commons")
    if any(item.body is None for item in contributions):
        raise ValueError("gossip carries bodies")
    ordered = sorted(
        {item.id: item for item in contributions}.values(),
        key=lambda item: (item.header.author, item.id),
    )
    return [
        codec.encode([envelope_to_array(item.envelope()) for item in batch])
        for _, own in itertools.groupby(ordered, key=lambda item: item.header.author)
        for batch in _batches(own)
    ]


def _batches(contributions: Iterator[Contribution]) -> Iterator[list[Contribution]]:
    batch: list[Contribution] = []
    size = 0
    for item in contributions:
        more = len(item.header_bytes) + len(item.body or b"") + _ENVELOPE_OVERHEAD_BYTES
        is_full = size + more > GOSSIP_COALESCED_BYTES or len(batch) == GOSSIP_ENVELOPES_MAX
        if batch and is_full:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += more
    if batch:
        yield batch


def decode_gossip(topic: str, data: bytes) -> list[Envelope]:
    """Return the envelopes of a message that came on `topic`, parsed and not verified.

    Raises RejectedError unless they are of one author, ids strictly ascending, with bodies, all
    of the commons of this topic, at most 128 and 72 KiB.
    """
    if len(data) > GOSSIP_BYTES_MAX:
        raise RejectedError(RejectReason.MESSAGE_TOO_LARGE, f"{len(data)} bytes")
    decoded = codec.decode(data, depth_max=_DEPTH_MAX)
    if type(decoded) is not list:
        raise RejectedError(RejectReason.GOSSIP_SHAPE, "not an array")
    values = cast("list[object]", decoded)
    if not 1 <= len(values) <= GOSSIP_ENVELOPES_MAX:
        raise RejectedError(RejectReason.GOSSIP_SHAPE, f"{len(values)} envelopes")
    envelopes = [envelope_from_array(value) for value in values]
    _check_shape(topic, envelopes)
    return envelopes


def _check_shape(topic: str, envelopes: list[Envelope]) -> None:
    headers: list[Header] = []
    ids: list[bytes] = []
    for envelope in envelopes:
        if envelope.body is None:
            raise RejectedError(RejectReason.GOSSIP_SHAPE, "a body is missing")
        headers.append(decode_header(envelope.header))
        ids.append(hashlib.sha256(envelope.header).digest())
    if any(first >= second for first, second in itertools.pairwise(ids)):
        raise RejectedError(RejectReason.GOSSIP_SHAPE, "ids are not ascending")
    if len({header.author for header in headers}) > 1:
        raise RejectedError(RejectReason.GOSSIP_SHAPE, "several authors")
    commons = {
        identifier if header.is_founding else header.commons
        for identifier, header in zip(ids, headers, strict=True)
    }
    if len(commons) > 1 or gossip_topic(commons.pop()) != topic:
        raise RejectedError(RejectReason.WRONG_COMMONS)
