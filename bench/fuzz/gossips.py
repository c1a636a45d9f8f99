"""Gossip messages: what arrives on a topic before anything of it is verified."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import trees
from envelopes import mutate_envelope
from target import Target, must, scratch, vectors

from p2pcommons.errors import RejectedError
from p2pcommons.model import codec, contribution
from p2pcommons.model.limits import GOSSIP_BYTES_MAX, GOSSIP_ENVELOPES_MAX
from p2pcommons.protocol.gossip import decode_gossip, encode_gossip

if TYPE_CHECKING:
    import random

    from p2pcommons.model.contribution import Envelope


def make_target() -> Target:
    """Return the target."""
    protocol = vectors("protocol-v1.json")
    topic: str = protocol["topic"]["topic"]
    seeds = [bytes.fromhex(one) for one in protocol["gossip"]]
    pool: list[object] = []
    for case in vectors("contributions-v1.json")["contributions"]:
        pool += [bytes.fromhex(case["id"]), codec.decode(bytes.fromhex(case["envelope"]))]
        seeds.append(codec.encode([codec.decode(bytes.fromhex(case["envelope"]))]))

    def mutate(data: bytes, chance: random.Random) -> bytes:
        return _mutate(data, chance, pool) or scratch(data, chance)

    return Target("gossips", seeds, mutate, partial(check, topic))


def _mutate(data: bytes, chance: random.Random, pool: list[object]) -> bytes | None:
    try:
        values = codec.decode(data)
    except RejectedError:
        return None
    if not isinstance(values, list) or not values or chance.random() < 0.4:
        return trees.changed(data, chance, pool)
    envelopes = [*cast("list[object]", values)]
    at = chance.randrange(len(envelopes))
    encoded = trees.written(envelopes[at])
    changed = encoded and mutate_envelope(encoded, chance, pool)
    if changed:
        envelopes[at] = codec.decode(changed)
    return trees.written(envelopes)


def check(topic: str, data: bytes) -> str:
    """Return the verdict on a gossip message."""
    verdict, envelopes = _read(topic, data)
    must(_read(topic, data) == (verdict, envelopes), "the second verdict differs")
    if envelopes is None:
        return verdict
    must(len(data) <= GOSSIP_BYTES_MAX, "too many bytes")
    must(1 <= len(envelopes) <= GOSSIP_ENVELOPES_MAX, "too many envelopes")
    arrays = [contribution.envelope_to_array(envelope) for envelope in envelopes]
    must(codec.encode(arrays) == data, "encodes to other bytes")
    try:
        made = [contribution.verify(envelope) for envelope in envelopes]
    except RejectedError as error:
        return f"read, then {error.reason.name}"
    must(len({item.commons for item in made}) == 1, "several commons")
    told = [one for message in encode_gossip(made) for one in decode_gossip(topic, message)]
    must(told == envelopes, "told on otherwise")
    return "accepted"


def _read(topic: str, data: bytes) -> tuple[str, list[Envelope] | None]:
    try:
        return "accepted", decode_gossip(topic, data)
    except RejectedError as error:
        return error.reason.name, None
