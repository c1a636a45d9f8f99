"""Fetch what one side lacks of one commons: a queue of ids, wants in flight, what they brought.

Pull with credit: few wants are in flight over the whole session, and one comes back only after
everything it brought was committed. So the reader of the stream never has to stall, and memory
is bounded by what was asked for. Accepts nothing that was not asked for.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from typing import TYPE_CHECKING

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.protocol.items import IdSum
from p2pcommons.protocol.limits import WANT_BYTES_TARGET, WANT_IDS_FIRST, WANT_IDS_MIN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from p2pcommons.model.contribution import Envelope
    from p2pcommons.protocol.events import Ingested


class Credit:
    """Wants that may still be sent, shared by all commons of a session."""

    __slots__ = ("left",)

    def __init__(self, wants: int) -> None:
        self.left = wants


class Pace:
    """How many contributions to handle at once, so that they come to about a megabyte."""

    __slots__ = ("_bytes", "_ids", "_ids_max", "size")

    def __init__(self, ids_max: int) -> None:
        self._ids_max = ids_max
        self._ids = 0
        self._bytes = 0
        self.size = min(WANT_IDS_FIRST, ids_max)

    def note(self, ids: int, size_bytes: int) -> None:
        """Learn from `ids` contributions that had `size_bytes` together."""
        self._ids += ids
        self._bytes += size_bytes
        if not self._ids or not self._bytes:
            return
        fitting = max(WANT_IDS_MIN, WANT_BYTES_TARGET * self._ids // self._bytes)
        self.size = min(self._ids_max, fitting, 2 * self.size)


class Fetcher:
    """What is still to be had of one commons, from the other side of one session."""

    def __init__(
        self, credit: Credit, ids_max: int, declined_before: Collection[bytes] = ()
    ) -> None:
        self.brought: set[bytes] = set()
        """Ids of this session's yield: part of both sets from now on."""
        self.brought_sum = IdSum()
        self.new = 0
        self.bodies = 0
        self.declined = 0
        """Ids not taken: offered and known to be declined, or declined when they came."""
        self.absent = 0
        self.bodies_absent: list[bytes] = []
        self.taken = 0
        """Ids taken off the queue so far, whether they were wanted or had come another way."""
        self._declined_before = declined_before
        self._credit = credit
        self._pace = Pace(ids_max)
        self._queue: deque[bytes] = deque()
        self._missing_bodies: deque[bytes] = deque()
        self._arrived: set[bytes] = set()
        self._uncounted: set[bytes] = set()
        self._asked: dict[bytes, int] = {}
        self._asked_bodies: set[bytes] = set()
        self._ingesting: dict[int, Counter[int]] = {}
        self._storing: dict[int, frozenset[bytes]] = {}
        self._left: dict[int, int] = {}
        self._serial = 0

    @property
    def lacking(self) -> int:
        """Contributions known to be lacking: queued, asked for, or being stored."""
        return len(self._queue) + sum(self._left.values())

    @property
    def queued(self) -> int:
        """Ids that have not been asked for."""
        return len(self._queue)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is queued, asked for or being stored; missing bodies aside."""
        return not self._queue and not self._left

    @property
    def has_bodies_queued(self) -> bool:
        """Whether there are missing bodies that have not been asked for."""
        return bool(self._missing_bodies)

    def offer(self, ids: Iterable[bytes]) -> None:
        """Queue ids that the other side holds and this side does not."""
        self._queue.extend(ids)

    def offer_bodies(self, ids: Iterable[bytes]) -> None:
        """Queue known ids whose bodies are missing."""
        self._missing_bodies.extend(ids)

    def arrived(self, ids: Iterable[bytes]) -> None:
        """Note ids that became known another way."""
        self._arrived.update(ids)

    def drop_queue(self) -> None:
        """Ask for nothing more."""
        self._queue.clear()
        self._missing_bodies.clear()

    def leave_uncounted(self, identifier: bytes) -> None:
        """Keep an id out of the comparison: it lies outside of what is compared."""
        self._uncounted.add(identifier)

    def next_want(self) -> tuple[bytes, ...]:
        """Return the ids to want next, empty when none is queued or no credit is left."""
        return self._take(self._queue, is_bodies=False)

    def next_bodies(self) -> tuple[bytes, ...]:
        """Return the ids whose bodies to ask for next; empty as `next_want`."""
        return self._take(self._missing_bodies, is_bodies=True)

    def _take(self, queue: deque[bytes], *, is_bodies: bool) -> tuple[bytes, ...]:
        ids: dict[bytes, None] = {}
        while queue and self._credit.left and len(ids) < self._pace.size:
            identifier = queue.popleft()
            if is_bodies:
                if identifier not in self._asked:
                    ids[identifier] = None
                continue
            self.taken += 1
            if identifier in self._arrived:
                self._count_in((identifier,))
            elif identifier in self._declined_before:
                self.declined += 1
            elif not self._is_on_its_way(identifier):
                ids[identifier] = None
        if ids:
            self._ask(ids, is_bodies=is_bodies)
        return tuple(ids)

    def _is_on_its_way(self, identifier: bytes) -> bool:
        """Whether it was asked for already, in whatever state it is by now."""
        if identifier in self.brought or identifier in self._asked:
            return True
        return any(identifier in ids for ids in self._storing.values())

    def _ask(self, ids: dict[bytes, None], *, is_bodies: bool) -> None:
        self._credit.left -= 1
        self._serial += 1
        self._left[self._serial] = len(ids)
        self._asked.update(dict.fromkeys(ids, self._serial))
        if is_bodies:
            self._asked_bodies.update(ids)
            self._uncounted.update(ids)  # the contributions themselves are known already

    def take_put(self, envelopes: Sequence[Envelope], request: int) -> tuple[bytes, ...]:
        """Match what came with what was asked for, to be ingested under `request`.

        Returns the ids. Raises RejectedError(NOT_WANTED) for anything that was not asked for.
        """
        serials: Counter[int] = Counter()
        ids: list[bytes] = []
        size_bytes = 0
        for envelope in envelopes:
            identifier = hashlib.sha256(envelope.header).digest()
            serials[self._answered(identifier)] += 1
            if identifier in self._asked_bodies:
                self._asked_bodies.discard(identifier)
                if envelope.body is None:
                    raise RejectedError(RejectReason.NOT_WANTED, "a header instead of a body")
            size_bytes += len(envelope.header) + len(envelope.body or b"")
            ids.append(identifier)
        self._pace.note(len(ids), size_bytes)
        self._ingesting[request] = serials
        self._storing[request] = frozenset(ids)
        return tuple(ids)

    def take_absent(self, ids: Sequence[bytes]) -> None:
        """Settle ids that the other side does not give. Raises RejectedError as `take_put`."""
        for identifier in ids:
            serial = self._answered(identifier)
            if identifier in self._asked_bodies:
                self._asked_bodies.discard(identifier)
                self.bodies_absent.append(identifier)
            else:
                self.absent += 1
            self._settle(serial, 1)

    def ingested(self, event: Ingested) -> bool:
        """Note what was stored; False if the request is not one of this commons."""
        serials = self._ingesting.pop(event.request, None)
        self._storing.pop(event.request, None)
        if serials is None:
            return False
        self.new += len(event.new)
        self.bodies += event.bodies
        self.declined += len(event.declined)
        self._count_in(event.new)
        self._count_in(event.known)
        for serial, count in serials.items():
            self._settle(serial, count)
        return True

    def _count_in(self, ids: Iterable[bytes]) -> None:
        fresh = [
            identifier
            for identifier in ids
            if identifier not in self.brought and identifier not in self._uncounted
        ]
        self.brought.update(fresh)
        self.brought_sum.add(fresh)

    def _answered(self, identifier: bytes) -> int:
        serial = self._asked.pop(identifier, None)
        if serial is None:
            raise RejectedError(RejectReason.NOT_WANTED, identifier.hex()[:10])
        return serial

    def _settle(self, serial: int, count: int) -> None:
        self._left[serial] -= count
        if not self._left[serial]:
            del self._left[serial]
            self._credit.left += 1
