"""The façade: one small API that the CLI, the screens and scripts use."""

from __future__ import annotations

from p2pcommons.replica.checks import examine_unopened
from p2pcommons.replica.identity import Identity
from p2pcommons.replica.records import (
    Added,
    Attachment,
    Check,
    Draft,
    Edited,
    ImportReport,
    InviteMade,
    JoinResult,
    Kept,
    Pledge,
    Selection,
)
from p2pcommons.replica.replica import Replica, open_replica
from p2pcommons.replica.sizes import parse_size, size_said
from p2pcommons.replica.space import Compacted

__all__ = [
    "Added",
    "Attachment",
    "Check",
    "Compacted",
    "Draft",
    "Edited",
    "Identity",
    "ImportReport",
    "InviteMade",
    "JoinResult",
    "Kept",
    "Pledge",
    "Replica",
    "Selection",
    "examine_unopened",
    "open_replica",
    "parse_size",
    "size_said",
]
