"""What the person calls the nodes they know; told to nobody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from p2pcommons.errors import UserError

if TYPE_CHECKING:
    from p2pcommons.store.store import Store

NAMES_META = "peer.names"
"""Where the store keeps them, as a JSON object from peer id to name."""
NAMED_PEERS_MAX = 1_000
"""All of them are read whenever a person looks at their peers."""


def names_of_peers(store: Store) -> dict[str, str]:
    """Return the names by peer id; what is not understood counts as none."""
    try:
        found = cast("object", json.loads(store.meta(NAMES_META) or "{}"))
    except ValueError:
        return {}
    named = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    return {peer: name for peer, name in named.items() if isinstance(name, str)}


def name_peer(store: Store, peer_id: str, name: str) -> None:
    """Call a peer so from now on; an empty name takes it away. Raises UserError when too many."""
    names = names_of_peers(store)
    before = names.get(peer_id, "")
    names.pop(peer_id, None)
    if name:
        names[peer_id] = name
    if len(names) > NAMED_PEERS_MAX:
        raise UserError(f"{NAMED_PEERS_MAX:,} peers have names, and no more can have")
    if name != before:
        store.set_meta(NAMES_META, json.dumps(names, ensure_ascii=False))
