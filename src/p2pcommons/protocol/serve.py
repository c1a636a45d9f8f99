"""Answer the wants of the other side, in the order in which they came, newest first.

One load is under way at a time, of about a megabyte, and the next is asked for while the frames
of the last are being written.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.protocol.fetch import Pace
from p2pcommons.protocol.messages import Absent, Put

if TYPE_CHECKING:
    from collections.abc import Mapping

    from p2pcommons.model.contribution import Envelope

_ENVELOPE_OVERHEAD_BYTES = 2 * 64 + 16
"""Signature, grant, and the marks of msgpack."""
_FRAME_OVERHEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class Job:
    """One want: of which commons, which ids, and what about the bodies."""

    channel: int
    commons: bytes
    ids: tuple[bytes, ...]
    body_bytes_max: int
    needs_body: bool
    """Whether a contribution without its body is of no use (`bodies`)."""


class Server:
    """The wants of one session that have not been answered in full."""

    def __init__(self, jobs_max: int, ids_max: int) -> None:
        self._jobs: deque[Job] = deque()
        self._loading: Job | None = None
        self._jobs_max = jobs_max
        self._ids_max = ids_max
        self._pace = Pace(ids_max)
        self._answered = 0

    @property
    def is_loading(self) -> bool:
        """Whether an answer of the store is awaited."""
        return self._loading is not None

    def ask(self, job: Job) -> None:
        """Queue a want. Raises RejectedError where the other side goes beyond its credit."""
        if len(job.ids) > self._ids_max:
            raise RejectedError(RejectReason.BUDGET, f"{len(job.ids)} ids in one want")
        if not job.ids:
            return
        if len(self._jobs) >= self._jobs_max:
            raise RejectedError(RejectReason.BUDGET, "too many wants at once")
        self._jobs.append(job)

    def next_load(self) -> Job | None:
        """Return what to load next; None while a load is under way or nothing is wanted."""
        if self._loading is not None or not self._jobs:
            return None
        job = self._jobs[0]
        part = job.ids[self._answered : self._answered + self._pace.size]
        self._loading = replace(job, ids=part)
        return self._loading

    def answer(
        self, envelopes: Mapping[bytes, Envelope], frame_bytes_max: int
    ) -> list[Put | Absent]:
        """Return the messages that answer the load under way."""
        job = self._loading
        if job is None:
            raise ValueError("no load is under way")
        self._loading = None
        self._answered += len(job.ids)
        if self._answered == len(self._jobs[0].ids):
            self._jobs.popleft()
            self._answered = 0
        given, absent = _choose(job, envelopes)
        self._pace.note(len(given), sum(map(_size, given)))
        answers: list[Put | Absent] = [*_frames(job.channel, given, frame_bytes_max)]
        if absent:
            answers.append(Absent(job.channel, tuple(absent)))
        return answers


def _choose(job: Job, envelopes: Mapping[bytes, Envelope]) -> tuple[list[Envelope], list[bytes]]:
    """Return what is given of a job, in its order, and the ids that are not."""
    given: list[Envelope] = []
    absent: list[bytes] = []
    for identifier in job.ids:
        envelope = envelopes.get(identifier)
        if envelope is None or (job.needs_body and envelope.body is None):
            absent.append(identifier)
        elif envelope.body is not None and len(envelope.body) > job.body_bytes_max:
            given.append(replace(envelope, body=None))
        else:
            given.append(envelope)
    return given, absent


def _frames(channel: int, envelopes: list[Envelope], frame_bytes_max: int) -> list[Put]:
    """Return `put` messages of at most `frame_bytes_max` bytes each."""
    frames: list[Put] = []
    batch: list[Envelope] = []
    room = frame_bytes_max - _FRAME_OVERHEAD_BYTES
    for envelope in envelopes:
        size = _size(envelope)
        if batch and size > room:
            frames.append(Put(channel, tuple(batch)))
            batch, room = [], frame_bytes_max - _FRAME_OVERHEAD_BYTES
        batch.append(envelope)
        room -= size
    if batch:
        frames.append(Put(channel, tuple(batch)))
    return frames


def _size(envelope: Envelope) -> int:
    return len(envelope.header) + len(envelope.body or b"") + _ENVELOPE_OVERHEAD_BYTES
