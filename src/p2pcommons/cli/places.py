"""`paths`: where everything lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from p2pcommons.cli.columns import named
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.paths import Paths


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
