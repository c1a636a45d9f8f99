"""How much this node moved: the last ten minutes, today, and with each peer.

The sockets count; this looks at their sums now and then, and when somebody asks. The sums of a day
are kept in the store, so that a restart does not forget what a day has cost so far. A day is one
of this machine's own time zone: it ends at the midnight of the person.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from p2pcommons.store.days import DAY_META, DaySums, day_of

if TYPE_CHECKING:
    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.pausing import Pausing
    from p2pcommons.node.ports import HostPort

BUCKET_SECONDS = 10
BUCKETS = 60
DAY_LOOK_SECONDS = 1.0
"""Between two looks where a day has a limit: what moves in that time may be over it."""
SAVE_SECONDS = 60.0
SAVE_BYTES = 256 * 1024
"""What a killed node may forget of a day, if it did not happen within the last minute."""


class History:
    """Bytes in and out of the last ten minutes, in buckets of ten seconds."""

    def __init__(self) -> None:
        self._buckets: deque[list[int]] = deque(maxlen=BUCKETS)
        self._number: int | None = None

    def add(self, came: int, went: int, now_s: float) -> None:
        """Count bytes that moved up to now, in seconds of a clock that people may set."""
        self._go_on(now_s)
        self._buckets[-1][0] += came
        self._buckets[-1][1] += went

    def rows(self, now_s: float) -> list[list[int]]:
        """Return (in, out) of each bucket, the oldest first and the one that fills now last."""
        self._go_on(now_s)
        return [list(bucket) for bucket in self._buckets]

    def _go_on(self, now_s: float) -> None:
        number = int(now_s // BUCKET_SECONDS)
        missing = 1 if self._number is None else number - self._number
        if missing < -1:
            missing = 1  # somebody has set the clock back: go on from there
        for _ in range(min(max(missing, 0), BUCKETS)):
            self._buckets.append([0, 0])
        if missing > 0:
            self._number = number


class TrafficLog:
    """What is known of the bytes of this node; only the event loop touches it."""

    def __init__(self) -> None:
        self.history = History()
        self.day = DaySums()
        self.came = self.went = 0
        """Since the node started."""

    def note(self, came: int, went: int, now_s: float) -> None:
        """Take the sums since the start."""
        more_came, more_went = max(came - self.came, 0), max(went - self.went, 0)
        self.came, self.went = came, went
        self.history.add(more_came, more_went, now_s)
        self.day.add(more_came, more_went, day_of(now_s))


class Measuring:
    """Looks at the sums of a host."""

    def __init__(self, context: NodeContext, host: HostPort, pausing: Pausing) -> None:
        self._context = context
        self._host = host
        self._pausing = pausing
        self._saved = 0
        self._saved_at = 0.0

    def measure(self) -> None:
        """Bring the figures up to date."""
        state = self._context.state
        state.traffic.note(*self._host.traffic.total(), self._context.now())
        state.handshakes = self._host.gate.handshake_counts()
        for peer in state.connected():
            peer.bytes_in, peer.bytes_out = self._host.traffic.of(peer.peer_id)
            peer.round_trip_ms = self._host.round_trip_ms(peer.peer_id)

    async def run(self) -> None:
        """Measure once in a bucket; keep the day's sums, at the end for certain."""
        await self._load()
        pause = DAY_LOOK_SECONDS if self._pausing.day_is_limited else BUCKET_SECONDS / 2
        try:
            while True:
                self.measure()
                await self._pausing.look_at_day()
                await self._save_sometimes()
                await trio.sleep(pause)
        finally:
            with trio.CancelScope(shield=True):
                self.measure()
                await self._save()

    async def _load(self) -> None:
        text = await self._context.attempt(lambda store: store.meta(DAY_META))
        kept = DaySums.from_text(text)
        day = self._context.state.traffic.day
        if kept.day == day_of(self._context.now()):
            day.add(kept.came, kept.went, kept.day)
        self._saved = day.total

    async def _save_sometimes(self) -> None:
        now = trio.current_time()
        moved = abs(self._context.state.traffic.day.total - self._saved)
        if moved >= SAVE_BYTES and now - self._saved_at >= SAVE_SECONDS:
            self._saved_at = now
            await self._save()

    async def _save(self) -> None:
        day = self._context.state.traffic.day
        if day.total != self._saved:
            self._saved, text = day.total, day.as_text()
            await self._context.attempt(lambda store: store.set_meta(DAY_META, text))
