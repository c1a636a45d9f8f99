"""What the screens show, as frozen values that may cross threads.

Made from the façade's records in a lane; every word in them is already clean.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One entry as a list shows it; `when` is in seconds since 1970 UTC."""

    rowid: int
    entry: bytes
    commons: bytes
    title: str
    who: str
    when: int
    tags: tuple[str, ...] = ()
    host: str = ""
    form: str = ""
    heads: int = 1
    mine: bool = False


@dataclass(frozen=True, slots=True)
class CommonsLine:
    """One joined commons: what it is called, how much of it is here, its four words."""

    commons: bytes
    title: str
    purpose: str
    licence: str
    entries: int
    count: int
    words: tuple[str, ...]
    arrived: bool = True
    unsupported: str = ""
    size: int = 0
    """Bytes it takes on disk, about."""
    budget: int | None = None
    offered: bool = False
    """Whether it is named to everybody nearby."""
    keepers: tuple[str, ...] = ()
    """Who pledges to keep it, without oneself."""
    kept: bool = False
    """Whether this person pledges to keep it."""


@dataclass(frozen=True, slots=True)
class Tagger:
    """A tag on an entry and the people who put it there; `mine` when I am among them.

    `others` are the people without me.
    """

    tag: str
    people: tuple[str, ...]
    mine: bool
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One version of an entry. `text` is empty while `missing`."""

    version: bytes
    who: str
    when: int
    received: int
    title: str
    text: str
    url: str = ""
    form: str = ""
    language: str = ""
    licence: str = ""
    note: str = ""
    parents: tuple[bytes, ...] = ()
    mine: bool = False
    head: bool = False
    withdrawn: bool = False
    missing: bool = False
    not_kept: bool = False


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Everything the reader shows of one entry; `heads` are ordered, the shown one first."""

    line: EntryLine
    heads: tuple[VersionLine, ...]
    versions: tuple[VersionLine, ...]
    taggers: tuple[Tagger, ...]
    holders: int
    licence: str
    excerpt: str = ""
    dated: int = 0
    withdrawn: str = ""
    pinned: bool = False
    files: int = 0


@dataclass(frozen=True, slots=True)
class Me:
    """The person on this machine."""

    author: bytes
    name: str
    shown: str
    words_unconfirmed: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the whole replica as the side panel and the status line need it."""

    version: int
    me: Me | None
    commons: tuple[CommonsLine, ...]
    only_here: int
    peer_names: tuple[tuple[str, str], ...] = ()
    """What this person calls nodes, by peer id."""

    def find(self, commons: bytes | None) -> CommonsLine | None:
        """The commons with this id, if it is joined."""
        return next((line for line in self.commons if line.commons == commons), None)
