"""One commons in one session: compare, announce, fetch, and say what is held in the end.

The opener compares: it learns from Negentropy what either side lacks, wants the one and announces
the other by `have`, which the other side wants in its turn. The opener says `done` when it lacks
nothing more, the other side after that, when it lacks nothing either.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, cast

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.model.contribution import decode_header
from p2pcommons.model.limits import BODY_BYTES_MAX
from p2pcommons.protocol.agreement import Agreement
from p2pcommons.protocol.events import (
    CommonsDone,
    IngestEnvelopes,
    Outcome,
    Progress,
    ReconcileResult,
)
from p2pcommons.protocol.fetch import Fetcher
from p2pcommons.protocol.limits import (
    FRUITLESS_ROUNDS_MAX,
    FRUITLESS_ROUNDS_SERVED_MAX,
    HAVES_AHEAD_MAX,
    IDS_PER_FRAME_MAX,
    INVENTED_IDS_MAX,
    NEEDS_AHEAD_MAX,
    NEGENTROPY_INLINE_BYTES_MAX,
)
from p2pcommons.protocol.messages import (
    Absent,
    Bodies,
    Done,
    Have,
    Neg,
    Open,
    Put,
    Unsupported,
    Want,
)
from p2pcommons.protocol.negentropy import ID_BYTES, Negentropy, split_ids
from p2pcommons.protocol.serve import Job

if TYPE_CHECKING:
    from p2pcommons.protocol.context import SessionContext
    from p2pcommons.protocol.events import CommonsState, Ingested
    from p2pcommons.protocol.items import Snapshot
    from p2pcommons.protocol.messages import ChannelMessage
    from p2pcommons.protocol.negentropy import Step


class Exchange:
    """The state of one commons. `over` is set, and CommonsDone emitted, exactly once."""

    def __init__(
        self,
        context: SessionContext,
        channel: int,
        commons: bytes,
        state: CommonsState,
        since: int = 0,
    ) -> None:
        self.commons = commons
        self.over = False
        self._context = context
        self._channel = channel
        self._state = state
        self._since = max(since, state.since)
        self._snapshot: Snapshot = state.snapshot.newest_since(self._since)
        self._fetcher = Fetcher(context.credit, context.want_ids_max, state.declined)
        self._negentropy = self._new_negentropy()
        self._haves: deque[bytes] = deque()
        self._haves_sent = 0
        self._haves_taken = 0
        self._next_neg: bytes | None = None
        self._comparing = context.is_opener
        self._reconciling = False
        self._rounds = 0
        self._answers = 0
        self._lacks_nothing = False
        self._fruitless = 0
        # The first message of an opener that keeps more is on its way, and compares too much.
        self._drop_neg = not context.is_opener and self._since > since
        self._announced = 0
        self._own_offers = 0
        self._taken_sent = 0
        self._sent = 0
        self._paused = False
        self._agreement = Agreement(context, channel, state.bodies)

    # --- beginning ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Send the first messages."""
        if self._context.is_opener or self._drop_neg:
            self._context.send(Open(self._channel, self.commons, self._since))
        if not self._state.has_founding:
            self._fetcher.offer((self.commons,))
            self._own_offers = 1
            self._send_wants()
        self._fetcher.offer_bodies(self._state.missing_bodies)
        if self._context.is_opener:
            self._next_neg = self._negentropy.initiate(self._fresh())
        self.pump()

    def _fresh(self) -> int | None:
        """Return how many of the newest items may differ, if all others were found equal."""
        before = self._state.equal_before
        return None if before is None else self._snapshot.count_since(before)

    def _new_negentropy(self) -> Negentropy:
        context = self._context
        return Negentropy(
            self._snapshot,
            frame_bytes_max=context.negentropy_bytes_max,
            jitter=context.jitter if context.is_opener else None,
        )

    # --- what comes in -----------------------------------------------------------------------

    def take(self, message: ChannelMessage) -> None:
        """Handle one message of this channel. Raises RejectedError for breaches of the rules."""
        self._check_turn(message)
        match message:
            case Open():
                self._take_open(message)
            case Neg(data=data):
                self._take_neg(data)
            case Want():
                self._take_want(message)
            case Have(ids=ids):
                self._take_have(ids)
            case Put():
                self._take_put(message)
            case Absent(ids=ids):
                self._take_absent(ids)
            case Bodies(ids=ids):
                self._serve(ids, BODY_BYTES_MAX, needs_body=True)
            case Done():
                self._take_done(message)
            case Unsupported():
                self._take_unsupported()
        self.pump()

    def _check_turn(self, message: ChannelMessage) -> None:
        """Raise RejectedError for what must not follow `done`, of whichever side."""
        # Who was told that this side lacks nothing has nothing more to compare or announce.
        is_late = self._lacks_nothing and isinstance(message, Neg | Have)
        if is_late or self._agreement.forbids(message):
            raise RejectedError(RejectReason.OUT_OF_TURN, f"{type(message).__name__} after done")

    def _take_open(self, message: Open) -> None:
        """The other side keeps less: begin again with what both keep."""
        first_round = self._context.is_opener and self._rounds == 1 and self._agreement.own is None
        if not first_round or message.since <= self._since or message.commons != self.commons:
            raise RejectedError(RejectReason.OUT_OF_TURN, "open")
        self._since = message.since
        self._snapshot = self._state.snapshot.newest_since(self._since)
        self._negentropy = self._new_negentropy()
        self._comparing = not self._paused
        if self._comparing:
            self._next_neg = self._negentropy.initiate(self._fresh())

    def _take_neg(self, data: bytes) -> None:
        if self._context.is_opener:
            if self._paused:
                return  # it crossed our pause
            if not self._comparing or self._next_neg is not None:
                raise RejectedError(RejectReason.OUT_OF_TURN, "neg")
        else:
            self._rounds += 1
            self._fruitless += 1
            if self._fruitless > FRUITLESS_ROUNDS_SERVED_MAX:
                raise RejectedError(RejectReason.BUDGET, "rounds without a result")
            if self._drop_neg:
                self._drop_neg = False
                return
        if self._reconciling:
            raise RejectedError(RejectReason.OUT_OF_TURN, "neg before the last one was answered")
        if len(data) <= NEGENTROPY_INLINE_BYTES_MAX:
            self._take_step(self._negentropy.reconcile(data))
        else:
            self._reconciling = True
            task = partial(self._negentropy.reconcile, data)
            self._context.compute(task, self._take_computed)

    def _take_computed(self, step: object) -> None:
        self._reconciling = False
        if not self.over:
            self._take_step(cast("Step", step))
            self.pump()

    def _take_step(self, step: Step) -> None:
        if not self._context.is_opener:
            self._answers += 1
            # The first message covers everything; what later ones leave out says nothing.
            self._lacks_nothing = step.lacks_nothing and self._answers == 1
            if step.message is not None:
                self._context.send(Neg(self._channel, step.message))
            return
        if self._paused:
            return
        self._fetcher.offer(split_ids(step.need))
        if step.have:
            self._haves.append(step.have)
        self._next_neg = step.message
        self._comparing = step.message is not None
        if self._comparing and self._agreement.their is not None:
            raise RejectedError(RejectReason.OUT_OF_TURN, "done before the comparison is over")
        self._fruitless = 0 if step.need or step.have else self._fruitless + 1
        if self._comparing and self._fruitless >= FRUITLESS_ROUNDS_MAX:
            self.pause(keep_queue=True)
        self._progress()

    def _take_want(self, message: Want) -> None:
        if not self._context.is_opener:
            # An empty want brings nothing on: it must not buy more rounds.
            self._fruitless = 0 if message.ids else self._fruitless
        elif self._haves_taken <= message.taken <= self._haves_sent:
            self._haves_taken = message.taken
        else:
            raise RejectedError(RejectReason.OUT_OF_TURN, "taken")
        self._serve(message.ids, message.body_bytes_max, needs_body=False)

    def _take_have(self, ids: tuple[bytes, ...]) -> None:
        if self._context.is_opener:
            raise RejectedError(RejectReason.OUT_OF_TURN, "have")
        self._fruitless = 0 if ids else self._fruitless
        self._announced += len(ids)
        if self._announced - self._announced_taken() > HAVES_AHEAD_MAX:
            raise RejectedError(RejectReason.BUDGET, "too many ids announced")
        self._fetcher.offer(ids)
        self._progress()

    def _take_put(self, message: Put) -> None:
        if not message.envelopes:
            raise RejectedError(RejectReason.MESSAGE_SHAPE, "empty put")
        request = self._context.next_request()
        ids = self._fetcher.take_put(message.envelopes, request)
        if self._since and self.commons in ids:
            self._count_founding_only_in_scope(message, ids)
        self._context.ingest(IngestEnvelopes(request, self.commons, message.envelopes))

    def _count_founding_only_in_scope(self, message: Put, ids: tuple[bytes, ...]) -> None:
        founding = message.envelopes[ids.index(self.commons)]
        if decode_header(founding.header).claimed_at < self._since:
            self._fetcher.leave_uncounted(self.commons)

    def _take_absent(self, ids: tuple[bytes, ...]) -> None:
        """Settle what is not given; who announces much and has none of it makes up ids."""
        fetcher = self._fetcher
        fetcher.take_absent(ids)
        if fetcher.absent > INVENTED_IDS_MAX + len(fetcher.brought):
            raise RejectedError(
                RejectReason.BUDGET, f"{fetcher.absent:,} ids announced that it does not have"
            )

    def _take_done(self, message: Done) -> None:
        if self._comparing and not self._reconciling:
            raise RejectedError(RejectReason.OUT_OF_TURN, "done before the comparison is over")
        self._agreement.their = message

    def _take_unsupported(self) -> None:
        if not self._context.is_opener or self._rounds > 1:
            raise RejectedError(RejectReason.OUT_OF_TURN, "unsupported")
        self.finish(Outcome.UNSUPPORTED)

    def _serve(self, ids: tuple[bytes, ...], body_bytes_max: int, *, needs_body: bool) -> None:
        job = Job(self._channel, self.commons, ids, body_bytes_max, needs_body)
        self._context.server.ask(job)

    # --- what the driver reports -------------------------------------------------------------

    def served(self, count: int) -> None:
        """Note that so many contributions were put to the other side."""
        self._sent += count

    def arrived(self, ids: tuple[bytes, ...]) -> None:
        """Note ids that became known another way."""
        self._fetcher.arrived(ids)

    def ingested(self, event: Ingested) -> bool:
        """Note what was stored; False if it belongs to another commons."""
        if not self._fetcher.ingested(event):
            return False
        self._progress()
        return True

    # --- what goes out -----------------------------------------------------------------------

    def pump(self) -> None:
        """Send whatever can be sent now."""
        if self.over:
            return
        if self._next_neg is not None and self._fetcher.queued < NEEDS_AHEAD_MAX:
            self._rounds += 1
            self._context.send(Neg(self._channel, self._next_neg))
            self._next_neg = None
        self._send_haves()
        self._send_wants()
        if self._has_all_said() and self._fetcher.is_idle:
            self._send_bodies()
            if self._fetcher.is_idle and not self._fetcher.has_bodies_queued:
                self._agreement.say(self._snapshot, self._fetcher, self.pump)
        if self._agreement.is_reached:
            differing = Outcome.PAUSED if self._paused else Outcome.DIFFERENT
            self.finish(Outcome.EQUAL if self._agreement.is_equal else differing)

    def pause(self, *, keep_queue: bool) -> None:
        """Compare no further; what is in flight is still taken, the rest is found next time."""
        self._paused = True
        self._comparing = False
        self._next_neg = None
        if not keep_queue:
            self._haves.clear()
            self._fetcher.drop_queue()

    def _has_all_said(self) -> bool:
        """Whether neither side will add to what this one lacks, or has to be told of."""
        if self._context.is_opener:
            return not self._comparing and not self._haves
        return self._agreement.their is not None or self._lacks_nothing

    def _send_haves(self) -> None:
        their = self._context.their_limits
        room = min(their.haves, HAVES_AHEAD_MAX) - (self._haves_sent - self._haves_taken)
        while self._haves and room > 0:
            block = self._haves.popleft()
            size = min(room, IDS_PER_FRAME_MAX) * ID_BYTES
            if len(block) > size:
                self._haves.appendleft(block[size:])
            ids = tuple(split_ids(block[:size]))
            self._context.send(Have(self._channel, ids))
            self._haves_sent += len(ids)
            room -= len(ids)

    def _send_wants(self) -> None:
        while ids := self._fetcher.next_want():
            self._send_want(ids)
        # Announced ids that had come another way are taken up without being wanted.
        if not self._fetcher.queued and self._announced_taken() > self._taken_sent:
            self._send_want(())

    def _send_want(self, ids: tuple[bytes, ...]) -> None:
        self._taken_sent = self._announced_taken()
        body_bytes_max = self._context.limits.body_bytes_max
        self._context.send(Want(self._channel, ids, body_bytes_max, self._taken_sent))

    def _send_bodies(self) -> None:
        while ids := self._fetcher.next_bodies():
            self._context.send(Bodies(self._channel, ids))

    def _announced_taken(self) -> int:
        if self._context.is_opener:
            return 0
        return max(0, self._fetcher.taken - self._own_offers)

    def _progress(self) -> None:
        fetcher = self._fetcher
        self._context.emit(Progress(self.commons, fetcher.new, fetcher.lacking))

    # --- the end -----------------------------------------------------------------------------

    def finish(self, outcome: Outcome) -> None:
        """End with this outcome and tell what came of it; only the first call counts."""
        if self.over:
            return
        self.over = True
        agreement, fetcher = self._agreement, self._fetcher
        own, their = agreement.own, agreement.their
        self._context.emit(
            CommonsDone(
                self.commons,
                ReconcileResult(
                    outcome,
                    sent=self._sent,
                    received=fetcher.new,
                    count=own.count if own else 0,
                    fingerprint=agreement.fingerprint,
                    in_full=agreement.was_in_full,
                    bodies=self._state.bodies + fetcher.bodies,
                    declined=fetcher.declined,
                    their_count=their.count if their else 0,
                    their_fingerprint=their.fingerprint if their else b"",
                    their_bodies=their.bodies if their else 0,
                    their_declined=their.declined if their else 0,
                    absent=fetcher.absent,
                    bodies_absent=tuple(fetcher.bodies_absent),
                    rounds=self._rounds,
                ),
            )
        )
