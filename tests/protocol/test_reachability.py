"""What peers found when they dialled back, and what a node makes of it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.protocol.reachability import (
    DOUBTFUL_SECONDS,
    RETRY_SECONDS,
    SETTLED_SECONDS,
    SILENT_SECONDS,
    VOTERS_MAX,
    VOTES_SECONDS,
    Ballot,
    Surroundings,
    Verdict,
    in_words,
    is_outside,
    most_named,
)

RELAY = "12D3KooWRelay0abc123"
OTHER = "12D3KooWOther0def456"


def ballot(**votes: bool | None) -> Ballot:
    made = Ballot()
    for machine, reached in votes.items():
        made.note(machine, reached, 0)
    return made


def test_before_anybody_has_answered_nothing_is_known() -> None:
    assert Ballot().verdict(0) is Verdict.UNKNOWN
    assert ballot(a=None, b=None).verdict(1) is Verdict.UNKNOWN


def test_one_who_gets_through_is_enough() -> None:
    assert ballot(a=True).verdict(1) is Verdict.REACHABLE


def test_one_failure_proves_nothing_while_others_can_be_asked() -> None:
    assert ballot(a=False).verdict(1, askable=2) is Verdict.UNKNOWN
    assert ballot(a=False, b=False).verdict(1, askable=2) is Verdict.BEHIND_NAT


def test_the_only_one_who_can_answer_is_believed_after_a_second_try() -> None:
    votes = ballot(a=False)
    assert votes.next_question({"a": ["p"]}, 1) == ("a", RETRY_SECONDS)
    assert votes.verdict(1) is Verdict.UNKNOWN
    votes.note("a", False, RETRY_SECONDS)
    assert votes.verdict(RETRY_SECONDS + 1) is Verdict.BEHIND_NAT
    assert votes.verdict(RETRY_SECONDS + 1, askable=2) is Verdict.UNKNOWN


def test_one_liar_does_not_make_a_reachable_node_doubt() -> None:
    votes = ballot(honest=True)
    for second in range(10):
        votes.note("liar", False, second)
    assert votes.verdict(10, askable=2) is Verdict.REACHABLE


def test_two_who_fail_outweigh_one_who_says_it_got_through() -> None:
    votes = ballot(liar=True)
    votes.note("b", False, 1)
    assert votes.verdict(2, askable=3) is Verdict.REACHABLE
    votes.note("c", False, 2)
    assert votes.verdict(3, askable=3) is Verdict.BEHIND_NAT


def test_while_the_answers_disagree_the_next_one_is_asked_at_once() -> None:
    votes = ballot(a=True, b=False, c=True)
    machine, due = votes.next_question({each: [each] for each in "abcd"}, 5) or ("", 0.0)
    assert (machine, due) == ("d", 5)


def test_several_peers_of_one_machine_are_one_vote() -> None:
    votes = ballot()
    for _ in range(5):
        votes.note("203.0.113.7", False, 1)
    assert votes.verdict(2, askable=4) is Verdict.UNKNOWN


def test_votes_grow_old() -> None:
    assert ballot(a=True, b=True).verdict(VOTES_SECONDS + 1) is Verdict.UNKNOWN


def test_new_addresses_need_new_votes() -> None:
    votes = ballot(a=True)
    votes.forget()
    assert votes.verdict(1) is Verdict.UNKNOWN
    assert votes.next_question({"a": ["p"]}, 1) == ("a", 1)


def test_after_a_sleep_all_are_asked_again_and_the_verdict_stands_meanwhile() -> None:
    votes = ballot(a=True, b=True)
    votes.doubt()
    assert votes.verdict(2) is Verdict.REACHABLE
    assert votes.next_question({"a": ["p"], "b": ["q"]}, 2) == ("a", 2)
    votes.note("a", False, 2)
    assert votes.next_question({"a": ["p"], "b": ["q"]}, 3) == ("b", 3)


def test_who_does_not_say_is_left_alone_for_a_while() -> None:
    votes = ballot(a=None)
    assert votes.next_question({"a": ["p"]}, 1) == ("a", SILENT_SECONDS)
    assert votes.next_question({"a": ["p"], "b": ["q"]}, 1) == ("b", 1)


def test_what_one_found_stands_when_it_does_not_answer_later() -> None:
    votes = ballot(a=True)
    votes.note("a", None, 100)
    assert votes.verdict(101) is Verdict.REACHABLE


def test_a_lone_answer_is_asked_for_again_sooner_than_an_agreed_one() -> None:
    assert ballot(a=True).next_question({"a": ["p"]}, 1) == ("a", DOUBTFUL_SECONDS)
    agreed = ballot(a=True, b=True)
    assert agreed.next_question({"a": ["p"], "b": ["q"]}, 1) == ("a", SETTLED_SECONDS)
    assert Ballot().next_question({}, 1) is None


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from([True, False, None]))))
def test_however_many_vote_few_are_kept(votes: list[tuple[int, bool | None]]) -> None:
    kept = Ballot()
    for second, (machine, reached) in enumerate(votes):
        kept.note(str(machine), reached, second)
    assert len(kept.voters) <= VOTERS_MAX
    assert kept.verdict(len(votes)) in Verdict


def test_the_words() -> None:
    some = Surroundings(anybody=True, outsiders=True)
    relayed = Surroundings(anybody=True, outsiders=True, relays=(RELAY,))
    both = Surroundings(anybody=True, outsiders=True, relays=(RELAY, OTHER))
    assert in_words(Verdict.UNKNOWN, Surroundings(is_on=False)) == ("off", "network off")
    assert in_words(Verdict.UNKNOWN, Surroundings()) == ("unknown", "not known yet")
    assert in_words(Verdict.UNKNOWN, some) == ("unknown", "not known yet")
    assert in_words(Verdict.UNKNOWN, Surroundings(anybody=True)) == ("lan", "LAN only")
    lost = Surroundings(had_relay=True)
    assert in_words(Verdict.UNKNOWN, lost) == ("relayed", "behind NAT, no relay yet")
    assert in_words(Verdict.REACHABLE, lost) == ("reachable", "reachable")
    assert in_words(Verdict.REACHABLE, both) == ("reachable", "reachable")
    assert in_words(Verdict.BEHIND_NAT, some) == ("relayed", "behind NAT, no relay yet")
    assert in_words(Verdict.BEHIND_NAT, relayed) == ("relayed", "behind NAT, relayed by …abc123")
    words = "behind NAT, relayed by …abc123 and …def456"
    assert in_words(Verdict.BEHIND_NAT, both) == ("relayed", words)


def test_what_counts_as_outside() -> None:
    assert is_outside("8.8.8.8")
    assert is_outside("2600::1")
    for inside in ("10.0.0.1", "192.168.1.1", "127.0.0.1", "fe80::1%eth0", "fd00::1", "nonsense"):
        assert not is_outside(inside)


def test_the_most_named_address_wins() -> None:
    assert most_named([]) is None
    assert most_named(["1.2.3.4", "9.9.9.9", "1.2.3.4"]) == "1.2.3.4"
