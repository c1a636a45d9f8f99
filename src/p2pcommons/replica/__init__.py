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
    Selection,
)
from p2pcommons.replica.replica import Replica, open_replica

__all__ = [
    "Added",
    "Attachment",
    "Check",
    "Draft",
    "Edited",
    "Identity",
    "ImportReport",
    "InviteMade",
    "JoinResult",
    "Replica",
    "Selection",
    "examine_unopened",
    "open_replica",
]
