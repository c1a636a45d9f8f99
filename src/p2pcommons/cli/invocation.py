"""One run of the program: the global options, wherever they stood, and what they open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from p2pcommons.cli.output import Output
from p2pcommons.cli.terminal import is_terminal
from p2pcommons.paths import find_paths

if TYPE_CHECKING:
    from p2pcommons.paths import Paths
    from p2pcommons.replica import Replica


@dataclass(slots=True)
class Invocation:
    """The global options of this run and its output; handed to every command."""

    home: str | None = None
    no_input: bool = False
    verbose: bool = False
    out: Output = field(default_factory=Output)

    @property
    def json(self) -> bool:
        """Whether stdout gets one JSON object."""
        return self.out.json

    @property
    def asks(self) -> bool:
        """Whether a person can be asked."""
        return is_terminal() and not self.no_input

    def paths(self) -> Paths:
        """Return where the files of this profile lie; makes nothing."""
        return find_paths(self.home)

    def open(self) -> Replica:
        """Open the replica of this profile. Raises UserError, StoreError."""
        from p2pcommons.replica import open_replica

        replica = open_replica(self.home)
        replica.on_migration = self._show_migration
        return replica

    def bring_up_to_date(self) -> None:
        """Let a store of an older version be brought up to date now, while progress is shown.

        Before a node or the screens begin, which would be waited for in silence. Raises as `open`.
        """
        if self.paths().replica_db.exists():
            with self.open() as replica:
                _ = replica.store

    def open_as_person(self) -> Replica:
        """Open the replica of a profile in which somebody writes.

        Raises UserError(NOT_FOUND) naming `init` where nobody does, UserError, StoreError.
        """
        replica = self.open()
        replica.require_identity()
        return replica

    def _show_migration(self, done: int, count: int) -> None:
        self.out.progress(f"bringing the store up to date: {done:,} of {count:,}")
        if done >= count:
            self.out.end_progress()
