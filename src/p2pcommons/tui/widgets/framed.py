"""What widgets around a screen ask of it, without knowing which screen it is."""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

UP_DOWN: Final = "One up, one down"
PAGES: Final = "A page up, a page down"
ENDS: Final = "First, last"
"""What keys of lists do, two to a line: the help has few lines on a small terminal."""


@runtime_checkable
class Described(Protocol):
    """A screen that can be explained: its keys in order of worth, and a help page."""

    KEY_ORDER: tuple[str, ...]
    HELP_TITLE: str
    HELP_TEXT: str
    HELP_COMMANDS: tuple[str, ...]


def key_order(screen: object) -> tuple[str, ...]:
    """Ids of the bindings of a screen, the most useful first."""
    return screen.KEY_ORDER if isinstance(screen, Described) else ()
