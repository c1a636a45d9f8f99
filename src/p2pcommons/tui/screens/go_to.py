"""The go-to menu: one letter to a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from p2pcommons.tui.screens.dialog import Dialog
from p2pcommons.tui.widgets.choice_list import Choice, ChoiceList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from p2pcommons.tui.context import Context

PLACES = (
    Choice("app.mode('browse')", "Browse", "b"),
    Choice("app.mode('network')", "Network", "n"),
    Choice("app.words", "Your 24 words", "w"),
    Choice("app.help", "Help", "h"),
)


class GoTo(Dialog[str]):
    """Returns the action of the chosen place."""

    DEFAULT_CSS = """
    GoTo > .frame { width: 40; }
    GoTo ChoiceList { height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(choice.note, f"place({index})", choice.words, id=f"go-to.{choice.note}", show=False)
        for index, choice in enumerate(PLACES)
    ]

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context

    def title_words(self) -> str:
        """What stands in the frame."""
        return "Go to"

    def content(self) -> Iterable[Widget]:
        """The places."""
        yield ChoiceList(PLACES, self.context.glyphs)

    def action_place(self, index: int) -> None:
        """Go there."""
        self.dismiss(PLACES[index].key)

    def on_choice_list_chosen(self, event: ChoiceList.Chosen) -> None:
        """Go there."""
        self.dismiss(event.choice.key)
