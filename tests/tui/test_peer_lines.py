"""Peers in words: what a row says in each state a peer can be in, and how traffic is drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from p2pcommons.model.glance import key_words
from p2pcommons.replica import open_replica
from p2pcommons.tui import look, network_words, shaping
from p2pcommons.tui.node_status import (
    Attempt,
    CommonsStatus,
    Finding,
    LanPeer,
    NodeStatus,
    Offer,
    PairStatus,
    Pause,
    PeerStatus,
    Reachability,
    RelayStatus,
    Traffic,
    read_status,
)
from p2pcommons.tui.peer_lines import called, path_words, peer_lines, peer_rows, trip_words
from p2pcommons.tui.records import CommonsLine, Overview
from p2pcommons.tui.standing import reach_shown
from p2pcommons.tui.widgets.traffic_plot import gathered, plotted

if TYPE_CHECKING:
    from p2pcommons.paths import Paths

NOW = 1_790_000_000
RUI = "12D3KooWrui"
GARDEN = CommonsLine(b"g" * 32, "Garden", "", "", 5, 9, ("tin", "rose", "owl", "nine"))


def node(peer: PeerStatus, *pairs: PairStatus) -> NodeStatus:
    commons = (CommonsStatus(GARDEN.commons.hex(), "Garden", 9, pairs),)
    return NodeStatus(running=True, mode="friends", peers=(peer,), commons=commons)


def told(peer: PeerStatus, *pairs: PairStatus) -> tuple[str, str, float]:
    (row,) = peer_rows(node(peer, *pairs), NOW)
    return row.told, row.level, row.share


def test_a_node_has_four_key_words_that_depend_on_its_whole_id() -> None:
    words = key_words(RUI)
    assert len(words) == 4
    assert words == key_words(RUI) != key_words(RUI + "x")
    assert called(RUI).startswith(" ".join(words[:2]))


@pytest.mark.parametrize(
    ("peer", "path", "trip"),
    [
        (PeerStatus(RUI, connected=True, path="lan", round_trip_ms=2.4), "LAN", "2 ms"),
        (PeerStatus(RUI, connected=True, path="direct", round_trip_ms=0.41), "direct", "0.4 ms"),
        (
            PeerStatus(RUI, connected=True, path="relayed", relay="12Dabc123", round_trip_ms=1_240),
            "relayed by …abc123",
            "1.2 s",
        ),
        (PeerStatus(RUI, connected=True), "connected", ""),
        (PeerStatus(RUI, connected=False, path="lan", round_trip_ms=2), "", ""),
    ],
)
def test_a_row_says_how_a_peer_is_reached(peer: PeerStatus, path: str, trip: str) -> None:
    assert (path_words(peer), trip_words(peer)) == (path, trip)


def test_a_row_says_how_far_behind_one_is_and_why_a_peer_was_dropped() -> None:
    here = PeerStatus(RUI, connected=True, shared=1)
    equal = PairStatus(RUI, equal=True, at=NOW - 120)
    arriving = PairStatus(RUI, equal=False, at=0, have=312, of=1_840)
    apart = PairStatus(RUI, equal=False, at=NOW - 120, count=12)
    assert told(here, equal) == ("equal 2 minutes ago: Garden", "equal", -1.0)
    assert told(here, arriving) == ("312 of 1,840 of Garden", "busy", 312 / 1_840)
    assert told(here, apart)[0] == "Garden: differed 2 minutes ago, 12 there"
    since = PairStatus(RUI, equal=False, was_equal=True, at=NOW - 120, count=6)
    assert told(here, since)[0] == "Garden: equal 2 minutes ago, news since"
    assert told(here) == ("connected, not compared", "quiet", -1.0)
    assert told(PeerStatus(RUI, connected=True, shared=0))[0] == "shares no commons with you"
    dropped = PeerStatus(RUI, connected=False, blocked_until=NOW + 60, reason="bad signature")
    assert told(dropped) == ("dropped: bad signature; again in 60 s", "trouble", -1.0)
    away = PeerStatus(
        RUI, connected=False, source="invite", tried=(Attempt("/ip4/192.0.2.1", "refused"),)
    )
    assert told(away)[0] == "refused, never reached, by invite"
    came = replace(away, source="came")
    assert told(came)[0] == "refused, gone again, came here", "who came has been here"


def test_the_card_of_a_peer_says_everything_that_is_known() -> None:
    peer = PeerStatus(
        RUI,
        connected=True,
        addresses=("/ip4/192.0.2.1/tcp/1",),
        source="invite",
        path="direct",
        round_trip_ms=3,
        bytes_in=1_500,
        reason="oversized frame",
        clock_ahead=40,
        offers=(Offer("ab" * 32, "Readings"),),
    )
    pair = PairStatus(RUI, equal=False, at=NOW, count=12)
    said = [words for words, _ in peer_lines(peer, node(peer, pair), NOW)]
    assert " ".join(key_words(RUI)) in said
    assert "direct, round trip 3 ms" in said
    assert "1.5 kB in, 0 B out since the node started" in said
    assert "let go the last time: oversized frame" in said
    assert "Garden: differed just now, 12 there, 9 here" in said
    assert "offers Readings" in said
    assert "at /ip4/192.0.2.1/tcp/1" in said


def test_what_is_offered_nearby_leaves_out_what_is_joined_and_names_who_offers() -> None:
    offered = Offer("ab" * 32, "Readings")
    joined = Offer(GARDEN.commons.hex(), "Garden")
    status = NodeStatus(
        running=True,
        mode="lan",
        lan=(LanPeer(RUI, (offered, joined)), LanPeer("12D3KooWmar", (offered,))),
    )
    overview = Overview(1, None, (GARDEN,), 0)
    ((offer, by),) = network_words.offer_rows(status, overview)
    assert offer == offered
    assert by.startswith("from ")
    assert " and " in by
    bare = NodeStatus(running=True, mode="lan", lan=(LanPeer(RUI),))
    assert network_words.nearby_words(bare, offered=False).startswith("1 node on this network")


def test_words_about_reach_relay_limits_and_pause() -> None:
    reached = Reachability("reachable", "reachable", "mapped", ("/ip4/198.51.100.3/tcp/1/p2p/x",))
    status = NodeStatus(running=True, reachability=reached)
    expected = "reachable, the router opened a port, at /ip4/198.51.100.3/tcp/1"
    assert network_words.reach_words(status) == expected
    relayed = Reachability("relayed", "behind NAT, relayed by …abc123")
    behind = NodeStatus(running=True, reachability=relayed)
    assert reach_shown(behind) == ("behind NAT, relayed by …abc123", "relayed")
    alone = NodeStatus(
        running=True, reachability=Reachability("relayed", "behind NAT, no relay yet")
    )
    assert reach_shown(alone) == ("behind NAT, no relay yet", "behind NAT")
    assert reach_shown(NodeStatus(running=True)) == ()
    relaying = NodeStatus(running=True, relay=RelayStatus(True, 2, 1, 3_100_000, 4))
    told_relay = "relays for 2 peers, 1 circuit now, 3.1 MB carried, 4 refused"
    assert network_words.relay_words(relaying) == told_relay
    searching = NodeStatus(running=True, finding=Finding(23, 3, 1, NOW, "2 were asked"))
    told_finding = "looks through 23 nodes: 3 looked up, 1 found; 2 were asked"
    assert network_words.finding_words(searching) == told_finding
    traffic = Traffic(0, 0, 12_000_000, 3_000_000, 200_000, 500_000_000)
    limited = "today 12 MB in, 3.0 MB out; at most 500 MB a day and 200 kB/s"
    assert network_words.traffic_words(traffic) == limited
    assert network_words.paused_words(Pause(NOW + 60), NOW) == "paused, goes on in 60 s"
    assert "used up" in network_words.paused_words(Pause(0, "day"), NOW)


def test_a_plot_shows_whatever_is_not_nothing() -> None:
    assert plotted([0, 1, 50, 100], 100, look.FULL.ramp) == "▁▂▅█"
    assert plotted([0, 1, 50, 100], 100, look.ASCII.ramp) == "_.=#"
    assert plotted([0, 0], 0, look.ASCII.ramp) == "__"
    assert gathered([1] * 60, 30) == [2] * 30
    assert gathered([1] * 5, 30) == [1, 2, 2]


def test_a_status_with_fields_of_other_types_is_read_as_not_told() -> None:
    odd = {
        "running": True,
        "peers": [{"peer_id": RUI, "round_trip_ms": None, "offers": "no", "shared": None}],
        "lan": [{"peer_id": RUI, "offers": [{"id": "ab", "title": "a\x1b[31mb"}]}],
        "reachability": "yes",
        "relay": None,
        "traffic": {"history": [[1, 2], [3], "x", [1, "2"]]},
        "paused": None,
    }
    status = read_status(odd)
    assert status.peers[0].round_trip_ms < 0
    assert status.peers[0].shared == -1
    assert status.lan[0].offers[0].title == "a[31mb"
    assert status.traffic is not None
    assert status.traffic.history == ((1, 2),)
    assert (status.relay, status.paused) == (RelayStatus(), None)


def test_the_overview_is_read_again_when_something_was_committed_or_the_person_changed(
    garden: Paths,
) -> None:
    overviews = shaping.Overviews()
    with open_replica(garden) as mine, open_replica(garden) as other:
        first = overviews.read(mine)
        assert overviews.read(mine).commons is first.commons, "nothing was committed"
        other.offer_commons(first.commons[0].commons)
        assert overviews.read(mine).commons[0].offered
    with open_replica(garden) as reopened:
        assert overviews.read(reopened).commons[0].offered
