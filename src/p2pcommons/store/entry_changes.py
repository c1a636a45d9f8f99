"""One entry before and after a fold: what is compared, and written down where it differs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from p2pcommons.store.schema import LISTED
from p2pcommons.store.slots import Member

if TYPE_CHECKING:
    from p2pcommons.store.slots import EntrySlot

Tagging = dict[int, frozenset[str]]
"""What each person calls an entry; people without tags are left out."""


class EntryFacts(NamedTuple):
    """The columns of an entry that change as versions come and go."""

    shown: int | None
    address: int | None
    versions: int
    heads: int
    state: int


@dataclass(slots=True)
class EntryChange:
    """One entry before and after; None where there is no row."""

    rowid: int
    commons: int
    before: EntryFacts | None
    after: EntryFacts | None = None
    slot: EntrySlot | None = None
    heads: list[Member] = field(default_factory=list[Member])
    tags_before: Tagging = field(default_factory=dict[int, frozenset[str]])
    tags_after: Tagging = field(default_factory=dict[int, frozenset[str]])


def all_tags(tagging: Tagging) -> frozenset[str]:
    """Return everybody's tags together."""
    if len(tagging) == 1:
        return next(iter(tagging.values()))
    return frozenset[str]().union(*tagging.values())


def is_listed(facts: EntryFacts | None) -> bool:
    """Tell whether an entry with these facts stands in lists."""
    return facts is not None and facts.state == LISTED
