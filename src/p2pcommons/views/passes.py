"""The first three passes of folding: disowned, withdrawn, replaced.

Each is a function of the set and of the passes before it. *Counted* means: held and not
disowned; what is disowned takes part in nothing that comes later, as if it were not held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.model.kinds import COMMONS, DEVICE_REVOKE, NOT_WITHDRAWABLE, WITHDRAW, RevokeBody

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from p2pcommons.model.kinds import Body
    from p2pcommons.views.held import Held

Pair = tuple[bytes, bytes]
"""(author, device), or (author, id) where a withdrawal is meant."""


def revocations(
    items: Iterable[Held], bodies: Mapping[bytes, Body | None]
) -> dict[Pair, set[bytes]]:
    """Return, for each revoked (author, device), the ids its author still stands by.

    Only a root key revokes (device = author). All revocations that are held add up, also those
    that are themselves disowned; one whose body is missing or says nothing keeps nothing.
    """
    kept: dict[Pair, set[bytes]] = {}
    for item in items:
        if item.kind != DEVICE_REVOKE or item.device != item.author or item.target is None:
            continue
        body = bodies.get(item.id)
        keep = kept.setdefault((item.author, item.target), set())
        if isinstance(body, RevokeBody):
            keep.update(body.keep)
    return kept


def is_disowned(item: Held, revoked: Mapping[Pair, Collection[bytes]]) -> bool:
    """Tell whether `item` was signed by a revoked device and is not among what is kept."""
    keep = revoked.get((item.author, item.device))
    return keep is not None and item.kind != COMMONS and item.id not in keep


def withdrawals(counted: Iterable[Held]) -> set[Pair]:
    """Return the (author, id) pairs that counted withdrawals name."""
    return {
        (item.author, item.target)
        for item in counted
        if item.kind == WITHDRAW and item.target is not None
    }


def is_withdrawn(item: Held, withdrawn: Collection[Pair]) -> bool:
    """Tell whether its own author has withdrawn `item`, if its kind can be withdrawn at all."""
    return (item.author, item.id) in withdrawn and item.kind not in NOT_WITHDRAWABLE


def replaced(slot: Iterable[Held], first_author: bytes | None = None) -> set[bytes]:
    """Return the ids that are replaced within one slot of counted contributions.

    A direct parent is replaced when the later author is its own author or `first_author`, the
    first author of the entry (None for other slots). Every other parent is only seen. Withdrawn
    ones replace too; there is no ancestry.
    """
    authors = {item.id: item.author for item in slot}
    gone: set[bytes] = set()
    for item in slot:
        for parent in item.parents:
            author = authors.get(parent)
            if author is not None and item.author in (author, first_author):
                gone.add(parent)
    return gone
