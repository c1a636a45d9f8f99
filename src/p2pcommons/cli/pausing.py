"""`pause` and `resume`: be away on purpose, for a while or until told otherwise."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica.pausing import PauseResult

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SPAN = re.compile(r"(\d{1,9})\s*([smhd])\Z")


def _span(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Return the seconds of "2h", "30m", "1d" or "90s"."""
    if value is None:
        return None
    found = _SPAN.match(value.strip().lower())
    if found is None or int(found[1]) == 0:
        raise click.BadParameter(f"{value!r} is no time like 30m, 2h or 1d", ctx, param)
    return int(found[1]) * _SECONDS[found[2]]


@command(
    "pause",
    examples=[
        ("pause", "meet nobody until: p2pcommons resume"),
        ("pause --for 2h", "or for two hours; 30m and 1d are other times"),
    ],
)
@click.option(
    "--for",
    "seconds",
    metavar="TIME",
    callback=_span,
    help="End by itself after this time: 90s, 30m, 2h or 1d.",
)
@click.pass_obj
def pause(invocation: Invocation, seconds: int | None) -> Reply:
    """Meet nobody for a while: no connection, no announcement.

    Writing and reading go on as ever; what is written goes out afterwards. The pause outlives
    the node and the machine. Without a running node the next one begins paused.
    """
    with invocation.open() as replica:
        result = replica.pause(seconds)
    steps = (
        ("end it with: p2pcommons resume",)
        if result.running
        else ("no node is running; the next one begins paused", "end it with: p2pcommons resume")
    )
    return Reply(_fields(result), [result.words], steps)


@command("resume", examples=[("resume", "meet others again")])
@click.pass_obj
def resume(invocation: Invocation) -> Reply:
    """End a pause.

    Where the limit of the day is reached (network.megabytes_per_day) it is set aside until
    midnight; the answer says so, and how much is used.
    """
    with invocation.open() as replica:
        result = replica.resume()
    said = "no pause any more" if result.was_paused else "there was no pause"
    if not result.running:
        said += "; no node is running: p2pcommons node start"
    waived = None if result.waived is None else result.waived.as_fields()
    fields = {**_fields(result), "was_paused": result.was_paused, "day_waived": waived}
    steps = (said,) if result.waived is None else (said, result.words)
    return Reply(fields, next_steps=steps)


def _fields(result: PauseResult) -> dict[str, object]:
    paused = result.paused
    return {
        "paused": None if paused is None else {"until": paused.until, "reason": paused.reason},
        "running": result.running,
    }
