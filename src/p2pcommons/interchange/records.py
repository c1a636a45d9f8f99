"""What passes between a file and a commons: frozen values, nothing else.

A parser yields one record for each thing it finds in a file, in the file's order, and never
raises for what stands in the file. `line` counts from 1; `source` names the file when there are
several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p2pcommons.model.contribution import Envelope


@dataclass(frozen=True, slots=True)
class ImportedEntry:
    """One entry as a file states it, within all limits, its tags in the form this program writes.

    `dated` is the file's own date for it, in seconds since 1970 UTC; the fields after `line` are
    None where the format has no place for them.
    """

    url: str | None
    title: str
    text: str
    tags: tuple[str, ...]
    dated: int | None
    line: int
    form: str | None = None
    language: str | None = None
    licence: str | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class ImportedEnvelope:
    """A signed contribution in a file: parsed, not verified, `id` the hash of its header."""

    id: bytes
    envelope: Envelope
    line: int


@dataclass(frozen=True, slots=True)
class ImportFailure:
    """Something in the file that cannot become an entry, and why, in words for the person."""

    line: int
    reason: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class ImportSkip:
    """Something the file itself asks not to share (a private bookmark); left out, and said."""

    line: int
    reason: str
    source: str = ""


LinkRecord = ImportedEntry | ImportFailure | ImportSkip
"""What formats made of links and notes yield."""

LineRecord = ImportedEntry | ImportedEnvelope | ImportFailure
"""What JSON Lines yield: entries to be signed now, and contributions signed long ago."""


@dataclass(frozen=True, slots=True)
class ExportedEntry:
    """One entry as it is written to a file for other programs.

    `tags` are everybody's, most used first; times are seconds since 1970 UTC.
    """

    id: bytes
    url: str | None
    title: str
    text: str
    tags: tuple[str, ...]
    claimed_at: int
    dated: int | None = None
    form: str | None = None
    language: str | None = None
    licence: str | None = None
    author: str | None = None
