"""Which public commons the person offers to whoever meets this node; none unless they said so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from p2pcommons.model.ids import ID_BYTES
from p2pcommons.model.kinds import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.store.records import CommonsRow
    from p2pcommons.store.store import Store

OFFERED_META = "commons.offered"
"""Where the store keeps the ids, in hex, as a JSON list."""


def offered_among(store: Store, rows: Sequence[CommonsRow]) -> tuple[bytes, ...]:
    """Return those of the joined commons `rows` that are offered, in order of their ids."""
    chosen = _read(store)
    return tuple(sorted(row.id for row in rows if row.id in chosen and may_be_offered(row)))


def offer(store: Store, commons: bytes, *, is_offered: bool) -> None:
    """Offer a commons from now on, or stop offering it."""
    chosen = _read(store)
    wanted = chosen | {commons} if is_offered else chosen - {commons}
    if wanted != chosen:
        store.set_meta(OFFERED_META, json.dumps(sorted(each.hex() for each in wanted)))


def may_be_offered(row: CommonsRow) -> bool:
    """Whether its founding words are here and say that it is public, and it is not left."""
    return (
        row.title is not None
        and row.visibility == PUBLIC
        and row.left_at is None
        and not row.unsupported
    )


def _read(store: Store) -> frozenset[bytes]:
    """Return what was chosen; what is not understood counts as nothing."""
    try:
        found = cast("object", json.loads(store.meta(OFFERED_META) or "[]"))
        names = cast("list[object]", found) if isinstance(found, list) else []
        ids = (bytes.fromhex(name) for name in names if isinstance(name, str))
        return frozenset(each for each in ids if len(each) == ID_BYTES)
    except ValueError:
        return frozenset()
