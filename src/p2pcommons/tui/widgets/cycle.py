"""One of a few values, changed with the arrows: for the form of an entry, the commons, the mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from p2pcommons.tui.widgets.cells import clip

if TYPE_CHECKING:
    from collections.abc import Sequence


class Cycle(Widget, can_focus=True):
    """Shows the present value between two arrows."""

    DEFAULT_CSS = """
    Cycle { height: 1; width: 1fr; background: $surface; }
    Cycle:focus { background: $panel; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space,enter", "turn(1)", "Change", id="cycle.next"),
        Binding("left", "turn(-1)", "Change back", id="cycle.previous", show=False),
    ]

    value: reactive[str] = reactive("", init=False)

    class Turned(Message):
        """Another value was chosen."""

        def __init__(self, cycle: Cycle, value: str) -> None:
            super().__init__()
            self.cycle = cycle
            self.value = value

        @property
        def control(self) -> Cycle:
            """The widget that was turned."""
            return self.cycle

    def __init__(
        self, values: Sequence[tuple[str, str]], value: str, *, widget_id: str | None = None
    ) -> None:
        """`values` are (value, words shown for it)."""
        super().__init__(id=widget_id)
        self._values = tuple(values)
        self.set_reactive(Cycle.value, value)
        self.can_focus = len(self._values) > 1

    def action_turn(self, by: int) -> None:
        """Go to the next or previous value."""
        keys = [value for value, _ in self._values]
        place = keys.index(self.value) if self.value in keys else 0
        self.value = keys[(place + by) % len(keys)]
        self.post_message(self.Turned(self, self.value))

    def on_click(self) -> None:
        """A click is the next value."""
        if self.can_focus:
            self.action_turn(1)

    def render_line(self, y: int) -> Strip:  # noqa: ARG002
        """The words of the value."""
        width = self.size.width
        shown = dict(self._values).get(self.value, self.value)
        text = clip(shown, max(1, width - 4))
        drawn = f"< {text} >" if self.can_focus else text
        return Strip([Segment(drawn, self.rich_style)]).adjust_cell_length(width, self.rich_style)

    def on_focus(self) -> None:
        """The arrows appear."""
        self.refresh()

    def on_blur(self) -> None:
        """The arrows go."""
        self.refresh()
