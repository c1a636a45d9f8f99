"""A node in memory for the sessions that are fuzzed: what it holds is made once, and never lost."""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.model import codec, contribution, keys
from p2pcommons.model.contribution import Envelope
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.protocol import events as ev
from p2pcommons.protocol import messages as ms
from p2pcommons.protocol.items import ItemSet

if TYPE_CHECKING:
    from p2pcommons.model.contribution import Contribution
    from p2pcommons.protocol.items import Snapshot

NOW_S = 1_790_000_000
ENTRIES = 30
_ABSENT, _ABSENT_WITHIN = b"absent", 16
SIGNERS = [
    keys.grant_device(hashlib.sha256(b"%d" % n).digest(), hashlib.sha256(b"d%d" % n).digest())
    for n in range(3)
]


def _founding(number: int) -> Contribution:
    body = codec.encode({"salt": bytes(16), "title": f"Commons {number}"})
    when = NOW_S - 10**6
    return contribution.sign(SIGNERS[0], "commons", commons=ZERO_ID, body=body, claimed_at=when)


FOUNDING = [_founding(number) for number in range(3)]
COMMONS = [one.id for one in FOUNDING]


@cache
def entries() -> list[Contribution]:
    """All there is: most of it in the first commons, some with bodies of several kilobytes."""
    made: list[Contribution] = []
    for number in range(ENTRIES):
        text = "x" * number
        made.append(
            contribution.sign(
                SIGNERS[number % 3],
                "entry",
                commons=COMMONS[number % 10 // 9],
                body=codec.encode({"salt": bytes(16), "text": text, "title": str(number)}),
                claimed_at=NOW_S - number * 7 % 500,
            )
        )
    return made


@cache
def _held_at_first(variant: int) -> dict[bytes, dict[bytes, Contribution]]:
    """What a node holds: nothing, the foundings, halves, all."""
    chosen = {
        0: entries(),
        1: entries()[:15],
        2: entries()[10:],
        3: entries()[::3],
        4: [],
    }.get(variant, entries()[:26])
    held: dict[bytes, dict[bytes, Contribution]] = {commons: {} for commons in COMMONS}
    for item in [*chosen, *(FOUNDING if variant != 4 else [])]:
        held[item.commons][item.id] = item
    return held


@cache
def _snapshot(variant: int, commons: bytes) -> Snapshot:
    held = _held_at_first(variant)[commons].values()
    return ItemSet([(item.header.claimed_at, item.id) for item in held]).snapshot()


@lru_cache(maxsize=4_096)
def _verified(envelope: Envelope) -> Contribution:
    """Verify once: signatures are the subject of another target."""
    return contribution.verify(envelope)


class MemoryNode:
    """Answers what a session asks of its driver. `variant` is 0 to 7."""

    def __init__(self, variant: int) -> None:
        self._variant = variant
        self._held = {commons: dict(held) for commons, held in _held_at_first(variant).items()}
        self._all = {one for held in self._held.values() for one in held}
        # Two variants lack bodies, one declines what is new, one keeps only what is recent.
        self._bodyless: set[bytes] = set()
        if variant >= 5:
            self._bodyless = {one.id for one in entries()[:12]} & self._all
        self._declines = variant == 6
        self._since = NOW_S - 250 if variant == 7 else 0
        self.refused: set[bytes] = set()
        """Ids that the other side called absent."""

    def all_ids(self) -> set[bytes]:
        """The ids held."""
        return self._all

    def note_absent(self, frame: bytes) -> None:
        """Remember what a frame calls absent."""
        if _ABSENT not in frame[:_ABSENT_WITHIN]:
            return
        try:
            message = ms.decode_message(frame)
        except RejectedError:
            return
        if isinstance(message, ms.Absent):
            self.refused.update(message.ids)

    def state(self, commons: bytes) -> ev.CommonsState:
        """What is known at first: later additions are not part of it, as in a snapshot."""
        missing = tuple(one for one in self._held[commons] if one in self._bodyless)
        return ev.CommonsState(
            snapshot=_snapshot(self._variant, commons),
            bodies=len(self._held[commons]) - len(missing),
            has_founding=commons in self._held[commons],
            missing_bodies=missing,
            since=self._since,
        )

    def load(self, effect: ev.LoadEnvelopes) -> dict[bytes, Envelope]:
        """Return what is held of the ids asked for."""
        held = self._held[effect.commons]
        found: dict[bytes, Envelope] = {}
        for identifier in effect.ids:
            if identifier in held:
                envelope = held[identifier].envelope()
                body = None if identifier in self._bodyless else envelope.body
                found[identifier] = Envelope(
                    envelope.header, envelope.signature, envelope.grant, body
                )
        return found

    def ingest(self, effect: ev.IngestEnvelopes, *, refuses: bool) -> ev.Ingested:
        """Verify and keep, as the store does."""
        new: list[bytes] = []
        known: list[bytes] = []
        declined: list[bytes] = []
        bodies = 0
        held = self._held[effect.commons]
        for envelope in effect.envelopes:
            try:
                item = _verified(envelope)
                if item.commons != effect.commons:
                    raise RejectedError(RejectReason.WRONG_COMMONS)
            except RejectedError as error:
                return ev.Ingested(effect.request, tuple(new), tuple(known), rejected=error.reason)
            if item.id not in held and (refuses or self._declines):
                declined.append(item.id)
                continue
            (known if item.id in held else new).append(item.id)
            if item.body is not None and (item.id not in held or item.id in self._bodyless):
                bodies += 1
                self._bodyless.discard(item.id)
            held.setdefault(item.id, item)
            self._all.add(item.id)
        return ev.Ingested(effect.request, tuple(new), tuple(known), tuple(declined), bodies)
