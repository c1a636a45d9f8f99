"""What the parts of a node share: storage, sets, state, clock. No part knows another part."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from p2pcommons.node.state import NodeState

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.config import Config, Mode
    from p2pcommons.node.ingesting import Ingest
    from p2pcommons.node.sets import Sets
    from p2pcommons.node.storage import Storage
    from p2pcommons.paths import Paths


def wall_clock() -> int:
    """Return seconds since 1970 UTC."""
    return int(time.time())


@dataclass(slots=True)
class NodeContext:
    """Made once by the runtime and handed to every part."""

    paths: Paths
    config: Config
    mode: Mode
    storage: Storage
    sets: Sets
    ingest: Ingest
    now: Callable[[], int] = wall_clock
    state: NodeState = field(default_factory=NodeState)
    joined: tuple[bytes, ...] = ()
    """Ids of the joined commons, busiest first; the runtime keeps it fresh."""
