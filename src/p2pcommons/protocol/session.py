"""A reconcile session: one stream with one peer, over all commons that both know.

`Session.handle(event, now_ms)` returns the effects to carry out; events.py describes both. No
clock, randomness, storage or socket in here: they are arguments, events and effects. Whatever the
other side does wrong ends the session with a PeerFault effect; an exception is a bug.

The opener announces its commons only after it saw the other side's, and names a commons in full
when it opens it. So each side shows that it knows an id before it learns that the other does.
"""

from __future__ import annotations

import hashlib
from enum import Enum, auto
from typing import TYPE_CHECKING, assert_never

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.protocol.channels import Channels
from p2pcommons.protocol.context import SessionContext
from p2pcommons.protocol.events import (
    Arrived,
    CommonsShared,
    Computed,
    EndReason,
    FrameReceived,
    Ingested,
    Loaded,
    PeerFault,
    PeerSaidHello,
    SessionEnded,
    SnapshotLoaded,
    Started,
    StreamEnded,
    Tick,
)
from p2pcommons.protocol.limits import (
    BLINDED_BYTES,
    BUDGET_GRACE_BYTES,
    BUDGET_GRACE_MS,
    COMMONS_MAX,
    GREETING_MS_MAX,
    NONCE_BYTES,
    SessionLimits,
)
from p2pcommons.protocol.messages import Commons, Hello, decode_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from p2pcommons.protocol.events import Effect, Event
    from p2pcommons.protocol.messages import Message


class _Phase(Enum):
    HELLO = auto()
    COMMONS = auto()
    CHANNELS = auto()
    ENDED = auto()


class Session:
    """One session. `commons` are those this node would exchange with this peer, busiest first.

    `nonce` are 32 random bytes, `now_s` this node's clock (seconds since 1970 UTC), `jitter(n)`
    returns a random integer 0 <= i < n and moves the split points (None: fixed ones). `offered`
    are the commons that may be named to strangers. With `full_check` the opener compares by
    SHA-256 over all ids instead of by their sum; do so once a day and peer.
    """

    def __init__(
        self,
        *,
        is_opener: bool,
        commons: Sequence[bytes],
        nonce: bytes,
        now_s: int,
        jitter: Callable[[int], int] | None = None,
        offered: Sequence[bytes] = (),
        full_check: bool = False,
        limits: SessionLimits | None = None,
    ) -> None:
        if len(nonce) != NONCE_BYTES:
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
        self._is_opener = is_opener
        self._commons = tuple(dict.fromkeys(commons))
        self._offered = tuple(sorted(set(offered)))[:COMMONS_MAX]
        self._nonce = nonce
        self._now_s = now_s
        self._limits = limits or SessionLimits()
        self._context = SessionContext(
            is_opener=is_opener, limits=self._limits, jitter=jitter, full_check=full_check
        )
        self._channels = Channels(self._context)
        self._phase = _Phase.HELLO
        self._bytes_received = 0
        self._started_ms = 0
        self._heard_ms = 0
        self._ending: EndReason | None = None

    @property
    def has_ended(self) -> bool:
        """Whether SessionEnded was returned; no event has any effect after that."""
        return self._phase is _Phase.ENDED

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Return what `event` leads to. `now_ms` is any clock that only goes forward."""
        if self.has_ended:
            return []
        try:
            if self._ending is None or isinstance(event, Ingested):
                self._dispatch(event, now_ms)
            if self._ending is None:
                self._channels.pump()
            self._end_when_through()
        except RejectedError as error:
            self._context.emit(PeerFault(error.reason, error.detail))
            self._end(EndReason.FAULT)
        return self._context.drain()

    def _dispatch(self, event: Event, now_ms: int) -> None:
        match event:
            case Started():
                self._started_ms = self._heard_ms = now_ms
                self._context.send(Hello(self._nonce, self._now_s))
            case FrameReceived(data):
                self._heard_ms = now_ms
                self._bytes_received += len(data)
                self._check_budget(now_ms)
                if not self.has_ended:
                    self._take(decode_message(data))
            case SnapshotLoaded(commons, state):
                self._channels.snapshot_loaded(commons, state)
            case Loaded(_, envelopes):
                self._channels.loaded(envelopes)
            case Ingested():
                self._channels.ingested(event)
                if event.rejected is not None:
                    raise RejectedError(event.rejected)
            case Computed():
                self._context.computed(event)
            case Arrived(commons, ids):
                self._channels.arrived(commons, ids)
            case Tick(is_arriving):
                self._check_budget(now_ms)
                self._check_silence(now_ms, is_arriving=is_arriving)
            case StreamEnded():
                # What has been received is still being stored, and belongs into the results.
                self._ending = EndReason.STREAM_ENDED
            case _:
                assert_never(event)

    # --- messages ----------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        match message, self._phase:
            case Hello(), _Phase.HELLO:
                self._take_hello(message)
            case Commons(), _Phase.COMMONS:
                self._take_commons(message)
            case ((Hello() | Commons()), _):
                raise RejectedError(RejectReason.OUT_OF_TURN, type(message).__name__)
            case _, _Phase.CHANNELS:
                self._channels.take(message)
            case _:
                raise RejectedError(RejectReason.OUT_OF_TURN, type(message).__name__)

    def _take_hello(self, hello: Hello) -> None:
        if hello.nonce == self._nonce:
            raise RejectedError(RejectReason.OUT_OF_TURN, "our own nonce")
        ours, theirs = self._nonce, hello.nonce
        nonces = ours + theirs if self._is_opener else theirs + ours
        self._context.agree(nonces, hello.limits)
        self._context.emit(PeerSaidHello(hello.now))
        self._phase = _Phase.COMMONS
        if not self._is_opener:
            self._send_commons()

    def _send_commons(self) -> None:
        ours = self._commons[:COMMONS_MAX]
        blinded = sorted(blinded_commons(self._context.nonces, commons) for commons in ours)
        self._context.send(Commons(tuple(blinded), self._offered))

    def _take_commons(self, message: Commons) -> None:
        theirs = frozenset(message.blinded)
        nonces = self._context.nonces
        shared = tuple(
            commons for commons in self._commons if blinded_commons(nonces, commons) in theirs
        )
        self._phase = _Phase.CHANNELS
        if self._is_opener:
            self._send_commons()
        self._context.emit(CommonsShared(shared, message.offered))
        self._channels.begin(shared)

    # --- limits and the end ------------------------------------------------------------------

    def _check_budget(self, now_ms: int) -> None:
        """Pause when the session has cost enough; give up where pausing does not help."""
        excess_bytes = self._bytes_received + self._context.bytes_sent - self._limits.bytes_max
        excess_ms = now_ms - self._started_ms - self._limits.duration_ms_max
        if excess_bytes > BUDGET_GRACE_BYTES or excess_ms > BUDGET_GRACE_MS:
            self._end(EndReason.BUDGET)
        elif self._is_opener and (excess_bytes > 0 or excess_ms > 0):
            self._channels.pause()

    def _check_silence(self, now_ms: int, *, is_arriving: bool) -> None:
        idle_ms_max = self._limits.idle_ms_max
        if self._phase is not _Phase.CHANNELS:
            idle_ms_max = min(idle_ms_max, GREETING_MS_MAX)
        is_slow = is_arriving and self._phase is _Phase.CHANNELS
        if self._channels.await_driver or is_slow:
            self._heard_ms = now_ms  # it is this node that is slow, or the line
        elif now_ms - self._heard_ms > idle_ms_max:
            self._end(EndReason.SILENCE)

    def _end_when_through(self) -> None:
        if self.has_ended:
            return
        channels_through = self._phase is _Phase.CHANNELS and self._channels.are_through
        if self._ending is not None:
            if not self._context.is_ingesting:
                self._end(EndReason.COMPLETE if channels_through else self._ending)
        elif self._is_opener and channels_through:
            self._end(EndReason.COMPLETE)

    def _end(self, reason: EndReason) -> None:
        if self.has_ended:
            return
        self._phase = _Phase.ENDED
        self._channels.break_off()
        self._context.emit(SessionEnded(reason, self._bytes_received, self._context.bytes_sent))


def blinded_commons(nonces: bytes, commons: bytes) -> bytes:
    """Return the 16 bytes that stand for a commons in one session.

    `nonces` is the opener's nonce followed by the other side's.
    """
    return hashlib.sha256(nonces + commons).digest()[:BLINDED_BYTES]


def keeps_own_session(own_peer_id: str, their_peer_id: str) -> bool:
    """Return whether, of two sessions opened at the same time, the one we opened goes on.

    It is the one of the smaller peer id, compared as text; the other is reset by both sides.
    """
    return own_peer_id < their_peer_id
