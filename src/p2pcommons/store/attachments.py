"""Files that go with entries, as their describing contributions say; the bytes lie elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from p2pcommons.model.kinds import ATTACH, AttachBody, parse_body
from p2pcommons.store.base import StorePart
from p2pcommons.store.schema import DISOWNED, WITHDRAWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SELECT = f"""
SELECT c.id, m.id, c.target, a.key, p.name, c.claimed_at, c.body
FROM contribution c JOIN commons m ON m.rowid = c.commons JOIN author a ON a.rowid = c.author
LEFT JOIN profile p ON p.commons = c.commons AND p.author = c.author
WHERE c.kind = '{ATTACH}' AND c.state & {DISOWNED | WITHDRAWN} = 0 AND c.body NOTNULL
AND m.joined_at NOTNULL AND m.left_at IS NULL AND m.unsupported IS NULL
"""  # noqa: S608  constants of ours


@dataclass(frozen=True, slots=True)
class AttachmentRow:
    """One file of an entry, as whoever attached it describes it. Words are as peers wrote them."""

    id: bytes
    commons: bytes
    entry: bytes
    author: bytes
    author_name: str | None
    claimed_at: int
    file: AttachBody


class AttachmentsPart(StorePart):
    """Reading the descriptions of attachments; withdrawn and disowned ones are not there."""

    def attachments(self, commons: bytes, entry: bytes) -> list[AttachmentRow]:
        """Return the files of an entry, oldest first."""
        rows = self._database.read(
            f"{_SELECT} AND m.id = ? AND c.target = ? ORDER BY c.claimed_at, c.id",
            (commons, entry),
        )
        return list(_rows(rows))

    def attachments_after(self, commons: bytes, rowid: int) -> tuple[list[AttachmentRow], int]:
        """Return the files described by contributions after a rowid, and the last rowid there is.

        Whoever follows a commons this way misses bodies that come long after their headers, and
        withdrawals; it begins again at 0 now and then.
        """
        with self._database.reading():
            last = self._database.read_one("SELECT max(rowid) FROM contribution")
            rows = self._database.read(
                f"{_SELECT} AND m.id = ? AND c.rowid > ? ORDER BY c.rowid", (commons, rowid)
            )
            return list(_rows(rows)), int((last or (0,))[0] or 0)

    def attachment(self, identifier: bytes) -> AttachmentRow | None:
        """Return one file by the id of the contribution that describes it."""
        rows = self._database.read(f"{_SELECT} AND c.id = ?", (identifier,))
        return next(_rows(rows), None)

    def described_files(self) -> set[bytes]:
        """Return the SHA-256 of every file that some shown attachment describes."""
        rows = self._database.read(_SELECT, ())
        return {row.file.sha256 for row in _rows(rows)}


def _rows(rows: Iterable[tuple[object, ...]]) -> Iterator[AttachmentRow]:
    for identifier, commons, entry, author, name, claimed_at, body in rows:
        said = parse_body(ATTACH, body)  # pyright: ignore[reportArgumentType]
        if isinstance(said, AttachBody) and entry is not None:
            yield AttachmentRow(identifier, commons, entry, author, name, claimed_at, said)  # pyright: ignore[reportArgumentType]
