"""What a laid-out text is made of.

A page is a list of lines, a line a list of spans. Every span that shows words of
the source remembers where in the source they stand, so that a highlight can be
kept as source offsets and survives another width.
"""

from __future__ import annotations

from dataclasses import dataclass

STRONG = 1
"""Flag: strong emphasis."""

EM = 2
"""Flag: emphasis."""

STRIKE = 4
"""Flag: struck out."""

CODE = 8
"""Flag: code inside a line of text."""

LINK = 16
"""Flag: the words of a link."""

LABEL = 32
"""Flag: the letter that names a link."""

NOWHERE = -1
"""Source offset of decoration: cells that stand for no character of the source."""


@dataclass(frozen=True, slots=True)
class Span:
    """Cells of one look: text, a role such as "text" or "code", flags, origin."""

    text: str
    role: str = "text"
    flags: int = 0
    source: int = NOWHERE
    link: int = -1


@dataclass(frozen=True, slots=True)
class Line:
    """One screen line; `fill` names the role that colours the cells after the last span."""

    spans: tuple[Span, ...] = ()
    fill: str = ""

    @property
    def text(self) -> str:
        """The characters of the line without any style."""
        return "".join(span.text for span in self.spans)

    @property
    def source(self) -> int:
        """Offset of the first source character on the line, or NOWHERE."""
        return next((span.source for span in self.spans if span.source >= 0), NOWHERE)


@dataclass(frozen=True, slots=True)
class Page:
    """A text laid out for one width; `links` are addresses in the order of their labels."""

    width: int
    lines: tuple[Line, ...]
    links: tuple[str, ...] = ()

    def line_of(self, source: int) -> int:
        """Index of the line that shows source offset `source`, else the nearest before it."""
        found = 0
        for index, line in enumerate(self.lines):
            start = line.source
            if start > source:
                break
            if start >= 0:
                found = index
        return found
