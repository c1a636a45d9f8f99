"""What a commons asks of the nodes that take part, and whether this version can give it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.model.kinds import PUBLIC

if TYPE_CHECKING:
    from p2pcommons.model.kinds import CommonsBody

FEATURES: frozenset[str] = frozenset()
"""The features a charter may need and this version has."""


def unsupported(charter: CommonsBody | None) -> str | None:
    """Return why this node can neither fold nor write in the commons, or None if it can.

    A charter that is not here yet asks for nothing.
    """
    if charter is None:
        return None
    if charter.visibility != PUBLIC:
        return "it is a private circle, which this version does not know"
    missing = sorted(set(charter.needs) - FEATURES)
    if missing:
        return "it needs what this version does not have: " + ", ".join(missing)
    return None
