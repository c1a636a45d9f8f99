"""Keys of one's own: the names that bindings have, for `[keys]` in the settings."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.dom import DOMNode

import p2pcommons.tui

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def binding_names() -> frozenset[str]:
    """Return the names of all bindings of ours; imports every screen, so ask only when needed."""
    for module in pkgutil.walk_packages(p2pcommons.tui.__path__, f"{p2pcommons.tui.__name__}."):
        importlib.import_module(module.name)
    return frozenset(
        binding.id
        for node in _subclasses(DOMNode)
        if node.__module__.startswith(p2pcommons.tui.__name__)
        for binding in node.BINDINGS
        if isinstance(binding, Binding) and binding.id
    )


def complaints(wanted: Iterable[str]) -> tuple[str, ...]:
    """Return what to say about names in the settings that no binding has."""
    known = binding_names()
    said: list[str] = []
    for name in sorted(set(wanted) - known):
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"; is it {' or '.join(close)}?" if close else ""
        said.append(f"keys.{name} in the settings names no key{hint}")
    return tuple(said)


def _subclasses(node: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for found in node.__subclasses__():
        yield found
        yield from _subclasses(found)
