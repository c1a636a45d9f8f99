"""The store: one SQLite file in which everything meets, used by several processes at once.

`Store` is the sum of its parts, one module for each concern. A Store belongs to one thread at a
time; another thread or process opens its own. Whatever fails about the file is a StoreError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from p2pcommons.store.attachments import AttachmentsPart
from p2pcommons.store.commons import CommonsPart
from p2pcommons.store.compacting import CompactPart
from p2pcommons.store.database import Database
from p2pcommons.store.ingest import Ingest
from p2pcommons.store.peers import PeersPart
from p2pcommons.store.pledges import PledgesPart
from p2pcommons.store.records import IngestResult
from p2pcommons.store.replica_set import ReplicaSetPart
from p2pcommons.store.space import SpacePart
from p2pcommons.store.strangers import StrangersPart
from p2pcommons.store.tags import TagsPart
from p2pcommons.store.upkeep import UpkeepPart

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from p2pcommons.model.contribution import Contribution
    from p2pcommons.store.database import Turn
    from p2pcommons.store.migrations import Progress


class Store(
    AttachmentsPart,
    TagsPart,
    CommonsPart,
    ReplicaSetPart,
    PeersPart,
    SpacePart,
    PledgesPart,
    StrangersPart,
    CompactPart,
    UpkeepPart,
):
    """A replica on disk."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        read_only: bool = False,
        progress: Progress | None = None,
        turn: Turn | None = None,
    ) -> Self:
        """Open the store at `path`, made and brought to the newest schema where needed.

        `progress` is told how far that is, in rows, when it takes long; `turn` is asked when this
        writer finds the store locked. Raises StoreError naming the path: not a store, a newer
        schema, no permission, damage.
        """
        return cls(Database(path, read_only=read_only, progress=progress, turn=turn))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @property
    def path(self) -> Path:
        """Where the store lies."""
        return self._database.path

    def data_version(self) -> int:
        """Return a number that changes whenever anyone, this Store included, has committed.

        Raises StoreError when the file was removed or replaced since it was opened.
        """
        self._database.check_place()
        row = self._database.read_one("PRAGMA data_version")
        assert row is not None
        return int(row[0])

    def ingest(
        self,
        contributions: Sequence[Contribution],
        *,
        received_at: int,
        own: bool = False,
        source: str | None = None,
    ) -> IngestResult:
        """Take verified contributions of any origin, in one transaction with all their views.

        `own` ones are on the disk for good when this returns. `source` is the peer they came
        from. Foreign ones should come in groups of at most 450, so that a person who writes
        meanwhile never waits long. Raises StoreError, and then nothing was taken.
        """
        if not contributions:
            return IngestResult((), (), 0)
        with self._writing(durable=own) as connection:
            batch = Ingest(connection, self._interner, received_at)
            return batch.run(contributions, own=own, source=source)

    def meta(self, key: str) -> str | None:
        """Return a value kept with the data, or None."""
        row = self._database.read_one("SELECT value FROM meta WHERE key = ?", (key,))
        return None if row is None else row[0]

    def set_meta(self, key: str, value: str) -> None:
        """Keep a value with the data."""
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)", (key, value))
