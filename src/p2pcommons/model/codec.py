"""Canonical msgpack, the only encoding that is ever hashed or signed.

Canonical means: nil, bool, integers, UTF-8 strings, bytes, arrays, and maps with string keys
strictly ascending by bytes; each in its shortest form. Decoding accepts exactly what encoding
produces and raises nothing but `RejectedError`. This is the one typed wrapper around msgpack.
"""

from __future__ import annotations

from typing import cast

import msgpack  # pyright: ignore[reportMissingTypeStubs]

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.model.limits import DEPTH_MAX

_INTEGER_MIN = -(2**63)
_INTEGER_MAX = 2**64 - 1
_PLAIN = frozenset((type(None), bool, int, bytes, str))
"""Types that hold nothing else."""


def encode(value: object) -> bytes:
    """Return the canonical bytes of `value`.

    Accepts None, bool, int, str, bytes, list or tuple, and dict with str keys (in any order).
    Raises ValueError for anything else, and for integers beyond 64 bits or lone surrogates.
    """
    return _pack(_ordered(value))


def decode(data: bytes, *, depth_max: int = DEPTH_MAX) -> object:
    """Return the value of canonical bytes: arrays as list, maps as dict.

    `depth_max` counts nested containers. Raises RejectedError(CODEC) for everything that
    `encode` would not have written.
    """
    try:
        value = cast(
            "object",
            msgpack.unpackb(  # pyright: ignore[reportUnknownMemberType]
                data, raw=False, use_list=True, strict_map_key=True
            ),
        )
    except (ValueError, TypeError, RecursionError, OverflowError, msgpack.UnpackException) as error:
        raise RejectedError(RejectReason.CODEC, "does not decode") from error
    _check(value, depth_max)
    if _pack(value) != data:
        raise RejectedError(RejectReason.CODEC, "not in its shortest form")
    return value


def _pack(value: object) -> bytes:
    packed = cast(
        "bytes | None",
        msgpack.packb(value, use_bin_type=True),  # pyright: ignore[reportUnknownMemberType]
    )
    if packed is None:
        raise ValueError("nothing was encoded")
    return packed


def _ordered(value: object) -> object:
    """Return `value` with sorted maps, refusing what has no canonical form."""
    kind = type(value)
    if value is None or kind in (bool, bytes):
        return value
    if kind is int:
        if not _INTEGER_MIN <= cast("int", value) <= _INTEGER_MAX:
            raise ValueError("integer beyond 64 bits")
        return value
    if kind is str:
        cast("str", value).encode()
        return value
    if isinstance(value, (list, tuple)):
        return [_ordered(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        mapping = cast("dict[object, object]", value)
        if any(type(key) is not str for key in mapping):
            raise ValueError("map keys are strings")
        keys = sorted(cast("dict[str, object]", mapping), key=str.encode)
        return {key: _ordered(mapping[key]) for key in keys}
    raise ValueError(f"{kind.__name__} has no canonical form")


def _check(value: object, depth_left: int) -> None:
    """Raise RejectedError unless `value` uses only canonical types and ascending keys."""
    kind = type(value)
    if kind in _PLAIN:
        return
    if depth_left == 0:
        raise RejectedError(RejectReason.CODEC, "nested too deeply")
    if kind is list:
        for item in cast("list[object]", value):
            if type(item) not in _PLAIN:
                _check(item, depth_left - 1)
        return
    if kind is not dict:
        raise RejectedError(RejectReason.CODEC, "a type that is not used")
    previous: str | None = None
    for key, item in cast("dict[object, object]", value).items():
        if type(key) is not str:
            raise RejectedError(RejectReason.CODEC, "map keys are strings")
        # UTF-8 keeps the order of code points, so this is the order by bytes.
        if previous is not None and key <= previous:
            raise RejectedError(RejectReason.CODEC, "map keys are not ascending")
        previous = key
        if type(item) not in _PLAIN:
            _check(item, depth_left - 1)
