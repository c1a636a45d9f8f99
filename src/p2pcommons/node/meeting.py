"""Whom to dial and when: the address book, what the LAN shows, and coming back after sleep.

Every known peer is tried again with growing pauses for as long as it is known, and everybody at
once when the machine has slept. Between two tries nothing is looked at: whatever changes wakes it.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import trio

from p2pcommons.config import Mode
from p2pcommons.errors import StoreError
from p2pcommons.node.whereabouts import Whereabouts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import HostPort
    from p2pcommons.node.reconciling import Reconciling
    from p2pcommons.store import PeerRow

log = logging.getLogger(__name__)

PAUSES = (1, 1, 1, 2, 2, 3, 3, 5, 5, 5, 10, 20, 40, 60, 120, 300)
"""Seconds between tries of one peer; the last one repeats."""
LATE_TRIES = 300
LATE_SECONDS = 3_600
"""Between two tries of a peer that has not answered so often, which takes about a day."""
DIALS_MAX = 16
"""Peers dialled at the same time."""
ABSENT_TRIES = 20
ABSENT_DIALS_MAX = 4
"""The same for those that did not answer so often: they must not keep others waiting."""
TIDY_SECONDS = 3_600.0
"""Between two looks for peers to be forgotten."""
TROUBLE_SECONDS = 1.0
"""Until the address book is read again when the store failed."""
STRANGER_SECONDS = 600
"""A LAN peer with which nothing is shared is looked up again after this time."""
REFUSED_SECONDS = 3
"""A connection that lived less was refused, by a block or for want of room."""
NAMED_BY_PERSON = frozenset({"invite", "manual"})
"""Sources of peers that a person named: they are wanted, a relay for instance, whatever they
share."""
EXCHANGED = "exchange"
"""Source of peers whom others named: dialled in mode `open` alone."""
LAN_PEERS_MAX = 256
LAN_FAILURES_MAX = 6
"""A neighbour that does not answer so often has left; it announces itself when it is back."""


class Meeting:
    """Keeps connections with everybody known."""

    def __init__(self, context: NodeContext, host: HostPort, reconciling: Reconciling) -> None:
        self._context = context
        self._host = host
        self._reconciling = reconciling
        self._wake = trio.Event()
        self._dialling: set[str] = set()
        self._changes = 0
        """How often everything was to be tried anew: what was under way then tells nothing."""
        self._unjudged: set[str] = set()
        """Connected when it was so last: a session that finds nothing shared may be older."""
        self._retry_at: dict[str, float] = {}
        self._where: dict[str, tuple[str, ...]] = {}
        """The addresses a peer was dialled at last: a new one is tried at once."""
        self._limiter = trio.CapacityLimiter(DIALS_MAX)
        self._absent_limiter = trio.CapacityLimiter(ABSENT_DIALS_MAX)
        self._whereabouts = Whereabouts(context, host, reconciling.blame)
        self._tidied_at = -math.inf
        self._named: frozenset[str] = frozenset()
        """Peers of the address book that a person named."""
        self.bootstrap: Mapping[str, tuple[str, ...]] = {}
        """Peers of the settings, with their addresses: dialled like those of the address book."""
        self.on_met: Callable[[str], None] | None = None
        """Told who has connected."""
        self.on_left: Callable[[], None] | None = None

    async def run(self) -> None:
        """Dial whoever is due, and look again when somebody will be or something has changed."""
        self._host.on_wake = self._woke
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_events, nursery)
            while True:
                self._wake = trio.Event()
                try:
                    due = await self._look(nursery)
                except StoreError as error:
                    self._context.note_trouble(error)
                    due = trio.current_time() + TROUBLE_SECONDS
                with trio.move_on_at(due):
                    await self._wake.wait()

    def _woke(self) -> None:
        log.info("woken, or on another network: trying everybody again")
        self._changes += 1
        self._retry_at.clear()
        self._wake.set()

    def hurry(self) -> None:
        """Try everybody now: a person asked, or there is a new address or commons."""
        self._changes += 1
        self._unjudged.update(self._host.connected_peers())
        self._retry_at.clear()
        for peer in self._context.state.peers.values():
            peer.failures = 0
            # With a commons that was joined since, a stranger may be one no more.
            peer.shared = peer.shared or None
        self._wake.set()

    def has_anybody(self) -> bool:
        """Tell whether there is anybody to dial, or somebody is being dialled."""
        return bool(self._retry_at or self._dialling or self._context.state.lan)

    def address_book_changed(self) -> None:
        """Look at the address book now, without trying again who has just been tried."""
        self._wake.set()

    def seen_on_lan(self, peer_id: str, addresses: tuple[str, ...]) -> None:
        """A neighbour announced itself: dial it now, unless it has just been a stranger."""
        lan = self._context.state.lan
        if peer_id == self._host.peer_id or (peer_id not in lan and len(lan) >= LAN_PEERS_MAX):
            return
        if lan.get(peer_id) != addresses:
            lan[peer_id] = addresses
            self._retry_at.pop(peer_id, None)
        self._wake.set()

    def next_try(self) -> int | None:
        """Return when somebody is dialled next, in seconds since 1970 UTC, or None."""
        if not self._retry_at:
            return None
        pause = min(self._retry_at.values()) - trio.current_time()
        return self._context.now() + max(0, round(pause))

    async def _look(self, nursery: trio.Nursery) -> float:
        """Dial who is due and return when the next one will be, in trio's time."""
        if self._context.mode is Mode.OFF or self._context.state.paused is not None:
            return math.inf
        known = {
            row.peer_id: row
            for row in await self._context.storage.read(lambda store: store.peers())
        }
        self._named = frozenset(
            peer_id for peer_id, row in known.items() if row.source in NAMED_BY_PERSON
        )
        unwanted = () if self._context.mode is Mode.OPEN else (EXCHANGED,)
        addresses = {
            peer_id: row.addresses for peer_id, row in known.items() if row.source not in unwanted
        }
        for peer_id, listed in self.bootstrap.items():
            if peer_id != self._host.peer_id:
                addresses[peer_id] = tuple(dict.fromkeys((*addresses.get(peer_id, ()), *listed)))
        for peer_id, seen in self._context.state.lan.items():
            # What the LAN shows is fresh; the book may be from yesterday's network.
            addresses[peer_id] = tuple(dict.fromkeys((*seen, *addresses.get(peer_id, ()))))
        for kept in (self._retry_at, self._where):
            for peer_id in [peer_id for peer_id in kept if peer_id not in addresses]:
                del kept[peer_id]
        connected = set(self._host.connected_peers())
        now, next_due = trio.current_time(), math.inf
        if now - self._tidied_at >= TIDY_SECONDS:
            self._tidied_at = now
            await self._whereabouts.tidy(known.values())
        for peer_id, where in addresses.items():
            if peer_id in connected or peer_id in self._dialling or not where:
                continue
            due = self._host.gate.blocked_until(peer_id)
            if self._where.get(peer_id) == where:
                due = max(due, self._retry_at.get(peer_id, -math.inf))
            if due > now:
                next_due = min(next_due, due)
                continue
            self._where[peer_id] = where
            self._dialling.add(peer_id)
            nursery.start_soon(self._dial, peer_id, where, known.get(peer_id))
        return next_due

    async def _dial(self, peer_id: str, addresses: tuple[str, ...], row: PeerRow | None) -> None:
        absent = row is not None and row.failures >= ABSENT_TRIES
        try:
            async with self._absent_limiter if absent else self._limiter:
                changes = self._changes
                report = await self._host.dial(peer_id, addresses)
            peer = self._context.state.peer(peer_id)
            peer.tried, peer.tried_at = report.tried, self._context.now()
            peer.failures += not report.connected
            pause = self._pause_after(max(peer.failures, 1))
            if row is not None and row.failures >= LATE_TRIES and not report.connected:
                pause = max(pause, LATE_SECONDS * self._context.chance.uniform(0.8, 1.2))
            if changes != self._changes:
                pause = self._context.chance.uniform(0.2, 0.6)
            self._retry_at[peer_id] = trio.current_time() + pause
            peer.next_try = self._context.now() + round(pause)
            if row is not None:
                now, next_try, ok = self._context.now(), peer.next_try, report.connected
                await self._context.attempt(
                    lambda store: store.note_dialled(peer_id, ok=ok, next_try=next_try, now=now)
                )
            if not report.connected and peer.failures >= LAN_FAILURES_MAX:
                self._context.state.lan.pop(peer_id, None)
            self._context.state.forget_strangers()
        finally:
            self._dialling.discard(peer_id)
            self._wake.set()

    async def _follow_events(self, nursery: trio.Nursery) -> None:
        """Tell the others who came and who went, and note where somebody can be met again."""
        async for event in self._host.events:
            peer = self._context.state.peer(event.peer_id)
            if event.connected:
                peer.connected_since = self._context.now()
                peer.sessions, peer.shared = 0, None
                self._context.state.forget_strangers()
                self._retry_at.pop(event.peer_id, None)
                self._reconciling.connected(event.peer_id)
                if self.on_met is not None:
                    self.on_met(event.peer_id)
            else:
                self._pause_after_goodbye(event.peer_id)
                if peer.shared or event.peer_id in self._named:
                    nursery.start_soon(self._note_seen, event.peer_id, self._context.now())
                peer.connected_since = None
                self._host.release(event.peer_id)
                self._whereabouts.gone(event.peer_id)
                self._reconciling.disconnected(event.peer_id)
                if self.on_left is not None:
                    self.on_left()
                self._wake.set()

    async def _note_seen(self, peer_id: str, now: int) -> None:
        await self._context.attempt(lambda store: store.note_seen(peer_id, now=now))

    def _pause_after_goodbye(self, peer_id: str) -> None:
        """Redial soon after a lost connection, and late one with whom nothing is shared.

        One that ended as soon as it began was refused: those pauses grow like those of failures.
        So they do for somebody whom a person named and who shares nothing: a host that is full
        lets strangers go again and again. Of whoever was here before a commons was joined it is
        not known.
        """
        peer = self._context.state.peer(peer_id)
        lived = self._context.now() - (peer.connected_since or 0)
        shares_nothing = peer.shared is not None and not peer.shared
        is_stranger = shares_nothing and peer_id not in {*self.bootstrap, *self._unjudged}
        self._unjudged.discard(peer_id)
        if is_stranger and peer_id not in self._named:
            pause = float(STRANGER_SECONDS)
        elif lived < (STRANGER_SECONDS if is_stranger else REFUSED_SECONDS):
            peer.failures += 1
            pause = self._pause_after(peer.failures)
        else:
            peer.failures = 0
            pause = self._context.chance.uniform(0.2, 0.6)
        self._retry_at[peer_id] = trio.current_time() + pause
        peer.next_try = self._context.now() + round(pause)

    async def note_shared(self, peer_id: str) -> None:
        """Put a peer with whom something is shared into the address book, and keep room for it."""
        if peer_id in self._host.connected_peers():
            self._host.keep(peer_id)  # nobody would release one that has gone meanwhile
        self._context.state.peer(peer_id).failures = 0
        addresses = self._host.dialled_addresses(peer_id) or self._context.state.lan.get(
            peer_id, ()
        )
        now = self._context.now()
        if addresses:
            await self._context.attempt(
                lambda store: store.upsert_peer(peer_id, addresses, source="connected", now=now)
            )
        await self._whereabouts.learn(peer_id)

    def _pause_after(self, failures: int) -> float:
        """Return the seconds until the next try after so many failures, a little at random."""
        return PAUSES[min(failures, len(PAUSES)) - 1] * self._context.chance.uniform(0.8, 1.2)
