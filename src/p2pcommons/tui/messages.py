"""Messages between screens and the application. Named as what has happened."""

from __future__ import annotations

from textual.message import Message


class SelectedCommons(Message):
    """Another commons, or all of them, is shown; the status line shows its words."""


class Wrote(Message):
    """The person wrote something: look at the store sooner than by the clock."""


class NodeWanted(Message):
    """Something needs a node: start one if the mode allows; `asked` when the person said so."""

    def __init__(self, *, asked: bool = False) -> None:
        super().__init__()
        self.asked = asked


class ModeChosen(Message):
    """The person chose another network mode."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode
