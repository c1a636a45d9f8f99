"""What every fuzz target is made of: seeds, a mutation that knows the format, and a check.

A check takes any bytes, returns the verdict as a word, and raises when a property fails. Nothing
but the documented rejection may be caught in it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

VECTORS = Path(__file__).parents[2] / "tests" / "vectors"


class Target(NamedTuple):
    """One thing that takes bytes of strangers."""

    name: str
    seeds: list[bytes]
    mutate: Callable[[bytes, random.Random], bytes]
    check: Callable[[bytes], str]
    blind: float = 0.2
    """Share of the cases that are changed without knowledge of the format."""
    bytes_max: int = 300_000


class PropertyError(AssertionError):
    """A property does not hold: what the fuzzer looks for."""


def must(holds: object, what: str) -> None:
    """Raise PropertyError unless `holds`; an assert would be gone under -O."""
    if not holds:
        raise PropertyError(what)


def vectors(name: str) -> dict[str, Any]:
    """The conformance vectors of that name."""
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def scratch(data: bytes, chance: random.Random) -> bytes:
    """Return `data` with one to four blind changes: flipped, cut, inserted, repeated, marked."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(6):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                del changed[at : at + chance.randrange(1, 40)]
            case 2:
                changed[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 3:
                changed[at:at] = changed[at : at + chance.randrange(1, 40)]
            case 4:
                del changed[at:]
            case _:
                # Lengths and types are where decoders break: write the marks of msgpack.
                marks = b"\x00\x7f\x80\x90\xa0\xc0\xc1\xc4\xc6\xca\xcf\xd3\xd9\xdb\xdd\xdf\xff"
                changed[at : at + 1] = bytes([chance.choice(marks)])
    return bytes(changed)
