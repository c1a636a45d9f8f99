"""What two replicas know of each other saves them turns, and what takes long is done elsewhere."""

from __future__ import annotations

import random

import pytest

from p2pcommons.errors import RejectReason
from p2pcommons.protocol import events as ev
from p2pcommons.protocol.blocks import Blocks
from p2pcommons.protocol.items import ItemSet
from p2pcommons.protocol.limits import NEGENTROPY_INLINE_BYTES_MAX
from p2pcommons.protocol.messages import Done, Have, Neg, Open, Put, encode_message
from p2pcommons.protocol.negentropy import Negentropy
from p2pcommons.protocol.negentropy_varint import encode_varint

from .eve import COMMONS, UNKNOWN, Eve
from .memory import NOW_S, MemoryNode, Side, entry, founding, make_side, run_pair

SHARED = range(300)
LATER = [entry(1_000 + number, age_s=1) for number in range(10)]
ALL_OLD = NOW_S - 5


def node(name: str, *later: int, equal_before: int | None = ALL_OLD) -> MemoryNode:
    result = MemoryNode(name)
    shared = (each for each in map(entry, SHARED) if each.header.claimed_at < ALL_OLD)
    result.add(founding(), *shared, *(LATER[number] for number in later))
    result.equal_before = equal_before
    return result


def in_turns(opener: Side, other: Side) -> int:
    """Run a session; return how often the opener had to wait for the other side."""
    for side in (opener, other):
        side.handle(ev.Started())
    turns = 0
    while not opener.session.has_ended:
        deliver(opener, other)
        turns += deliver(other, opener)
    deliver(opener, other)
    other.handle(ev.StreamEnded())
    return turns


def deliver(sender: Side, receiver: Side) -> bool:
    """Hand over all that was sent, and let the receiver do all that follows."""
    sent = bool(sender.outbox)
    while sender.outbox:
        receiver.handle(ev.FrameReceived(sender.outbox.popleft()))
    while receiver.work():
        pass
    return sent


def pair(alice: MemoryNode, bob: MemoryNode, *, full_check: bool = False) -> tuple[Side, Side]:
    opener = make_side(alice, is_opener=True, full_check=full_check)
    return opener, make_side(bob, is_opener=False)


def test_replicas_that_stayed_equal_take_two_turns_and_less_than_400_bytes() -> None:
    opener, other = pair(node("alice"), node("bob"))
    assert in_turns(opener, other) == 2  # hello; the comparison and done
    assert sum(map(len, opener.frames_sent + other.frames_sent)) < 400
    for side in (opener, other):
        assert side.results()[COMMONS].equal
    assert opener.results()[COMMONS].rounds == 1


def test_what_is_new_on_the_other_side_takes_three_turns_in_all() -> None:
    opener, other = pair(node("alice"), node("bob", *range(10)))
    assert in_turns(opener, other) == 3  # hello; the comparison; the contributions
    assert opener.results()[COMMONS].rounds == 1
    assert opener.results()[COMMONS].received == 10
    for side in (opener, other):
        assert side.results()[COMMONS].equal
    frames = opener.frames_sent + other.frames_sent
    puts = [encode_message(each) for each in other.messages() if isinstance(each, Put)]
    assert sum(map(len, frames)) - sum(map(len, puts)) < 2_000


def test_what_is_new_on_both_sides_takes_one_round() -> None:
    opener, other = pair(node("alice", 0, 1, 2), node("bob", *range(2, 10)))
    assert in_turns(opener, other) == 4
    assert opener.results()[COMMONS].rounds == 1
    assert (opener.results()[COMMONS].sent, opener.results()[COMMONS].received) == (2, 7)
    for side in (opener, other):
        assert side.results()[COMMONS].equal


@pytest.mark.parametrize("equal_before", [1, NOW_S - 2_000, 2**32 - 1])
def test_a_wrong_idea_of_what_was_equal_costs_rounds_and_nothing_else(equal_before: int) -> None:
    alice, bob = node("alice", equal_before=equal_before), node("bob", 1, 2)
    bob.add(entry(777, age_s=4_000))
    alice.add(entry(778, age_s=4_500))
    opener, other = pair(alice, bob)
    run_pair(opener, other)
    for side in (opener, other):
        assert side.results()[COMMONS].equal
    assert alice.fingerprints() == bob.fingerprints()


@pytest.mark.parametrize("later", [(), (1, 2, 3)])
def test_a_comparison_in_full_is_answered_in_full_by_who_was_done_early(
    later: tuple[int, ...],
) -> None:
    opener, other = pair(node("alice"), node("bob", *later), full_check=True)
    run_pair(opener, other)
    said = [len(each.fingerprint) for each in other.messages() if isinstance(each, Done)]
    assert said == [16, 32]
    for side in (opener, other):
        assert side.results()[COMMONS].equal
        assert side.results()[COMMONS].in_full


def first_message(bob: MemoryNode) -> bytes:
    """Return an opener's message over exactly what bob holds, so that he lacks nothing."""
    count = bob.sets[COMMONS].count
    total = bob.sets[COMMONS].snapshot().fingerprint(0, count)
    return b"\x61\x00\x00\x01" + total


@pytest.mark.parametrize("message", [Neg(0, b"\x61"), Have(0, (UNKNOWN,))], ids=["neg", "have"])
def test_who_said_that_it_lacks_nothing_is_not_told_of_more(message: Neg | Have) -> None:
    bob = node("bob")
    eve = Eve(bob_opens=False, node=bob)
    eve.shake_hands()
    eve.say(Open(0, COMMONS))
    eve.say(Neg(0, first_message(bob)))
    assert isinstance(eve.heard()[-1], Done)
    assert eve.fault() is None
    eve.say(message)
    assert eve.fault() is RejectReason.OUT_OF_TURN


def long_message(count: int) -> bytes:
    """Return a comparison by many fingerprints, none of which is right."""
    message = bytearray(b"\x61")
    for _ in range(count):
        message += b"\x82\x80\x00\x00\x01" + random.Random(1).randbytes(16)
    return bytes(message)


def in_a_channel(*, bob_opens: bool = False) -> Eve:
    eve = Eve(bob_opens=bob_opens, node=node("bob"))
    eve.shake_hands()
    if not bob_opens:
        eve.say(Open(0, COMMONS))
    return eve


def test_long_messages_are_answered_beside_the_event_loop() -> None:
    eve = in_a_channel()
    data = long_message(300)
    assert len(data) > NEGENTROPY_INLINE_BYTES_MAX
    heard = len(eve.heard())
    eve.bob.handle(ev.FrameReceived(encode_message(Neg(0, data))))
    assert [type(each) for each in eve.bob.todo] == [ev.Compute]
    assert len(eve.heard()) == heard
    eve.bob.handle(ev.Tick())
    assert eve.bob.work()
    assert isinstance(eve.heard()[-1], Neg)
    assert eve.fault() is None


def test_a_second_long_message_before_the_answer_is_a_fault() -> None:
    eve = in_a_channel()
    for _ in range(2):
        eve.bob.handle(ev.FrameReceived(encode_message(Neg(0, long_message(300)))))
    assert eve.fault() is RejectReason.OUT_OF_TURN


def test_a_long_message_that_is_malformed_is_a_fault() -> None:
    eve = in_a_channel()
    eve.say(Neg(0, long_message(300) + b"\x00\x00\x07"))
    assert eve.fault() is RejectReason.RECONCILE


def test_the_other_side_may_be_done_while_its_long_answer_is_being_compared() -> None:
    eve = in_a_channel(bob_opens=True)
    listed = b"".join(entry(number).id for number in range(2_000, 2_200))
    answer = b"\x61\x00\x00\x02\x81\x48" + listed
    bobs = eve.bob.node.sets[COMMONS]
    done = Done(0, bobs.count + 200, bytes(16), 0, 0)
    for message in (Neg(0, answer), done):
        eve.bob.handle(ev.FrameReceived(encode_message(message)))
    assert eve.fault() is None
    while eve.bob.work():
        pass
    assert eve.fault() is None


def test_done_before_the_comparison_is_over_is_a_fault() -> None:
    eve = in_a_channel(bob_opens=True)
    eve.say(Neg(0, b"\x61\x00\x00\x01" + bytes(16)), Done(0, 0, bytes(16), 0, 0))
    assert eve.fault() is RejectReason.OUT_OF_TURN


def test_fingerprints_of_a_long_message_are_made_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """One range at a time took some tenths of a second for a frame."""
    chance = random.Random(5)
    items = ItemSet((chance.randrange(1, 2**31), chance.randbytes(32)) for _ in range(20_000))
    snapshot = items.snapshot()
    cuts = list(range(0, 20_001, 2))
    message = bytearray(b"\x61")
    order = 0
    for cut, fingerprint in zip(cuts[1:-1], snapshot.fingerprints(cuts), strict=False):
        bound = snapshot.item(cut)[0]
        message += encode_varint(bound - order + 1) + b"\x00\x01" + fingerprint
        order = bound
    calls = {"sums": 0, "ranks": 0, "rank": 0}

    def counting(name: str) -> None:
        real = getattr(Blocks, name)

        def counted(self: Blocks, *values: object) -> object:
            calls[name] += 1
            return real(self, *values)

        monkeypatch.setattr(Blocks, name, counted)

    for name in calls:
        counting(name)
    step = Negentropy(snapshot).reconcile(bytes(message))
    assert step.message is not None
    assert len(step.message) < 100, "all ranges are equal"
    assert calls == {"sums": 1, "ranks": 1, "rank": 0}
