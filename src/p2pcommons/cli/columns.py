"""Text in columns of a terminal: wide characters take two cells, combining ones none.

Pure; the width of the terminal is an argument, 0 meaning that nothing is to be cut.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GAP = "  "
_ELLIPSIS = "…"
_EMOJI_FROM = 0x1F000
_VARIATION_EMOJI = "\ufe0f"


def cells(text: str) -> int:
    """Return how many terminal cells `text` takes."""
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


def fit(text: str, width: int) -> str:
    """Return `text` cut to `width` cells, an ellipsis at the cut."""
    if cells(text) <= width:
        return text
    kept: list[str] = []
    room = width - 1
    for character in text:
        room -= _cells_of(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip() + _ELLIPSIS if width > 0 else ""


def pad(text: str, width: int) -> str:
    """Return `text` with blanks behind it up to `width` cells."""
    return text + " " * (width - cells(text))


def table(rows: Iterable[Sequence[str]], *, width: int = 0, right: Sequence[int] = ()) -> list[str]:
    """Return `rows` as aligned lines; the last column is cut to what is left of `width`.

    Columns whose index is in `right` are aligned to the right.
    """
    whole = [tuple(row) for row in rows]
    if not whole:
        return []
    widths = [max(cells(row[index]) for row in whole) for index in range(len(whole[0]) - 1)]
    left = sum(widths) + len(GAP) * len(widths)
    lines: list[str] = []
    for row in whole:
        parts = [
            text.rjust(widths[index]) if index in right else pad(text, widths[index])
            for index, text in enumerate(row[:-1])
        ]
        last = fit(row[-1], max(width - left, 8)) if width else row[-1]
        lines.append(GAP.join([*parts, last]).rstrip())
    return lines


def named(values: Iterable[tuple[str, str]]) -> list[str]:
    """Return names and values as two aligned columns."""
    return table(values)


def _cells_of(character: str) -> int:
    code = ord(character)
    if character == _VARIATION_EMOJI or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    if code >= _EMOJI_FROM or unicodedata.east_asian_width(character) in ("W", "F"):
        return 2
    return 1
