"""Statements: one person's current word on a target: their tags, their names, what they pledge.

The slot of a statement is (author, kind, target). Two devices that did not know of each other
leave two heads; tags of all heads count together, of a profile or pledge the newest head counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from p2pcommons.model.kinds import EntryBody, PledgeBody, ProfileBody, TagBody
from p2pcommons.model.tags import readable
from p2pcommons.views.held import newest_first
from p2pcommons.views.passes import replaced

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from p2pcommons.model.kinds import Body
    from p2pcommons.views.held import Held


@dataclass(frozen=True, slots=True)
class ProfileView:
    """The newest profile of a person in one commons; `body` is None where it is missing."""

    id: bytes
    author: bytes
    body: ProfileBody | None


def statement_heads(statements: Sequence[Held]) -> list[Held]:
    """Return the heads of one slot, newest first, withdrawn ones among them."""
    gone = replaced(statements)
    return newest_first(item for item in statements if item.id not in gone)


def stated_tags(
    statements: Sequence[Held],
    withdrawn: Collection[bytes],
    bodies: Mapping[bytes, Body | None],
) -> frozenset[str]:
    """Return the union of what the heads of one person's tag statements on a target say."""
    tags: set[str] = set()
    for item in statement_heads(statements):
        body = bodies.get(item.id)
        if item.id not in withdrawn and isinstance(body, TagBody):
            tags.update(body.tags)
    return readable_tags(tags)


def version_tags(bodies: Iterable[Body | None]) -> frozenset[str]:
    """Return the tags in one person's current versions of an entry, given what these say.

    They count for who made no tag statement on it.
    """
    tags: set[str] = set()
    for body in bodies:
        if isinstance(body, EntryBody):
            tags.update(body.tags)
    return readable_tags(tags)


def fold_profile(
    statements: Sequence[Held],
    withdrawn: Collection[bytes],
    bodies: Mapping[bytes, Body | None],
) -> ProfileView | None:
    """Return the newest head of one person's profiles that is not withdrawn and says something.

    One whose body is missing counts: an older profile never stands in for it.
    """
    for item in statement_heads(statements):
        body = bodies.get(item.id)
        if item.id in withdrawn or (item.id in bodies and not isinstance(body, ProfileBody)):
            continue
        return ProfileView(item.id, item.author, body if isinstance(body, ProfileBody) else None)
    return None


@dataclass(frozen=True, slots=True)
class PledgeView:
    """What a person takes on for a commons, since `claimed_at`; `body` is None where missing."""

    id: bytes
    author: bytes
    claimed_at: int
    body: PledgeBody | None


def fold_pledge(
    statements: Sequence[Held],
    withdrawn: Collection[bytes],
    bodies: Mapping[bytes, Body | None],
) -> PledgeView | None:
    """Return the newest head of one person's pledges that is not withdrawn and says something.

    None where there is none or where it takes the pledge back. One whose body is missing counts:
    an older promise never stands in for a newer one.
    """
    for item in statement_heads(statements):
        body = bodies.get(item.id)
        if item.id in withdrawn or (item.id in bodies and not isinstance(body, PledgeBody)):
            continue
        said = body if isinstance(body, PledgeBody) else None
        if said is not None and said.takes_back:
            return None
        return PledgeView(item.id, item.author, item.claimed_at, said)
    return None


def readable_tags(tags: Iterable[str]) -> frozenset[str]:
    """Return those tags that readers count; the others are skipped."""
    return frozenset(filter(_readable, tags))


_readable = lru_cache(4_096)(readable)
"""The same few tags come again and again, and looking at every character takes its time."""
