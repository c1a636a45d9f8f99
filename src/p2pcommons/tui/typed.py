"""Textual leaves the result type of an app open; here it is said once that ours is an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from textual.app import App
    from textual.message_pump import MessagePump


def app_of(node: MessagePump) -> App[int]:
    """The running application, seen from a widget or a screen."""
    return cast("App[int]", node.app)  # pyright: ignore[reportUnknownMemberType]
