"""The network in words: one sentence for each state a person can be in."""

from __future__ import annotations

import pytest

from p2pcommons.tui import network_words, wording
from p2pcommons.tui.node_status import (
    NOT_RUNNING,
    Attempt,
    CommonsStatus,
    NodeStatus,
    PairStatus,
    PeerStatus,
)
from p2pcommons.tui.records import CommonsLine, Me, Overview
from p2pcommons.tui.standing import (
    network_sentence,
    pair_words,
    peer_words,
    standing,
    what_to_do,
)

NOW = 1_790_000_000
RUI = PeerStatus("12D3KooWrui", connected=True, source="invite", last_seen=NOW)
INES = PeerStatus("12D3KooWines", connected=True, source="lan", last_seen=NOW)
AWAY = PeerStatus(
    "12D3KooWaway",
    connected=False,
    last_seen=NOW - 7_200,
    next_try=NOW + 8,
    tried=(Attempt("/ip4/192.0.2.1/tcp/4001", "refused"),),
)
BEHIND_A_RELAY = PeerStatus(
    "12D3KooWelse",
    connected=False,
    tried=(Attempt("/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWrelay/p2p-circuit", "refused"),),
)
GARDEN = CommonsLine(b"g" * 32, "Garden", "", "", 5, 9, ("tin", "rose", "owl", "nine"))


def node(*peers: PeerStatus, pairs: tuple[PairStatus, ...] = ()) -> NodeStatus:
    commons = (CommonsStatus(GARDEN.commons.hex(), "Garden", 9, pairs),) if pairs else ()
    return NodeStatus(running=True, mode="friends", peers=peers, commons=commons)


def test_a_pair_that_only_declined_strangers_is_said_to_be_equal_but_for_them():
    pair = PairStatus(RUI.peer_id, equal=False, at=NOW - 120, only_declined=1_200)
    assert pair_words(pair, NOW) == "equal but for 1,200 of strangers 2 minutes ago"


def test_news_after_a_comparison_that_was_equal_are_not_said_to_differ():
    since = PairStatus(RUI.peer_id, equal=False, was_equal=True, at=NOW - 120, count=6)
    assert pair_words(since, NOW) == "equal 2 minutes ago, news since"
    said = network_sentence(node(RUI, INES, pairs=(equal(INES), since)), "lan", NOW)
    assert said == ("busy", "2 peers, equal 2 minutes ago, news since"), "nothing is compared now"


def equal(peer: PeerStatus, seconds_ago: int = 120) -> PairStatus:
    return PairStatus(peer.peer_id, equal=True, at=NOW - seconds_ago)


@pytest.mark.parametrize(
    ("status", "mode", "sentence"),
    [
        (NOT_RUNNING, "off", ("off", "network off")),
        (NOT_RUNNING, "lan", ("off", "the node is not running")),
        (node(), "lan", ("alone", "no peer known yet")),
        (node(AWAY), "lan", ("alone", "no peer reached, next try in 8 s")),
        (node(RUI), "lan", ("alone", "1 peer connected, no commons shared with them yet")),
        (node(RUI, pairs=(equal(RUI),)), "lan", ("equal", "1 peer, equal 2 minutes ago")),
        (
            node(RUI, INES, pairs=(equal(RUI), equal(INES, 60))),
            "lan",
            ("equal", "2 peers, all equal 1 minute ago"),
        ),
        (
            node(RUI, INES, pairs=(equal(RUI),)),
            "lan",
            ("equal", "2 peers, 1 of them equal 2 minutes ago"),
        ),
        (
            node(RUI, pairs=(PairStatus(RUI.peer_id, equal=False, at=0, have=312, of=1_840),)),
            "lan",
            ("busy", "1 peer, 312 of 1,840 received"),
        ),
        (
            node(RUI, INES, pairs=(equal(RUI), PairStatus(INES.peer_id, equal=False, at=NOW))),
            "lan",
            ("busy", "2 peers, comparing"),
        ),
    ],
)
def test_the_status_line_says_it(status: NodeStatus, mode: str, sentence: tuple[str, str]) -> None:
    assert network_sentence(status, mode, NOW) == sentence


def test_trouble_comes_before_everything() -> None:
    status = NodeStatus(running=True, trouble="the port is taken", peers=(RUI,))
    assert network_sentence(status, "lan", NOW) == ("trouble", "the port is taken")


def test_equality_with_a_peer_that_left_is_not_claimed() -> None:
    status = node(INES, pairs=(equal(RUI),))
    assert network_sentence(status, "lan", NOW)[0] == "alone"


def test_the_four_words_are_those_of_the_commons_in_view() -> None:
    me = Me(b"a" * 32, "ana", "ana~7fq2Xy", words_unconfirmed=True)
    overview = Overview(1, me, (GARDEN,), 3)
    shown = standing(NOT_RUNNING, "off", overview, None, NOW)
    assert shown.words == GARDEN.words, "with one commons there is no doubt"
    assert (shown.only_here, shown.seed_waiting) == (3, True)
    other = CommonsLine(b"o" * 32, "Other", "", "", 1, 2, ("a", "b", "c", "d"))
    both = Overview(1, me, (GARDEN, other), 3)
    assert standing(NOT_RUNNING, "off", both, None, NOW).words == ()
    assert standing(NOT_RUNNING, "off", both, other.commons, NOW).words == other.words


def test_while_nobody_is_reached_it_says_what_was_tried_and_what_to_do() -> None:
    lines = network_words.advice_lines(node(AWAY), "lan", NOW, Overview(1, None, (GARDEN,), 0))
    assert lines == [
        "Tried …owaway at /ip4/192.0.2.1/tcp/4001: refused"
        if AWAY.peer_id.endswith("owaway")
        else lines[0],
        "Next try in 8 s.",
        "Ask them to open p2pcommons on this network, or for a fresh invite.",
    ]
    assert network_words.advice_lines(node(RUI), "lan", NOW, Overview(1, None, (), 0)) == []


@pytest.mark.parametrize(
    ("status", "mode", "invited", "begins"),
    [
        (NOT_RUNNING, "off", False, "The network is off"),
        (NOT_RUNNING, "lan", False, "Press S"),
        (node(), "lan", False, "Press i"),
        (node(), "lan", True, "Ask them to open"),
        (node(AWAY), "friends", False, "Ask them whether"),
        (node(BEHIND_A_RELAY), "lan", False, "Ask them whether"),
    ],
)
def test_there_is_always_one_thing_to_do(
    status: NodeStatus, mode: str, invited: bool, begins: str
) -> None:
    assert what_to_do(status, mode, invited=invited).startswith(begins)


def test_a_peer_that_broke_the_rules_says_which() -> None:
    bad = PeerStatus("x", connected=False, blocked_until=NOW + 60, reason="bad signature")
    assert peer_words(bad, NOW) == "set aside, again in 60 s: bad signature"


def test_what_came_of_a_reconciliation_is_one_sentence() -> None:
    assert network_words.sync_sentence({"items": []}) == "No peer was reached."
    items = [{"peer": "p", "received": 3, "sent": 1, "equal": True}]
    reply = {"items": items, "equal": True}
    assert network_words.sync_sentence(reply) == "equal with 1 peer: 3 received, 1 sent"


@pytest.mark.parametrize(
    ("seconds", "short", "long"),
    [
        (3, "now", "just now"),
        (59, "now", "59 seconds ago"),
        (60, "1 m", "1 minute ago"),
        (7_200, "2 h", "2 hours ago"),
        (86_400 * 3, "3 d", "3 days ago"),
        (86_400 * 20, "1 Sep", "on 1 Sep 2026"),
        (86_400 * 700, "Oct 2024", "on 21 Oct 2024"),
        (-500, "now", "just now"),
    ],
)
def test_ages(seconds: int, short: str, long: str) -> None:
    assert wording.age(NOW - seconds, NOW) == short
    assert wording.ago(NOW - seconds, NOW) == long
