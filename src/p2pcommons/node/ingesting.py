"""The way in for everything that comes from peers: verify, decide, write in groups. One path.

Sessions and gossip both end here. Verifiers hand on to the writer without passing through the
event loop; the writer takes whatever waits as one transaction, so an idle node stores at once and
a busy one in groups. The event loop hears of it after the commit.
"""

from __future__ import annotations

import logging
import shutil
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import trio

from p2pcommons.errors import RejectedError, RejectReason, StoreError
from p2pcommons.model.contribution import Contribution, Grant, verify
from p2pcommons.node.turns import ROWS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from p2pcommons.model.contribution import Envelope
    from p2pcommons.node.storage import Storage
    from p2pcommons.store import Store

log = logging.getLogger(__name__)

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
    """What became of a group: every id is in exactly one of the first three."""

    new: tuple[bytes, ...]
    known: tuple[bytes, ...]
    declined: tuple[bytes, ...] = ()
    bodies: int = 0
    rejected: RejectReason | None = None


class Admission(Protocol):
    """Decides what this node wants to hold. Called where it writes, just before the commit."""

    def admit(
        self, store: Store, contributions: Sequence[Contribution], source: str
    ) -> Sequence[Contribution]:
        """Return those that are stored; the others are declined and stay unknown."""
        ...


class Everything:
    """Admits whatever is valid."""

    def admit(
        self, _store: Store, contributions: Sequence[Contribution], _source: str
    ) -> Sequence[Contribution]:
        """Return all of them."""
        return contributions


@dataclass(slots=True)
class _Passage:
    """One group on its way in, from a peer to the commit and back to whoever waits for it."""

    source: str
    contributions: tuple[Contribution, ...] = ()
    rejected: RejectReason | None = None
    written: int = 0
    """So many of `contributions` were handed to the store."""
    new: list[bytes] = field(default_factory=list[bytes])
    declined: list[bytes] = field(default_factory=list[bytes])
    bodies: int = 0
    error: Exception | None = None
    done: trio.Event = field(default_factory=trio.Event)

    @property
    def is_written(self) -> bool:
        """Whether nothing of it waits for the writer any more."""
        return self.written == len(self.contributions)

    def take(self, count: int) -> Sequence[Contribution]:
        """Return the next contributions for the writer, at most `count`."""
        start, self.written = self.written, min(self.written + count, len(self.contributions))
        return self.contributions[start : self.written]

    def taken(self) -> Taken:
        """Return what became of it. Raises what the store raised."""
        if self.error is not None:
            raise self.error
        elsewhere = {*self.new, *self.declined}
        known = tuple(each.id for each in self.contributions if each.id not in elsewhere)
        return Taken(tuple(self.new), known, tuple(self.declined), self.bodies, self.rejected)


class Ingest:
    """Verifies and stores what peers send."""

    def __init__(
        self,
        storage: Storage,
        now: Callable[[], int],
        free_bytes_min: int = FREE_BYTES_MIN,
        admission: Admission | None = None,
        rows_max: Callable[[], int] = lambda: ROWS_MAX,
    ) -> None:
        """`rows_max` says how many rows the next transaction may have."""
        self._storage = storage
        self._lanes = storage.lanes
        self._now = now
        self._free_bytes_min = free_bytes_min
        self._admission = admission or Everything()
        self._rows_max = rows_max
        self._grants: set[Grant] = set()
        self._waiting: deque[_Passage] = deque()
        """Verified, in the order in which the writer takes them."""
        self.on_new: Callable[[bytes, tuple[bytes, ...], str], None] | None = None
        """Called after a commit with commons, new ids and whoever sent them."""

    async def take(self, envelopes: Sequence[Envelope], commons: bytes, source: str) -> Taken:
        """Verify and commit a group; returns after the commit. Raises StoreError.

        What comes before the first invalid one is kept.
        """
        passage = _Passage(source)
        self._lanes.verify(lambda: self._verify(passage, envelopes, commons))
        await passage.done.wait()
        return passage.taken()

    async def store(self, contributions: Sequence[Contribution], source: str) -> Taken:
        """Commit what is verified already. Raises StoreError."""
        passage = _Passage(source, tuple(contributions))
        self._hand_to_writer(passage)
        await passage.done.wait()
        return passage.taken()

    def verify_now(self, envelopes: Sequence[Envelope], commons: bytes) -> Verified:
        """Verify a gossip message where it stands: a burst of at most 20 ms."""
        return verify_all(envelopes, commons, self._grants)

    # --- where the verifiers are -------------------------------------------------------------

    def _verify(self, passage: _Passage, envelopes: Sequence[Envelope], commons: bytes) -> None:
        if len(self._grants) > GRANTS_MAX:
            self._grants = set()
        try:
            verified = verify_all(envelopes, commons, self._grants)
        except Exception as error:  # noqa: BLE001  a thread's top: raised where it was asked
            passage.error = error
            self._lanes.answer(passage.done.set)
            return
        passage.contributions, passage.rejected = verified.contributions, verified.rejected
        self._hand_to_writer(passage)

    def _hand_to_writer(self, passage: _Passage) -> None:
        self._waiting.append(passage)
        self._lanes.write(self._write_waiting)

    # --- where the writer is -----------------------------------------------------------------

    def _write_waiting(self, store: Store) -> None:
        """Write as much of what waits as one transaction takes, and come again for the rest.

        Called at least once for each passage; one that an earlier call took along is not there
        any more.
        """
        if not self._waiting:
            return
        touched, rows = self._next_rows()
        try:
            _check_room(self._storage.path, self._free_bytes_min)
            self._write(store, rows)
        except Exception as error:  # noqa: BLE001  a thread's top: raised where it was asked
            for passage in touched:
                passage.error = error
            if self._waiting and self._waiting[0] is touched[-1]:
                self._waiting.popleft()
        for passage in touched:
            if passage.error is not None or passage.is_written:
                self._lanes.answer(lambda passage=passage: self._finish(passage))
        if self._waiting:
            self._lanes.write(self._write_waiting)

    def _next_rows(self) -> tuple[list[_Passage], list[tuple[_Passage, Contribution]]]:
        """Return whose turn it is, of one source, and their rows for one transaction."""
        rows_max = self._rows_max()
        touched: list[_Passage] = []
        rows: list[tuple[_Passage, Contribution]] = []
        source = self._waiting[0].source
        while self._waiting and len(rows) < rows_max and self._waiting[0].source == source:
            passage = self._waiting[0]
            part = passage.take(rows_max - len(rows))
            rows += [(passage, each) for each in part]
            touched.append(passage)
            if passage.is_written:
                self._waiting.popleft()
        return touched, rows

    def _write(self, store: Store, rows: Sequence[tuple[_Passage, Contribution]]) -> None:
        if not rows:
            return
        source = rows[0][0].source
        admitted = self._admission.admit(store, [each for _, each in rows], source)
        result = store.ingest(admitted, received_at=self._now(), source=source)
        admitted_ids = {each.id for each in admitted}
        new, filled = set(result.new), set(result.filled)
        for passage, each in rows:
            if each.id not in admitted_ids:
                passage.declined.append(each.id)
            elif each.id in new:
                new.discard(each.id)
                passage.new.append(each.id)
                passage.bodies += each.body is not None
            elif each.id in filled:
                filled.discard(each.id)
                passage.bodies += 1

    # --- on the event loop -------------------------------------------------------------------

    def _finish(self, passage: _Passage) -> None:
        """Tell of what was committed, also when whoever asked for it does not wait any more."""
        if passage.new and self.on_new is not None:
            self.on_new(passage.contributions[0].commons, tuple(passage.new), passage.source)
        passage.done.set()


def _check_room(path: Path, free_bytes_min: int) -> None:
    """Raise StoreError while the disk is nearly full: what is left is for the person."""
    free = shutil.disk_usage(path.parent).free
    if free < free_bytes_min:
        raise StoreError(
            f"{free // 1_000_000} MB are left at {path.parent}: "
            "nothing more is taken from peers until there is room",
            str(path),
        )


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
