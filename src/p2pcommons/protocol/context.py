"""What the commons of one session share: the way out, the credit, the limits, the nonces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.protocol.events import Compute, SendFrame
from p2pcommons.protocol.fetch import Credit
from p2pcommons.protocol.limits import (
    FRAME_BYTES_MAX,
    NEGENTROPY_BYTES_MAX,
    WANT_IDS_SERVED_MAX,
    WANTS_IN_FLIGHT_MAX,
)
from p2pcommons.protocol.messages import PeerLimits, encode_message
from p2pcommons.protocol.serve import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.protocol.events import Computed, Effect, IngestEnvelopes
    from p2pcommons.protocol.limits import SessionLimits
    from p2pcommons.protocol.messages import Message


class SessionContext:
    """Collects the effects of one session, and knows what both sides agreed on."""

    def __init__(
        self,
        *,
        is_opener: bool,
        limits: SessionLimits,
        jitter: Callable[[int], int] | None,
        full_check: bool,
    ) -> None:
        self.is_opener = is_opener
        self.limits = limits
        self.jitter = jitter
        self.full_check = full_check
        self.nonces = b""
        """Nonce of the opener, then nonce of the other side; empty before both are known."""
        self.their_limits = PeerLimits()
        self.credit = Credit(WANTS_IN_FLIGHT_MAX)
        self.server = Server(WANTS_IN_FLIGHT_MAX, WANT_IDS_SERVED_MAX)
        self.bytes_sent = 0
        self._effects: list[Effect] = []
        self._requests = 0
        self._ingesting: set[int] = set()
        self._computing: dict[int, Callable[[object], None]] = {}

    def agree(self, nonces: bytes, their_limits: PeerLimits) -> None:
        """Take up what the other side's `hello` says."""
        self.nonces = nonces
        self.their_limits = their_limits
        self.credit.left = min(WANTS_IN_FLIGHT_MAX, their_limits.wants)

    @property
    def want_ids_max(self) -> int:
        """Ids that one want of ours may name."""
        return min(self.limits.want_ids_max, self.their_limits.ids)

    @property
    def frame_bytes_max(self) -> int:
        """Bytes of the largest frame that both sides handle."""
        return min(FRAME_BYTES_MAX, self.their_limits.frame)

    @property
    def negentropy_bytes_max(self) -> int:
        """Bytes of the largest Negentropy message that fits such a frame."""
        return self.frame_bytes_max - (FRAME_BYTES_MAX - NEGENTROPY_BYTES_MAX)

    def next_request(self) -> int:
        """Return a number for a request to the driver."""
        self._requests += 1
        return self._requests

    def send(self, message: Message) -> None:
        """Queue a frame."""
        frame = encode_message(message)
        self.bytes_sent += len(frame)
        self._effects.append(SendFrame(frame))

    @property
    def is_ingesting(self) -> bool:
        """Whether an answer to IngestEnvelopes is awaited."""
        return bool(self._ingesting)

    def ingest(self, effect: IngestEnvelopes) -> None:
        """Queue an ingest, and remember that its answer is awaited."""
        self._ingesting.add(effect.request)
        self._effects.append(effect)

    def ingested(self, request: int) -> None:
        """Note the answer to an ingest."""
        self._ingesting.discard(request)

    @property
    def is_computing(self) -> bool:
        """Whether an answer to Compute is awaited."""
        return bool(self._computing)

    def compute(self, task: Callable[[], object], take: Callable[[object], None]) -> None:
        """Queue work that takes a while; `take` gets its result."""
        request = self.next_request()
        self._computing[request] = take
        self._effects.append(Compute(request, task))

    def computed(self, event: Computed) -> None:
        """Hand a result on. Raises RejectedError if that is what came of it."""
        take = self._computing.pop(event.request)
        if event.rejected is not None:
            raise event.rejected
        take(event.result)

    def emit(self, effect: Effect) -> None:
        """Queue any other effect."""
        self._effects.append(effect)

    def drain(self) -> list[Effect]:
        """Return the effects queued since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects
