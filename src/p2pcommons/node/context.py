"""What the parts of a node share: storage, sets, state, clock. No part knows another part."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import TYPE_CHECKING, TypeVar

from p2pcommons.errors import StoreError
from p2pcommons.model.limits import CLAIMED_AT_MAX
from p2pcommons.node.metering import Meters
from p2pcommons.node.state import NodeState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from p2pcommons.config import Config, Mode
    from p2pcommons.node.admission import StrangersPool
    from p2pcommons.node.ingesting import Ingest
    from p2pcommons.node.sets import Sets
    from p2pcommons.node.storage import Storage
    from p2pcommons.paths import Paths
    from p2pcommons.store import Keeping, Store

T = TypeVar("T")
log = logging.getLogger(__name__)


def wall_clock() -> int:
    """Return seconds since 1970 UTC."""
    return within_format(time.time())


def within_format(seconds: float) -> int:
    """Return the time a clock tells, or the nearest one that contributions and messages can name.

    A machine whose clock stands before 1970 or after 2106 still stores, sends and receives.
    """
    return int(min(max(seconds, 0), CLAIMED_AT_MAX))


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
    chance: Random = field(default_factory=SystemRandom)
    """Where every random number of a node comes from: the system's own, except in simulations."""
    sign_as_peer: Callable[[bytes], bytes] | None = None
    """Signs with the node's network key, never with a person's; mode `open` needs it."""
    processor: Callable[[], float] = time.thread_time
    """Processor seconds that the calling thread has used: what a peer costs is charged to it."""
    meters: Meters = field(default_factory=Meters)
    strangers: StrangersPool | None = None
    """What is taken of people nobody here knows; without it everything is."""
    state: NodeState = field(default_factory=NodeState)
    joined: tuple[bytes, ...] = ()
    """Ids of the joined commons, kept ones first, then the busiest; the runtime keeps it fresh."""
    kept: dict[bytes, Keeping] = field(default_factory=dict[bytes, "Keeping"])
    """What this person pledged to keep on this machine, by commons; those go before others."""
    offered: tuple[bytes, ...] = ()
    """Ids of those that the person offers to whoever meets this node."""

    def declined(self, commons: bytes) -> Collection[bytes]:
        """Return the ids of a commons that no session wants."""
        return () if self.strangers is None else self.strangers.declined(commons)

    async def attempt(self, call: Callable[[Store], T]) -> T | None:
        """Write what may be lost; a store that fails is noted, and the node goes on without it.

        A full disk is no reason to stop reading, serving and telling the person.
        """
        try:
            return await self.storage.write(call)
        except StoreError as error:
            self.note_trouble(error)
            return None

    def note_trouble(self, error: BaseException) -> None:
        """Keep what the store said for the status line, and log it once."""
        if str(error) != self.state.trouble:
            self.state.trouble = str(error)
            log.error("the store failed: %s", error)
