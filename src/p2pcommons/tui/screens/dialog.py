"""A frame for questions: a title, what is asked, and the keys that answer it.

Escape always leaves without doing anything. Nothing signs on a single letter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar, cast

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from p2pcommons.tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import App, ComposeResult
    from textual.widget import Widget

R = TypeVar("R")


class Dialog(ModalScreen[R | None], Generic[R]):
    """Base of all dialogs; subclasses give a title and compose their content."""

    AUTO_FOCUS = "Input, TextArea, ChoiceList"

    DEFAULT_CSS = """
    Dialog {
        align: center middle;
        background: $background 70%;
    }
    Dialog > .frame {
        width: 76;
        max-width: 100%;
        height: auto;
        max-height: 100%;
        border: round $border;
        border-title-color: $primary;
        border-title-style: bold;
        background: $surface;
        padding: 1 2 0 2;
    }
    Dialog > .frame > KeyBar { margin: 1 0 0 -1; }
    Dialog .quiet { color: $muted; }
    Dialog .wrong { color: $error; height: auto; }
    Dialog .label { color: $muted; margin-top: 1; }
    Dialog Input { background: $panel; }
    Dialog Input:focus { background: $cursor; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Close", id="dialog.leave"),
    ]

    KEY_ORDER: ClassVar[tuple[str, ...]] = ()

    @property
    def app(self) -> App[int]:
        """The running application; its result is an exit code."""
        return cast("App[int]", super().app)  # pyright: ignore[reportUnknownMemberType]

    def compose(self) -> ComposeResult:
        """Frame, content, keys."""
        with Vertical(classes="frame") as frame:
            # As Text: a plain string would be read as markup, and titles hold peers' words.
            frame.border_title = Text(self.title_words())
            yield from self.content()
            yield KeyBar()

    def title_words(self) -> str:
        """What stands in the frame."""
        return ""

    def content(self) -> Iterable[Widget]:
        """The widgets between title and keys."""
        return ()

    def action_leave(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


def words(text: str, classes: str = "", widget_id: str | None = None) -> Static:
    """Text on a screen. Markup is off: brackets in the words of peers stay brackets."""
    return Static(text, markup=False, classes=classes, id=widget_id)


class Confirm(Dialog[bool]):
    """Asks once more before something that is hard to undo; F9 does it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f9", "confirm", "Do it", id="confirm.do"),
        Binding("escape", "leave", "Better not", id="dialog.leave"),
    ]
    KEY_ORDER = ("confirm.do", "dialog.leave")

    def __init__(self, title: str, told: str) -> None:
        super().__init__()
        self._title = title
        self._told = told

    def title_words(self) -> str:
        """What stands in the frame."""
        return self._title

    def content(self) -> Iterable[Widget]:
        """What will happen."""
        yield words(self._told)

    def action_confirm(self) -> None:
        """Yes."""
        self.dismiss(True)
