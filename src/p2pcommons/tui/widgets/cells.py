"""Pieces of a screen line: words put into an exact number of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size, split_graphemes
from rich.segment import Segment

if TYPE_CHECKING:
    from rich.style import Style


def clip(text: str, cells: int, ellipsis: str = "…") -> str:
    """`text` in at most `cells` cells, ending in an ellipsis when something was left out."""
    if cells <= 0:
        return ""
    # A title may hold 300 characters: measure no more than can be shown.
    near = text[: cells * 4 + 8]
    if len(near) == len(text) and cell_len(text) <= cells:
        return text
    kept = 0
    end = 0
    for start, stop, width in split_graphemes(near)[0]:
        if kept + width > cells - 1:
            end = start
            break
        kept, end = kept + width, stop
    return near[:end].rstrip() + ellipsis


def clip_who(who: str, cells: int, ellipsis: str = "…") -> str:
    """`name~suffix` in at most `cells` cells; a long name is cut, the suffix never."""
    name, tilde, suffix = who.rpartition("~")
    return clip(name, cells - len(suffix) - 1, ellipsis) + tilde + suffix


def fit(text: str, cells: int, ellipsis: str = "…") -> str:
    """`text` in exactly `cells` cells, padded on the right."""
    return set_cell_size(clip(text, cells, ellipsis), max(0, cells))


def fit_right(text: str, cells: int, ellipsis: str = "…") -> str:
    """`text` in exactly `cells` cells, padded on the left."""
    clipped = clip(text, cells, ellipsis)
    return " " * max(0, cells - cell_len(clipped)) + clipped


def matched(text: str, terms: tuple[str, ...], style: Style, hit: Style) -> list[Segment]:
    """`text` as segments with every occurrence of a search term in the style `hit`."""
    folded = text.casefold()
    if not terms or len(folded) != len(text):
        return [Segment(text, style)]
    hits = bytearray(len(text))
    for term in terms:
        at = folded.find(term)
        while at >= 0:
            hits[at : at + len(term)] = b"\x01" * len(term)
            at = folded.find(term, at + len(term))
    segments: list[Segment] = []
    start = 0
    for index in range(1, len(text) + 1):
        if index == len(text) or hits[index] != hits[start]:
            segments.append(Segment(text[start:index], hit if hits[start] else style))
            start = index
    return segments or [Segment(text, style)]
