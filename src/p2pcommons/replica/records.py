"""What the façade returns beside the store's own records: frozen values, words already cleaned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from array import array

    from p2pcommons.store import CommonsRow, Problem


@dataclass(frozen=True, slots=True)
class Added:
    """A published entry; `same_url` are the entries that had its address before."""

    id: bytes
    title: str
    same_url: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Edited:
    """A new version of an entry, and what it replaces."""

    id: bytes
    version: bytes
    parents: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class InviteMade:
    """An invite. `stale` tells that its addresses are the last known ones, not those in use."""

    text: str
    commons: CommonsRow
    addresses: tuple[str, ...]
    stale: bool
    note: str


@dataclass(frozen=True, slots=True)
class JoinResult:
    """A commons joined by invite; `already` tells that it was joined before."""

    commons: CommonsRow
    already: bool
    inviter: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """The rowids of a view, in its order; `older_than` tells where to go on when there are more.

    `problems` are the parts of the query that were left out or mean nobody.
    """

    ids: array[int]
    problems: tuple[Problem, ...] = ()
    older_than: int | None = None

    @property
    def total(self) -> int:
        """How many entries the view has."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of each link of a file: links == added + merged + skipped + failed."""

    links: int
    added: int
    merged: int
    skipped: int
    failures: tuple[tuple[int, str], ...]
    joined: tuple[bytes, ...]
    left_out: tuple[tuple[int, str], ...] = ()

    @property
    def failed(self) -> int:
        """Number of links that could not become contributions."""
        return len(self.failures)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with an entry; `is_here` tells whether its bytes are on this machine.

    `who` is how `author`, who may have given `author_name`, is shown. `already` tells that
    attaching it added nothing, since it stood there.
    """

    id: bytes
    commons: bytes
    entry: bytes
    author: bytes
    author_name: str | None
    who: str
    claimed_at: int
    name: str
    size: int
    sha256: bytes
    cid: str
    media_type: str
    note: str
    is_here: bool
    already: bool = False


@dataclass(frozen=True, slots=True)
class Pledge:
    """What one person takes on for a commons, since when.

    With `keeps` their node promises to hold every text, and files up to `files` bytes together.
    Times are seconds since 1970 UTC. `who` is how the author, who may have given `author_name`,
    is shown. It is a claim: nothing proves it.
    """

    id: bytes
    commons: bytes
    author: bytes
    author_name: str | None
    who: str
    text: str
    keeps: bool
    files: int
    until: int | None
    since: int
    is_own: bool
    is_stranger: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """A commons that this machine keeps, and how far that is: texts to come, files that are here.

    `files_max` and `files_bytes` are bytes; `until` is when it ends, seconds since 1970 UTC.
    """

    commons: bytes
    until: int | None
    texts_lacking: int
    files: int
    files_here: int
    files_bytes: int
    files_max: int


@dataclass(frozen=True, slots=True)
class Draft:
    """What is being written. `commons` and `entry` are hex ids; `name` names the file."""

    name: str
    commons: str = ""
    entry: str = ""
    form: str = ""
    title: str = ""
    url: str = ""
    text: str = ""
    tags: tuple[str, ...] = ()
    saved_at: int = 0
    language: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor: what was looked at, whether it is well, and what to do if not."""

    name: str
    ok: bool
    text: str
    fix: str = ""
