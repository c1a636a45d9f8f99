"""Break runs of styled text into lines of a given number of cells.

Widths are terminal cells, never characters: an ideograph counts two, a combining
mark none. Words longer than a line are cut between graphemes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.cells import cell_len, split_graphemes

from p2pcommons.tui.reading.page import NOWHERE, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_PIECES = re.compile(r"[^\S\u00a0]+|(?:[^\s]|\u00a0)+")


@dataclass(frozen=True, slots=True)
class Break:
    """A line break the author asked for."""


Piece = Span | Break
"""What a paragraph is made of before it is wrapped."""


def wrap(pieces: Iterable[Piece], width: int) -> Iterator[tuple[Span, ...]]:
    """Yield the spans of each line; at least one line, none wider than `width` cells."""
    filler = _Filler(max(1, width))
    for piece in pieces:
        if isinstance(piece, Break):
            yield from filler.end_word()
            yield filler.end_line()
            continue
        for atom in _atoms(piece):
            if atom.text[0].isspace() and atom.text[0] != "\u00a0":
                yield from filler.end_word()
                filler.space(atom)
            else:
                filler.word.append(atom)
    yield from filler.end_word()
    yield filler.end_line()


def cut(span: Span, width: int) -> tuple[Span, Span]:
    """Split a span so that the first part is at most `width` cells, whole graphemes."""
    # Only as much as can fit is measured: a word may be as long as a whole body.
    near = span.text[: max(64, width * 4)]
    if len(near) == len(span.text) and cell_len(near) <= width:
        return span, replace(span, text="")
    used, index = 0, 0
    for start, end, cells in split_graphemes(near)[0]:
        if used + cells > width:
            index = start
            break
        used, index = used + cells, end
    rest = span.source + index if span.source >= 0 else NOWHERE
    return replace(span, text=span.text[:index]), replace(span, text=span.text[index:], source=rest)


def cut_at_space(span: Span, width: int) -> tuple[Span, Span]:
    """As `cut`, but behind the last space when one stands in the second half of the line."""
    head, rest = cut(span, width)
    space = head.text.rfind(" ")
    if not rest.text or rest.text[0] == " " or space < width // 2:
        return head, rest
    source = span.source + space + 1 if span.source >= 0 else NOWHERE
    text = span.text
    return replace(span, text=text[: space + 1]), replace(
        span, text=text[space + 1 :], source=source
    )


def width_of(spans: Sequence[Span]) -> int:
    """Cells taken by some spans."""
    return sum(cell_len(span.text) for span in spans)


def _atoms(span: Span) -> Iterator[Span]:
    """Words and spaces of a span, each with its own source offset."""
    for match in _PIECES.finditer(span.text):
        source = span.source + match.start() if span.source >= 0 else NOWHERE
        yield replace(span, text=match.group(), source=source)


class _Filler:
    """One line being filled, and the word that may still grow by the next run."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.word: list[Span] = []
        self._line: list[Span] = []
        self._used = 0
        self._space: Span | None = None

    def space(self, atom: Span) -> None:
        if self._line:
            self._space = replace(atom, text=" ")

    def end_line(self) -> tuple[Span, ...]:
        line = tuple(self._line)
        self._line, self._used, self._space = [], 0, None
        return line

    def end_word(self) -> Iterator[tuple[Span, ...]]:
        """Place the waiting word; yields the lines that it filled."""
        word, self.word = self.word, []
        if not word:
            return
        cells = width_of(word)
        gap = 1 if self._space else 0
        # Scripts without spaces may break anywhere, so a wide word fills the line it is on.
        flows = cells > sum(len(span.text) for span in word)
        if self._used + gap + cells > self.width and self._line and not flows:
            yield self.end_line()
        if self._space is not None:
            if self._used + 1 < self.width:
                self._put(self._space)
            self._space = None
        for span in word:
            yield from self._place(span)

    def _place(self, span: Span) -> Iterator[tuple[Span, ...]]:
        while span.text:
            head, rest = cut(span, self.width - self._used)
            if not head.text and not self._line:
                # A grapheme wider than the whole line: shown alone rather than lost.
                head, rest = cut(span, 2)
                if not head.text:
                    return
            if head.text:
                self._put(head)
            if rest.text:
                yield self.end_line()
            span = rest

    def _put(self, span: Span) -> None:
        if self._line and _continues(self._line[-1], span):
            self._line[-1] = replace(self._line[-1], text=self._line[-1].text + span.text)
        else:
            self._line.append(span)
        self._used += cell_len(span.text)


def _continues(last: Span, span: Span) -> bool:
    """True when the two look alike and stand side by side in the source too."""
    if (last.role, last.flags, last.link) != (span.role, span.flags, span.link):
        return False
    if last.source < 0 or span.source < 0:
        return last.source == span.source
    return last.source + len(last.text) == span.source
