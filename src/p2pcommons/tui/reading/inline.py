"""Inline Markdown tokens as styled pieces that know where they stand in the source.

markdown-it gives block tokens a range of lines and inline tokens nothing, so the
place of each word is found by walking the source forward beside the tokens. Words
that cannot be found keep the offset NOWHERE: a wrong place would be worse.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from p2pcommons.tui.reading.page import CODE, EM, LABEL, LINK, NOWHERE, STRIKE, STRONG, Span
from p2pcommons.tui.reading.wrap import Break, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from markdown_it.token import Token

_FLAGS = {"strong": STRONG, "em": EM, "s": STRIKE}
_LABEL_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SEARCH_CHARS_MAX = 4_096
"""How far ahead a word is looked for; markup between two words of one paragraph is shorter."""


def link_label(index: int) -> str:
    """The letters that name link `index`: a to z, then aa, ab, and so on."""
    letters = ""
    number = index + 1
    while number:
        number, letter = divmod(number - 1, len(_LABEL_LETTERS))
        letters = _LABEL_LETTERS[letter] + letters
    return letters


@dataclass
class Cursor:
    """A place in the source that only moves forward."""

    source: str
    at: int = 0

    def find(self, text: str) -> int:
        """Offset of the next `text`, moving behind it; NOWHERE when it is not near."""
        found = self.source.find(text, self.at, self.at + len(text) + _SEARCH_CHARS_MAX)
        if found < 0:
            return NOWHERE
        self.at = found + len(text)
        return found

    def leave_link(self) -> None:
        """Step over `](address "title")`, whose words must not be taken for text."""
        if self.source.startswith("](", self.at):
            depth = 0
            for index in range(self.at + 1, min(len(self.source), self.at + _SEARCH_CHARS_MAX)):
                depth += {"(": 1, ")": -1}.get(self.source[index], 0)
                if depth == 0:
                    self.at = index + 1
                    return


@dataclass
class Inline:
    """Turns the children of inline tokens into pieces; collects the links of a text."""

    cursor: Cursor
    links: list[str] = field(default_factory=list[str])

    def pieces(self, tokens: Iterable[Token], role: str) -> Iterator[Piece]:
        """Yield the pieces of one inline token's children in the look of `role`."""
        flags, link = 0, -1
        for token in tokens:
            name, _, edge = token.type.rpartition("_")
            if name in _FLAGS:
                flags = flags | _FLAGS[name] if edge == "open" else flags & ~_FLAGS[name]
            elif token.type == "link_open":
                flags, link = flags | LINK, self._link(str(token.attrs.get("href", "")))
            elif token.type == "link_close":
                self.cursor.leave_link()
                yield self._label(link, role)
                flags, link = flags & ~LINK, -1
            else:
                yield from self._leaf(token, role, flags, link)

    def _leaf(self, token: Token, role: str, flags: int, link: int) -> Iterator[Piece]:
        if token.type == "softbreak":
            yield Span(" ", role, flags, NOWHERE, link)
        elif token.type == "hardbreak":
            yield Break()
        elif token.type == "image":
            address = self._link(str(token.attrs.get("src", "")))
            words = token.content or "picture"
            source = self.cursor.find(words) if token.content else NOWHERE
            yield Span(words, role, flags | LINK, source, address)
            self.cursor.leave_link()
            yield self._label(address, role)
        elif token.type == "code_inline":
            yield Span(token.content, role, flags | CODE, self.cursor.find(token.content), link)
        elif token.type == "text_special":
            written = token.markup or token.content
            source = self.cursor.find(written)
            if source >= 0 and written.endswith(token.content):
                source += len(written) - len(token.content)
            yield Span(token.content, role, flags, source, link)
        elif token.content:
            yield Span(token.content, role, flags, self.cursor.find(token.content), link)

    def _link(self, address: str) -> int:
        self.links.append(address)
        return len(self.links) - 1

    def _label(self, link: int, role: str) -> Span:
        return Span(f"[{link_label(link)}]", role, LABEL, NOWHERE, link)
