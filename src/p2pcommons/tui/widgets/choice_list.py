"""A short list to choose from: commons, tags, suggestions, peers.

Drawn by the line like the entry list, so that it refills without a flicker on every
key that is typed. For up to a few hundred choices, all at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from p2pcommons.tui.look import FULL, Glyphs
from p2pcommons.tui.widgets.cells import fit, fit_right
from p2pcommons.tui.widgets.framed import ENDS, PAGES, UP_DOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual import events


@dataclass(frozen=True, slots=True)
class Choice:
    """One line to choose: an identity, its words, a note at the right, and its look.

    `look` is one of plain, quiet, good, warn; `bar` from 0 to 1 draws a share.
    """

    key: str
    words: str
    note: str = ""
    look: str = "plain"
    chosen: bool = False
    bar: float = -1.0


class ChoiceList(ScrollView, can_focus=True):
    """Shows choices with a cursor; Enter or a click chooses."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "choice-list--cursor",
        "choice-list--cursor-idle",
        "choice-list--plain",
        "choice-list--quiet",
        "choice-list--good",
        "choice-list--warn",
        "choice-list--note",
        "choice-list--chosen",
        "choice-list--bar",
    }

    DEFAULT_CSS = """
    ChoiceList {
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .choice-list--cursor { background: $cursor; }
        & > .choice-list--cursor-idle { background: $cursor-idle; }
        & > .choice-list--plain { color: $foreground; }
        & > .choice-list--quiet { color: $muted; }
        & > .choice-list--good { color: $primary; }
        & > .choice-list--warn { color: $warning; }
        & > .choice-list--note { color: $muted; }
        & > .choice-list--chosen { color: $primary; text-style: bold; }
        & > .choice-list--bar { color: $share; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Next", id="choice.next", show=False, tooltip=UP_DOWN),
        Binding("up,k", "move(-1)", "Previous", id="choice.previous", show=False, tooltip=UP_DOWN),
        Binding(
            "pagedown", "move(8)", "Page down", id="choice.page-down", show=False, tooltip=PAGES
        ),
        Binding("pageup", "move(-8)", "Page up", id="choice.page-up", show=False, tooltip=PAGES),
        Binding("home", "move(-100000)", "First", id="choice.first", show=False, tooltip=ENDS),
        Binding("end", "move(100000)", "Last", id="choice.last", show=False, tooltip=ENDS),
        Binding("enter,space", "choose", "Choose", id="choice.choose"),
    ]

    cursor: reactive[int] = reactive(0, init=False)

    class Chosen(Message):
        """The person chose; `choice` is the one under the cursor."""

        def __init__(self, choice_list: ChoiceList, choice: Choice) -> None:
            super().__init__()
            self.choice_list = choice_list
            self.choice = choice

        @property
        def control(self) -> ChoiceList:
            """The list it was chosen from."""
            return self.choice_list

    def __init__(
        self, choices: Sequence[Choice] = (), glyphs: Glyphs = FULL, *, widget_id: str | None = None
    ) -> None:
        super().__init__(id=widget_id)
        self._choices = tuple(choices)
        self._note_cells = _widest_note(self._choices)
        self._glyphs = glyphs

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What is shown."""
        return self._choices

    @property
    def choice(self) -> Choice | None:
        """What is under the cursor."""
        return self._choices[self.cursor] if self._choices else None

    def set_choices(self, choices: Sequence[Choice]) -> None:
        """Show other choices.

        The cursor stays on its choice while somebody moves it, else it goes to the chosen one.
        """
        if tuple(choices) == self._choices:
            return
        key = self.choice.key if self.choice else None
        self._choices = tuple(choices)
        self._note_cells = _widest_note(self._choices)
        if not self.has_focus:
            key = next((choice.key for choice in self._choices if choice.chosen), key)
        place = next((i for i, choice in enumerate(self._choices) if choice.key == key), 0)
        self.set_reactive(ChoiceList.cursor, place)
        self._resize()
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """As many lines as there are choices."""
        return max(1, len(self._choices))

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.cursor += by

    def action_choose(self) -> None:
        """Choose what is under the cursor."""
        if self.choice is not None:
            self.post_message(self.Chosen(self, self.choice))

    def on_click(self, event: events.Click) -> None:
        """Choose what is under the mouse."""
        index = event.y + self.scroll_offset.y
        if index < len(self._choices):
            self.cursor = index
            self.action_choose()

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a choice."""
        return max(0, min(cursor, len(self._choices) - 1))

    def watch_cursor(self) -> None:
        """Keep the cursor in view."""
        region = Region(0, self.cursor, self.size.width, 1)
        self.scroll_to_region(region, animate=False, force=True)
        self.refresh()

    def on_resize(self) -> None:
        """Fit the scroll area."""
        self._resize()

    def on_focus(self) -> None:
        """The cursor appears."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor goes."""
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One choice."""
        index = y + self.scroll_offset.y
        width = self.size.width
        base = self.rich_style
        if index >= len(self._choices):
            return Strip.blank(width, base)
        at_cursor = self.has_focus and index == self.cursor
        if at_cursor:
            base = base + self._part("cursor")
        choice = self._choices[index]
        segments = self._segments(choice, width, base, at_cursor=at_cursor)
        return Strip(segments).adjust_cell_length(width, base)

    def _segments(
        self, choice: Choice, width: int, base: Style, *, at_cursor: bool
    ) -> list[Segment]:
        bar_cells = 5 if choice.bar >= 0 and width >= 24 else 0
        note = fit_right(choice.note, self._note_room(width))
        room = max(1, width - 4 - cell_len(note) - (bar_cells + 1 if bar_cells else 0))
        look = "chosen" if choice.chosen else choice.look
        lead = self._glyphs.bar if at_cursor else self._glyphs.here if choice.chosen else " "
        segments = [
            Segment(f"{lead} ", base + self._part("chosen")),
            Segment(fit(choice.words, room), base + self._part(look)),
        ]
        if bar_cells:
            filled = max(1, round(choice.bar * bar_cells))
            segments.append(Segment(f" {self._glyphs.block * filled:<5}", base + self._part("bar")))
        segments.append(Segment(f" {note} ", base + self._part("note")))
        return segments

    def _note_room(self, width: int) -> int:
        """Cells for the notes: what they need, at most half or what the words leave."""
        words = max((cell_len(choice.words) for choice in self._choices), default=0)
        return min(self._note_cells, max(width // 2, width - 5 - words))

    def _part(self, name: str) -> Style:
        return self.get_component_rich_style(f"choice-list--{name}", partial=True)

    def _resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._choices))


def _widest_note(choices: Sequence[Choice]) -> int:
    return max((cell_len(choice.note) for choice in choices), default=0)
