"""Files that go with entries: attach one, list them, save a copy of one that is here.

The bytes are never looked into or opened here; a name is a suggestion of a stranger and is made
safe before anything on disk is called by it.
"""

from __future__ import annotations

import mimetypes
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from p2pcommons.blobstore import BlobStore
from p2pcommons.errors import ErrorCode, StoreError, UserError
from p2pcommons.model.ids import display_name, hex_prefix, short, to_cid
from p2pcommons.model.kinds import ATTACH, AttachBody
from p2pcommons.model.limits import FILE_NAME_BYTES_MAX, NAME_CHARS_MAX
from p2pcommons.model.words import clean_line
from p2pcommons.replica.peers import Peers
from p2pcommons.replica.records import Attachment

if TYPE_CHECKING:
    from pathlib import Path

    from p2pcommons.store import AttachmentRow, Found

_CANDIDATES_MAX = 20
_UNSAFE = '/\\:*?"<>|'
_FALLBACK_NAME = "attachment"


class Attachments(Peers):
    """Files of entries."""

    @property
    def blobs(self) -> BlobStore:
        """The bytes of attachments on this machine."""
        return BlobStore(self.paths.blobs_dir)

    def attach(
        self, commons: bytes, entry: bytes, source: Path, *, name: str = "", note: str | None = None
    ) -> Attachment:
        """Copy a file in, publish its description with an entry, and return it.

        The same bytes under the same name are described once by a person: attached again they
        add nothing (`already`), unless with another note. Under another name they are another
        file of the entry. Raises UserError for a file that cannot be read, is empty or over the
        limit, and StoreError.
        """
        me = self.require_signer().author
        described = self.blobs.add(source)
        called = clean_line(name or source.name, FILE_NAME_BYTES_MAX) or _FALLBACK_NAME
        for row in self.store.attachments(commons, entry):
            stands = (row.author, row.file.sha256, row.file.name) == (me, described.sha256, called)
            if stands and note in (None, row.file.note):
                return replace(self._shown(row), already=True)
        body = AttachBody(
            name=called,
            size=described.size,
            sha256=described.sha256,
            chunks=described.chunks,
            media_type=mimetypes.guess_type(called)[0],
            note=note,
        )
        identifier = self.contribute(body, commons=commons, target=entry)
        row = self.store.attachment(identifier)
        if row is None:
            raise UserError(f"{short(entry)} takes no attachments", ErrorCode.REFUSED)
        return self._shown(row)

    def attachments(self, commons: bytes, entry: bytes) -> list[Attachment]:
        """Return the files of an entry, oldest first."""
        return [self._shown(row) for row in self.store.attachments(commons, entry)]

    def attachment(self, ref: str) -> Attachment:
        """Return the file that a hex prefix names.

        Raises UserError: USAGE for what is no prefix or names several, NOT_FOUND.
        """
        prefix = hex_prefix(ref)
        if prefix is None:
            raise UserError(f"{ref!r} is not an id: give at least 6 of its hex digits")
        found = [each for each in self._named(prefix) if each.kind == ATTACH]
        if len(found) > 1:
            raise UserError(
                f"{ref.strip()} names {len(found)} files; give more digits",
                ErrorCode.USAGE,
                [each.id.hex() for each in found],
            )
        row = self.store.attachment(found[0].id) if found else None
        if row is None:
            raise UserError(f"no attachment here has the id {ref.strip()}", ErrorCode.NOT_FOUND)
        return self._shown(row)

    def save_attachment(
        self, attachment: Attachment, target: Path, *, replace: bool = False
    ) -> Path:
        """Write a copy of a file that is here; into a folder it goes under its own safe name.

        Raises UserError(CONFLICT) when there is a file, NOT_FOUND when the bytes are not here.
        """
        path = target / safe_name(attachment.name) if target.is_dir() else target
        if not attachment.is_here:
            raise UserError(f"{attachment.name} is not on this machine yet", ErrorCode.NOT_FOUND)
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if replace else os.O_EXCL)
        try:
            with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
                for piece in self.blobs.pieces(attachment.sha256):
                    file.write(piece)
        except FileExistsError as error:
            raise UserError(f"{path} is there already", ErrorCode.CONFLICT) from error
        except (OSError, StoreError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise UserError(f"{path} cannot be written: {why}", ErrorCode.FAILED) from error
        return path

    def _named(self, prefix: str) -> list[Found]:
        return self.store.find_ids(prefix, _CANDIDATES_MAX)

    def _shown(self, row: AttachmentRow) -> Attachment:
        file = row.file
        name = clean_line(row.author_name or "", NAME_CHARS_MAX) or None
        return Attachment(
            id=row.id,
            commons=row.commons,
            entry=row.entry,
            author=row.author,
            author_name=name,
            who=display_name(name, row.author),
            claimed_at=row.claimed_at,
            name=clean_line(file.name, FILE_NAME_BYTES_MAX) or _FALLBACK_NAME,
            size=file.size,
            sha256=file.sha256,
            cid=to_cid(file.sha256),
            media_type=clean_line(file.media_type or "", 100),
            note=clean_line(file.note or ""),
            is_here=self.blobs.holds(file.sha256),
        )


def safe_name(name: str) -> str:
    """Return a name that stays in its folder, hides nothing, and every file system takes."""
    kept = "".join("_" if mark in _UNSAFE else mark for mark in clean_line(name))
    kept = kept.strip(". ")
    stem, dot, ending = kept.rpartition(".")
    tail = dot + ending if stem and len(ending.encode()) < 16 else ""
    room = FILE_NAME_BYTES_MAX - len(tail.encode())
    head = (stem if tail else kept).encode()[:room].decode(errors="ignore")
    return (head + tail) or _FALLBACK_NAME
