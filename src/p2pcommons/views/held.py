"""What a fold needs to know of a contribution: its header's facts, never where it is stored.

Bodies are passed beside it, as a mapping from id to what the body says. An id that is not in the
mapping has no body here (it is *missing*); one that maps to None *says nothing*. So a slot can be
folded before its bodies are read, and only those of its heads need to be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from p2pcommons.model.contribution import Contribution


class Held(NamedTuple):
    """One contribution of a commons, as folds see it. Times are seconds since 1970 UTC."""

    id: bytes
    kind: str
    author: bytes
    device: bytes
    claimed_at: int
    target: bytes | None
    parents: tuple[bytes, ...]


def held(contribution: Contribution) -> Held:
    """Return the facts of a verified contribution."""
    header = contribution.header
    return Held(
        contribution.id,
        header.kind,
        header.author,
        header.device,
        header.claimed_at,
        header.target,
        header.parents,
    )


def newest_first(items: Iterable[Held]) -> list[Held]:
    """Return `items` by (claimed_at, id), newest first."""
    return sorted(items, key=_age, reverse=True)


def _age(item: Held) -> tuple[int, bytes]:
    return item.claimed_at, item.id
