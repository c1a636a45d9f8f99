"""When to reconcile with whom, and at most one session a pair at a time.

On connect, on a jittered interval, when somebody asks, shortly after something of ours was
published (so that it is known to be held elsewhere), after another peer brought something
(what came by reconciliation is passed on by reconciliation), and a while after news that came by
gossip (see `settling`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from p2pcommons.errors import NetworkError, StoreError
from p2pcommons.node.driver import SessionDriver
from p2pcommons.node.settling import Settling
from p2pcommons.node.state import PeerState, SessionFigures
from p2pcommons.protocol.budget import TokenBucket
from p2pcommons.protocol.events import EndReason, Outcome
from p2pcommons.protocol.limits import RECONCILE_PROTOCOL
from p2pcommons.protocol.session import keeps_own_session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import HostPort, StreamPort
    from p2pcommons.protocol.events import ReconcileResult

log = logging.getLogger(__name__)

SECOND_OPENER_SECONDS = 2.0
"""The peer with the larger id lets the other one open first when both have just connected."""
RETRY_SECONDS = 1.0
RETRY_SECONDS_MAX = 60.0
CONFIRM_SECONDS = 1.5
"""After own contributions: long enough for gossip to settle, short enough for a person."""
PASS_ON_SECONDS = 0.5
FULL_CHECK_SECONDS = 24 * 3_600
"""Once a day and peer the comparison is by SHA-256 over all ids, which no choice can forge."""
UNDECIDED_SECONDS = 5.0
"""As long as `sync` waits for a peer that has not said yet what it shares."""
IN_TURN_SECONDS = 5.0
IN_TURN_BURST = 4
"""Sessions with one peer that were caused by what goes on, not by a person: a few at once, then
one in this time, however much is written."""
ANSWERS_PER_SECOND = 2
ANSWERS_BURST = 20
"""Sessions that one peer may open: each costs a look at the whole set."""
SESSIONS_MAX = 8
"""Sessions that this node opens at the same time with peers that share something with it."""
FIRST_SESSIONS_MAX = 64
"""The same with those of whom that is not known: silent strangers must not take all places."""
QUIET_SECONDS_MAX = 24 * 3_600.0
"""The interval with a peer doubles up to this while one side declines all that is left."""
QUIET_DOUBLINGS_MAX = 16
_NEVER = float("inf")
_SETTLED = (Outcome.EQUAL, Outcome.UNSUPPORTED)


@dataclass(slots=True)
class _Schedule:
    """One connected peer."""

    due: float
    failures: int = 0
    quiet: int = 0
    """Sessions in a row in which nothing but what is declined was left."""
    session: trio.CancelScope | None = None
    is_opening: bool = False
    """A session is about to begin: two that this side opens at once would end each other."""
    driver: SessionDriver | None = None
    we_opened: bool = False
    answers: TokenBucket = field(
        default_factory=lambda: TokenBucket(ANSWERS_PER_SECOND, ANSWERS_BURST)
    )
    in_turn: TokenBucket = field(
        default_factory=lambda: TokenBucket(1 / IN_TURN_SECONDS, IN_TURN_BURST)
    )
    finished: trio.Event = field(default_factory=trio.Event)
    """Set, and replaced, whenever a session with this peer ends or could not begin."""

    @property
    def is_free(self) -> bool:
        """Whether this side may open a session now."""
        return self.session is None and not self.is_opening

    def release_waiting(self) -> None:
        """Wake those who wait for a session to end."""
        finished, self.finished = self.finished, trio.Event()
        finished.set()


class Reconciling:
    """Opens sessions with connected peers and answers those of others."""

    def __init__(self, context: NodeContext, host: HostPort) -> None:
        self._context = context
        self._host = host
        self._peers: dict[str, _Schedule] = {}
        self._wake = trio.Event()
        self._limiter = trio.CapacityLimiter(SESSIONS_MAX)
        self._first_limiter = trio.CapacityLimiter(FIRST_SESSIONS_MAX)
        self._tasks: trio.Nursery | None = None
        self._settling = Settling(context, host.peer_id, self.soon_with)
        self.on_shared: Callable[[str], Awaitable[None]] | None = None
        """Called after a session with a peer that shares something with this node."""
        self.on_offers: Callable[[str], Awaitable[None]] | None = None
        """Called after a session with a peer that offers something."""
        self._interval = float(context.config.number("network.reconcile_seconds"))

    async def run(self) -> None:
        """Serve the protocol and open sessions when they are due; runs until cancelled."""
        self._host.set_stream_handler(RECONCILE_PROTOCOL, self._answer)
        self._context.ingest.on_new = self.arrived
        async with trio.open_nursery() as nursery:
            self._tasks = nursery
            nursery.start_soon(self._settling.run)
            while True:
                now = trio.current_time()
                for peer_id, schedule in self._peers.items():
                    if schedule.due <= now and schedule.is_free:
                        schedule.due, schedule.is_opening = _NEVER, True
                        nursery.start_soon(self._open, peer_id, schedule)
                # What is due with a peer whose session goes on waits for its end, which wakes this.
                waiting = (each.due for each in self._peers.values() if each.is_free)
                self._wake = trio.Event()
                with trio.move_on_at(min(waiting, default=_NEVER)):
                    await self._wake.wait()

    def connected(self, peer_id: str) -> None:
        """Take up a peer that has just connected."""
        self._context.state.peer(peer_id).dropped = ""
        first = self._host.peer_id < peer_id
        due = trio.current_time() + (0.0 if first else SECOND_OPENER_SECONDS)
        schedule = self._peers.setdefault(peer_id, _Schedule(due))
        # Its first stream may have been quicker than this notice; that session goes on.
        if schedule.session is None:
            schedule.due = min(schedule.due, due)
        self._wake.set()

    def disconnected(self, peer_id: str) -> None:
        """Let a peer go; its session ends with its stream."""
        self._settling.gone(peer_id)
        schedule = self._peers.pop(peer_id, None)
        if schedule is not None:
            schedule.finished.set()

    def soon(self, pause: float = 0.0, *, besides: str | None = None) -> None:
        """Reconcile with every connected peer within `pause` seconds, except with `besides`."""
        for peer_id in self._peers:
            if peer_id != besides:
                self.soon_with(peer_id, pause)

    def soon_with(self, peer_id: str, pause: float = 0.0) -> None:
        """Reconcile with one peer within `pause` seconds."""
        schedule = self._peers.get(peer_id)
        if schedule is not None:
            schedule.due = min(schedule.due, trio.current_time() + pause)
            self._wake.set()

    def soon_in_turn(
        self, pause: float, *, only: str | None = None, besides: str | None = None
    ) -> None:
        """Reconcile within `pause` seconds, or a little later with those where it was often."""
        now = trio.current_time()
        for peer_id, schedule in self._peers.items():
            if peer_id == besides or only not in (None, peer_id) or schedule.due <= now + pause:
                continue
            at_once = schedule.in_turn.take(1, now)
            wait = pause if at_once else max(pause, IN_TURN_SECONDS)
            schedule.due = min(schedule.due, now + wait)
        self._wake.set()

    def published(self) -> None:
        """Something of ours went out: learn soon who holds it."""
        self.soon_in_turn(CONFIRM_SECONDS)

    def arrived(self, commons: bytes, ids: tuple[bytes, ...], source: str) -> None:
        """Tell the sessions with others what need not be fetched any more."""
        self._context.state.trouble = ""  # the store takes what comes
        self._settling.news(commons, self._peers)
        for peer_id, schedule in self._peers.items():
            if schedule.driver is not None and peer_id != source:
                schedule.driver.arrived(commons, ids)

    async def now_with_all(self, deadline: float) -> None:
        """Reconcile with every connected peer, again until equal, by `deadline` (trio's clock)."""
        with trio.move_on_at(deadline):
            async with trio.open_nursery() as nursery:
                for peer_id in tuple(self._peers):
                    nursery.start_soon(self._until_equal, peer_id)

    async def _until_equal(self, peer_id: str) -> None:
        undecided_until = trio.current_time() + UNDECIDED_SECONDS
        while (schedule := self._peers.get(peer_id)) is not None:
            finished = schedule.finished
            began_before = schedule.session is not None
            self.soon_with(peer_id)
            peer = self._context.state.peer(peer_id)
            ended_before, found_before = peer.sessions, _found(peer)
            # A stranger that never says what it shares must not keep a person waiting.
            with trio.move_on_at(undecided_until if peer.shared is None else _NEVER):
                await finished.wait()
            if peer.shared is None and trio.current_time() >= undecided_until:
                return
            if began_before:
                # What was under way may not have seen the last contribution; there is one more.
                continue
            # Where no session came about, what the last one found says nothing of now.
            if peer.sessions != ended_before and _is_settled(peer, found_before):
                return
            await trio.sleep(RETRY_SECONDS / 4)

    async def _open(self, peer_id: str, schedule: _Schedule) -> None:
        shares = self._context.state.peer(peer_id).shared
        try:
            async with self._limiter if shares else self._first_limiter:
                # A peer that came again meanwhile has another schedule, and a session by that one.
                if schedule.session is not None or self._peers.get(peer_id) is not schedule:
                    return
                began = trio.current_time()
                stream = await self._host.open_stream(peer_id, RECONCILE_PROTOCOL)
                if schedule.session is not None or self._peers.get(peer_id) is not schedule:
                    await stream.reset()
                    return
                schedule.is_opening = False
                await self._run(stream, schedule, began=began, opener=True)
        except NetworkError as error:
            log.debug("no session with %s: %s", peer_id, error)
            self._retry(schedule)
            schedule.release_waiting()
        finally:
            if schedule.is_opening:
                schedule.is_opening = False
                self._wake.set()

    async def _answer(self, stream: StreamPort) -> None:
        """Serve a session that a peer opened, unless ours goes on."""
        peer_id = stream.peer_id
        schedule = self._peers.get(peer_id)
        if schedule is None:
            if peer_id not in self._host.connected_peers():
                await stream.reset()  # it has gone, and nobody would tell so again
                return
            # Its stream may be here before the notice of its connection.
            schedule = self._peers.setdefault(peer_id, _Schedule(_NEVER))
        if not schedule.answers.take(1, trio.current_time()):
            # Not worth a fault: it may be a bug of its version. It costs us nothing this way.
            peer = self._context.state.peer(peer_id)
            peer.slow("opens sessions again and again: answered slowly", self._context.now())
            await stream.reset()
            return
        if schedule.session is not None:
            if schedule.we_opened and keeps_own_session(self._host.peer_id, peer_id):
                await stream.reset()
                return
            schedule.session.cancel()
            schedule.session = None
        await self._run(stream, schedule, began=trio.current_time(), opener=False)

    async def _run(
        self, stream: StreamPort, schedule: _Schedule, *, began: float, opener: bool
    ) -> None:
        peer = self._context.state.peer(stream.peer_id)
        # Not in the first session of a connection, for which somebody may be waiting.
        is_due = self._context.now() - peer.full_check_at >= FULL_CHECK_SECONDS
        full_check = opener and peer.sessions > 0 and is_due
        driver = SessionDriver(
            self._context, stream, self._context.joined, opener=opener, full_check=full_check
        )
        schedule.driver = driver
        with trio.CancelScope() as scope:
            # What was asked for before a session begins is covered by it.
            schedule.session, schedule.we_opened, schedule.due = scope, opener, _NEVER
            self._settling.session_begins(stream.peer_id)
            try:
                await driver.run()
            except* StoreError as errors:
                self._context.note_trouble(errors.exceptions[0])
            finally:
                # One that gave way before it came to anything is not worth a line.
                if not scope.cancel_called or driver.sent or driver.received:
                    peer.recent.append(_figures(driver, driver.over_at - began, opener=opener))
                if schedule.driver is driver:
                    schedule.driver = None
                if schedule.session is scope:
                    schedule.session = None
                    schedule.release_waiting()
                    self._wake.set()
        if scope.cancelled_caught:
            self._pass_on(stream.peer_id, driver)
            await stream.reset()  # the rival session goes on, and plans what comes after it
        else:
            if full_check and driver.ended is EndReason.COMPLETE:
                peer.full_check_at = self._context.now()
            self._after(stream.peer_id, schedule, driver)

    def _after(self, peer_id: str, schedule: _Schedule, driver: SessionDriver) -> None:
        """Count what happened, plan the next session, and wake those who wait for this one."""
        peer = self._context.state.peer(peer_id)
        peer.sessions += 1
        if driver.fault is not None:
            self.blame(peer_id, driver.fault)
            return
        if peer.shared and self.on_shared is not None and self._tasks is not None:
            self._tasks.start_soon(self.on_shared, peer_id)
        if peer.offers and self.on_offers is not None and self._tasks is not None:
            self._tasks.start_soon(self.on_offers, peer_id)
        self._pass_on(peer_id, driver)
        if driver.received or driver.bodies:
            # What has just come is in no snapshot yet that was found equal, and a session asks
            # for a part of the texts that are missing.
            self.soon_in_turn(CONFIRM_SECONDS, only=peer_id)
        results = [peer.exchange(commons).result for commons in peer.shared or ()]
        outcomes = [None if result is None else result.outcome for result in results]
        complete = driver.ended is EndReason.COMPLETE
        if complete and all(
            result is not None and (result.outcome in _SETTLED or result.only_declined_left)
            for result in results
        ):
            schedule.failures = 0
            alike = all(outcome in _SETTLED for outcome in outcomes)
            schedule.quiet = 0 if alike or driver.received else schedule.quiet + 1
            self._context.state.trouble = ""
            pause = min(
                self._interval * 2 ** min(schedule.quiet, QUIET_DOUBLINGS_MAX),
                max(self._interval, QUIET_SECONDS_MAX),
            )
            self._later(schedule, pause * self._context.chance.uniform(0.75, 1.25))
        else:
            self._retry(schedule, progress=driver.received > 0)

    def _pass_on(self, peer_id: str, driver: SessionDriver) -> None:
        if driver.received:
            self.soon_in_turn(PASS_ON_SECONDS, besides=peer_id)

    def _retry(self, schedule: _Schedule, *, progress: bool = False) -> None:
        """A session that fails on a live connection is retried by itself."""
        schedule.failures = 0 if progress else schedule.failures + 1
        pause = min(RETRY_SECONDS * 2**schedule.failures, RETRY_SECONDS_MAX)
        self._later(schedule, pause * self._context.chance.uniform(0.5, 1.0))

    def _later(self, schedule: _Schedule, pause: float) -> None:
        schedule.due = min(schedule.due, trio.current_time() + pause)
        self._wake.set()

    def blame(self, peer_id: str, reason: str) -> None:
        """Disconnect a peer that broke the rules; the reason is shown in the network screen."""
        peer = self._context.state.peer(peer_id)
        peer.dropped = ""
        seconds = peer.fault(reason, self._context.now())
        log.info("%s broke the rules (%s); refused for %d s", peer_id, reason, seconds)
        self._host.gate.block(peer_id, trio.current_time() + seconds)
        if self._tasks is not None:
            self._tasks.start_soon(self._host.disconnect, peer_id)


def _found(peer: PeerState) -> dict[bytes, ReconcileResult | None]:
    """What the last sessions found of each commons that is shared with a peer."""
    return {commons: peer.exchange(commons).result for commons in peer.shared or ()}


def _is_settled(peer: PeerState, before: Mapping[bytes, ReconcileResult | None]) -> bool:
    """Whether all that is shared with a peer was found equal since `before`, or none is shared."""
    return peer.shared is not None and all(
        result is not None and result.equal and result is not before.get(commons)
        for commons, result in _found(peer).items()
    )


def _figures(driver: SessionDriver, seconds: float, *, opener: bool) -> SessionFigures:
    return SessionFigures(
        opened=opener,
        ended="" if driver.ended is None else str(driver.ended),
        milliseconds=round(seconds * 1_000, 3),
        rounds=driver.rounds,
        bytes_sent=driver.bytes_sent,
        bytes_received=driver.bytes_received,
        sent=driver.sent,
        received=driver.received,
        again=driver.again,
    )
