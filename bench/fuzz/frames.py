"""Session messages: decode a frame, write it again, read it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import trees
from envelopes import mutate_envelope
from target import Target, must, scratch, vectors

from p2pcommons.errors import RejectedError
from p2pcommons.model import codec
from p2pcommons.protocol import messages
from p2pcommons.protocol.limits import FRAME_BYTES_MAX

if TYPE_CHECKING:
    import random

NAMES = (
    *("hello", "commons", "open", "neg", "want", "have", "put", "absent", "bodies", "done"),
    "unsupported",
)


def frame_seeds() -> list[bytes]:
    """The frames of the conformance vectors."""
    return [bytes.fromhex(case["frame"]) for case in vectors("protocol-v1.json")["messages"]]


def frame_pool() -> list[object]:
    """Values that mean something in a frame."""
    pool: list[object] = [*NAMES]
    for case in vectors("contributions-v1.json")["contributions"]:
        pool += [bytes.fromhex(case["id"]), bytes.fromhex(case["id"])[:16]]
        pool.append(codec.decode(bytes.fromhex(case["envelope"])))
    return pool


def make_target() -> Target:
    """Return the target."""
    pool = frame_pool()

    def mutate(data: bytes, chance: random.Random) -> bytes:
        return mutate_frame(data, chance, pool) or scratch(data, chance)

    return Target("frames", frame_seeds(), mutate, check)


def mutate_frame(data: bytes, chance: random.Random, pool: list[object]) -> bytes | None:
    """Change one place of a frame; in a `put` also inside of an envelope."""
    try:
        value = codec.decode(data)
    except RejectedError:
        return None
    fields = cast("list[object]", value) if isinstance(value, list) else []
    inside = fields[2] if len(fields) == 3 and fields[0] == "put" else None
    if isinstance(inside, list) and inside and chance.random() < 0.5:
        envelopes = [*cast("list[object]", inside)]
        at = chance.randrange(len(envelopes))
        encoded = trees.written(envelopes[at])
        changed = encoded and mutate_envelope(encoded, chance, pool)
        if changed:
            envelopes[at] = codec.decode(changed)
            return trees.written([*fields[:2], envelopes])
    return trees.changed(data, chance, pool)


def check(data: bytes) -> str:
    """Return the name of the message, or why it is none."""
    try:
        message = messages.decode_message(data)
    except RejectedError as error:
        try:
            messages.decode_message(data)
        except RejectedError as second:
            must(second.reason is error.reason, "the second verdict differs")
            return error.reason.name
        raise AssertionError("rejected first, accepted then") from error
    must(len(data) <= FRAME_BYTES_MAX, "too large")
    must(messages.decode_message(data) == message, "the second reading differs")
    again = messages.encode_message(message)
    must(messages.decode_message(again) == message, "reads back otherwise")
    is_open_ended = isinstance(message, messages.Hello | messages.Done)
    must(again == data or is_open_ended, "encodes to other bytes")
    return type(message).__name__
