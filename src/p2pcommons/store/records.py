"""What the store answers with: frozen values, raw bytes for ids and keys, seconds since 1970 UTC.

Words in them are as peers wrote them; whoever shows them cleans them first.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What came of a batch: ids that are new, ids whose missing body came, number of repeats."""

    new: tuple[bytes, ...]
    filled: tuple[bytes, ...]
    known: int


@dataclass(frozen=True, slots=True)
class Digest:
    """What two replicas compare: `fingerprint` has 16 bytes, `bodies` leaves out hidden ones."""

    count: int
    fingerprint: bytes
    bodies: int


@dataclass(frozen=True, slots=True)
class SetReading:
    """A commons at one moment, as a session needs it, given what was read of its set before."""

    items: list[tuple[int, bytes]]
    """Second and id of what came since."""
    rowid: int
    """The store's newest row."""
    digest: Digest
    has_founding: bool
    missing_bodies: tuple[bytes, ...]
    """Ids whose bodies are due to be asked for, newest first."""
    equal_before: int | None
    """What claims to be older was found equal with the peer in question and has not changed here
    since; None if that is not known."""


@dataclass(frozen=True, slots=True)
class CommonsRow:
    """A commons as this node knows it; `title` is None until its founding words are here.

    `entries` is the number of listed ones. `unsupported` says why it is not shown here.
    """

    id: bytes
    title: str | None
    title_hint: str | None
    purpose: str
    language: str | None
    licence: str
    rules: tuple[str, ...]
    visibility: str
    founder: bytes | None
    claimed_at: int | None
    joined_at: int | None
    left_at: int | None
    count: int
    bodies: int
    entries: int
    unsupported: str | None


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One line of a list. `missing` says that the shown head's body is not here.

    `not_kept` says that it was here and went for room; its title is still known then.

    `tags` are everybody's, most used first. `claimed_at` and `received_at` are those of the first
    version.
    """

    rowid: int
    id: bytes
    commons: bytes
    title: str | None
    url: str | None
    form: str | None
    author: bytes
    name: str | None
    tags: tuple[str, ...]
    claimed_at: int
    received_at: int
    versions: int
    heads: int
    withdrawn: bool
    missing: bool
    not_kept: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody and the name they go by in one commons."""

    author: bytes
    name: str | None


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version of an entry.

    Its words are None where it is withdrawn, missing or silent, or
    were not read because the entry has more versions than anyone reads.
    """

    id: bytes
    author: bytes
    name: str | None
    device: bytes
    claimed_at: int
    received_at: int
    parents: tuple[bytes, ...]
    withdrawn: bool
    is_head: bool
    missing: bool
    not_kept: bool = False
    title: str | None = None
    text: str | None = None
    url: str | None = None
    form: str | None = None
    language: str | None = None
    licence: str | None = None
    excerpt: str | None = None
    dated: int | None = None
    tags: tuple[str, ...] = ()
    edit_note: str | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Who asked, when, that a version be dropped."""

    id: bytes
    author: bytes
    claimed_at: int
    target: bytes


@dataclass(frozen=True, slots=True)
class EntryDetail:
    """Everything about one entry. `versions` oldest first; `heads` the shown one first.

    `holders` is the number of peers known to hold all of its versions.
    """

    row: EntryRow
    shown: bytes | None
    text: str | None
    language: str | None
    licence: str | None
    excerpt: str | None
    dated: int | None
    taggers: tuple[tuple[str, tuple[Person, ...]], ...]
    versions: tuple[VersionRow, ...]
    heads: tuple[bytes, ...]
    withdrawals: tuple[Withdrawal, ...]
    holders: int


@dataclass(frozen=True, slots=True)
class Found:
    """A contribution found by the beginning of its id, and the entry it belongs to, if any."""

    id: bytes
    kind: str
    commons: bytes
    entry: bytes | None


@dataclass(frozen=True, slots=True)
class TagCount:
    """A tag and the number of listed entries that anyone gave it."""

    tag: str
    count: int


@dataclass(frozen=True, slots=True)
class AuthorCount:
    """A person and the number of entries they began."""

    author: bytes
    name: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """What a selection is made of. Counts are over its newest `counted` entries; `more` tells that
    it has older ones too. `tags_whole` tells that the tags are those of all of them even so."""

    tags: tuple[TagCount, ...]
    authors: tuple[AuthorCount, ...]
    counted: int
    more: bool
    tags_whole: bool = False


@dataclass(frozen=True, slots=True)
class TagStatement:
    """One person's tags on a target now; `heads` are the parents of their next statement."""

    tags: tuple[str, ...]
    heads: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """How a person is called in a commons; `heads` are the parents of their next profile."""

    author: bytes
    name: str | None
    about: str | None
    languages: tuple[str, ...]
    links: tuple[str, ...]
    heads: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AuthorRow:
    """Somebody who has contributed, with the name they use most."""

    author: bytes
    name: str | None


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A peer in the address book. `next_try` is when to dial it again; addresses newest first."""

    peer_id: str
    addresses: tuple[str, ...]
    source: str
    first_seen: int
    last_seen: int | None
    last_success: int | None
    failures: int
    next_try: int


@dataclass(frozen=True, slots=True)
class EqualMark:
    """A peer had the same contributions, up to and with this rowid, at this time."""

    peer_id: str
    commons: bytes
    rowid: int
    at: int
