"""Find the one slip in an invite that was typed or read aloud: a wrong, missing, extra or swapped
letter.

The checksum has 32 bits and there are some ten thousand single slips, so a repair that makes it
right is the one that was meant in all but a millionth of cases. It is shown, never used silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP_LETTERS = 5
"""Letters are counted in groups of five, as people read them aloud."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


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


def find_slip(letters: str, is_right: Callable[[str], bool]) -> Slip | None:
    """Return the single slip in `letters`, or None when there is another fault.

    `is_right` tells whether letters are an invite with a right checksum; it is asked up to 80
    times for each letter.
    """
    return next((slip for slip in _slips(letters) if is_right(slip.meant)), None)


def _slips(letters: str) -> Iterator[Slip]:
    for at, letter in enumerate(letters):
        before, after = letters[:at], letters[at + 1 :]
        yield Slip("there is a letter too many", at, before + after)
        if after and after[0] != letter:
            yield Slip("two letters are swapped", at, before + after[0] + letter + after[1:])
        for other in _LETTERS:
            if other != letter:
                yield Slip("a letter is wrong", at, before + other + after)
    for at in range(len(letters) + 1):
        for other in _LETTERS:
            yield Slip("a letter is missing", at, letters[:at] + other + letters[at:])
