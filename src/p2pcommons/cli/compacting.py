"""`compact`: give back disk that holds nothing any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from p2pcommons.cli.columns import named
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation


@command(
    "compact",
    examples=[
        ("compact", "give disk back that holds nothing any more"),
        ("compact --dry-run", "say what it would bring and need"),
    ],
)
@click.option("--dry-run", is_flag=True, help="Say what it would bring and change nothing.")
@click.pass_obj
def compact(invocation: Invocation, dry_run: bool) -> Reply:
    """Give back disk that holds nothing any more: empty pages, the log, scattered search text.

    Nothing that is held changes. It needs room for a second copy while it lasts. A running node
    does it itself, between two writes; while it lasts, whoever writes waits.
    """
    from p2pcommons.replica import size_said

    with invocation.open() as replica:
        state = replica.disk_state()
        fields: dict[str, object] = {
            "before": state.total,
            "empty": state.empty + state.log,
            "needed": state.needed,
            "free": state.room,
        }
        if dry_run:
            lines = named(
                [
                    ("on disk", size_said(state.total)),
                    ("at least empty", size_said(state.empty + state.log)),
                    ("needs meanwhile", size_said(state.needed)),
                    ("free on the disk", size_said(state.room)),
                ]
            )
            return Reply({**fields, "after": None, "by_node": False}, lines)
        invocation.out.progress("compacting")
        done = replica.compact()
    return Reply(
        {**fields, "before": done.before, "after": done.after, "by_node": done.by_node},
        [f"{size_said(done.before)} before, {size_said(done.after)} after"],
    )
