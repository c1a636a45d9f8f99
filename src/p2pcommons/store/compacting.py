"""Giving disk back: the log, empty pages, scattered full text. Nothing held is ever changed.

SQLite writes the whole file anew beside the old one and takes it over in one transaction, so a
kill or a full disk leaves the old one. That needs room, which is looked at first.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from p2pcommons.errors import StoreError
from p2pcommons.store.base import StorePart
from p2pcommons.store.dropping import TEXTS_TAKEN_OUT
from p2pcommons.store.search_text import go_on_forgetting, start_forgetting

if TYPE_CHECKING:
    from collections.abc import Callable

MARGIN_BYTES: Final = 50_000_000
"""Stays free on the disk while the file is written anew: a person may write meanwhile."""

LOCK_WAIT_MS: Final = 30_000
"""As long as others may write before compacting gives up."""

ANALYSIS_ROWS: Final = 1_000
"""Rows of each index that are looked at to learn how its values are spread."""


@dataclass(frozen=True, slots=True)
class DiskState:
    """The store on disk, in bytes. `empty` are pages without content in `file`.

    `room` is free on its disk, `needed` what writing it anew takes while it lasts.
    """

    file: int
    log: int
    empty: int
    room: int
    needed: int

    @property
    def total(self) -> int:
        """File and log together."""
        return self.file + self.log


class CompactPart(StorePart):
    """Compacting, and what it would bring."""

    def disk_state(self) -> DiskState:
        """Return what the store takes on disk now, and what compacting needs."""
        pages, empty, page_bytes = (
            int(self._database.read(f"PRAGMA {name}")[0][0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        log = _size(Path(f"{self._database.path}-wal"))
        content = (pages - empty) * page_bytes
        return DiskState(
            file=_size(self._database.path),
            log=log,
            empty=empty * page_bytes,
            room=shutil.disk_usage(self._database.path.parent).free,
            # The new file, and the log through which it replaces the old one.
            needed=2 * content + MARGIN_BYTES,
        )

    def compact(
        self,
        room: Callable[[], int] | None = None,
    ) -> tuple[DiskState, DiskState]:
        """Write the file anew without gaps; return what the disk held before and after.

        Others may read meanwhile; who writes waits. `room` tells the free bytes of the disk.
        Raises StoreError, and then nothing has changed: no room, or a lock that is not let go.
        """
        before = self.disk_state()
        self._database.empty_log()
        free = before.room if room is None else room()
        if free < before.needed:
            raise StoreError(
                f"{before.needed // 1_000_000 + 1:,} MB are needed at "
                f"{self._database.path.parent} while the file is written anew, and "
                f"{free // 1_000_000:,} MB are free; nothing was changed",
                str(self._database.path),
            )
        self._merge_full_text()
        with self._database.spare_connection() as connection:
            connection.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_MS}")
            connection.execute("PRAGMA temp_store = FILE")
            folder = str(self._database.path.parent).replace("'", "''")
            # Where the room was looked at; temporary files of the system may lie in memory.
            connection.execute(f"PRAGMA temp_store_directory = '{folder}'")
            connection.execute(f"PRAGMA analysis_limit = {ANALYSIS_ROWS}")
            connection.execute("ANALYZE")
            connection.execute("VACUUM")
            connection.execute("PRAGMA temp_store_directory = ''")
        self._database.empty_log()
        return before, self.disk_state()

    def _merge_full_text(self) -> None:
        with self._writing() as connection:
            connection.execute("DELETE FROM tag WHERE rowid NOT IN (SELECT tag FROM tagging)")
            start_forgetting(connection)
            connection.execute("DELETE FROM meta WHERE key = ?", (TEXTS_TAKEN_OUT,))
        going_on = True
        while going_on:
            with self._writing() as connection:
                going_on = go_on_forgetting(connection)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
