"""Lay Markdown out for a width: headings, lists, quotes, code, tables, rules.

Raw HTML stays words, pictures become links, and nesting ends where it would leave
no room to read. Words are shown as given: whoever calls has cleaned them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from rich.cells import cell_len

from p2pcommons.tui.reading.inline import Cursor, Inline
from p2pcommons.tui.reading.page import NOWHERE, Line, Page, Span
from p2pcommons.tui.reading.table import lay_out_table
from p2pcommons.tui.reading.wrap import Piece, cut_at_space, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from markdown_it.token import Token

TEXT_CELLS_MIN = 16
"""Quotes and lists stop indenting when fewer cells than this would be left for words."""

FIRST_PART_CHARS = 5_000
"""Enough for the first screen of a large terminal; parsed alone so that it shows at once."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The drawing characters in use; plain ones for terminals without the others."""

    quote: str = "▌ "
    bullets: tuple[str, ...] = ("• ", "◦ ", "▪ ")
    rule: str = "─"
    column: str = " │ "
    cross: str = "─┼─"


FULL_MARKS = Marks()
"""Marks for terminals with box drawing, which is nearly all of them."""

PLAIN_MARKS = Marks("> ", ("* ", "- ", "+ "), "-", " | ", "-+-")
"""Marks that need nothing but ASCII."""


def lay_out(source: str, width: int, marks: Marks = FULL_MARKS) -> Page:
    """The whole of a Markdown text as lines of at most `width` cells."""
    width = max(4, width)
    builder = _Builder(source, width, marks)
    tree = SyntaxTreeNode(_parser().parse(source))
    lines = tuple(builder.blocks(tree.children, top=True))
    return Page(width, lines or (Line(),), tuple(builder.inline.links))


def first_part(source: str) -> str:
    """The beginning of a long text, cut at a paragraph, to be shown while the rest is laid out."""
    if len(source) <= FIRST_PART_CHARS * 2:
        return source
    end = source.find("\n\n", FIRST_PART_CHARS, FIRST_PART_CHARS * 2)
    return source[: end if end > 0 else FIRST_PART_CHARS]


def _parser() -> MarkdownIt:
    # js-default follows the usual Markdown, tables included; html off leaves tags as words.
    parser = MarkdownIt("js-default", {"html": False, "linkify": True, "maxNesting": 20})
    # Escapes stay tokens of their own, so that their place in the source can be found.
    parser.disable("text_join")
    if parser.linkify is not None:
        # Only what is written as an address becomes a link: "e.g." and "node.py" do not.
        options = {"fuzzy_link": False, "fuzzy_email": False}
        parser.linkify.set(options)  # pyright: ignore[reportUnknownMemberType]
    return parser


@dataclass
class _Gutter:
    """Cells before the words of a block: `first` once, then `rest` on every other line."""

    first: Span
    rest: Span
    used: bool = False


class _Builder:
    """Walks the syntax tree and yields lines; keeps the gutters that are open."""

    def __init__(self, source: str, width: int, marks: Marks) -> None:
        self.inline = Inline(Cursor(source))
        self.marks = marks
        self._width = width
        self._gutters: list[_Gutter] = []
        self._bullet_depth = 0
        self._starts = [0, *(index + 1 for index, char in enumerate(source) if char == "\n")]

    def blocks(self, nodes: Iterable[SyntaxTreeNode], *, top: bool = False) -> Iterator[Line]:
        """Lines of some blocks with a blank line between any two that are not a tight list."""
        previous: SyntaxTreeNode | None = None
        for node in nodes:
            if previous is not None and not (_is_tight(previous) and _is_tight(node)):
                yield self._line(())
                if top and node.type == "heading" and node.tag in ("h1", "h2"):
                    yield self._line(())
            previous = node
            yield from self._block(node)

    def _block(self, node: SyntaxTreeNode) -> Iterator[Line]:
        self._move_to(node)
        match node.type:
            case "heading":
                yield from self._heading(node)
            case "paragraph":
                yield from self._words(node.children, "text")
            case "blockquote":
                bar = Span(self.marks.quote, "quote-mark")
                yield from self._inside(_Gutter(bar, bar), node.children)
            case "bullet_list" | "ordered_list":
                yield from self._list(node)
            case "fence" | "code_block":
                yield from self._code(node.content)
            case "hr":
                yield self._line((Span(self.marks.rule * self._room(), "rule"),))
            case "table":
                yield from self._table(node)
            case _:
                yield from self._words([node], "text")

    def _heading(self, node: SyntaxTreeNode) -> Iterator[Line]:
        level = min(3, int(node.tag[1:]))
        yield from self._words(node.children, f"heading-{level}")

    def _words(self, nodes: Iterable[SyntaxTreeNode], role: str) -> Iterator[Line]:
        for node in nodes:
            for spans in wrap(self._pieces(node, role), self._room()):
                yield self._line(spans)

    def _pieces(self, node: SyntaxTreeNode, role: str) -> Iterator[Piece]:
        self._move_to(node)
        if node.type == "inline":
            yield from self.inline.pieces(_leaves(node), role)
        elif node.content:
            yield Span(node.content, role, 0, self.inline.cursor.find(node.content))

    def _list(self, node: SyntaxTreeNode) -> Iterator[Line]:
        ordered = node.type == "ordered_list"
        number = int(str(node.attrs.get("start", 1)))
        marker_cells = len(str(number + len(node.children) - 1)) + 2
        bullets = self.marks.bullets
        self._bullet_depth += 0 if ordered else 1
        previous: SyntaxTreeNode | None = None
        for index, item in enumerate(node.children):
            if previous is not None and not _is_tight(previous):
                yield self._line(())
            previous = item
            if ordered:
                marker = f"{number + index}. ".rjust(marker_cells)
            else:
                marker = bullets[min(self._bullet_depth, len(bullets)) - 1]
            rest = Span(" " * cell_len(marker))
            yield from self._inside(_Gutter(Span(marker, "bullet"), rest), item.children)
        self._bullet_depth -= 0 if ordered else 1

    def _inside(self, gutter: _Gutter, nodes: list[SyntaxTreeNode]) -> Iterator[Line]:
        if self._room() - cell_len(gutter.rest.text) < TEXT_CELLS_MIN:
            yield from self.blocks(nodes)
            return
        self._gutters.append(gutter)
        if nodes:
            yield from self.blocks(nodes)
        else:
            yield self._line(())
        self._gutters.pop()

    def _code(self, content: str) -> Iterator[Line]:
        room = self._room()
        for text in content.rstrip("\n").split("\n"):
            source = self.inline.cursor.find(text) if text else NOWHERE
            span = Span(text.expandtabs(4), "code", 0, source if "\t" not in text else NOWHERE)
            while True:
                head, span = cut_at_space(span, room - 2)
                yield replace(self._line((Span(" ", "code"), head)), fill="code")
                if not span.text:
                    break

    def _table(self, node: SyntaxTreeNode) -> Iterator[Line]:
        rows: list[list[list[Piece]]] = []
        for section in node.children:
            for row in section.children:
                role = "table-head" if section.type == "thead" else "text"
                rows.append(
                    [
                        [piece for leaf in cell.children for piece in self._pieces(leaf, role)]
                        for cell in row.children
                    ]
                )
        lines = lay_out_table(rows, self._room(), self.marks.column, self.marks.cross)
        for spans in lines:
            yield self._line(spans)

    def _room(self) -> int:
        return self._width - sum(cell_len(gutter.rest.text) for gutter in self._gutters)

    def _line(self, spans: tuple[Span, ...]) -> Line:
        before: list[Span] = []
        for gutter in self._gutters:
            before.append(gutter.rest if gutter.used else gutter.first)
            gutter.used = True
        return Line((*before, *spans))

    def _move_to(self, node: SyntaxTreeNode) -> None:
        lines = node.map
        if lines is not None and lines[0] < len(self._starts):
            self.inline.cursor.at = max(self.inline.cursor.at, self._starts[lines[0]])


def _leaves(node: SyntaxTreeNode) -> Iterator[Token]:
    """The flat inline tokens of a node, opening and closing ones included."""
    if node.token is not None:
        yield from node.token.children or ()


def _is_tight(node: SyntaxTreeNode) -> bool:
    """True for what a tight list puts on lines that follow each other."""
    if node.type == "paragraph":
        return node.hidden
    if node.type in ("bullet_list", "ordered_list"):
        return all(_is_tight(item) for item in node.children)
    if node.type == "list_item":
        return all(_is_tight(child) for child in node.children)
    return False
