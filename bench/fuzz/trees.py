"""Change one place of a decoded message and write it canonically again.

Blind changes of bytes hardly ever get past the canonical form; these always do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from p2pcommons.errors import RejectedError
from p2pcommons.model import codec

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

_NUMBERS = (
    *(0, 1, 2, 3, 15, 16, 17, 31, 32, 127, 128, 255, 256, 300, 899, 900, 901, 1_024, 4_095, 4_096),
    *(4_097, 16_384, 16_385, 65_535, 65_536, 65_537, 131_071, 131_072, 262_144, 2**31, 2**32 - 1),
    *(2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -1, -32, -33, -(2**31), -(2**63)),
)
_TEXTS = ("", "a", "commons", "entry", "tag", "withdraw", "e\u0301", "\u202e", "\x00", "z" * 65)
_DEPTH_MAX = 12
_BYTES_MAX = 300_000
_REPEATED_MAX = 5_000


def changed(data: bytes, chance: random.Random, pool: Sequence[object]) -> bytes | None:
    """Return canonical `data` with one to three places changed; None where it is not canonical.

    `pool` are values that mean something to the target, put in here and there.
    """
    try:
        value = codec.decode(data, depth_max=_DEPTH_MAX)
    except RejectedError:
        return None
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        value = change(value, chance, pool)
    return written(value)


def written(value: object) -> bytes | None:
    """Return the canonical bytes of `value`; None where it has none, or they are too many."""
    try:
        encoded = codec.encode(value)
    except (ValueError, RecursionError):
        return None
    return encoded if len(encoded) <= _BYTES_MAX else None


def change(value: object, chance: random.Random, pool: Sequence[object]) -> object:
    """Return `value` with one place changed, somewhere inside."""
    if isinstance(value, list) and value and chance.random() < 0.8:
        items = list(cast("list[object]", value))
        at = chance.randrange(len(items))
        items[at] = change(items[at], chance, pool)
        return items
    if isinstance(value, dict) and value and chance.random() < 0.8:
        mapping = dict(cast("dict[str, object]", value))
        key = chance.choice(sorted(mapping))
        mapping[key] = change(mapping[key], chance, pool)
        return mapping
    if chance.random() < 0.15:
        return _other(chance, pool)
    return _here(cast("object", value), chance, pool)


def _here(value: object, chance: random.Random, pool: Sequence[object]) -> object:
    if isinstance(value, bool) or value is None:
        return _other(chance, pool)
    if isinstance(value, int):
        step = chance.choice((-1, 1, 2, -256, 65_536))
        return chance.choice((chance.choice(_NUMBERS), value + step))
    if isinstance(value, bytes):
        return _bytes(value, chance, pool)
    if isinstance(value, str):
        return _text(value, chance)
    if isinstance(value, list):
        return _array(cast("list[object]", value), chance, pool)
    return _map(cast("dict[str, object]", value), chance, pool)


def _bytes(value: bytes, chance: random.Random, pool: Sequence[object]) -> bytes:
    alike = [one for one in pool if isinstance(one, bytes) and len(one) == len(value)]
    match chance.randrange(6):
        case 0 | 1 if alike:
            return chance.choice(alike)
        case 2 if value:
            at = chance.randrange(len(value))
            return value[:at] + bytes([value[at] ^ 1 << chance.randrange(8)]) + value[at + 1 :]
        case 3:
            return value[:-1]
        case 4:
            return value + chance.randbytes(chance.choice((1, 1, 31, 255, 70_000)))
        case _:
            return chance.randbytes(chance.choice((0, 16, 32, 64, len(value))))


def _text(value: str, chance: random.Random) -> str:
    match chance.randrange(4):
        case 0:
            return chance.choice(_TEXTS)
        case 1:
            return value[:-1]
        case 2:
            return value + chance.choice(("x", "\u00e9", "\U0001f35e", "\x1b[2J", "y" * 300))
        case _:
            return chr(chance.choice((0x41, 0x7F, 0xFE, 0x2028, 0xFFFF, 0x10FFFF))) + value


def _array(value: list[object], chance: random.Random, pool: Sequence[object]) -> list[object]:
    items = list(value)
    at = chance.randrange(len(items) + 1)
    match chance.randrange(6):
        case 0 if items:
            del items[min(at, len(items) - 1)]
        case 1 if items:
            items.insert(at, chance.choice(items))
        case 2:
            chance.shuffle(items)
        case 3 if items:
            one = chance.choice(items)
            size = len(one) if isinstance(one, bytes) else 0 if isinstance(one, int) else 999
            is_small = size <= 64 and len(items) < _REPEATED_MAX
            items += [one] * (chance.choice((1, 2, 16, 128, _REPEATED_MAX)) if is_small else 1)
        case 4 if all(isinstance(one, bytes) for one in items):
            more = {*cast("list[bytes]", items), _bytes(bytes(32), chance, pool)}
            items = cast("list[object]", sorted(more))
        case _:
            items.insert(at, _other(chance, pool))
    return items


def _map(
    value: dict[str, object], chance: random.Random, pool: Sequence[object]
) -> dict[str, object]:
    mapping = dict(value)
    match chance.randrange(3):
        case 0 if mapping:
            del mapping[chance.choice(sorted(mapping))]
        case 1 if mapping:
            mapping[chance.choice(sorted(mapping))] = _other(chance, pool)
        case _:
            mapping[chance.choice((*_TEXTS, "tags", "title", "text", "url"))] = _other(chance, pool)
    return mapping


def _other(chance: random.Random, pool: Sequence[object]) -> object:
    plain: tuple[object, ...] = (
        None,
        True,
        False,
        [],
        {},
        b"",
        "",
        0,
        bytes(32),
        [bytes(32)],
        {"tag": ["rye"]},
    )
    if pool and chance.random() < 0.6:
        return chance.choice(pool)
    return chance.choice((*plain, chance.choice(_NUMBERS), chance.choice(_TEXTS)))
