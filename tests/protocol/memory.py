"""A node in memory and a wire between two of them: what drives real sessions in these tests.

`MemoryNode` carries out effects the way a node does, verified contributions in dictionaries
instead of a store. `run_pair` moves frames between two sessions until nothing is left to do.
"""

from __future__ import annotations

import hashlib
import random
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.model import codec, contribution, keys
from p2pcommons.model.contribution import Contribution, Envelope
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.limits import SALT_BYTES
from p2pcommons.protocol import events as ev
from p2pcommons.protocol.items import ItemSet
from p2pcommons.protocol.messages import Message, decode_message
from p2pcommons.protocol.session import Session

if TYPE_CHECKING:
    from p2pcommons.protocol.limits import SessionLimits

NOW_S = 1_790_000_000


@cache
def signer(number: int) -> keys.Signer:
    seed = hashlib.sha256(b"root %d" % number).digest()
    return keys.grant_device(seed, hashlib.sha256(b"device %d" % number).digest())


@cache
def founding(number: int = 0) -> Contribution:
    body = codec.encode({"salt": bytes(SALT_BYTES), "title": f"Commons {number}"})
    return contribution.sign(
        signer(0), "commons", commons=ZERO_ID, body=body, claimed_at=NOW_S - 10**6
    )


@cache
def entry(number: int, commons: int = 0, *, body_bytes: int = 0, age_s: int = 0) -> Contribution:
    body = codec.encode({"salt": bytes(SALT_BYTES), "text": "x" * body_bytes, "title": str(number)})
    claimed_at = NOW_S - (age_s or number * 7 % 5_000)
    where = founding(commons).id
    return contribution.sign(
        signer(number % 3), "entry", commons=where, body=body, claimed_at=claimed_at
    )


@dataclass
class MemoryNode:
    """One replica: what it holds of each commons, and how it answers effects."""

    name: str
    held: dict[bytes, dict[bytes, Contribution]] = field(default_factory=dict)
    bodyless: set[bytes] = field(default_factory=set)
    declining: set[bytes] = field(default_factory=set)
    since: int = 0
    equal_before: int | None = None
    sets: dict[bytes, ItemSet] = field(default_factory=dict)

    def join(self, commons: bytes) -> None:
        self.held.setdefault(commons, {})
        self.sets.setdefault(commons, ItemSet())

    def add(self, *contributions: Contribution) -> None:
        for item in contributions:
            self.join(item.commons)
            self.held[item.commons][item.id] = item
            self.sets[item.commons].add_many([(item.header.claimed_at, item.id)])

    def state(self, commons: bytes) -> ev.CommonsState:
        held = self.held[commons]
        missing = [identifier for identifier in held if self.lacks_body(commons, identifier)]
        return ev.CommonsState(
            snapshot=self.sets[commons].snapshot(),
            bodies=len(held) - len(missing),
            has_founding=commons in held,
            missing_bodies=tuple(missing),
            since=self.since,
            equal_before=self.equal_before,
        )

    def lacks_body(self, commons: bytes, identifier: bytes) -> bool:
        return identifier in self.bodyless or self.held[commons][identifier].body is None

    def load(self, effect: ev.LoadEnvelopes) -> ev.Loaded:
        held = self.held.get(effect.commons, {})
        found: dict[bytes, Envelope] = {}
        for identifier in effect.ids:
            if identifier in held:
                envelope = held[identifier].envelope()
                if identifier in self.bodyless:
                    envelope = Envelope(envelope.header, envelope.signature, envelope.grant, None)
                found[identifier] = envelope
        return ev.Loaded(effect.request, found)

    def ingest(self, effect: ev.IngestEnvelopes) -> ev.Ingested:
        new, known, declined, bodies = [], [], [], 0
        held = self.held[effect.commons]
        for envelope in effect.envelopes:
            try:
                item = contribution.verify(envelope)
                if item.commons != effect.commons:
                    raise RejectedError(RejectReason.WRONG_COMMONS)
            except RejectedError as error:
                return ev.Ingested(effect.request, tuple(new), tuple(known), rejected=error.reason)
            if item.id in self.declining:
                declined.append(item.id)
                continue
            had_body = item.id in held and not self.lacks_body(effect.commons, item.id)
            (known if item.id in held else new).append(item.id)
            if item.body is not None and not had_body:
                bodies += 1
                self.bodyless.discard(item.id)
            if item.id not in held or item.body is not None:
                self.add(item)
        return ev.Ingested(effect.request, tuple(new), tuple(known), tuple(declined), bodies)

    def fingerprints(self) -> dict[bytes, bytes]:
        return {commons: items.fingerprint() for commons, items in self.sets.items()}


class Side:
    """One end of a stream: a session, the node behind it, and what it has been told to do."""

    def __init__(self, node: MemoryNode, session: Session) -> None:
        self.node = node
        self.session = session
        self.outbox: deque[bytes] = deque()
        self.todo: deque[ev.Effect] = deque()
        self.frames_sent: list[bytes] = []
        self.log: list[ev.Effect] = []
        self.now_ms = 0

    def handle(self, event: ev.Event) -> None:
        for effect in self.session.handle(event, self.now_ms):
            match effect:
                case ev.SendFrame(data):
                    self.outbox.append(data)
                    self.frames_sent.append(data)
                case ev.LoadSnapshot() | ev.LoadEnvelopes() | ev.IngestEnvelopes() | ev.Compute():
                    self.todo.append(effect)
                case _:
                    self.log.append(effect)

    def work(self, *, besides: type[ev.Effect] | None = None) -> bool:
        """Carry out the first effect that waits, and is not one of `besides`; False if none is."""
        due = next(
            (each for each in self.todo if besides is None or type(each) is not besides), None
        )
        if due is None:
            return False
        self.todo.remove(due)
        match due:
            case ev.LoadSnapshot(commons):
                joined = commons in self.node.held
                state = self.node.state(commons) if joined else None
                self.handle(ev.SnapshotLoaded(commons, state))
            case ev.LoadEnvelopes() as effect:
                self.handle(self.node.load(effect))
            case ev.IngestEnvelopes() as effect:
                self.handle(self.node.ingest(effect))
            case ev.Compute() as effect:
                self.handle(effect.run())
            case _:
                raise AssertionError
        return True

    def messages(self) -> list[Message]:
        return [decode_message(frame) for frame in self.frames_sent]

    def results(self) -> dict[bytes, ev.ReconcileResult]:
        return {
            effect.commons: effect.result
            for effect in self.log
            if isinstance(effect, ev.CommonsDone)
        }

    def ended(self) -> ev.SessionEnded | None:
        ends = [effect for effect in self.log if isinstance(effect, ev.SessionEnded)]
        return ends[0] if ends else None

    def faults(self) -> list[ev.PeerFault]:
        return [effect for effect in self.log if isinstance(effect, ev.PeerFault)]


def make_side(
    node: MemoryNode,
    *,
    is_opener: bool,
    seed: int = 0,
    limits: SessionLimits | None = None,
    full_check: bool = False,
    commons: list[bytes] | None = None,
) -> Side:
    # Chance for split points and nonces comes from a seed, so a failure can be run again.
    chance = random.Random(f"{seed} {node.name}")
    session = Session(
        is_opener=is_opener,
        commons=list(node.held) if commons is None else commons,
        nonce=chance.randbytes(32),
        now_s=NOW_S,
        jitter=chance.randrange,
        limits=limits,
        full_check=full_check,
    )
    return Side(node, session)


def run_pair(opener: Side, other: Side, *, steps_max: int = 100_000) -> None:
    """Run two sides against each other until nobody has anything to do; then end the stream."""
    opener.handle(ev.Started())
    other.handle(ev.Started())
    for _ in range(steps_max):
        if not any([move(opener, other), move(other, opener), opener.work(), other.work()]):
            break
    else:
        raise AssertionError("the session does not come to an end")
    for side in (opener, other):
        if not side.session.has_ended:
            side.handle(ev.StreamEnded())
            while side.work():
                pass


def move(sender: Side, receiver: Side) -> bool:
    """Deliver one frame; False if none waits."""
    if not sender.outbox:
        return False
    receiver.handle(ev.FrameReceived(sender.outbox.popleft()))
    return True


def reconcile(first: MemoryNode, second: MemoryNode, *, seed: int = 0) -> tuple[Side, Side]:
    """Run one session between two nodes, opened by the first."""
    opener = make_side(first, is_opener=True, seed=seed)
    other = make_side(second, is_opener=False, seed=seed)
    run_pair(opener, other)
    return opener, other
