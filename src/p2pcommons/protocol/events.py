"""What can happen to a session, and what it wants done: the whole contract with its driver.

The driver owns one `Session` per stream. It hands every event to `Session.handle` in order, from
one task, and carries out the effects in order. Events that answer an effect carry its `request`
(or its commons), and each such effect is answered exactly once, also after the stream has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from p2pcommons.errors import RejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from p2pcommons.errors import RejectReason
    from p2pcommons.model.contribution import Envelope
    from p2pcommons.protocol.items import Snapshot


@dataclass(frozen=True, slots=True)
class CommonsState:
    """What a node knows of one commons at the moment a session begins with it."""

    snapshot: Snapshot
    """Every verified contribution known, also those that were dropped or are muted."""
    bodies: int
    """Number of bodies held."""
    has_founding: bool
    """Whether the founding contribution is known."""
    missing_bodies: tuple[bytes, ...] = ()
    """Ids known whose bodies are wanted and not withdrawn, newest first."""
    since: int = 0
    """The oldest second kept; 0 keeps everything."""
    declined: Collection[bytes] = ()
    """Ids that are not to be wanted again; they are not known, and `done` counts them."""
    equal_before: int | None = None
    """What claims to be older than this second was the same on both sides when they were found
    equal, and has not changed here since. None if that is not known; an error costs rounds."""


# --- events ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The stream is open. First event of every session."""


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """One whole frame of the other side, without its length prefix."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SnapshotLoaded:
    """Answers LoadSnapshot. `state` is None when this node no longer takes part in it."""

    commons: bytes
    state: CommonsState | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """Answers LoadEnvelopes. What is not held, or not served, is left out."""

    request: int
    envelopes: Mapping[bytes, Envelope]


@dataclass(frozen=True, slots=True)
class Ingested:
    """Answers IngestEnvelopes, after the commit. Every envelope is in exactly one of the groups."""

    request: int
    new: tuple[bytes, ...] = ()
    """Ids that were not known before."""
    known: tuple[bytes, ...] = ()
    """Ids that were known already: they came another way, or this brought their body."""
    declined: tuple[bytes, ...] = ()
    """Ids that this node does not want to hold (full, strangers); they stay unknown."""
    bodies: int = 0
    """Bodies that were not held before."""
    rejected: RejectReason | None = None
    """The first reason why an envelope was invalid, or of another commons: the session ends."""


@dataclass(frozen=True, slots=True)
class Computed:
    """Answers Compute: what the task returned, or why it rejected what it was given."""

    request: int
    result: object = None
    rejected: RejectedError | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """Ids that became known through gossip or another session: they are not fetched again."""

    commons: bytes
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: send one about every second."""

    is_arriving: bool = False
    """Whether something has come since the last one, if only a part of a frame: on a slow line a
    whole one takes longer than silence may. Greetings are small, and not waited for like that."""


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The other side closed or reset the stream, or reading failed."""


Event = (
    Started
    | FrameReceived
    | SnapshotLoaded
    | Loaded
    | Ingested
    | Computed
    | Arrived
    | Tick
    | StreamEnded
)


# --- effects --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendFrame:
    """Write this frame, after all frames before it. Must not keep the reader from reading."""

    data: bytes


@dataclass(frozen=True, slots=True)
class LoadSnapshot:
    """Answer with SnapshotLoaded."""

    commons: bytes


@dataclass(frozen=True, slots=True)
class LoadEnvelopes:
    """Read these contributions from the store, in a thread; answer with Loaded.

    With bodies unless withdrawn or not held; `ids` are in the order in which they will be sent.
    """

    request: int
    commons: bytes
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class IngestEnvelopes:
    """Verify and store, in threads; answer with Ingested after the commit.

    A contribution whose commons is not `commons` is to be rejected with WRONG_COMMONS. Add what
    became known to the ItemSet of the commons; the snapshot of the session is not touched by it.
    """

    request: int
    commons: bytes
    envelopes: tuple[Envelope, ...]


@dataclass(frozen=True, slots=True)
class Compute:
    """Run this where nobody waits for it, for up to a second; answer with what it returns.

    The session leaves alone what the task works on until the answer is there.
    """

    request: int
    task: Callable[[], object]

    def run(self) -> Computed:
        """Return the answer; never raises what the other side is to blame for."""
        try:
            return Computed(self.request, self.task())
        except RejectedError as error:
            return Computed(self.request, rejected=error)


@dataclass(frozen=True, slots=True)
class PeerSaidHello:
    """The clock of the other side, seconds since 1970 UTC: only for telling a person about it."""

    now: int


@dataclass(frozen=True, slots=True)
class CommonsShared:
    """The commons that both sides know; `offered` are further ones the peer names in clear."""

    shared: tuple[bytes, ...]
    offered: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """So many contributions of a commons have come, so many more are known to be lacking."""

    commons: bytes
    received: int
    lacking: int


class Outcome(StrEnum):
    """How the exchange of one commons ended."""

    EQUAL = "equal"
    DIFFERENT = "different"
    PAUSED = "paused"
    UNSUPPORTED = "unsupported"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """What came of one commons in one session. `their_…` is 0 or empty before their `done`."""

    outcome: Outcome
    sent: int = 0
    """Contributions put to the other side."""
    received: int = 0
    """Contributions that were new here."""
    count: int = 0
    fingerprint: bytes = b""
    """16 bytes, over the snapshot and what this session brought; the same as of the store."""
    in_full: bool = False
    """Whether both sides compared a hash over all ids, which no choice of ids can forge."""
    bodies: int = 0
    declined: int = 0
    their_count: int = 0
    their_fingerprint: bytes = b""
    their_bodies: int = 0
    their_declined: int = 0
    absent: int = 0
    """Contributions asked for and not given."""
    bodies_absent: tuple[bytes, ...] = ()
    """Bodies asked for and not given: ask again later, of anyone."""
    rounds: int = 0
    """Negentropy messages of the opener."""

    @property
    def equal(self) -> bool:
        """Whether both sides hold the same contributions."""
        return self.outcome is Outcome.EQUAL

    @property
    def only_declined_left(self) -> bool:
        """Whether all that one side holds and the other does not was declined by that one."""
        ours, theirs = self.count + self.declined, self.their_count + self.their_declined
        declined = self.declined + self.their_declined
        return self.outcome is Outcome.DIFFERENT and declined > 0 and ours == theirs


@dataclass(frozen=True, slots=True)
class CommonsDone:
    """The exchange of one commons is over, whatever came of it. Once per commons begun."""

    commons: bytes
    result: ReconcileResult


@dataclass(frozen=True, slots=True)
class PeerFault:
    """The other side broke the rules: count it against the peer. SessionEnded follows."""

    reason: RejectReason
    detail: str = ""


class EndReason(StrEnum):
    """Why a session is over."""

    COMPLETE = "complete"
    STREAM_ENDED = "the stream ended early"
    FAULT = "the other side broke the rules"
    SILENCE = "the other side fell silent"
    BUDGET = "over its budget"


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """Close the stream (reset it unless COMPLETE). Last effect of every session."""

    reason: EndReason
    bytes_received: int
    bytes_sent: int


Effect = (
    SendFrame
    | LoadSnapshot
    | LoadEnvelopes
    | IngestEnvelopes
    | Compute
    | PeerSaidHello
    | CommonsShared
    | Progress
    | CommonsDone
    | PeerFault
    | SessionEnded
)
