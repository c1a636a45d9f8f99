"""A peer that breaks the rules ends its own session, and nothing else happens."""

from __future__ import annotations

import pytest

from p2pcommons.errors import RejectReason
from p2pcommons.model import codec
from p2pcommons.protocol import events as ev
from p2pcommons.protocol.limits import (
    CHANNEL_INBOX_MAX,
    FRAME_BYTES_MAX,
    FRUITLESS_ROUNDS_MAX,
    FRUITLESS_ROUNDS_SERVED_MAX,
    HAVES_AHEAD_MAX,
    SessionLimits,
)
from p2pcommons.protocol.messages import (
    Absent,
    Bodies,
    Commons,
    Done,
    Have,
    Hello,
    Message,
    Neg,
    Open,
    PeerLimits,
    Put,
    Unsupported,
    Want,
    decode_message,
    encode_message,
)
from p2pcommons.protocol.session import blinded_commons

from .eve import COMMONS, DONE, FLOOD, NONCE, UNKNOWN, Eve, at_bobs_door, bob, in_a_channel
from .memory import MemoryNode, entry, founding, make_side


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([Put(0, (entry(999).envelope(),))], RejectReason.NOT_WANTED),
        ([Absent(0, (UNKNOWN,))], RejectReason.NOT_WANTED),
        ([Put(0, ())], RejectReason.MESSAGE_SHAPE),
        ([Want(0, (UNKNOWN,) * 901)], RejectReason.BUDGET),
        ([Neg(0, b"\x20garbage")], RejectReason.RECONCILE),
        ([Neg(1, b"\x61")], RejectReason.OUT_OF_TURN),
        ([Hello(NONCE, 5)], RejectReason.OUT_OF_TURN),
        ([Commons(())], RejectReason.OUT_OF_TURN),
        ([Open(0, COMMONS)], RejectReason.OUT_OF_TURN),
        ([Open(1, COMMONS)], RejectReason.OUT_OF_TURN),
        ([Open(2, founding(1).id)], RejectReason.OUT_OF_TURN),
        ([Open(1, founding(1).id)], RejectReason.OUT_OF_TURN),
        ([Unsupported(0, "x")], RejectReason.OUT_OF_TURN),
        (FLOOD, RejectReason.BUDGET),
        ([DONE, Neg(0, b"\x61")], RejectReason.OUT_OF_TURN),
        ([DONE, Want(0, (COMMONS,))], RejectReason.OUT_OF_TURN),
        ([DONE, DONE], RejectReason.OUT_OF_TURN),
        ([Neg(0, b"\x61")] * (FRUITLESS_ROUNDS_SERVED_MAX + 1), RejectReason.BUDGET),
        ([Neg(0, b"\x61"), Want(0, ())] * (FRUITLESS_ROUNDS_SERVED_MAX + 1), RejectReason.BUDGET),
        ([Neg(0, b"\x61"), Have(0, ())] * (FRUITLESS_ROUNDS_SERVED_MAX + 1), RejectReason.BUDGET),
    ],
    ids=lambda value: type(value[0]).__name__ if isinstance(value, list) else value.name,
)
def test_breaking_a_rule_in_a_channel_ends_the_session(
    messages: list[Message], reason: RejectReason
) -> None:
    eve = in_a_channel()
    assert eve.fault() is None
    eve.say(*messages)
    assert eve.fault() is reason


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([Have(0, (UNKNOWN,))], RejectReason.OUT_OF_TURN),
        ([DONE], RejectReason.OUT_OF_TURN),
        ([Open(0, COMMONS, 0)], RejectReason.OUT_OF_TURN),
        ([Want(0, (COMMONS,), taken=1)], RejectReason.OUT_OF_TURN),
        ([Put(0, (founding().envelope(),))], RejectReason.NOT_WANTED),
        ([Neg(0, b"\x62")], RejectReason.RECONCILE),
        ([Neg(9, b"\x61")], RejectReason.OUT_OF_TURN),
    ],
    ids=lambda value: type(value[0]).__name__ if isinstance(value, list) else value.name,
)
def test_breaking_a_rule_towards_an_opener_ends_the_session(
    messages: list[Message], reason: RejectReason
) -> None:
    eve = at_bobs_door(bob_opens=True)
    assert isinstance(eve.heard()[-1], Neg)
    eve.say(*messages)
    assert eve.fault() is reason


@pytest.mark.parametrize(
    "message",
    [Commons(()), Open(0, COMMONS), Neg(0, b"\x61"), Put(0, (founding().envelope(),)), DONE],
    ids=lambda message: type(message).__name__,
)
def test_nothing_is_said_before_hello(message: Message) -> None:
    eve = Eve(bob_opens=False)
    eve.say(message)
    assert eve.fault() is RejectReason.OUT_OF_TURN


def test_who_cannot_name_a_commons_learns_nothing_of_it_by_echoing_hashes() -> None:
    eve = Eve(bob_opens=False)
    eve.say(Hello(NONCE, 5))
    heard = eve.heard()[-1]
    assert isinstance(heard, Commons)
    eve.say(Commons(heard.blinded))
    eve.say(Open(0, bytes(32)))
    assert eve.fault() is RejectReason.OUT_OF_TURN
    assert COMMONS not in b"".join(eve.bob.frames_sent)


def test_an_opener_announces_nothing_before_the_other_side_did() -> None:
    eve = Eve(bob_opens=True)
    eve.say(Hello(NONCE, 5))
    assert [type(message) for message in eve.heard()] == [Hello]


def test_our_own_nonce_sent_back_is_refused() -> None:
    eve = Eve(bob_opens=False)
    hello = eve.heard()[0]
    assert isinstance(hello, Hello)
    eve.say(Hello(hello.nonce, 5))
    assert eve.fault() is RejectReason.OUT_OF_TURN


def test_more_wants_than_the_credit_end_the_session() -> None:
    eve = in_a_channel()
    for _ in range(6):
        # The store has not answered yet: the wants pile up.
        eve.bob.handle(ev.FrameReceived(encode_message(Want(0, (COMMONS,)))))
    assert eve.fault() is RejectReason.BUDGET


def test_messages_for_a_commons_that_is_still_loading_are_bounded() -> None:
    eve = at_bobs_door()
    for message in [Open(0, COMMONS), *[Neg(0, b"\x61")] * (CHANNEL_INBOX_MAX + 1)]:
        eve.bob.handle(ev.FrameReceived(encode_message(message)))
    assert eve.fault() is RejectReason.BUDGET


def test_more_commons_at_once_than_allowed_end_the_session() -> None:
    node = bob()
    for number in range(1, 6):
        node.add(founding(number))
    eve = Eve(bob_opens=False, node=node)
    hello = eve.heard()[0]
    assert isinstance(hello, Hello)
    nonces = NONCE + hello.nonce
    ids = [founding(number).id for number in range(6)]
    eve.say(Hello(NONCE, 5), Commons(tuple(sorted(blinded_commons(nonces, i) for i in ids))))
    eve.say(*(Open(channel, ids[channel]) for channel in range(4)))
    assert eve.fault() is None
    eve.say(Open(4, ids[4]))
    assert eve.fault() is RejectReason.BUDGET


def test_after_done_only_answers_are_taken() -> None:
    node = MemoryNode("bob")
    node.join(COMMONS)
    for message in (Neg(0, b"\x61"), Have(0, (UNKNOWN,)), Want(0, (UNKNOWN,)), DONE):
        eve = Eve(bob_opens=False, node=node)
        eve.shake_hands()
        eve.say(Open(0, COMMONS), DONE)
        assert eve.fault() is None, "bob still waits for the founding contribution"
        eve.say(message)
        assert eve.fault() is RejectReason.OUT_OF_TURN


def test_an_answer_that_crosses_a_pause_is_no_fault() -> None:
    eve = Eve(bob_opens=True)
    eve.bob.session = make_side(bob(), is_opener=True, limits=SessionLimits(bytes_max=400)).session
    eve.bob.frames_sent.clear()
    eve.bob.handle(ev.Started())
    eve.shake_hands()
    eve.bob.handle(ev.Tick())
    assert isinstance(eve.heard()[-1], Done)
    eve.say(Neg(0, b"\x61\x00\x00\x02\x00"), DONE)
    assert eve.fault() is None
    assert eve.bob.results()[COMMONS].outcome is ev.Outcome.PAUSED


def test_two_answers_to_one_comparison_are_a_fault() -> None:
    eve = at_bobs_door(bob_opens=True)
    eve.say(Neg(0, b"\x61"))
    eve.say(Neg(0, b"\x61"))
    assert eve.fault() is RejectReason.OUT_OF_TURN


def test_a_session_far_beyond_its_time_is_given_up_by_the_side_that_only_serves() -> None:
    eve = in_a_channel()
    eve.bob.now_ms = 16 * 60 * 1000
    eve.say(Have(0, ()))
    eve.bob.handle(ev.Tick())
    assert eve.bob.ended() is None
    eve.bob.now_ms = 18 * 60 * 1000
    eve.bob.handle(ev.FrameReceived(b""))
    ended = eve.bob.ended()
    assert ended is not None
    assert ended.reason is ev.EndReason.BUDGET
    assert eve.bob.results()[COMMONS].outcome is ev.Outcome.BROKEN


def test_the_other_side_is_not_blamed_for_our_slow_disk() -> None:
    eve = in_a_channel()
    eve.bob.handle(ev.FrameReceived(encode_message(Want(0, (COMMONS,)))))
    for minute in range(5):
        eve.bob.now_ms = minute * 60_000
        eve.bob.handle(ev.Tick())
    assert eve.bob.ended() is None
    eve.bob.work()
    eve.bob.now_ms += 61_000
    eve.bob.handle(ev.Tick())
    ended = eve.bob.ended()
    assert ended is not None
    assert ended.reason is ev.EndReason.SILENCE


def test_a_header_instead_of_a_wanted_body_is_a_fault() -> None:
    node = bob()
    node.bodyless = {entry(1).id}
    eve = Eve(bob_opens=False, node=node)
    eve.shake_hands()
    eve.say(Open(0, COMMONS), DONE)
    assert eve.heard()[-1] == Bodies(0, (entry(1).id,))
    whole = entry(1).envelope()
    eve.say(Put(0, (type(whole)(whole.header, whole.signature, whole.grant, None),)))
    assert eve.fault() is RejectReason.NOT_WANTED


def test_rounds_without_a_result_pause_the_opener_and_are_no_fault() -> None:
    """The other side answers every fingerprint with other fingerprints, for ever."""
    eve = at_bobs_door(bob_opens=True)
    rounds = 0
    while isinstance(eve.heard()[-1], Neg):
        rounds += 1
        assert rounds < 20
        eve.say(Neg(0, b"\x61\x00\x00\x01" + bytes([rounds]) * 16))
    assert rounds == FRUITLESS_ROUNDS_MAX
    eve.say(DONE)
    assert eve.fault() is None
    assert eve.bob.results()[COMMONS].outcome is ev.Outcome.PAUSED


def test_an_endless_stream_of_bytes_runs_into_the_budget() -> None:
    side = make_side(bob(), is_opener=False, limits=SessionLimits(bytes_max=1_000))
    eve = Eve(bob_opens=False)
    eve.bob = side
    side.handle(ev.Started())
    eve.shake_hands()
    eve.say(Open(0, COMMONS))
    for _ in range(400):
        eve.say(Have(0, tuple(n.to_bytes(32, "big") for n in range(4_000))))
        if side.session.has_ended:
            break
    assert side.session.has_ended


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x90",
        b"\xc1",
        codec.encode("hello"),
        codec.encode(["hello"]),
        codec.encode(["goodbye", 1, 2]),
        codec.encode(["hello", NONCE, True, {}]),
        codec.encode(["hello", NONCE, 5, {"frame": 1, "haves": 1, "ids": 1, "wants": 1}]),
        codec.encode(["hello", NONCE[:-1], 5, {}]),
        codec.encode(["hello", NONCE, -1, {}]),
        b"\x93\xa5hello",
        bytes(FRAME_BYTES_MAX + 1),
    ],
)
def test_frames_that_are_no_message_are_faults(frame: bytes) -> None:
    eve = Eve(bob_opens=False)
    eve.raw(frame)
    assert eve.fault() is not None


def test_limits_of_a_later_version_are_passed_over() -> None:
    frame = codec.encode(
        ["hello", NONCE, 5, {"frame": 2**18, "haves": 9, "ids": 9, "later": [1], "wants": 9}]
    )
    assert decode_message(frame) == Hello(NONCE, 5, PeerLimits(2**18, haves=9, ids=9, wants=9))


def test_a_peer_with_small_limits_is_not_asked_for_more() -> None:
    node = MemoryNode("bob")
    node.join(COMMONS)
    eve = Eve(bob_opens=True, node=node)
    hello = eve.heard()[0]
    assert isinstance(hello, Hello)
    limits = PeerLimits(frame=131_072, haves=3, ids=2, wants=1)
    blinded = blinded_commons(hello.nonce + NONCE, COMMONS)
    eve.say(Hello(NONCE, 5, limits), Commons((blinded,)))
    named = b"".join(entry(number).id for number in range(5))
    eve.say(Neg(0, b"\x61\x00\x00\x02\x05" + named))
    assert [message.ids for message in eve.heard() if isinstance(message, Want)] == [(COMMONS,)]
    eve.say(Absent(0, (COMMONS,)))
    wants = [message.ids for message in eve.heard() if isinstance(message, Want)]
    assert wants[1:] == [(entry(0).id, entry(1).id)]


def test_haves_ahead_fit_what_is_said_of_them() -> None:
    assert HAVES_AHEAD_MAX * 32 == 2**19
