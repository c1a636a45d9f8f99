"""What the store answers about room: frozen values, sizes in bytes, seconds since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpaceUse:
    """What one commons takes here. Sizes are what the disk gives for it, about.

    `own_bytes` is this person's part, `strangers_bytes` that of authors nobody known here used.
    `not_kept` are texts dropped for room, `pinned` entries kept whatever happens, `removed` and
    `let_go` contributions of which only the ids are kept: a person removed them, or the
    strangers' pool was full. `declined` are ids not taken at all.
    """

    bytes: int
    budget: int | None
    contributions: int
    own_bytes: int
    strangers: int
    strangers_bytes: int
    strangers_contributions: int
    not_kept: int
    pinned: int
    removed: int
    let_go: int
    declined: int


@dataclass(frozen=True, slots=True)
class GoingText:
    """A text that a budget lets go: of which version of which entry, and what that gives back."""

    rowid: int
    id: bytes
    entry: bytes
    author: bytes
    claimed_at: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BudgetPlan:
    """What goes to keep a budget, oldest first. `bytes` is what the commons takes before it.

    `over` is what stays beyond the budget, because it is kept whatever happens.
    """

    bytes: int
    budget: int | None
    going: tuple[GoingText, ...] = ()
    over: int = 0

    @property
    def freed(self) -> int:
        """What goes gives back so many bytes."""
        return sum(each.bytes for each in self.going)


@dataclass(frozen=True, slots=True)
class Pin:
    """An entry whose texts are kept; `lacking` of them are not here."""

    entry: bytes
    commons: bytes
    pinned_at: int
    lacking: int


@dataclass(frozen=True, slots=True)
class Contributor:
    """Somebody with contributions in one commons, and how this node stands to them.

    `standing` is own, founder, kept, used or stranger.
    """

    author: bytes
    name: str | None
    contributions: int
    bytes: int
    standing: str


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What strangers may take together in one commons.

    Beyond `bytes_max` or `contributions_max` the oldest go; of at most `let_go_max` that went
    the ids are kept, and then nothing more of strangers is taken.
    """

    bytes_max: int
    contributions_max: int
    let_go_max: int


@dataclass(frozen=True, slots=True)
class PoolLook:
    """The strangers' pool of one commons: what it holds, and whom it is not for.

    `floor` is the second up to which strangers' contributions are declined, None if none is.
    """

    bytes: int
    contributions: int
    floor: int | None
    known_authors: frozenset[bytes]
