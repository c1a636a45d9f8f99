"""Bytes in and out over the last ten minutes: two rows of small columns on one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from p2pcommons.replica import size_said
from p2pcommons.tui.look import FULL, Glyphs
from p2pcommons.tui.widgets.cells import fit_right

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style

    from p2pcommons.tui.node_status import Traffic

SAMPLES = 60
NAME_CELLS = 4
AMOUNT_CELLS = 7


class TrafficPlot(Widget):
    """Two lines: in and out."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "traffic-plot--in",
        "traffic-plot--out",
        "traffic-plot--words",
    }

    DEFAULT_CSS = """
    TrafficPlot {
        height: 2;
        & > .traffic-plot--in { color: $secondary; }
        & > .traffic-plot--out { color: $primary; }
        & > .traffic-plot--words { color: $muted; }
    }
    """

    traffic: reactive[Traffic | None] = reactive(None)

    def __init__(self, glyphs: Glyphs = FULL, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._glyphs = glyphs

    def render_line(self, y: int) -> Strip:
        """In, then out: on two lines, or side by side where there is only one."""
        width, base = self.size.width, self.rich_style
        if self.traffic is None or y > 1:
            return Strip.blank(width, base)
        if self.size.height > 1:
            return Strip(self._row(y, width, base)).adjust_cell_length(width, base)
        half = (width - 2) // 2
        segments = [*self._row(0, half, base), Segment("  ", base), *self._row(1, half, base)]
        return Strip(segments).adjust_cell_length(width, base)

    def _row(self, way: int, width: int, base: Style) -> list[Segment]:
        """One way, 0 in and 1 out, drawn on the scale of both."""
        history = self.traffic.history if self.traffic else ()
        room = max(1, min(SAMPLES, width - NAME_CELLS - AMOUNT_CELLS - 1))
        room = -(-SAMPLES // -(-SAMPLES // room))
        columns = [gathered([pair[each] for pair in history], room) for each in (0, 1)]
        most = max((max(each, default=0) for each in columns), default=0)
        drawn = plotted(columns[way], most, self._glyphs.ramp)
        total = fit_right(size_said(sum(pair[way] for pair in history)), AMOUNT_CELLS)
        return [
            Segment("out " if way else "in  ", base + self._part("words")),
            Segment(drawn.rjust(room), base + self._part("out" if way else "in")),
            Segment(f" {total}", base + self._part("words")),
        ]

    def _part(self, name: str) -> Style:
        return self.get_component_rich_style(f"traffic-plot--{name}", partial=True)


def gathered(samples: Sequence[int], columns: int) -> list[int]:
    """The samples of ten minutes in at most so many columns: neighbours are added up.

    The newest sample is in the last column; how many go into one follows from `columns` alone.
    """
    each = -(-SAMPLES // columns)
    start = len(samples) % each
    groups = [samples[at : at + each] for at in range(start, len(samples), each)]
    sums = [sum(group) for group in groups]
    return [sum(samples[:start]), *sums] if start else sums


def plotted(amounts: Sequence[int], most: int, ramp: str) -> str:
    """One character an amount; nothing is the lowest, and whatever is not nothing lies above."""
    steps = len(ramp) - 1
    return "".join(
        ramp[max(1, round(amount / most * steps))] if amount and most else ramp[0]
        for amount in amounts
    )
