"""The way in for everything that comes from peers: verify in threads, write in groups, one path.

Sessions and gossip both end here. Gossip is gathered: whatever is waiting when the writer is free
becomes one transaction, so an idle node stores at once and a busy one in groups.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from p2pcommons.errors import RejectedError, RejectReason, StoreError
from p2pcommons.model.contribution import Contribution, Grant, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from p2pcommons.model.contribution import Envelope
    from p2pcommons.node.storage import Storage

log = logging.getLogger(__name__)

VERIFIERS = 2
"""Threads that verify at once: libsodium releases the interpreter lock."""
GROUP_ROWS_MAX = 450
FREE_BYTES_MIN = 100_000_000
"""Others must not fill the disk on which this person still wants to write."""
GRANTS_MAX = 100_000
"""Verified grants remembered, 160 bytes each; then the memory starts anew."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What verification made of a group: the valid ones, or why one was not."""

    contributions: tuple[Contribution, ...]
    rejected: RejectReason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What the store made of a group."""

    new: tuple[bytes, ...]
    known: tuple[bytes, ...]
    bodies: int
    rejected: RejectReason | None = None


class Ingest:
    """Verifies and stores what peers send."""

    def __init__(
        self, storage: Storage, now: Callable[[], int], free_bytes_min: int = FREE_BYTES_MIN
    ) -> None:
        self._storage = storage
        self._now = now
        self._free_bytes_min = free_bytes_min
        self._limiter = trio.CapacityLimiter(VERIFIERS)
        self._grants: set[Grant] = set()
        self.on_new: Callable[[bytes, tuple[bytes, ...], str], None] | None = None
        """Called after a commit with commons, new ids and whoever sent them."""

    async def verify(self, envelopes: Sequence[Envelope], commons: bytes) -> Verified:
        """Verify a group in a thread; everything before the first invalid one is kept."""
        if len(self._grants) > GRANTS_MAX:
            self._grants = set()
        return await trio.to_thread.run_sync(
            verify_all, envelopes, commons, self._grants, limiter=self._limiter
        )

    async def take(self, envelopes: Sequence[Envelope], commons: bytes, source: str) -> Taken:
        """Verify and commit a group; returns after the commit. Raises StoreError."""
        verified = await self.verify(envelopes, commons)
        taken = await self.store(verified.contributions, source)
        return Taken(taken.new, taken.known, taken.bodies, verified.rejected)

    async def store(self, contributions: Sequence[Contribution], source: str) -> Taken:
        """Commit what is verified, in groups of at most GROUP_ROWS_MAX rows. Raises StoreError."""
        new: list[bytes] = []
        bodies = 0
        self._check_room()
        for start in range(0, len(contributions), GROUP_ROWS_MAX):
            group = contributions[start : start + GROUP_ROWS_MAX]
            now = self._now()
            result = await self._storage.write(
                lambda store, group=group, now=now: store.ingest(
                    group, received_at=now, source=source
                )
            )
            fresh = set(result.new)
            new += result.new
            bodies += len(result.filled)
            bodies += sum(each.body is not None for each in group if each.id in fresh)
        if new and self.on_new is not None:
            self.on_new(contributions[0].commons, tuple(new), source)
        arrived = set(new)
        known = tuple(each.id for each in contributions if each.id not in arrived)
        return Taken(tuple(new), known, bodies)

    def _check_room(self) -> None:
        """Raise StoreError while the disk is nearly full: what is left is for the person."""
        path = self._storage.path
        free = shutil.disk_usage(path.parent).free
        if free < self._free_bytes_min:
            raise StoreError(
                f"{free // 1_000_000} MB are left at {path.parent}: "
                "nothing more is taken from peers until there is room",
                str(path),
            )

    def verify_now(self, envelopes: Sequence[Envelope], commons: bytes) -> Verified:
        """Verify a gossip message where it stands: a burst of at most 20 ms."""
        return verify_all(envelopes, commons, self._grants)


def verify_all(envelopes: Sequence[Envelope], commons: bytes, grants: set[Grant]) -> Verified:
    """Verify each, stopping at the first that is invalid or of another commons."""
    valid: list[Contribution] = []
    for envelope in envelopes:
        try:
            contribution = verify(envelope, grants)
        except RejectedError as error:
            return Verified(tuple(valid), error.reason, error.detail)
        if contribution.commons != commons:
            return Verified(tuple(valid), RejectReason.WRONG_COMMONS)
        valid.append(contribution)
    return Verified(tuple(valid))
