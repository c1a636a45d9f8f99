"""An entry: what a reader sees of all its versions.

The slot of an entry is its first version and every version that names it as target, by anyone.
Heads are what is not replaced; those that are withdrawn or say nothing are not shown, and no
older version stands in for them or for a head whose body is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from p2pcommons.model.kinds import ENTRY, EntryBody
from p2pcommons.views.held import Held, newest_first
from p2pcommons.views.passes import replaced

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from p2pcommons.model.kinds import Body


@dataclass(frozen=True, slots=True)
class Head:
    """A version that nothing replaces. `body` is None where it is missing."""

    id: bytes
    author: bytes
    claimed_at: int
    body: EntryBody | None


H = TypeVar("H", Head, Held)


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry. `heads` has the shown one first; empty means that the entry is in no list."""

    id: bytes
    author: bytes
    heads: tuple[Head, ...]
    versions: int
    withdrawn: bool

    @property
    def shown(self) -> Head | None:
        """The head that stands above the others, or None if nothing is left to show."""
        return self.heads[0] if self.heads else None


def entry_of(item: Held) -> bytes | None:
    """Return the id of the first version of the slot `item` belongs to, or None if no entry."""
    if item.kind != ENTRY:
        return None
    return item.id if item.target is None else item.target


def standing(
    versions: Sequence[Held], first_author: bytes, wordless: Collection[bytes]
) -> list[Held]:
    """Return the heads in the order in which they are shown, without those in `wordless`.

    `wordless` are the ids of what is withdrawn or says nothing.

    The first author's line comes first, each part newest first: a stranger who names every head
    stands beside, never above.
    """
    gone = replaced(versions, first_author)
    heads = [item for item in versions if item.id not in gone and item.id not in wordless]
    ordered = newest_first(heads)
    return [item for item in ordered if item.author == first_author] + [
        item for item in ordered if item.author != first_author
    ]


def fold_entry(
    first: Held,
    versions: Sequence[Held],
    withdrawn: Collection[bytes],
    bodies: Mapping[bytes, Body | None],
) -> EntryView:
    """Return the view of one slot.

    `first` is the counted first version, `versions` all counted ones with it among them,
    `withdrawn` the ids of those that are withdrawn, `bodies` what at least the heads say.
    """
    silent = {
        item.id
        for item in versions
        if item.id in bodies and not isinstance(bodies[item.id], EntryBody)
    }
    heads = [
        _head(item, bodies.get(item.id))
        for item in standing(versions, first.author, silent.union(withdrawn))
    ]
    gone = not heads and any(item.id in withdrawn for item in versions)
    return EntryView(first.id, first.author, tuple(heads), len(versions), gone)


def _head(item: Held, body: Body | None) -> Head:
    words = body if isinstance(body, EntryBody) else None
    return Head(item.id, item.author, item.claimed_at, words)


def shown_to(heads: Iterable[H], viewer: bytes | None) -> H | None:
    """Return the head an edit by `viewer` replaces: their own newest, else the newest of all."""
    by_age = sorted(heads, key=lambda head: (head.claimed_at, head.id), reverse=True)
    for head in by_age:
        if head.author == viewer:
            return head
    return by_age[0] if by_age else None
