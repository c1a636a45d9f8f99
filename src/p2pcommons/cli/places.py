"""`paths` and `doctor`: where everything lies, what is wrong, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from p2pcommons.cli.columns import named
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command
from p2pcommons.errors import UserError

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.paths import Paths
    from p2pcommons.replica import Check


@command("paths", examples=[("paths", "the folders and files of this profile")])
@click.pass_obj
def paths(invocation: Invocation) -> Reply:
    """Say where the files of this profile lie."""
    found = path_fields(invocation.paths())
    return Reply(found, named(found.items()))


def path_fields(found: Paths) -> dict[str, str]:
    """Return every path of a profile by its name."""
    return {
        "home": str(found.home),
        "config": str(found.config_file),
        "device_key": str(found.device_key),
        "root_key": str(found.root_key),
        "peer_key": str(found.peer_key),
        "replica": str(found.replica_db),
        "blobs": str(found.blobs_dir),
        "drafts": str(found.drafts_dir),
        "lock": str(found.node_lock),
        "log": str(found.node_log),
        "socket": str(found.socket()),
    }


@command(
    "doctor",
    examples=[
        ("doctor", "look at everything that can be wrong"),
        ("doctor --json", "items of check, ok, text and fix"),
    ],
)
@click.pass_obj
def doctor(invocation: Invocation) -> Reply:
    """Look for what is wrong and say what to do.

    Exit code 1 when something is.
    """
    checks = _checks(invocation)
    lines: list[str] = []
    for check, line in zip(
        checks, named((check.name, check.text) for check in checks), strict=True
    ):
        lines.append(f"{'ok   ' if check.ok else 'WRONG'}  {line}")
        if check.fix and not check.ok:
            lines.append(f"       do: {check.fix}")
    items = [
        {"check": check.name, "ok": check.ok, "text": check.text, "fix": check.fix}
        for check in checks
    ]
    wrong = sum(not check.ok for check in checks)
    return Reply({"items": items}, lines, exit_code=1 if wrong else 0)


def _checks(invocation: Invocation) -> list[Check]:
    """Examine the profile; settings that are broken are a finding and no failure."""
    from p2pcommons.replica import examine_unopened

    try:
        replica = invocation.open()
    except UserError as error:
        return examine_unopened(error)
    with replica:
        return replica.doctor()
