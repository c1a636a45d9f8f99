"""Negentropy messages: to either side, over sets of several sizes.

The first byte says which side and which set. What is answered is read by a second reader.
"""

from __future__ import annotations

import hashlib
import itertools
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from target import Target, must, scratch

from p2pcommons.errors import RejectedError
from p2pcommons.protocol.items import ItemSet, order_of
from p2pcommons.protocol.negentropy import Negentropy, split_ids
from p2pcommons.protocol.negentropy_varint import encode_varint

if TYPE_CHECKING:
    import random

    from p2pcommons.protocol.items import Snapshot

FRAME_BYTES_MAX = 4_096
INFINITY = 2**64 - 1
_SIZES = (0, 1, 33, 700)
_OPENER = 0x40
_UNFRAMED = 0x20


@cache
def item(number: int) -> tuple[int, bytes]:
    """A claimed second, shared by some, and an id."""
    return 1_700_000_000 + number // 3, hashlib.sha256(b"item %d" % number).digest()


SETS = [ItemSet([item(number) for number in range(size)]).snapshot() for size in _SIZES]
HELD = [frozenset(split_ids(one.ids(0, one.count))) for one in SETS]


class Range(NamedTuple):
    """One range of a message as it stands there: `step` is the order as a difference."""

    step: int
    prefix: bytes
    mode: int
    content: bytes


def make_target() -> Target:
    """Return the target."""
    return Target("negentropy_messages", seeds(), mutate, check, bytes_max=20_000)


def seeds() -> list[bytes]:
    """Messages of honest pairs of the sets, as seen by either side."""
    found: list[bytes] = []
    for (mine, own), (other, theirs) in itertools.permutations(enumerate(SETS), 2):
        opener = Negentropy(own, frame_bytes_max=FRAME_BYTES_MAX)
        answering = Negentropy(theirs, frame_bytes_max=FRAME_BYTES_MAX)
        message: bytes | None = opener.initiate()
        for _ in range(3):
            if message is None:
                break
            found.append(bytes([other]) + message)
            answer = answering.reconcile(message).message or b""
            found.append(bytes([_OPENER | mine]) + answer)
            message = opener.reconcile(answer).message
    return found


def check(data: bytes) -> str:
    """Return the verdict on a message."""
    if not data:
        return "empty"
    which = data[0] % len(SETS)
    is_opener = bool(data[0] & _OPENER)
    limit = 0 if data[0] & _UNFRAMED else FRAME_BYTES_MAX
    first = _step(SETS[which], is_opener, limit, data[1:])
    must(_step(SETS[which], is_opener, limit, data[1:]) == first, "the second verdict differs")
    if isinstance(first, str):
        return first
    message, have, need = first
    if message is not None:
        must(not limit or len(message) <= limit, "an answer larger than a frame")
        told = {one for part in read(message) if part.mode == 2 for one in split_ids(part.content)}
        must(told <= HELD[which], "told an id that is not held")
    must({*split_ids(have)} <= HELD[which], "thinks it holds more")
    theirs = {one for part in read(data[1:]) if part.mode == 2 for one in split_ids(part.content)}
    must({*split_ids(need)} <= theirs, "needs what the other side did not name")
    must(is_opener or not (have or need), "the answering side learned something")
    return "answered" if message is not None else "through"


def _step(
    items: Snapshot, is_opener: bool, limit: int, message: bytes
) -> str | tuple[bytes | None, bytes, bytes]:
    side = Negentropy(items, frame_bytes_max=limit)
    if is_opener:
        side.initiate()
    try:
        step = side.reconcile(message)
    except RejectedError as error:
        return f"{error.reason.name} {error.detail.partition(' 0x')[0].rstrip('0123456789')}"
    return step.message, step.have, step.need


# --- a second reader and writer, and what it is good for ------------------------------------------


def read(message: bytes) -> list[Range]:
    """Return the ranges of a message, as far as it can be read."""
    found: list[Range] = []
    at = 1
    try:
        while at < len(message):
            step, at = _varint(message, at)
            size, at = _varint(message, at)
            prefix, at = message[at : at + size], at + size
            mode, at = _varint(message, at)
            size = 16 if mode == 1 else 0
            if mode == 2:
                count, at = _varint(message, at)
                size = 32 * count
            found.append(Range(step, prefix, mode, message[at : at + size]))
            at += size
    except IndexError:
        pass
    return found


def write(ranges: list[Range]) -> bytes:
    """Return the message of these ranges."""
    message = bytearray([0x61])
    for part in ranges:
        message += encode_varint(part.step) + encode_varint(len(part.prefix)) + part.prefix
        message += encode_varint(part.mode)
        if part.mode == 2:
            message += encode_varint(len(part.content) // 32)
        message += part.content
    return bytes(message)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    while True:
        value = value << 7 | message[at] & 0x7F
        at += 1
        if not message[at - 1] & 0x80:
            return value, at


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change one to three ranges of a message."""
    if len(data) < 2 or chance.random() < 0.05:
        return scratch(data, chance)
    ranges = read(data[1:])
    for _ in range(chance.choice((1, 1, 2, 3))):
        if not ranges:
            break
        at = chance.randrange(len(ranges))
        match chance.randrange(5):
            case 0:
                del ranges[at]
            case 1:
                ranges.insert(at, ranges[at])
            case 2:
                ranges.insert(at, other_range(chance, data[0]))
            case _:
                ranges[at] = changed(ranges[at], chance, data[0])
    first = data[0] ^ chance.choice((0, 0, 0, 0, 1, 2, 3, _OPENER, _UNFRAMED))
    return bytes([first]) + write(ranges)


def changed(part: Range, chance: random.Random, which: int) -> Range:
    """Return the range with one of its parts changed."""
    match chance.randrange(4):
        case 0:
            return part._replace(step=other_range(chance, which).step)
        case 1:
            return part._replace(prefix=scratch(part.prefix, chance)[: chance.choice((32, 33))])
        case 2:
            return part._replace(mode=chance.choice((0, 1, 2, 3, 2**40)))
        case _:
            return other_range(chance, which)._replace(step=part.step, prefix=part.prefix)


def other_range(chance: random.Random, which: int) -> Range:
    """Return a range with true or untrue content."""
    items = SETS[which % len(SETS)]
    low, high = sorted((chance.randrange(items.count + 1), chance.randrange(items.count + 1)))
    near = order_of(1_700_000_000 + chance.randrange(-3, 240))
    step = chance.choice((0, 1, 2, 3, near, near + 1, 2**32, INFINITY, 2**70 - 1))
    prefix = chance.choice(
        (b"", items.ids(0, min(1, items.count))[: chance.randrange(33)], chance.randbytes(4))
    )
    mode = chance.randrange(3)
    if mode == 0:
        return Range(step, prefix, 0, b"")
    if mode == 1:
        return Range(step, prefix, 1, chance.choice((items.fingerprint(low, high), bytes(16))))
    ids = items.ids(low, min(high, low + 40)) + chance.randbytes(32) * chance.randrange(3)
    return Range(step, prefix, 2, ids)
