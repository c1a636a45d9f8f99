"""The border of what a person asks for: errors are said in words, and the screens go on.

Everything that reads, writes or waits runs as such a command. What is not one of our
errors is a bug: it is written to a file that can be sent, and nothing that was typed is lost.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar, cast

from textual import work
from textual.dom import DOMNode

from p2pcommons.tui.typed import app_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from textual.worker import Worker

P = ParamSpec("P")
N = TypeVar("N", bound=DOMNode)


class Reporter(Protocol):
    """Who tells a person what went wrong."""

    def report(self, error: Exception) -> None:
        """Say it, and write it down when it is a bug."""


def command(
    group: str, *, exclusive: bool = True
) -> Callable[
    [Callable[Concatenate[N, P], Coroutine[None, None, None]]],
    Callable[Concatenate[N, P], Worker[None]],
]:
    """Run a method as a worker of `group`; a newer call of the group cancels an older one."""

    def decorate(
        method: Callable[Concatenate[N, P], Coroutine[None, None, None]],
    ) -> Callable[Concatenate[N, P], Worker[None]]:
        @work(exclusive=exclusive, group=group)
        @wraps(method)
        async def guarded(node: N, *args: P.args, **kwargs: P.kwargs) -> None:
            try:
                await method(node, *args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the border of what a person asks for
                cast("Reporter", app_of(node)).report(error)

        return guarded

    return decorate
