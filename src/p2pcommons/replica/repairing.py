"""Repairing the store of a profile: `doctor --repair`; keys, settings and drafts stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.errors import UserError
from p2pcommons.store.repair import Repaired, repair

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.replica.replica import Replica

__all__ = ["Repaired", "repair_store"]


def repair_store(
    replica: Replica,
    *,
    dry_run: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Repaired:
    """Mend the store of `replica`, whose node must not run; nothing is changed by a dry run.

    `progress` gets what is being done, how much is done and of how many (0: not known). Raises
    StoreError as `store.repair` does; then nothing was changed.
    """
    replica.close()
    try:
        signer = replica.find_signer()
    except UserError:
        # A damaged key file is another line of the doctor.
        signer = None
    own = None if signer is None else (signer.author, signer.device, signer.grant)
    return repair(
        replica.paths.replica_db,
        now=replica.now(),
        own_grant=own,
        dry_run=dry_run,
        progress=progress,
    )
