"""A session cut at any point: what was stored stays, the newest first, and little is sent twice."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from p2pcommons.protocol import events as ev
from p2pcommons.protocol.limits import WANT_IDS_MAX, WANTS_IN_FLIGHT_MAX
from p2pcommons.protocol.messages import Put, decode_message

from .memory import MemoryNode, Side, entry, founding, make_side

COMMONS = founding().id
ENTRIES = [entry(number, age_s=1 + number) for number in range(500)]


def full() -> MemoryNode:
    node = MemoryNode("ana")
    node.add(founding(), *ENTRIES)
    return node


def newcomer(*held: int) -> MemoryNode:
    node = MemoryNode("ben")
    node.join(COMMONS)
    node.add(*(ENTRIES[number] for number in held))
    return node


class Cuts:
    """Runs sessions that are cut after a number of frames, and counts what is sent again."""

    def __init__(self, seed: str, ana: MemoryNode, ben: MemoryNode) -> None:
        self.chance = random.Random(seed)
        self.ana, self.ben = ana, ben
        self.put: Counter[bytes] = Counter()
        self.sessions = 0

    def run(self, frames_max: int, *, kill: bool) -> bool:
        """Run one session; True if it came to its end. With `kill` nothing that waits is stored."""
        self.sessions += 1
        ben_opens = self.chance.random() < 0.5
        sides = (
            make_side(self.ana, is_opener=not ben_opens, seed=self.sessions),
            make_side(self.ben, is_opener=ben_opens, seed=self.sessions),
        )
        for side in sides:
            side.handle(ev.Started())
        for _ in range(frames_max):
            ready = [side for side in sides if side.outbox]
            if not ready:
                # Some of what waits is done before the next frame, some later.
                if not any(side.work() for side in sides):
                    break
                continue
            self.deliver(self.chance.choice(ready), sides)
            while self.chance.random() < 0.7 and any(side.work() for side in sides):
                pass
        ended = any(side.session.has_ended for side in sides)
        if not kill:
            for side in sides:
                side.handle(ev.StreamEnded())
                while side.work():
                    pass
        assert not any(side.faults() for side in sides)
        return ended

    def deliver(self, sender: Side, sides: tuple[Side, Side]) -> None:
        receiver = sides[1] if sender is sides[0] else sides[0]
        frame = sender.outbox.popleft()
        message = decode_message(frame)
        if isinstance(message, Put):
            self.put.update(each.header for each in message.envelopes)
        receiver.handle(ev.FrameReceived(frame))


@pytest.mark.parametrize("kill", [False, True], ids=["cut", "killed"])
@pytest.mark.parametrize("seed", range(8))
def test_cut_anywhere_a_catch_up_goes_on_where_it_stopped(seed: int, kill: bool) -> None:
    cuts = Cuts(f"{seed} {kill}", full(), newcomer(*range(450, 500) if seed % 2 else ()))
    lacking = len(cuts.ana.held[COMMONS]) - len(cuts.ben.held[COMMONS])
    while not cuts.run(cuts.chance.randrange(1, 60), kill=kill):
        held = set(cuts.ben.held[COMMONS])
        newest = [each.id for each in ENTRIES[: len(held)]]
        missing_of_newest = sum(identifier not in held for identifier in newest)
        assert missing_of_newest <= 50 + WANTS_IN_FLIGHT_MAX * WANT_IDS_MAX
        # A killed process loses what it had received and not stored; a cut stream nothing.
        sent_twice = sum(cuts.put.values()) - len(cuts.put)
        assert sent_twice <= cuts.sessions * WANTS_IN_FLIGHT_MAX * WANT_IDS_MAX * kill
        assert cuts.sessions < 2_000
    assert cuts.ana.fingerprints() == cuts.ben.fingerprints()
    assert len(cuts.put) == lacking
    if not kill:
        assert sum(cuts.put.values()) == lacking, "nothing that was received is sent again"


def test_the_newest_come_first() -> None:
    ana, ben = full(), newcomer()
    opener, other = make_side(ben, is_opener=True), make_side(ana, is_opener=False)
    cuts = Cuts("order", ana, ben)
    for side in (opener, other):
        side.handle(ev.Started())
    stored: list[int] = []
    while not opener.session.has_ended:
        for side in (opener, other):
            if side.outbox:
                cuts.deliver(side, (opener, other))
            side.work()
        stored.append(len(ben.held[COMMONS]))
        held = set(ben.held[COMMONS]) - {COMMONS}
        assert held == {each.id for each in ENTRIES[: len(held)]}
    assert len(set(stored)) > 3


def test_what_is_being_stored_is_not_wanted_again() -> None:
    """The founding contribution was wanted by its id, and again when the comparison named it."""
    ana, ben = full(), newcomer()
    cuts = Cuts("storing", ana, ben)
    opener, other = make_side(ben, is_opener=True), make_side(ana, is_opener=False)
    for side in (opener, other):
        side.handle(ev.Started())
    for _ in range(50):
        for side in (opener, other):
            if side.outbox:
                cuts.deliver(side, (opener, other))
        other.work()
        opener.work(besides=ev.IngestEnvelopes)
    assert cuts.put[founding().header_bytes] == 1
    assert max(cuts.put.values()) == 1
