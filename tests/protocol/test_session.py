"""Two replicas meet: stories of sessions between nodes in memory."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.errors import RejectReason
from p2pcommons.protocol import events as ev
from p2pcommons.protocol.limits import (
    FRAME_BYTES_MAX,
    GREETING_MS_MAX,
    WANTS_IN_FLIGHT_MAX,
    SessionLimits,
)
from p2pcommons.protocol.messages import Absent, Bodies, Have, Neg, Open, Put, Want
from p2pcommons.protocol.session import keeps_own_session

from .memory import (
    NOW_S,
    MemoryNode,
    Side,
    entry,
    founding,
    make_side,
    reconcile,
    run_pair,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

COMMONS = founding().id


def node(name: str, numbers: Iterable[int] = (), *, founded: bool = True) -> MemoryNode:
    result = MemoryNode(name)
    result.join(COMMONS)
    if founded:
        result.add(founding())
    result.add(*(entry(number) for number in numbers))
    return result


def test_equal_replicas_need_one_round_and_a_few_hundred_bytes() -> None:
    alice, bob = node("alice", range(300)), node("bob", range(300))
    opener, other = reconcile(alice, bob)
    assert opener.results()[COMMONS].outcome is ev.Outcome.EQUAL
    assert other.results()[COMMONS].outcome is ev.Outcome.EQUAL
    assert opener.results()[COMMONS].rounds == 1
    assert sum(map(len, opener.frames_sent + other.frames_sent)) < 1_100
    negs = [m for m in opener.messages() + other.messages() if isinstance(m, Neg)]
    assert sum(len(message.data) for message in negs) < 400


def test_both_learn_what_the_other_wrote_while_apart() -> None:
    alice, bob = node("alice", range(120)), node("bob", range(60, 200))
    opener, other = reconcile(alice, bob)
    assert alice.fingerprints() == bob.fingerprints()
    result = opener.results()[COMMONS]
    assert (result.sent, result.received, result.count) == (60, 80, 201)
    assert (result.bodies, result.their_bodies) == (201, 201)
    assert result.equal
    assert (
        other.results()[COMMONS].fingerprint
        == result.fingerprint
        == bytes(alice.sets[COMMONS].fingerprint())
    )


@pytest.mark.parametrize("joiner_opens", [True, False])
def test_who_joined_by_invite_gets_the_founding_contribution_first(joiner_opens: bool) -> None:
    alice, bob = node("alice", range(500)), node("bob", founded=False)
    sides = reconcile(bob, alice) if joiner_opens else reconcile(alice, bob)
    giver = sides[1 if joiner_opens else 0]
    puts = [message for message in giver.messages() if isinstance(message, Put)]
    assert puts[0].envelopes == (founding().envelope(),)
    assert bob.held.keys() == alice.held.keys()
    assert bob.fingerprints() == alice.fingerprints()


def test_newest_come_first() -> None:
    alice, bob = node("alice", range(600)), node("bob", founded=False)
    _, other = reconcile(bob, alice)
    puts = [message for message in other.messages() if isinstance(message, Put)]
    headers = [envelope.header for message in puts[1:] for envelope in message.envelopes]
    by_bytes = {item.header_bytes: item.header.claimed_at for item in alice.held[COMMONS].values()}
    times = [by_bytes[header] for header in headers]
    assert times == sorted(times, reverse=True)


@given(
    st.sets(st.integers(0, 150)),
    st.sets(st.integers(0, 150)),
    st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_any_two_sets_converge(first: set[int], second: set[int], seed: int) -> None:
    alice, bob = node("alice", first), node("bob", second)
    opener, other = reconcile(alice, bob, seed=seed)
    assert alice.held == bob.held
    assert opener.results()[COMMONS].equal
    assert other.results()[COMMONS].equal
    assert not opener.faults() + other.faults()
    for ended in (opener.ended(), other.ended()):
        assert ended is not None
        assert ended.reason is ev.EndReason.COMPLETE


def test_several_commons_are_exchanged_in_one_session() -> None:
    alice, bob = MemoryNode("alice"), MemoryNode("bob")
    for number in range(9):
        alice.add(founding(number), *(entry(i, number) for i in range(number * 5)))
        bob.join(founding(number).id)
        bob.add(*(entry(i + 3, number) for i in range(20)))
    only_here = founding(100)
    alice.add(only_here)
    opener, other = reconcile(alice, bob)
    assert len(opener.results()) == len(other.results()) == 9
    assert all(result.equal for result in opener.results().values())
    shared = next(effect for effect in other.log if isinstance(effect, ev.CommonsShared))
    assert only_here.id not in shared.shared
    assert only_here.id not in b"".join(opener.frames_sent)


def test_nothing_shared_ends_at_once_and_names_nothing() -> None:
    alice, bob = MemoryNode("alice"), MemoryNode("bob")
    alice.add(founding(1))
    bob.add(founding(2))
    opener, other = reconcile(alice, bob)
    for side in (opener, other):
        ended = side.ended()
        assert ended is not None
        assert ended.reason is ev.EndReason.COMPLETE
    assert founding(1).id not in b"".join(opener.frames_sent)
    assert founding(2).id not in b"".join(other.frames_sent)


def test_never_more_than_four_wants_are_in_flight_and_no_frame_is_too_large() -> None:
    alice, bob = node("alice", range(3_000)), node("bob", founded=False)
    opener = make_side(bob, is_opener=True)
    other = make_side(alice, is_opener=False)
    opener.handle(ev.Started())
    other.handle(ev.Started())
    wanted, settled, most = 0, 0, 0
    while True:
        moved = False
        while opener.outbox:
            moved = True
            frame = opener.outbox.popleft()
            other.handle(ev.FrameReceived(frame))
        while other.work() or other.outbox:
            moved = True
            while other.outbox:
                opener.handle(ev.FrameReceived(other.outbox.popleft()))
        # All answers have come, nothing has been stored: no further want may have been sent.
        wants = [m for m in opener.messages() if isinstance(m, Want)]
        wanted = len(wants)
        most = max(most, wanted - settled)
        while opener.work():
            moved = True
        settled = wanted
        if not moved:
            break
    assert most == WANTS_IN_FLIGHT_MAX
    assert max(map(len, opener.frames_sent + other.frames_sent)) <= FRAME_BYTES_MAX
    assert alice.fingerprints() == bob.fingerprints()


def test_large_bodies_shrink_the_wants_and_fill_no_frame_beyond_its_limit() -> None:
    alice, bob = node("alice"), node("bob")
    alice.add(*(entry(number, body_bytes=60_000) for number in range(320)))
    opener, other = reconcile(bob, alice)
    wants = [len(m.ids) for m in opener.messages() if isinstance(m, Want) and m.ids]
    assert wants[0] == 64
    assert max(wants[4:]) <= 18
    assert max(map(len, other.frames_sent)) <= FRAME_BYTES_MAX
    assert opener.results()[COMMONS].equal


def test_missing_bodies_are_fetched_and_absent_ones_reported() -> None:
    alice, bob = node("alice", range(10)), node("bob", range(10))
    bob.bodyless = {entry(3).id, entry(4).id}
    alice.bodyless = {entry(4).id, entry(5).id}
    opener, other = reconcile(bob, alice)
    assert bob.bodyless == {entry(4).id}
    assert alice.bodyless == {entry(4).id}
    assert opener.results()[COMMONS].bodies_absent == (entry(4).id,)
    assert other.results()[COMMONS].bodies_absent == (entry(4).id,)
    assert any(isinstance(message, Bodies) for message in opener.messages())
    assert opener.results()[COMMONS].equal
    assert opener.results()[COMMONS].their_bodies == 10


def test_a_body_over_the_wanted_size_stays_away() -> None:
    alice, bob = node("alice"), node("bob")
    alice.add(entry(1, body_bytes=5_000), entry(2))
    opener = make_side(bob, is_opener=True, limits=SessionLimits(body_bytes_max=1_000))
    other = make_side(alice, is_opener=False)
    run_pair(opener, other)
    assert bob.held[COMMONS][entry(1, body_bytes=5_000).id].body is None
    assert bob.held[COMMONS][entry(2).id].body is not None
    assert opener.results()[COMMONS].equal


def test_declined_contributions_stay_unknown_and_are_counted() -> None:
    alice, bob = node("alice", range(20)), node("bob")
    bob.declining = {entry(number).id for number in range(5)}
    opener, other = reconcile(bob, alice)
    assert opener.results()[COMMONS].outcome is ev.Outcome.DIFFERENT
    assert opener.results()[COMMONS].declined == 5
    assert other.results()[COMMONS].their_declined == 5
    assert len(bob.held[COMMONS]) == 16


def test_what_came_by_gossip_meanwhile_is_not_fetched_again() -> None:
    alice, bob = node("alice", range(50)), node("bob", range(25))
    for opens in (True, False):
        opener = make_side(bob if opens else alice, is_opener=True)
        other = make_side(alice if opens else bob, is_opener=False)
        bobs = opener if opens else other
        bobs.node = node("bob", range(25))
        before = bobs.session.handle

        def handle(event: ev.Event, now_ms: int, before=before) -> list[ev.Effect]:
            effects = before(event, now_ms)
            if isinstance(event, ev.SnapshotLoaded):
                arrived = tuple(entry(number).id for number in range(25, 50))
                effects += before(ev.Arrived(COMMONS, arrived), now_ms)
            return effects

        bobs.session.handle = handle  # type: ignore[method-assign]
        run_pair(opener, other)
        assert not any(m.ids for m in bobs.messages() if isinstance(m, Want))
        assert bobs.results()[COMMONS].equal


def test_full_check_compares_by_a_hash_over_all_ids() -> None:
    alice, bob = node("alice", range(40)), node("bob", range(20, 70))
    opener = make_side(alice, is_opener=True, full_check=True)
    other = make_side(bob, is_opener=False)
    run_pair(opener, other)
    assert opener.results()[COMMONS].in_full
    assert len(opener.results()[COMMONS].fingerprint) == 16
    assert opener.results()[COMMONS].equal
    assert other.results()[COMMONS].equal


@pytest.mark.parametrize("opener_keeps_less", [True, False])
def test_the_later_from_of_both_bounds_what_is_compared(opener_keeps_less: bool) -> None:
    old, new = entry(1, age_s=9_000), entry(2, age_s=100)
    alice, bob = node("alice"), node("bob", founded=False)
    alice.add(old, new)
    bob.since = NOW_S - 1_000
    sides = reconcile(bob, alice) if opener_keeps_less else reconcile(alice, bob)
    assert set(bob.held[COMMONS]) == {COMMONS, new.id}
    for side in sides:
        assert side.results()[COMMONS].equal
        assert side.results()[COMMONS].count == 1
        assert not side.faults()


def test_a_commons_left_meanwhile_is_unsupported() -> None:
    alice, bob = node("alice", range(5)), node("bob", range(9))
    for leaver in (alice, bob):
        opener = make_side(alice, is_opener=True, commons=[COMMONS])
        other = make_side(bob, is_opener=False, commons=[COMMONS])
        kept = leaver.held.pop(COMMONS)
        run_pair(opener, other)
        leaver.held[COMMONS] = kept
        assert not opener.faults() + other.faults()
        expected = {} if leaver is alice else {COMMONS: ev.Outcome.UNSUPPORTED}
        assert {k: r.outcome for k, r in opener.results().items()} == expected


def test_an_unknown_scope_is_answered_unsupported() -> None:
    from p2pcommons.protocol.messages import Unsupported, encode_message

    alice, bob = node("alice"), node("bob")
    opener, other = make_side(alice, is_opener=True), make_side(bob, is_opener=False)
    for side in (opener, other):
        side.handle(ev.Started())
    other.handle(ev.FrameReceived(opener.outbox.popleft()))
    opener.handle(ev.FrameReceived(other.outbox.popleft()))
    opener.handle(ev.FrameReceived(other.outbox.popleft()))
    other.handle(ev.FrameReceived(opener.outbox.popleft()))
    asked = encode_message(Open(0, COMMONS, 0, {"tag": "sourdough"}))
    other.handle(ev.FrameReceived(asked))
    other.handle(ev.FrameReceived(encode_message(Neg(0, b"\x61"))))
    assert other.messages()[-1] == Unsupported(0, "tag")
    assert not other.faults()


def test_a_cut_stream_keeps_what_was_found_and_reports_it() -> None:
    alice, bob = node("alice", range(400)), node("bob", founded=False)
    opener, other = make_side(bob, is_opener=True), make_side(alice, is_opener=False)
    for side in (opener, other):
        side.handle(ev.Started())
    while not any(isinstance(effect, ev.IngestEnvelopes) for effect in list(opener.todo)[1:]):
        for sender, receiver in itertools.permutations((opener, other)):
            if sender.outbox:
                receiver.handle(ev.FrameReceived(sender.outbox.popleft()))
        other.work()
        opener.work(besides=ev.IngestEnvelopes)
    opener.handle(ev.StreamEnded())
    assert opener.ended() is None, "what was received is still being stored"
    while opener.work():
        pass
    ended, result = opener.ended(), opener.results()[COMMONS]
    assert ended is not None
    assert ended.reason is ev.EndReason.STREAM_ENDED
    assert result.outcome is ev.Outcome.BROKEN
    assert result.received == len(bob.held[COMMONS]) > 1
    opener2, _ = reconcile(bob, alice, seed=1)
    assert opener2.results()[COMMONS].equal


def test_over_its_byte_budget_a_session_pauses_and_goes_on_next_time() -> None:
    alice, bob = node("alice", range(2_000)), node("bob", founded=False)
    sessions = 0
    while alice.fingerprints() != bob.fingerprints():
        before = len(bob.held[COMMONS])
        opener = make_side(bob, is_opener=True, limits=SessionLimits(bytes_max=120_000))
        other = make_side(alice, is_opener=False)
        run_pair(opener, other)
        assert len(bob.held[COMMONS]) > before
        assert not opener.faults() + other.faults()
        sessions += 1
    assert 1 < sessions < 10


def test_a_peer_that_falls_silent_does_not_hold_the_session() -> None:
    side = make_side(node("alice"), is_opener=True)
    side.handle(ev.Started())
    side.now_ms = GREETING_MS_MAX - 1_000
    side.handle(ev.Tick())
    assert side.ended() is None
    side.now_ms = GREETING_MS_MAX + 1_000
    side.handle(ev.Tick())
    ended = side.ended()
    assert ended is not None
    assert ended.reason is ev.EndReason.SILENCE


def test_an_invalid_contribution_ends_the_session_as_the_senders_fault() -> None:
    alice, bob = node("alice", range(20)), node("bob")
    bad = entry(7)
    forged = type(bad)(bad.id, bad.header, bad.header_bytes, bytes(64), bad.grant, bad.body)
    alice.held[COMMONS][bad.id] = forged
    opener, _ = reconcile(bob, alice)
    assert [fault.reason for fault in opener.faults()] == [RejectReason.BAD_SIGNATURE]
    assert bad.id not in bob.held[COMMONS]


def test_of_two_simultaneous_sessions_exactly_one_goes_on() -> None:
    assert keeps_own_session("12D3KooWA", "12D3KooWB")
    assert not keeps_own_session("12D3KooWB", "12D3KooWA")


def test_absent_is_answered_for_what_is_not_held() -> None:
    alice, bob = node("alice", founded=False), node("bob", founded=False)
    opener, other = reconcile(alice, bob)
    assert Absent(0, (COMMONS,)) in other.messages()
    assert Absent(0, (COMMONS,)) in opener.messages()
    assert opener.results()[COMMONS].equal


def test_a_responder_that_lacks_everything_is_told_in_portions() -> None:
    alice, bob = node("alice", range(1_500)), node("bob", founded=False)
    opener, other = reconcile(alice, bob)
    haves = [message for message in opener.messages() if isinstance(message, Have)]
    assert sum(len(message.ids) for message in haves) == 1_501
    assert other.results()[COMMONS].equal


def progress(side: Side) -> list[ev.Progress]:
    return [effect for effect in side.log if isinstance(effect, ev.Progress)]


def test_progress_counts_up_to_the_whole() -> None:
    alice, bob = node("alice", range(700)), node("bob", founded=False)
    opener, _ = reconcile(bob, alice)
    numbers = [effect.received for effect in progress(opener)]
    assert numbers == sorted(numbers)
    assert progress(opener)[-1] == ev.Progress(COMMONS, 701, 0)
