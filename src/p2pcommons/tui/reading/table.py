"""Fit a table into a width: natural columns where they fit, wrapped cells where not."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len

from p2pcommons.tui.reading.page import Span
from p2pcommons.tui.reading.wrap import Piece, width_of, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COLUMN_CELLS_MIN = 4
"""Narrower columns show fragments of words; a table with more columns than fit is cut instead."""


def lay_out_table(
    rows: Sequence[Sequence[Sequence[Piece]]], width: int, column: str, cross: str
) -> Iterator[tuple[Span, ...]]:
    """Yield the lines of a table; the first row is its head.

    Rows are lists of cells, cells lists of pieces; `column` and `cross` are what
    stands between two cells and under the head.
    """
    count = max((len(row) for row in rows), default=0)
    fitting = max(1, (width + len(column)) // (COLUMN_CELLS_MIN + len(column)))
    count = min(count, fitting)
    if count == 0:
        return
    natural = [max(_natural_cells(row, index) for row in rows) for index in range(count)]
    widths = share(natural, width - len(column) * (count - 1))
    for number, row in enumerate(rows):
        yield from _row_lines(row, widths, column)
        if number == 0:
            yield (Span(cross.join(cross[0] * cells for cells in widths), "rule"),)


def share(natural: Sequence[int], room: int) -> list[int]:
    """Column widths that sum to at most `room`: small columns keep theirs, wide ones shrink."""
    widths = [max(1, cells) for cells in natural]
    while sum(widths) > room:
        widest = max(widths)
        if widest <= COLUMN_CELLS_MIN:
            break
        below = max((cells for cells in widths if cells < widest), default=COLUMN_CELLS_MIN)
        among = [index for index, cells in enumerate(widths) if cells == widest]
        excess = sum(widths) - room
        step = max(1, min(widest - below, -(-excess // len(among))))
        for index in among:
            widths[index] -= min(step, max(0, sum(widths) - room))
    return widths


def _row_lines(
    row: Sequence[Sequence[Piece]], widths: Sequence[int], column: str
) -> Iterator[tuple[Span, ...]]:
    wrapped = [
        list(wrap(row[index] if index < len(row) else (), cells))
        for index, cells in enumerate(widths)
    ]
    for parts in zip_longest(*wrapped, fillvalue=()):
        line: list[Span] = []
        for index, (part, cells) in enumerate(zip(parts, widths, strict=True)):
            if index:
                line.append(Span(column, "rule"))
            line.extend(part)
            line.append(Span(" " * max(0, cells - width_of(part))))
        yield tuple(line)


def _natural_cells(row: Sequence[Sequence[Piece]], index: int) -> int:
    if index >= len(row):
        return 0
    return sum(cell_len(piece.text) for piece in row[index] if isinstance(piece, Span))
