"""Letters laid over the panes: one key to each, from wherever one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.widget import Widget

LETTERS = "asdfjklgh"
"""The home row: nine panes are more than any screen has."""


class Jump(ModalScreen["int | None"]):
    """Answers with the place of the chosen pane in the sequence that was given."""

    DEFAULT_CSS = """
    Jump { background: $background 0%; }
    Jump Static {
        position: absolute; width: 3; height: 1;
        background: $accent; color: $background; text-style: bold;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", id="jump.leave"),
    ]

    def __init__(self, panes: Sequence[Widget]) -> None:
        super().__init__()
        self._places = [pane.region.offset for pane in panes[: len(LETTERS)]]

    def compose(self) -> ComposeResult:
        """A letter in the corner of each pane."""
        for letter, place in zip(LETTERS, self._places, strict=False):
            label = Static(f" {letter} ", markup=False)
            label.styles.offset = (place.x, place.y)
            yield label

    def on_key(self, event: events.Key) -> None:
        """Go to the pane with this letter."""
        place = LETTERS.find(event.character or "-")
        if 0 <= place < len(self._places):
            event.stop()
            self.dismiss(place)

    def action_leave(self) -> None:
        """Stay where one is."""
        self.dismiss(None)
