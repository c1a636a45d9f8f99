"""The peers of this node: two lines for each, under a line of column names that stays.

The first line says who, how reached, how far away, and the bytes; the second how the two
replicas stand. Drawn by the line, so that figures may change every second without a flicker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.strip import Strip

from p2pcommons.tui.look import FULL, Glyphs
from p2pcommons.tui.widgets.cells import clip, fit, fit_right
from p2pcommons.tui.widgets.choice_list import Choice, ChoiceList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual import events

    from p2pcommons.tui.peer_lines import PeerRow

LEAD_CELLS, PATH_CELLS, TRIP_CELLS, BYTES_CELLS, BAR_CELLS = 4, 19, 8, 7, 10
BYTES_SHOWN_FROM_CELLS = 70
LINES_EACH = 2
NOBODY_KNOWN = "nobody known yet"
NOBODY_MET = "nobody is met while no node runs"


class PeerList(ChoiceList):
    """Shows peers with a cursor; Enter or a click chooses one."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "peer-list--equal",
        "peer-list--busy",
        "peer-list--quiet",
        "peer-list--trouble",
        "peer-list--name",
        "peer-list--heading",
    }

    DEFAULT_CSS = """
    PeerList {
        & > .peer-list--equal { color: $success; }
        & > .peer-list--busy { color: $secondary; }
        & > .peer-list--quiet { color: $muted; }
        & > .peer-list--trouble { color: $error; }
        & > .peer-list--name { color: $foreground; text-style: bold; }
        & > .peer-list--heading { color: $muted; text-style: bold; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "choose", "Details", id="network.details"),
    ]

    def __init__(self, glyphs: Glyphs = FULL, *, widget_id: str | None = None) -> None:
        super().__init__(glyphs=glyphs, widget_id=widget_id)
        self._rows: tuple[PeerRow, ...] = ()
        self._nobody = NOBODY_KNOWN

    def set_rows(self, rows: Sequence[PeerRow], nobody: str = NOBODY_KNOWN) -> None:
        """Show these peers, or `nobody`; the cursor stays on the one it is on."""
        if (tuple(rows), nobody) == (self._rows, self._nobody):
            return
        self._rows, self._nobody = tuple(rows), nobody
        self.set_choices([Choice(row.key, row.name) for row in rows])
        self.refresh()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Nobody can be chosen where nobody is."""
        return bool(self._rows) if action == "choose" else True

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """The heading, and two lines for each peer."""
        return 1 + LINES_EACH * max(1, len(self._rows))

    def watch_cursor(self) -> None:
        """Keep both lines in view, below the heading that does not scroll."""
        region = Region(0, LINES_EACH * self.cursor, self.size.width, LINES_EACH + 1)
        self.scroll_to_region(region, animate=False, force=True)
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Choose the peer under the mouse."""
        place = (event.y - 1 + self.scroll_offset.y) // LINES_EACH
        if event.y > 0 and place < len(self._rows):
            self.cursor = place
            self.action_choose()

    def render_line(self, y: int) -> Strip:
        """The heading, or half of a peer."""
        width, base = self.size.width, self.rich_style
        if y == 0:
            return Strip(self._heading(width, base)).adjust_cell_length(width, base)
        line = y - 1 + self.scroll_offset.y
        place, second = divmod(line, LINES_EACH)
        if place >= len(self._rows):
            said = f"    {self._nobody}" if not self._rows and line == 0 else ""
            segments = [Segment(said, base + self._look("quiet"))]
            return Strip(segments).adjust_cell_length(width, base)
        at_cursor = self.has_focus and place == self.cursor
        if at_cursor:
            base = base + self._part("cursor")
        row = self._rows[place]
        lead = f"{self._glyphs.bar} " if at_cursor else "  "
        segments = [Segment(lead, base + self._part("chosen"))]
        segments += self._told(row, width, base) if second else self._figures(row, width, base)
        return Strip(segments).adjust_cell_length(width, base)

    def _heading(self, width: int, base: Style) -> list[Segment]:
        name, with_bytes = _room(width)
        head = fit("  PEERS", name + LEAD_CELLS) + fit(" how reached", PATH_CELLS + 1)
        head += fit_right("there and back" if not with_bytes else "trip", TRIP_CELLS + 1)
        if with_bytes:
            head += fit_right("in", BYTES_CELLS + 1) + fit_right("out", BYTES_CELLS + 1)
        return [Segment(head, base + self._look("heading"))]

    def _figures(self, row: PeerRow, width: int, base: Style) -> list[Segment]:
        glyphs = self._glyphs
        signs = {"equal": glyphs.on, "busy": glyphs.half, "trouble": glyphs.warn}
        name, with_bytes = _room(width)
        cut = glyphs.ellipsis
        path = fit(glyphs.spelled(row.path), PATH_CELLS, cut)
        figures = f" {path} {fit_right(row.trip, TRIP_CELLS, cut)}"
        if with_bytes:
            figures += f" {fit_right(row.came, BYTES_CELLS)} {fit_right(row.went, BYTES_CELLS)}"
        return [
            Segment(f"{signs.get(row.level, glyphs.off)} ", base + self._look(row.level)),
            Segment(fit(self._glyphs.spelled(row.name), name, cut), base + self._look("name")),
            Segment(figures, base + self._look("quiet")),
        ]

    def _told(self, row: PeerRow, width: int, base: Style) -> list[Segment]:
        room = width - LEAD_CELLS - 1
        segments = [Segment("  ", base)]
        if row.share >= 0:
            filled = min(BAR_CELLS, max(1, round(row.share * BAR_CELLS)))
            segments.append(Segment(self._glyphs.block * filled, base + self._part("bar")))
            rest = self._glyphs.dot * (BAR_CELLS - filled)
            segments.append(Segment(f"{rest} ", base + self._look("quiet")))
            room -= BAR_CELLS + 1
        told = clip(self._glyphs.spelled(row.told), room, self._glyphs.ellipsis)
        segments.append(Segment(told, base + self._look(row.level)))
        return segments

    def _look(self, name: str) -> Style:
        return self.get_component_rich_style(f"peer-list--{name}", partial=True)

    def _resize(self) -> None:
        height = 1 + LINES_EACH * max(1, len(self._rows))
        self.virtual_size = Size(self.size.width, height)


def _room(width: int) -> tuple[int, bool]:
    """Cells for the name, and whether the bytes are shown."""
    with_bytes = width >= BYTES_SHOWN_FROM_CELLS
    taken = LEAD_CELLS + PATH_CELLS + TRIP_CELLS + 3
    taken += 2 * (BYTES_CELLS + 1) if with_bytes else 0
    return max(8, width - taken), with_bytes
