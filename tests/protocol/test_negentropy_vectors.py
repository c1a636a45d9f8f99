"""Every message of the published sessions, byte for byte."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from p2pcommons.protocol.items import ORDER_MAX, ItemSet
from p2pcommons.protocol.negentropy import Negentropy, split_ids

VECTORS = Path(__file__).parent.parent / "vectors" / "negentropy-v1.json.gz"
CASES: list[dict[str, Any]] = json.loads(gzip.decompress(VECTORS.read_bytes()))["cases"]


def item_set(items: list[list[Any]], *, in_pieces: bool) -> ItemSet:
    # The vectors order by the time itself, an ItemSet by its complement.
    pairs = [(ORDER_MAX - order, bytes.fromhex(identifier)) for order, identifier in items]
    if not in_pieces:
        return ItemSet(pairs)
    result = ItemSet(pairs[::3])
    result.add_many(pairs[1::3])
    result.add_many(pairs[2::3])
    return result


@pytest.mark.parametrize("in_pieces", [False, True], ids=["at once", "in pieces"])
@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_session_sends_the_published_bytes(case: dict[str, Any], in_pieces: bool) -> None:
    opener = Negentropy(
        item_set(case["initiator"], in_pieces=in_pieces).snapshot(),
        frame_bytes_max=case["initiator_frame_limit"],
    )
    other = Negentropy(
        item_set(case["responder"], in_pieces=in_pieces).snapshot(),
        frame_bytes_max=case["responder_frame_limit"],
    )
    sent = [opener.initiate()]
    have: list[bytes] = []
    need: list[bytes] = []
    while True:
        answer = other.reconcile(sent[-1]).message
        assert answer is not None
        sent.append(answer)
        step = opener.reconcile(answer)
        have += split_ids(step.have)
        need += split_ids(step.need)
        if step.message is None:
            break
        sent.append(step.message)
    assert [message.hex() for message in sent] == case["messages"]
    assert sorted(identifier.hex() for identifier in have) == sorted(case["have"])
    assert sorted(identifier.hex() for identifier in need) == sorted(case["need"])
