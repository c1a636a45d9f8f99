"""Bytes of a real session, changed at random, end sessions and do nothing else."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.protocol import events as ev

from .eve import COMMONS, bob
from .memory import MemoryNode, Side, entry, founding, make_side, run_pair


def recorded(*, bob_opens: bool) -> list[bytes]:
    """Return the frames that an honest peer with other contributions sends bob."""
    alice = MemoryNode("alice")
    alice.add(founding(), *(entry(number) for number in range(20, 60)))
    alice.bodyless = {entry(25).id}
    sides = [make_side(bob(), is_opener=bob_opens), make_side(alice, is_opener=not bob_opens)]
    run_pair(*(sides if bob_opens else sides[::-1]))
    assert not sides[0].faults() + sides[1].faults()
    return sides[1].frames_sent


RECORDED = {opens: recorded(bob_opens=opens) for opens in (True, False)}


def mutated(frame: bytes, chance: random.Random) -> bytes:
    data = bytearray(frame)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                del data[at : at + chance.randrange(1, 40)]
            case 2:
                data[at:at] = chance.randbytes(chance.randrange(1, 8))
            case _:
                data[at : at + 1] = bytes([chance.randrange(256)])
    return bytes(data)


@given(st.integers(0, 2**64), st.booleans())
@settings(max_examples=200, deadline=None)
def test_mutated_frames_of_a_real_session_lead_to_faults_only(seed: int, bob_opens: bool) -> None:
    chance = random.Random(seed)
    frames = RECORDED[bob_opens]
    victim = chance.randrange(len(frames))
    side = make_side(bob(), is_opener=bob_opens)
    side.handle(ev.Started())
    for number, frame in enumerate(frames):
        data = mutated(frame, chance) if number == victim else frame
        side.handle(ev.FrameReceived(data))
        while chance.random() < 0.8 and side.work():
            pass
    side.handle(ev.StreamEnded())
    while side.work():
        pass
    only_known_effects_after_the_end(side)


@given(st.lists(st.binary(max_size=80), max_size=5), st.booleans())
@settings(max_examples=100, deadline=None)
def test_random_frames_lead_to_faults_only(frames: list[bytes], bob_opens: bool) -> None:
    side = make_side(bob(), is_opener=bob_opens)
    side.handle(ev.Started())
    for frame in frames:
        side.handle(ev.FrameReceived(frame))
    side.handle(ev.StreamEnded())
    only_known_effects_after_the_end(side)


def only_known_effects_after_the_end(side: Side) -> None:
    assert side.session.has_ended
    assert isinstance(side.log[-1], ev.SessionEnded)
    assert sum(isinstance(effect, ev.SessionEnded) for effect in side.log) == 1
    known = {founding().id, *(entry(number).id for number in range(60))}
    assert set(side.node.held[COMMONS]) <= known
    assert side.session.handle(ev.FrameReceived(b"late"), 0) == []
