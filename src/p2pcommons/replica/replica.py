"""`Replica`: one person's copy of their commons, as the CLI, the screens and scripts use it.

    with open_replica("~/notes") as replica:
        garden = replica.create_commons("Garden")
        replica.add_entry(garden.id, title="Compost", text="Turn it weekly.", tags=["soil"])

The parts are stacked by concern: `base` (keys, settings, store), `writing`, `commons`, `reading`,
`drafts`, `transfer` (files in and out), `peers`, `attachments`, `space`, `pledges`,
`nearby`. All of them work with the network off.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from p2pcommons.config import Config
from p2pcommons.paths import Paths, find_paths
from p2pcommons.replica.attachments import Attachments
from p2pcommons.replica.checks import examine
from p2pcommons.replica.pausing import Pausing
from p2pcommons.replica.pledges import Pledges

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from p2pcommons.replica.records import Check


class Replica(Attachments, Pledges, Pausing):
    """One person's replica. Belongs to the thread that opened it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def doctor(self) -> list[Check]:
        """Return what was examined, what is wrong, and what to do about it."""
        return examine(self)


def open_replica(
    home: str | os.PathLike[str] | Paths | None = None,
    *,
    clock: Callable[[], float] = time.time,
) -> Replica:
    """Open the replica in `home`, else in P2PCOMMONS_HOME, else in the platform's folders.

    What is missing is made when it is first needed. `clock` gives seconds since 1970 UTC.
    Raises UserError for broken settings, and later StoreError where the store cannot be used.
    """
    paths = home if isinstance(home, Paths) else find_paths(home)
    return Replica(paths, Config.load(paths.config_file), clock)
