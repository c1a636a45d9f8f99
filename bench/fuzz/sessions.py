"""Whole sessions: a node in memory, after a valid greeting, gets frames that nobody honest sends.

A case is a byte of circumstances and then steps: frames, answers of the store, time, the end of
the stream. Nonces and chance are fixed, so that honest conversations can be recorded as seeds.
"""

from __future__ import annotations

import hashlib
import random
import zlib
from collections import Counter
from typing import TYPE_CHECKING

from memory_node import COMMONS, NOW_S, MemoryNode, entries
from negentropy_messages import read as read_negentropy
from session_scripts import (
    ENDED,
    FRAME,
    TICK,
    WORK,
    WORK_ALL,
    mutate_script,
    parse,
    script,
    session_pool,
)
from target import Target, must

from p2pcommons.errors import RejectedError
from p2pcommons.protocol import events as ev
from p2pcommons.protocol import messages as ms
from p2pcommons.protocol.limits import (
    CHANNELS_OPEN_MAX,
    FRAME_BYTES_MAX,
    WANTS_IN_FLIGHT_MAX,
    SessionLimits,
)
from p2pcommons.protocol.negentropy import split_ids
from p2pcommons.protocol.session import Session, blinded_commons

if TYPE_CHECKING:
    from session_scripts import Step

OUR_NONCE, THEIR_NONCE = b"\x01" * 32, b"\x02" * 32
OPENER, AUTOMATIC, BLUNT, FULL_CHECK, TIGHT = 0x80, 0x40, 0x20, 0x10, 0x08
"""Bits of the first byte; the lower three say what the node holds."""
EFFECTS_MAX = 600
"""Of one event. The most is an inbox of 64 messages that is taken at once."""
EVENT_BYTES_MAX = 16 * 1024 * 1024
WORK_MAX = 2_000
TWICE_SHARE = 16


def make_target() -> Target:
    """Return the target."""
    recorded = seeds()
    pool = session_pool()
    spare = [step for seed in recorded for step in parse(seed)[1] if step[0] == FRAME]

    def mutate(data: bytes, chance: random.Random) -> bytes:
        return mutate_script(data, chance, pool, spare)

    return Target("sessions", recorded, mutate, check, blind=0.05, bytes_max=12_000)


# --- seeds --------------------------------------------------------------------------------------


def seeds() -> list[bytes]:
    """Honest conversations as either side hears them, with the store answering at once or late."""
    found: list[bytes] = []
    for ours in range(6):
        for theirs in range(6):
            for is_opener in (True, False):
                first = ours | (OPENER if is_opener else 0)
                heard = conversation(first, theirs)
                steps = [(FRAME, frame) for frame in heard]
                found.append(script(first | AUTOMATIC, steps))
                if theirs == 0:
                    late = [part for step in steps for part in (step, (WORK, b""))]
                    found.append(script(first, [*late, (WORK_ALL, b""), (ENDED, b"")]))
    return found


def conversation(first: int, theirs: int) -> list[bytes]:
    """Return the frames that the node hears from an honest peer after the greeting."""
    near = Subject(first | AUTOMATIC)
    far = Subject((theirs | AUTOMATIC) ^ (OPENER ^ first & OPENER), THEIR_NONCE)
    near.handle(ev.Started())
    far.handle(ev.Started())
    heard: list[bytes] = []
    while near.sent or far.sent:
        while near.sent:
            far.take_frame(near.sent.pop(0))
        if far.sent:
            heard.append(far.sent.pop(0))
            near.take_frame(heard[-1])
    must(near.has_ended or far.has_ended or heard, "honest nodes had nothing to say")
    return heard[2:]


# --- the subject and what is watched about it ---------------------------------------------------


class Subject:
    """A session with a node behind it. Every effect is held against what may be."""

    def __init__(self, first: int, nonce: bytes = OUR_NONCE) -> None:
        self.node = MemoryNode(first & 7)
        self.is_opener = bool(first & OPENER)
        self.is_automatic = bool(first & AUTOMATIC)
        self.sent: list[bytes] = []
        self.todo: list[ev.Effect] = []
        self.trace = hashlib.sha256()
        self.reason = "goes on"
        self.has_ended = False
        self._now_ms = 0
        self._commons_of: dict[int, bytes] = {}
        self._opening = 0
        self._wants: dict[bytes, list[set[bytes]]] = {}
        self.stream_ended = False
        self.begun: Counter[bytes] = Counter()
        """Exchanges begun and not over, by commons."""
        limits = SessionLimits(bytes_max=40_000, want_ids_max=8) if first & TIGHT else None
        self.session = Session(
            is_opener=self.is_opener,
            commons=COMMONS,
            nonce=nonce,
            now_s=NOW_S,
            jitter=random.Random(3).randrange if self.is_opener else None,
            full_check=bool(first & FULL_CHECK),
            limits=limits,
        )

    def greet(self) -> None:
        """Begin, and hear the valid greeting of a peer that knows the same commons."""
        nonces = OUR_NONCE + THEIR_NONCE if self.is_opener else THEIR_NONCE + OUR_NONCE
        blinded = sorted(blinded_commons(nonces, one) for one in COMMONS)
        self.handle(ev.Started())
        self.take_frame(ms.encode_message(ms.Hello(THEIR_NONCE, NOW_S + 1)))
        self.take_frame(ms.encode_message(ms.Commons(tuple(blinded))))

    def step(self, step: Step) -> None:
        """Carry out one step of a script."""
        operation, content = step
        match operation:
            case 0:
                self.take_frame(content)
            case 1:
                self.work()
            case 2:
                self.work_all()
            case 3 | 4:
                self._now_ms += 1_000 if operation == TICK else 61_000
                self.handle(ev.Tick())
            case 5:
                self.handle(ev.StreamEnded())
            case 6:
                at = content[0] if content else 0
                item = entries()[at % len(entries())]
                self.handle(ev.Arrived(item.commons, (item.id,)))
            case _:
                self.work(refuses=True)

    def take_frame(self, frame: bytes) -> None:
        """Hear a frame."""
        if b"open" in frame[:8]:
            self._note_opening(frame)
        self.handle(ev.FrameReceived(frame))
        if self.is_automatic:
            self.work_all()

    def _note_opening(self, frame: bytes) -> None:
        try:
            message = ms.decode_message(frame)
        except RejectedError:
            return
        if isinstance(message, ms.Open):
            self._opening = message.channel

    def work_all(self) -> None:
        """Answer everything that waits for the store."""
        for _ in range(WORK_MAX):
            if not self.work():
                return
        raise AssertionError("the store is never done")

    def work(self, *, refuses: bool = False) -> bool:
        """Answer what has waited longest for the store; False if nothing has."""
        if not self.todo:
            return False
        match self.todo.pop(0):
            case ev.LoadSnapshot(commons):
                state = None if refuses else self.node.state(commons)
                if state is not None and not self.stream_ended and not self.has_ended:
                    self.begun[commons] += 1
                self.handle(ev.SnapshotLoaded(commons, state))
            case ev.LoadEnvelopes() as effect:
                self.handle(ev.Loaded(effect.request, {} if refuses else self.node.load(effect)))
            case ev.IngestEnvelopes() as effect:
                self.handle(self.node.ingest(effect, refuses=refuses))
            case ev.Compute() as effect:
                self.handle(effect.run())
            case other:
                raise AssertionError(other)
        return True

    def handle(self, event: ev.Event) -> None:
        """Hand an event on, and look at everything that comes of it."""
        had_ended = self.has_ended
        self.stream_ended |= isinstance(event, ev.StreamEnded)
        effects = self.session.handle(event, self._now_ms)
        must(not (had_ended and effects), "effects after the end")
        must(len(effects) <= EFFECTS_MAX, f"{len(effects)} effects of one event")
        size = sum(len(effect.data) for effect in effects if isinstance(effect, ev.SendFrame))
        must(size <= EVENT_BYTES_MAX, f"{size} bytes of one event")
        for effect in effects:
            must(not self.has_ended, "an effect after SessionEnded")
            self._watch(effect)
        must(self.session.has_ended == self.has_ended, "ended without saying so")

    def _watch(self, effect: ev.Effect) -> None:
        match effect:
            case ev.SendFrame(data):
                self._watch_frame(data)
                self.sent.append(data)
                self.trace.update(data)
            case ev.LoadSnapshot(commons):
                must(commons in COMMONS, "an unknown commons")
                if not self.is_opener:
                    self._commons_of[self._opening] = commons
                self.todo.append(effect)
            case ev.LoadEnvelopes() | ev.Compute():
                waiting = [one for one in self.todo if isinstance(one, type(effect))]
                must(len(waiting) < CHANNELS_OPEN_MAX, "too much loaded or computed at once")
                self.todo.append(effect)
            case ev.IngestEnvelopes():
                for envelope in effect.envelopes:
                    self._settle(effect.commons, hashlib.sha256(envelope.header).digest())
                self.todo.append(effect)
            case ev.CommonsDone(commons):
                self.begun[commons] -= 1
                must(self.begun[commons] >= 0, "a commons that ended more often than it began")
            case ev.PeerFault(reason):
                self.reason = reason.name
            case ev.SessionEnded(reason):
                self.has_ended = True
                self.reason = self.reason if self.reason != "goes on" else reason.name
            case _:
                pass
        if not isinstance(effect, ev.SendFrame):
            self.trace.update(type(effect).__name__.encode())

    def _watch_frame(self, frame: bytes) -> None:
        must(len(frame) <= FRAME_BYTES_MAX, "a frame too large")
        message = ms.decode_message(frame)
        match message:
            case ms.Have(ids=ids):
                must(set(ids) <= self.node.all_ids(), "announces what it does not hold")
            case ms.Put(envelopes=envelopes):
                must(envelopes, "an empty put")
                told = {hashlib.sha256(envelope.header).digest() for envelope in envelopes}
                must(told <= self.node.all_ids(), "gives what it does not hold")
            case ms.Neg(data=data):
                lists = [part for part in read_negentropy(data) if part.mode == 2]
                told = {one for part in lists for one in split_ids(part.content)}
                must(told <= self.node.all_ids(), "names what it does not hold")
            case ms.Open(channel=channel, commons=commons):
                self._commons_of[channel] = commons
            case ms.Want(channel=channel, ids=ids) | ms.Bodies(channel=channel, ids=ids) if ids:
                must(len(set(ids)) == len(ids), "wants the same twice in one want")
                self._wants.setdefault(self._commons_of[channel], []).append(set(ids))
                in_flight = [want for wants in self._wants.values() for want in wants]
                # What `absent` may have settled is not watched one by one.
                given_up = sum(1 for want in in_flight if want & self.node.refused)
                must(len(in_flight) <= WANTS_IN_FLIGHT_MAX + given_up, "too many wants")
            case _:
                pass

    def _settle(self, commons: bytes, identifier: bytes) -> None:
        wants = self._wants.get(commons, [])
        want = next((one for one in wants if identifier in one), None)
        must(want is not None, "stores what was not wanted")
        if want is not None:
            want.discard(identifier)
        self._wants[commons] = [one for one in wants if one]


def check(data: bytes) -> str:
    """Return how the session stands at the end of a script."""
    verdict, trace = run(data)
    if zlib.crc32(data) % TWICE_SHARE == 0:
        must(run(data) == (verdict, trace), "the second run differs")
    return verdict


def run(data: bytes) -> tuple[str, bytes]:
    """Play a script; return the outcome and a hash of everything the session did."""
    first, steps = parse(data)
    subject = Subject(first)
    if first & BLUNT:
        subject.handle(ev.Started())
    else:
        subject.greet()
    for step in steps:
        if step[0] == FRAME:
            subject.node.note_absent(step[1])
        subject.step(step)
    standing = subject.reason
    subject.handle(ev.StreamEnded())
    subject.work_all()
    must(subject.has_ended, "does not end with its stream")
    must(not any(subject.begun.values()), "a commons without an outcome")
    return standing, subject.trace.digest()
