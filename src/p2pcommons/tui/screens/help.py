"""Help for the screen one is on, made from its bindings, so that it cannot drift from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from p2pcommons.tui.screens.dialog import Dialog, words
from p2pcommons.tui.widgets.cells import fit
from p2pcommons.tui.widgets.framed import Described

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import App
    from textual.screen import Screen
    from textual.widget import Widget

KEY_CELLS = 11
COLUMN_CELLS = 36


class Help(Dialog[None]):
    """A paragraph, the keys that work, the same on the command line."""

    AUTO_FOCUS = "VerticalScroll"

    DEFAULT_CSS = """
    Help > .frame { width: 80; height: 100%; max-height: 38; }
    Help VerticalScroll { height: 1fr; scrollbar-size-vertical: 1; }
    Help VerticalScroll > Static { height: auto; }
    Help .section { color: $primary; text-style: bold; margin-top: 1; }
    Help .commands { color: $accent; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "leave", "Close", id="dialog.leave"),
    ]

    def __init__(self, title: str, text: str, keys: str, commands: tuple[str, ...]) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._keys = keys
        self._commands = commands

    def title_words(self) -> str:
        """What stands in the frame."""
        return f"Help: {self._title}"

    def content(self) -> Iterable[Widget]:
        """Paragraph, keys, commands."""
        parts = [words(self._text), words("KEYS", "section"), words(self._keys)]
        if self._commands:
            parts.append(words("THE SAME ON THE COMMAND LINE", "section"))
            parts.append(words("\n".join(self._commands), "commands"))
        yield VerticalScroll(*parts)


def help_for(app: App[int], screen: Screen[object]) -> Help:
    """Help for `screen` as it is now: the keys of what has the focus come first."""
    described = isinstance(screen, Described)
    title = screen.HELP_TITLE if described else ""
    text = screen.HELP_TEXT if described else ""
    commands = screen.HELP_COMMANDS if described else ()
    return Help(title, text, key_table(app, screen), commands)


def key_table(app: App[int], screen: Screen[object]) -> str:
    """All keys that work on a screen with our words for them, in two columns."""
    keys: dict[str, list[str]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        # Only bindings of ours have ids; the editing keys of fields are the usual ones.
        if binding.id and binding.description and active.enabled:
            told = binding.tooltip or binding.description
            keys.setdefault(told, []).append(app.get_key_display(binding))
    lines = [_key_line(displays, told) for told, displays in keys.items()]
    half = -(-len(lines) // 2)
    left, right = lines[:half], [*lines[half:], *[""] * half][:half]
    pairs = zip(left, right, strict=True)
    return "\n".join(f"{fit(first, COLUMN_CELLS)} {second}".rstrip() for first, second in pairs)


def _key_line(displays: list[str], description: str) -> str:
    shown = " ".join(dict.fromkeys(displays))
    if cell_len(shown) > KEY_CELLS - 1:
        shown = displays[0]
    return f"{fit(shown, KEY_CELLS)}{description}"
