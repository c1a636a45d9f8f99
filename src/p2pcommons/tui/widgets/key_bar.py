"""The keys that work now, in the order of their worth, as many as fit.

What does not fit is left out whole, never cut; help and the way out always stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input, TextArea

from p2pcommons.tui.typed import app_of
from p2pcommons.tui.widgets.framed import key_order

if TYPE_CHECKING:
    from textual import events
    from textual.signal import Signal

HELP_IDS = ("app.help", "app.help-too")
QUIT_ID = "app.quit"
_SEPARATOR_CELLS = 2


class KeyBar(Widget):
    """One line at the bottom of a screen; a click does what the key does."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-bar--key", "key-bar--words"}

    DEFAULT_CSS = """
    KeyBar {
        height: 1;
        background: $surface;
        & > .key-bar--key { color: $accent; text-style: bold; }
        & > .key-bar--words { color: $muted; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: list[tuple[str, str, str, str]] = []
        self._places: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        """Follow the focus."""
        signal = self.screen.bindings_updated_signal  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        cast("Signal[object]", signal).subscribe(self, self._bindings_changed)
        self._collect()

    def on_click(self, event: events.Click) -> None:
        """Press the key under the mouse."""
        for start, end, key in self._places:
            if start <= event.x < end:
                app_of(self).simulate_key(key)

    def render_line(self, y: int) -> Strip:  # noqa: ARG002
        """Keys and what they do."""
        key_style = self.get_component_rich_style("key-bar--key", partial=True)
        words_style = self.get_component_rich_style("key-bar--words", partial=True)
        base = self.rich_style
        ellipses = not app_of(self).has_class("-ascii")
        segments = [Segment(" ", base)]
        self._places = []
        at = 1
        for _, key, display, words in self._fitting(self.size.width - 2):
            segments.append(Segment(display, base + key_style))
            told = words if ellipses else words.replace("…", "..")
            segments.append(Segment(f" {told}  ", base + words_style))
            end = at + cell_len(display) + cell_len(told) + 1
            self._places.append((at, end, key))
            at = end + _SEPARATOR_CELLS
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _fitting(self, room: int) -> list[tuple[str, str, str, str]]:
        staying = [entry for entry in self._keys if entry[0] in HELP_IDS][:1]
        others = [entry for entry in self._keys if entry[0] not in (*HELP_IDS, QUIT_ID)]
        said = {entry[3] for entry in others}
        staying += [entry for entry in self._keys if entry[0] == QUIT_ID and entry[3] not in said]
        room -= sum(_cells(entry) for entry in staying)
        chosen: list[tuple[str, str, str, str]] = []
        for entry in others:
            room -= _cells(entry)
            if room < -_SEPARATOR_CELLS:
                break
            chosen.append(entry)
        return chosen + staying

    def _bindings_changed(self, screen: object) -> None:
        if self.is_attached and screen is self.screen:
            self._collect()

    def _collect(self) -> None:
        order = key_order(self.screen)
        found: dict[str, tuple[str, str, str, str]] = {}
        typing = isinstance(self.screen.focused, Input | TextArea)
        for active in self.screen.active_bindings.values():
            binding = active.binding
            identity = binding.id or binding.action
            display = app_of(self).get_key_display(binding)
            if typing and is_typed(binding.key, display):
                continue
            if binding.show and active.enabled and identity not in found:
                found[identity] = (identity, binding.key, display, binding.description)
        for binding in type(self.screen).BINDINGS:
            # A field keeps Enter to itself and hands it on as Submitted: the key still works.
            if not isinstance(binding, Binding) or binding.key != "enter":
                continue
            if binding.id in order and self.screen.check_action(binding.action, ()):
                display = app_of(self).get_key_display(binding)
                found.setdefault(binding.id, (binding.id, "enter", display, binding.description))
        rank = {identity: index for index, identity in enumerate(order)}
        keys = sorted(found.values(), key=lambda entry: rank.get(entry[0], len(rank)))
        if keys != self._keys:
            self._keys = keys
            self.refresh()


def is_typed(key: str, display: str) -> bool:
    """True for keys that a text field takes as a character."""
    return key != "enter" and len(display) == 1


def _cells(entry: tuple[str, str, str, str]) -> int:
    return cell_len(entry[2]) + cell_len(entry[3]) + 1 + _SEPARATOR_CELLS
