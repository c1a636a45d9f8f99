"""Waiting for something that a peer has to bring."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from p2pcommons import control
from p2pcommons.errors import UserError

if TYPE_CHECKING:
    from p2pcommons.replica import Replica

_PAUSE_SECONDS = 0.2
_SYNC_SECONDS = 2.0


def await_entry(replica: Replica, entry: bytes, seconds: float) -> bool:
    """Reconcile until an entry is here with its words, for so many seconds; tell whether it is."""
    deadline = time.monotonic() + seconds
    while True:
        if _is_here(replica, entry):
            return True
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        request = {"op": "sync", "timeout": min(left, _SYNC_SECONDS)}
        try:
            control.request(replica.paths, request, left + _SYNC_SECONDS)
        except UserError:
            # No node, or a busy one: it may still come.
            time.sleep(min(left, _PAUSE_SECONDS))
        else:
            time.sleep(min(max(deadline - time.monotonic(), 0), _PAUSE_SECONDS))


def _is_here(replica: Replica, entry: bytes) -> bool:
    for found in replica.store.find_ids(entry.hex()):
        row = replica.store.entry_row(found.commons, entry)
        return row is not None and not row.missing
    return False
