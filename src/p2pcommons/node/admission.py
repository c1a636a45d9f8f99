"""What this node wants to hold: everything of people known here, and of strangers what has room.

Every commons has one pool for strangers (`store/standing.py` says who they are). While it has
room nobody is judged. Once it was full, what strangers claim to have written before its floor is
declined: not stored, not known, remembered by id so that no session wants it again. Time and
limits are handed in, and nothing here is left to chance.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from p2pcommons.model.kinds import WITHDRAW
from p2pcommons.store import DECLINED_MAX, PoolLimits, disk_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from p2pcommons.config import Config
    from p2pcommons.model.contribution import Contribution
    from p2pcommons.store import Store

POOL_BYTES_MIN: Final = 200_000_000
"""Room for 150,000 ordinary entries on any disk that has as much to give."""
POOL_BYTES_MAX: Final = 2_000_000_000
"""Nobody reads more of people they have nothing to do with."""
POOL_SHARE: Final = 10
"""A tenth of what the disk has free: ten floods in ten commons still leave it half empty."""
LET_GO_MAX: Final = 200_000
"""Ids kept of what a full pool let go, 300 bytes each with their authors."""
SPENT_SHARE: Final = 100
"""A pool that cannot be emptied is looked at again after a hundredth of it has come in."""


def pool_limits(config: Config, folder: Path) -> PoolLimits:
    """Return what the settings and the disk of a profile give strangers in each commons."""
    megabytes = config.number("strangers.megabytes")
    free = shutil.disk_usage(folder).free
    automatic = min(max(free // POOL_SHARE, POOL_BYTES_MIN), POOL_BYTES_MAX)
    return PoolLimits(
        bytes_max=megabytes * 1_000_000 or automatic,
        contributions_max=config.number("strangers.contributions"),
        let_go_max=LET_GO_MAX,
    )


@dataclass(slots=True)
class _Room:
    """What may still come of one commons, from whomever, before anybody has to be judged."""

    bytes: int
    contributions: int
    floor: int | None
    known_authors: frozenset[bytes]

    @property
    def is_spent(self) -> bool:
        return self.bytes < 0 or self.contributions < 0


class StrangersPool:
    """Admits, lets go and declines. All but `declined` runs where the node writes."""

    def __init__(self, limits: Callable[[], PoolLimits], now: Callable[[], int]) -> None:
        self._limits = limits
        self._now = now
        self._rooms: dict[bytes, _Room] = {}
        self._declined: dict[bytes, set[bytes]] = {}

    def load(self, store: Store) -> None:
        """Read what was declined before, and judge anew: at the start, and when commons changed.

        Raises StoreError.
        """
        self._rooms.clear()
        self._declined = {
            row.id: set(store.declined_ids(row.id)) for row in store.commons_rows(left=True)
        }

    def declined(self, commons: bytes) -> Collection[bytes]:
        """Return the ids of a commons that are not to be wanted again; it may grow meanwhile."""
        return self._declined.get(commons, ())

    @property
    def declines(self) -> bool:
        """Whether anything is declined anywhere."""
        # Copies: the writer adds to both meanwhile.
        rooms = tuple(self._rooms.values())
        return any(tuple(self._declined.values())) or any(room.floor is not None for room in rooms)

    def admit(
        self, store: Store, contributions: Sequence[Contribution], source: str
    ) -> Sequence[Contribution]:
        """Return those that are stored; the others are declined and stay unknown."""
        del source  # who brings something says nothing about who wrote it
        groups: dict[bytes, list[Contribution]] = {}
        for each in contributions:
            groups.setdefault(each.commons, []).append(each)
        declined: set[bytes] = set()
        for commons, group in groups.items():
            declined |= self._judge(store, commons, group)
        if not declined:
            return contributions
        return [each for each in contributions if each.id not in declined]

    def ease(self, store: Store) -> bool:
        """Look again where contributions are declined; tell whether some may be wanted again.

        Somebody may be known by now, or there is more room. Raises StoreError.
        """
        eased = False
        for row in store.commons_rows():
            if not self._declined.get(row.id) and store.pool_floor(row.id) is None:
                continue
            if store.ease_pool(row.id, self._limits()):
                self._declined[row.id] = set(store.declined_ids(row.id))
                eased = True
            self._rooms.pop(row.id, None)
        return eased

    def _judge(self, store: Store, commons: bytes, group: list[Contribution]) -> set[bytes]:
        """Return the ids of a group that are declined."""
        room = self._rooms.get(commons) or self._look(store, commons)
        size = sum(len(each.body or b"") for each in group)
        room.bytes -= disk_bytes(len(group), size)
        room.contributions -= len(group)
        if room.is_spent:
            # Much of it may have been of people who are known, or known already.
            room = self._look(store, commons)
        if room.floor is None:
            return set()
        return self._decline(store, commons, group, room)

    def _look(self, store: Store, commons: bytes) -> _Room:
        limits = self._limits()
        look = store.trim_pool(commons, limits)
        room = self._rooms[commons] = _Room(
            max(limits.bytes_max - look.bytes, limits.bytes_max // SPENT_SHARE),
            max(
                limits.contributions_max - look.contributions,
                limits.contributions_max // SPENT_SHARE,
            ),
            look.floor,
            look.known_authors,
        )
        return room

    def _decline(
        self, store: Store, commons: bytes, group: list[Contribution], room: _Room
    ) -> set[bytes]:
        assert room.floor is not None
        now = self._now()
        doubtful = {
            each.id: each
            for each in group
            if each.header.author not in room.known_authors
            and not each.header.is_founding
            # Whoever claims to be ahead of time is no newer than what comes now.
            and min(each.header.claimed_at, now) <= room.floor
        }
        for identifier in store.known(list(doubtful)):
            del doubtful[identifier]  # it may bring a body that is wanted
        for identifier in _withdrawing(store, doubtful.values()):
            del doubtful[identifier]
        if doubtful:
            pairs = [(each.id, each.header.author) for each in doubtful.values()]
            store.decline(commons, pairs, now)
            self._declined.setdefault(commons, set()).update(doubtful)
            self._forget_oldest(store)
        return set(doubtful)

    def _forget_oldest(self, store: Store) -> None:
        if sum(map(len, self._declined.values())) > DECLINED_MAX:
            store.forget_declined(DECLINED_MAX * 9 // 10)
            self.load(store)


def _withdrawing(store: Store, group: Collection[Contribution]) -> set[bytes]:
    """Return the ids of withdrawals of what is held here: they ask for less, not for more."""
    asked = {
        each.id: (each.header.target, each.header.author)
        for each in group
        if each.header.kind == WITHDRAW and each.header.target is not None
    }
    authors = store.authors_standing([target for target, _ in asked.values()])
    return {
        identifier
        for identifier, (target, author) in asked.items()
        if authors.get(target) == author
    }
