"""Find the one slip in an invite that was typed or read aloud: a wrong, missing, extra or swapped
letter.

The checksum has 32 bits and there are some ten thousand single slips, so a repair that makes it
right is the one that was meant in all but a millionth of cases. It is shown, never used silently.

A person who types an invite has it looked at after each letter, so this has to be quick: letters
are one large number, and a slip in the part of fixed length is only tried where the rest fits an
invite of that length. Before the last letter that is seldom so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Ask = Callable[[int, int], bool]

GROUP_LETTERS = 5
"""Letters are counted in groups of five, as people read them aloud."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_DIGITS = str.maketrans(_LETTERS, "0123456789ABCDEFGHIJKLMNOPQRSTUV")


@dataclass(frozen=True, slots=True)
class Slip:
    """Where a single slip is (`at`: letters before it) and what was meant."""

    what: str
    at: int
    meant: str

    def words(self, letters: str) -> str:
        """Return where it is and what was meant, for a person who looks at `letters`."""
        start = self.at // GROUP_LETTERS * GROUP_LETTERS
        group = letters[start : start + GROUP_LETTERS]
        right = self.meant[start : start + GROUP_LETTERS]
        where = f"group {start // GROUP_LETTERS + 1} (letters {start + 1} to {start + len(group)})"
        return f"{self.what} in {where}: {group} is most likely {right}"


def value_of(letters: str) -> int:
    """Return base32 letters, all of them valid, as a number of five bits each."""
    return int(letters.translate(_DIGITS), 32)


def letters_of(value: int, count: int) -> str:
    """Return `count` letters of a number."""
    return "".join(_LETTERS[value >> 5 * at & 31] for at in reversed(range(count)))


def find_slip(letters: str, is_right: Ask, fits: Ask, fixed: range) -> Slip | None:
    """Return the single slip in `letters`, or None when there is another fault.

    Both questions get a number and of how many letters it is: `is_right` tells whether they are an
    invite with a right checksum, `fits` whether all behind the letters of the `fixed` places is
    as in an invite. It is asked three times, since a slip within `fixed` changes nothing there.
    """
    count, value = len(letters), value_of(letters)
    for slip in _slips(value, count, _worth(value, count, fits, fixed)):
        meant, by = slip[2:]
        if is_right(meant, count + by):
            return Slip(slip[0], slip[1], letters_of(meant, count + by))
    return None


def _worth(
    value: int, count: int, fits: Ask, fixed: range
) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Return the places where a letter may be wrong or swapped, be too many, or be missing."""
    tail = [at for at in range(count + 1) if at not in fixed]
    all_of_it = range(count + 1)
    at = fixed.start
    same = all_of_it if fits(value, count) else tail
    shorter = all_of_it if fits(_without(value, count, at), count - 1) else tail
    longer = all_of_it if fits(_with(value, count, at, 0), count + 1) else tail
    return same, shorter, longer


def _slips(
    value: int, count: int, worth: tuple[Sequence[int], Sequence[int], Sequence[int]]
) -> Iterator[tuple[str, int, int, int]]:
    """Yield what is wrong, where, what was meant, and how many letters more that has."""
    same, shorter, longer = (set(places) for places in worth)
    for at in range(count):
        shift = 5 * (count - 1 - at)
        letter = value >> shift & 31
        if at in shorter:
            yield "there is a letter too many", at, _without(value, count, at), -1
        if at not in same:
            continue
        if at + 1 < count:
            both = letter ^ (value >> shift - 5 & 31)
            if both:
                yield "two letters are swapped", at, value ^ (both << shift ^ both << shift - 5), 0
        for change in range(1, 32):
            yield "a letter is wrong", at, value ^ change << shift, 0
    for at in sorted(longer):
        for letter in range(32):
            yield "a letter is missing", at, _with(value, count, at, letter), 1


def _without(value: int, count: int, at: int) -> int:
    shift = 5 * (count - 1 - at)
    return value >> shift + 5 << shift | value & (1 << shift) - 1


def _with(value: int, count: int, at: int, letter: int) -> int:
    shift = 5 * (count - at)
    return (value >> shift << 5 | letter) << shift | value & (1 << shift) - 1
