"""What both sides of one commons say they hold in the end, and whether that is the same.

Each says `done` once. Where the opener asks for the comparison in full, by a hash over all ids,
the other side answers in kind, a second time if it had said `done` early and in short.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from p2pcommons.protocol.items import full_fingerprint
from p2pcommons.protocol.messages import Absent, Done, Put

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.protocol.context import SessionContext
    from p2pcommons.protocol.fetch import Fetcher
    from p2pcommons.protocol.items import IdSum, Snapshot
    from p2pcommons.protocol.messages import ChannelMessage

_FULL_FINGERPRINT_BYTES = 32


class Agreement:
    """Both `done` of one channel. `bodies` is how many were held when it began."""

    def __init__(self, context: SessionContext, channel: int, bodies: int) -> None:
        self.own: Done | None = None
        self.their: Done | None = None
        self.fingerprint = b""
        """Ours, of 16 bytes; empty before ours was said."""
        self._context = context
        self._channel = channel
        self._bodies = bodies
        self._began_in_full = False

    @property
    def is_reached(self) -> bool:
        """Whether both sides have said what they hold, in the same way."""
        own, their = self.own, self.their
        return own is not None and their is not None and _in_full(own) == _in_full(their)

    @property
    def is_equal(self) -> bool:
        """Whether both hold the same."""
        own, their = self.own, self.their
        if own is None or their is None:
            return False
        return (own.count, own.fingerprint) == (their.count, their.fingerprint)

    @property
    def was_in_full(self) -> bool:
        """Whether ours was a hash over all ids."""
        return self.own is not None and _in_full(self.own)

    def forbids(self, message: ChannelMessage) -> bool:
        """Whether their `done` was before this message and is not followed by such a one."""
        if self.their is None or isinstance(message, Put | Absent):
            return False
        is_second = isinstance(message, Done) and self._began_in_full and not _in_full(self.their)
        return not (is_second and self._context.is_opener)

    def say(self, snapshot: Snapshot, fetcher: Fetcher, then: Callable[[], None]) -> None:
        """Send ours where it is due; `then` is called if that takes a while."""
        if not self._is_asked_in_full:
            if self.own is None:
                self._send(_sum(snapshot, fetcher), fetcher)
        elif not self._began_in_full:
            self._began_in_full = True

            def said(fingerprint: object) -> None:
                self._send(_sum(snapshot, fetcher), fetcher, cast("bytes", fingerprint))
                then()

            brought = tuple(fetcher.brought)
            task = partial(full_fingerprint, self._context.nonces, snapshot, brought)
            self._context.compute(task, said)

    @property
    def _is_asked_in_full(self) -> bool:
        if self._context.is_opener:
            return self._context.full_check
        return self.their is not None and _in_full(self.their)

    def _send(self, total: IdSum, fetcher: Fetcher, in_full: bytes | None = None) -> None:
        self.fingerprint = total.fingerprint()
        self.own = Done(
            self._channel,
            total.count,
            in_full or self.fingerprint,
            self._bodies + fetcher.bodies,
            fetcher.declined,
        )
        self._context.send(self.own)


def _sum(snapshot: Snapshot, fetcher: Fetcher) -> IdSum:
    """Return the sum over what was held at the beginning and what the session brought."""
    total = snapshot.id_sum()
    total.count += fetcher.brought_sum.count
    total.total += fetcher.brought_sum.total
    return total


def _in_full(done: Done) -> bool:
    return len(done.fingerprint) == _FULL_FINGERPRINT_BYTES
