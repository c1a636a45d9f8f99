"""The lines above and below every screen: where one is, and how things stand.

The status line says in words what the network does, how many of one's own
contributions no other node holds, and the four words of the replica.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from p2pcommons.tui import wording
from p2pcommons.tui.look import FULL, Glyphs
from p2pcommons.tui.typed import app_of
from p2pcommons.tui.widgets.cells import clip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual import events


@dataclass(frozen=True, slots=True)
class Tab:
    """A main screen: the key that leads there, its name, the mode it is."""

    key: str
    name: str
    mode: str


class TopBar(Widget):
    """Name of the program, the main screens that exist, and a notice at the right.

    `notices` say the same in fewer and fewer words; the first that fits is shown.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "top-bar--name",
        "top-bar--tab",
        "top-bar--here",
        "top-bar--notice",
    }

    DEFAULT_CSS = """
    TopBar {
        height: 1;
        dock: top;
        background: $surface;
        & > .top-bar--name { color: $primary; text-style: bold; }
        & > .top-bar--tab { color: $muted; }
        & > .top-bar--here { color: $foreground; background: $cursor; text-style: bold; }
        & > .top-bar--notice { color: $accent; }
    }
    """

    def __init__(self, tabs: Sequence[Tab], here: str, notices: Sequence[str] = ()) -> None:
        super().__init__()
        self._tabs = tuple(tabs)
        self._here = here
        self._notices = tuple(notices)
        self._places: list[tuple[int, int, str]] = []

    def on_click(self, event: events.Click) -> None:
        """Go to the screen whose tab was clicked."""
        for start, end, key in self._places:
            if start <= event.x < end:
                app_of(self).simulate_key(key)

    def render_line(self, y: int) -> Strip:  # noqa: ARG002
        """The whole bar."""
        base = self.rich_style
        width = self.size.width
        segments = [Segment(" p2pcommons  ", base + self._part("name"))]
        at = cell_len(segments[0].text)
        self._places = []
        for tab in self._tabs:
            words = f" {tab.key} {tab.name} "
            look = "here" if tab.mode == self._here else "tab"
            segments += [Segment(words, base + self._part(look)), Segment(" ", base)]
            self._places.append((at, at + cell_len(words), tab.key))
            at += cell_len(words) + 1
        room = max(0, width - at - 3)
        fitting = (notice for notice in self._notices if cell_len(notice) <= room)
        notice = next(fitting, clip(self._notices[-1], room) if self._notices else "")
        segments.append(Segment(" " * max(1, width - at - cell_len(notice) - 1), base))
        segments.append(Segment(notice, base + self._part("notice")))
        return Strip(segments).adjust_cell_length(width, base)

    def _part(self, name: str) -> Style:
        return self.get_component_rich_style(f"top-bar--{name}", partial=True)


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand, in words: what the status line shows.

    `level` is off, alone, busy, equal or trouble; `network` the sentence for it;
    `words` the four words of the replica, empty without a commons; `reach` whether others reach
    this node, in fewer and fewer words.
    """

    level: str = "off"
    network: str = "network off"
    only_here: int = 0
    seed_waiting: bool = False
    words: tuple[str, ...] = ()
    reach: tuple[str, ...] = ()


class StatusLine(Widget):
    """The standing of this node, one line; shortened from the least important end."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "status-line--equal",
        "status-line--busy",
        "status-line--quiet",
        "status-line--trouble",
        "status-line--mine",
        "status-line--words",
    }

    DEFAULT_CSS = """
    StatusLine {
        height: 1;
        background: $panel;
        & > .status-line--equal { color: $success; }
        & > .status-line--busy { color: $secondary; }
        & > .status-line--quiet { color: $muted; }
        & > .status-line--trouble { color: $error; }
        & > .status-line--mine { color: $warning; }
        & > .status-line--words { color: $foreground; text-style: italic; }
    }
    """

    standing: reactive[Standing] = reactive(Standing())

    def __init__(self, glyphs: Glyphs = FULL) -> None:
        super().__init__()
        self._glyphs = glyphs

    def render_line(self, y: int) -> Strip:  # noqa: ARG002
        """State, what is only here, the words that wait, the four words."""
        base = self.rich_style
        width = self.size.width
        standing = self.standing
        looks = {"equal": "equal", "busy": "busy", "trouble": "trouble"}
        look = looks.get(standing.level, "quiet")
        signs = {"equal": self._glyphs.on, "busy": self._glyphs.half, "trouble": self._glyphs.warn}
        sign = signs.get(standing.level, self._glyphs.off)
        right = " ".join(standing.words)
        room = width - cell_len(right) - 3
        segments: list[Segment] = []
        for told, part in _that_fit(f" {sign} {standing.network}", look, standing, room):
            words = self._glyphs.spelled(told)
            gap = f" {self._glyphs.dot} " if segments else ""
            shown = clip(words, room - len(gap))
            segments.append(Segment(gap, base + self._part("quiet")))
            segments.append(Segment(shown, base + self._part(part)))
            room -= len(gap) + cell_len(shown)
        segments.append(Segment(" " * (max(0, room) + 1), base))
        segments.append(Segment(f" {right} ", base + self._part("words")))
        return Strip(segments).adjust_cell_length(width, base)

    def _part(self, name: str) -> Style:
        return self.get_component_rich_style(f"status-line--{name}", partial=True)


def _that_fit(network: str, look: str, standing: Standing, room: int) -> list[tuple[str, str]]:
    """The parts of the status line in words that fit into `room` cells, shorter ones if needed."""
    here, words = standing.only_here, standing.seed_waiting
    longest, shortest = (*standing.reach, "")[0], (*standing.reach[-1:], "")[0]
    ways = (
        (longest, wording.only_here(here), "24 words not confirmed (W)"),
        (longest, f"{here:,} only here", "words: W"),
        (shortest, f"{here:,} only here", "words: W"),
        ("", f"{here:,} only here", "words: W"),
        ("", f"{here:,} only here", ""),
    )
    parts = [(network, look)]
    for reach, only_here, seed in ways:
        parts = [(network, look)]
        parts += [(reach, "quiet")] if reach else []
        parts += [(only_here, "mine")] if here else []
        parts += [(seed, "mine")] if words and seed else []
        if sum(cell_len(part) + 3 for part, _ in parts) - 3 <= room:
            return parts
    return parts
