"""The commons of one session, each on its channel, a few of them side by side.

The opener decides which commons come when; the other side follows. Messages for a commons whose
snapshot is still being loaded wait until it is there.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.protocol.events import LoadEnvelopes, LoadSnapshot, Outcome
from p2pcommons.protocol.exchange import Exchange
from p2pcommons.protocol.limits import CHANNEL_INBOX_MAX, CHANNELS_OPEN_MAX, COMMONS_MAX
from p2pcommons.protocol.messages import (
    UNSUPPORTED_CHARS_MAX,
    Commons,
    Hello,
    Open,
    Put,
    Unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from p2pcommons.model.contribution import Envelope
    from p2pcommons.protocol.context import SessionContext
    from p2pcommons.protocol.events import CommonsState, Ingested
    from p2pcommons.protocol.messages import ChannelMessage, Message


class _Waiting:
    """A commons whose snapshot is being loaded, and the messages that came for it.

    The opener numbers its channels when they open, the other side takes the number it is given.
    """

    def __init__(self, commons: bytes, channel: int | None, since: int) -> None:
        self.commons = commons
        self.channel = channel
        self.since = since
        self.inbox: list[ChannelMessage] = []


class Channels:
    """All commons of one session: those to come, those under way, those that are over."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._shared: frozenset[bytes] = frozenset()
        self._to_open: deque[bytes] = deque()
        self._waiting: dict[bytes, _Waiting] = {}
        self._exchanges: dict[int, Exchange] = {}
        self._refused: set[int] = set()
        self._next_channel = 0

    @property
    def are_through(self) -> bool:
        """Whether nothing is under way, and for the opener nothing to come."""
        return not (self._to_open or self._waiting or self._exchanges)

    @property
    def await_driver(self) -> bool:
        """Whether it is this node's turn, because something is being loaded or stored."""
        context = self._context
        is_working = context.is_ingesting or context.is_computing or context.server.is_loading
        return is_working or bool(self._waiting)

    @property
    def _open_count(self) -> int:
        return len(self._exchanges) + len(self._waiting)

    def begin(self, shared: tuple[bytes, ...]) -> None:
        """Begin with the commons that both sides know, in this order."""
        self._shared = frozenset(shared)
        if self._context.is_opener:
            self._to_open.extend(shared[:COMMONS_MAX])

    def take(self, message: Message) -> None:
        """Handle one message of a channel. Raises RejectedError for breaches of the rules."""
        if isinstance(message, Hello | Commons):
            raise RejectedError(RejectReason.OUT_OF_TURN, type(message).__name__)
        channel = message.channel
        if channel in self._exchanges:
            self._exchanges[channel].take(message)
        elif (waiting := self._find_waiting(channel)) is not None:
            if len(waiting.inbox) >= CHANNEL_INBOX_MAX:
                raise RejectedError(RejectReason.BUDGET, "messages before the first answer")
            waiting.inbox.append(message)
        elif isinstance(message, Open) and not self._context.is_opener:
            self._take_open(message)
        elif channel not in self._refused:
            raise RejectedError(RejectReason.OUT_OF_TURN, "a channel that is not open")

    def _find_waiting(self, channel: int) -> _Waiting | None:
        for waiting in self._waiting.values():
            if waiting.channel == channel:
                return waiting
        return None

    def _take_open(self, message: Open) -> None:
        if message.channel != self._next_channel:
            raise RejectedError(RejectReason.OUT_OF_TURN, "channels out of order")
        if self._open_count >= CHANNELS_OPEN_MAX:
            raise RejectedError(RejectReason.BUDGET, "too many commons at once")
        if message.commons not in self._shared or self._is_under_way(message.commons):
            raise RejectedError(RejectReason.OUT_OF_TURN, "a commons that was not announced")
        self._next_channel += 1
        if message.scope:
            self._refuse(message.channel, min(message.scope))
            return
        waiting = _Waiting(message.commons, message.channel, message.since)
        self._load_snapshot(waiting)

    def _is_under_way(self, commons: bytes) -> bool:
        exchanges = self._exchanges.values()
        return commons in self._waiting or any(one.commons == commons for one in exchanges)

    def _refuse(self, channel: int, what: str) -> None:
        self._refused.add(channel)
        self._context.send(Unsupported(channel, what[:UNSUPPORTED_CHARS_MAX]))

    def _load_snapshot(self, waiting: _Waiting) -> None:
        self._waiting[waiting.commons] = waiting
        self._context.emit(LoadSnapshot(waiting.commons))

    # --- what the driver reports -------------------------------------------------------------

    def snapshot_loaded(self, commons: bytes, state: CommonsState | None) -> None:
        """Begin with a commons whose snapshot is there, or leave it out."""
        waiting = self._waiting.pop(commons)
        channel = waiting.channel
        if state is None:
            if channel is not None:
                self._refuse(channel, "commons")
            return
        if channel is None:
            channel = self._next_channel
            self._next_channel += 1
        exchange = Exchange(self._context, channel, commons, state, waiting.since)
        self._exchanges[channel] = exchange
        exchange.begin()
        for message in waiting.inbox:
            exchange.take(message)

    def loaded(self, envelopes: Mapping[bytes, Envelope]) -> None:
        """Send what was loaded for a want."""
        for message in self._context.server.answer(envelopes, self._context.frame_bytes_max):
            self._context.send(message)
            exchange = self._exchanges.get(message.channel)
            if exchange is not None and isinstance(message, Put):
                exchange.served(len(message.envelopes))

    def ingested(self, event: Ingested) -> None:
        """Give the credit of what was stored back."""
        self._context.ingested(event.request)
        for exchange in self._exchanges.values():
            if exchange.ingested(event):
                return

    def arrived(self, commons: bytes, ids: tuple[bytes, ...]) -> None:
        """Note ids that became known another way."""
        for exchange in self._exchanges.values():
            if exchange.commons == commons:
                exchange.arrived(ids)

    # --- what goes out -----------------------------------------------------------------------

    def pump(self) -> None:
        """Send what can be sent, open what can be opened, load what is wanted."""
        for channel, exchange in list(self._exchanges.items()):
            exchange.pump()
            if exchange.over:
                del self._exchanges[channel]
        while self._to_open and self._open_count < CHANNELS_OPEN_MAX:
            self._load_snapshot(_Waiting(self._to_open.popleft(), None, 0))
        job = self._context.server.next_load()
        if job is not None:
            request = self._context.next_request()
            self._context.emit(LoadEnvelopes(request, job.commons, job.ids))

    def pause(self) -> None:
        """Open nothing more, compare no further; what is in flight is still taken."""
        self._to_open.clear()
        for exchange in self._exchanges.values():
            exchange.pause(keep_queue=False)

    def break_off(self) -> None:
        """End everything that is under way as it is."""
        self._to_open.clear()
        self._waiting.clear()
        for exchange in self._exchanges.values():
            exchange.finish(Outcome.BROKEN)
        self._exchanges.clear()
