"""What a person does on the network screen: look at peers, join and offer, keep, pause."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from textual.binding import Binding

from p2pcommons.config import Config
from p2pcommons.replica import open_replica
from p2pcommons.tui.app import CommonsApp
from p2pcommons.tui.network_words import node_lines
from p2pcommons.tui.node_status import (
    LanPeer,
    NodeStatus,
    Offer,
    Pause,
    PeerStatus,
    Reachability,
    Traffic,
)
from p2pcommons.tui.peer_lines import called
from p2pcommons.tui.screens.invite_card import WhichCommons
from p2pcommons.tui.screens.network import Network
from p2pcommons.tui.screens.peer_card import PeerCard
from p2pcommons.tui.widgets.peer_list import PeerList
from tests.tui.homes import NARROW, NOW, WIDE, press, running, screen_text, settled, told, write

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from p2pcommons.paths import Paths

RUI = "12D3KooWJ9mZ7XeHnUq3Rui"
READINGS = Offer("ab" * 32, "Readings")
CALENDAR = Offer("cd" * 32, "[bold]Calendar[/]")


def node(*peers: PeerStatus, offers: tuple[Offer, ...] = ()) -> NodeStatus:
    return NodeStatus(
        running=True, peer_id="12D3KooWana", mode="lan", peers=peers, lan=(LanPeer(RUI, offers),)
    )


def peer(name: str, *, connected: bool = True) -> PeerStatus:
    return PeerStatus(
        name,
        connected=connected,
        addresses=("/ip4/192.0.2.7/tcp/4777",),
        source="invite",
        last_seen=NOW - 60,
    )


async def at_network(pilot: Pilot[int], status: NodeStatus) -> None:
    app = pilot.app
    assert isinstance(app, CommonsApp)
    app.context.news.mode = "lan"
    await press(pilot, "2")
    app.tell(app.context.news.overview, status)
    await settled(pilot)


def said(pilot: Pilot[int]) -> str:
    return "\n".join(notice.message for notice in pilot.app._notifications)


@pytest.mark.asyncio
async def test_a_peer_is_looked_at_copied_named_and_forgotten(garden: Paths) -> None:
    address = "/ip4/192.0.2.7/tcp/4777/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
    with open_replica(garden) as replica:
        peer_id = replica.add_peer(address)
    async with running(garden) as pilot:
        await at_network(pilot, node(peer(peer_id)))
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, PeerCard)
        assert peer_id in told(pilot)
        await press(pilot, "y")
        assert pilot.app.clipboard == address
        await press(pilot, "Y")
        assert pilot.app.clipboard == peer_id
        await press(pilot, "e")
        await write(pilot, "Rui's [laptop]")
        await press(pilot, "enter")
        assert "Rui's [laptop], " in screen_text(pilot)
        await press(pilot, "enter", "D")
        who = called(peer_id, "Rui's [laptop]")
        assert f"Forget {who}?" in screen_text(pilot)
        await press(pilot, "f9")
        assert isinstance(pilot.app.screen, Network)
    with open_replica(garden) as replica:
        assert replica.peers() == []
        assert replica.peer_names() == {}


@pytest.mark.asyncio
async def test_the_keys_of_a_peer_stay_in_sight_however_much_is_told_of_it(garden: Paths) -> None:
    known = replace(peer(RUI), addresses=tuple(f"/ip4/192.0.2.{n}/tcp/1" for n in range(40)))
    async with running(garden, NARROW) as pilot:
        await at_network(pilot, node(known))
        await press(pilot, "enter")
        assert "D Forget" in screen_text(pilot)
        assert "esc Close" in screen_text(pilot)


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_what_is_offered_nearby_is_listed_and_asked_for(
    garden: Paths, size: tuple[int, int]
) -> None:
    async with running(garden, size) as pilot:
        await at_network(pilot, node(peer(RUI)))
        assert "J Join" not in screen_text(pilot)
        await at_network(pilot, node(peer(RUI), offers=(READINGS, CALENDAR)))
        assert "[bold]Calendar[/]" in screen_text(pilot), "a title is never read as markup"
        assert "J Join" in screen_text(pilot)
        await press(pilot, "J")
        assert isinstance(pilot.app.screen, WhichCommons)
        await press(pilot, "escape", "tab", "enter")
        assert "no node is running" in said(pilot), "joining asks the node who offers it"


@pytest.mark.asyncio
async def test_nobody_yet_but_somebody_nearby_offers_a_commons(ana: Paths) -> None:
    async with running(ana) as pilot:
        app = pilot.app
        assert isinstance(app, CommonsApp)
        app.tell(app.context.news.overview, node(offers=(READINGS,)))
        await settled(pilot)
        assert "Join Readings" in screen_text(pilot)
        app.tell(app.context.news.overview, node())
        await settled(pilot)
        assert "Join Readings" not in screen_text(pilot)


@pytest.mark.asyncio
async def test_a_commons_is_offered_and_no_longer(garden: Paths) -> None:
    async with running(garden) as pilot:
        await at_network(pilot, node())
        await press(pilot, "O", "enter")
        assert "offered to people nearby" in screen_text(pilot)
        with open_replica(garden) as replica:
            assert len(replica.offered()) == 1
        await press(pilot, "O", "enter")
        with open_replica(garden) as replica:
            assert replica.offered() == ()


@pytest.mark.asyncio
async def test_keeping_a_commons_is_signed_with_f9_alone_and_taken_back(garden: Paths) -> None:
    async with running(garden) as pilot:
        await at_network(pilot, node())
        await press(pilot, "K")
        assert "Nobody has pledged" in told(pilot)
        await press(pilot, "escape")
        with open_replica(garden) as replica:
            commons = replica.commons()[0].id
            assert replica.pledges(commons) == ()
        await press(pilot, "K", "f9")
        assert "kept by you" in screen_text(pilot)
        await press(pilot, "K")
        assert "you keep it" in told(pilot)
        assert "Take mine back" in screen_text(pilot)
        await press(pilot, "f9")
        assert "kept by you" not in screen_text(pilot)


@pytest.mark.asyncio
async def test_one_key_pauses_and_resumes(garden: Paths) -> None:
    async with running(garden) as pilot:
        await at_network(pilot, node(peer(RUI)))
        assert "P Pause" in screen_text(pilot)
        await press(pilot, "P")
        assert "For an hour" in screen_text(pilot)
        await press(pilot, "escape")
        paused = replace(node(peer(RUI, connected=False)), paused=Pause(NOW + 3_600))
        await at_network(pilot, paused)
        shown = screen_text(pilot)
        assert "P Resume" in shown
        assert "paused, goes on in 60 min; P resumes" in shown
        assert "not met while paused" in shown


@pytest.mark.asyncio
async def test_going_on_without_the_limit_of_the_day_says_how_much_and_until_when(
    garden: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = int(time.mktime((2026, 11, 24, 0, 0, 0, 0, 0, -1)))
    waived = {"used": 1_200_000, "limit": 1_000_000, "until": until}

    async def answer(_screen: Network, _asked: object) -> dict[str, object]:
        return {"paused": None, "was_paused": True, "day_waived": waived}

    monkeypatch.setattr(Network, "_ask_node", answer)
    async with running(garden) as pilot:
        paused = replace(node(peer(RUI, connected=False)), paused=Pause(NOW + 3_600, "day"))
        await at_network(pilot, paused)
        assert "P goes on without the limit until midnight" in screen_text(pilot)
        await press(pilot, "P")
        (said,) = [each.message for each in pilot.app._notifications]
        assert said.endswith(
            "1.2 MB of 1.0 MB for today are used; the limit is set aside until 00:00."
        )


@pytest.mark.asyncio
async def test_two_hundred_peers_scroll_under_their_heading(garden: Paths) -> None:
    everybody = tuple(peer(f"12D3KooW{number:06}") for number in range(200))
    async with running(garden, NARROW) as pilot:
        await at_network(pilot, node(*everybody))
        await press(pilot, "end")
        assert "PEERS" in screen_text(pilot)
        assert "…000199" in screen_text(pilot)
        chosen = pilot.app.screen.query_one(PeerList).choice
        assert chosen is not None
        assert chosen.key == "12D3KooW000199"
        await press(pilot, "home")
        assert "…000000" in screen_text(pilot)


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_ascii_asked_for_is_ascii_drawn_on_the_network_screen_and_its_dialogs(
    garden: Paths, size: tuple[int, int]
) -> None:
    Config.load(garden.config_file).set("look.ascii", True)
    history = tuple((number, 60 - number) for number in range(60))
    status = replace(
        node(peer(RUI), peer("12D3KooWother", connected=False), offers=(READINGS,)),
        traffic=Traffic(1, 1, 1, 1, 0, 0, history),
        reachability=Reachability("relayed", "behind NAT, relayed by …abc123"),
    )
    async with running(garden, size) as pilot:
        await at_network(pilot, status)
        for keys in ((), ("enter",), ("escape", "P"), ("escape", "K"), ("escape", "m")):
            await press(pilot, *keys)
            drawn = set(screen_text(pilot)) - set("─")
            assert all(character.isascii() for character in drawn), (keys, drawn)


@pytest.mark.asyncio
async def test_help_shows_all_keys_of_the_network_screen_on_a_small_terminal(
    garden: Paths,
) -> None:
    async with running(garden, NARROW) as pilot:
        await at_network(pilot, node(peer(RUI), offers=(READINGS,)))
        await press(pilot, "question_mark")
        shown = screen_text(pilot)
        for binding in Network.BINDINGS:
            assert isinstance(binding, Binding)
            if binding.id not in ("network.resume", "network.back"):
                assert f" {binding.key} " in shown
                assert (binding.tooltip or binding.description) in shown


def test_when_the_node_started_is_never_broken_over_two_lines() -> None:
    listens = "/ip6/2001:db8:1234:5678:90ab:cdef:1234:5678/tcp/47771"
    for addresses in ((listens, "/ip4/192.0.2.7/tcp/1"), ("/ip4/192.0.2.7/tcp/4777",)):
        status = replace(node(), addresses=addresses, started_at=NOW - 59 * 60)
        lines = [said for said, _ in node_lines(status, "lan", "", NOW, cells=68)]
        (since,) = [said for said in lines if "started 59 minutes ago" in said]
        assert since == "started 59 minutes ago" or len(since) <= 68
        assert any(said.startswith("listens at ") for said in lines)


@pytest.mark.asyncio
async def test_without_a_node_nobody_is_met_which_is_not_that_nobody_is_known(
    garden: Paths,
) -> None:
    async with running(garden) as pilot:
        await at_network(pilot, NodeStatus(running=False))
        assert "nobody is met while no node runs" in screen_text(pilot)
        assert "Press S: it starts the node." in screen_text(pilot)
        news = pilot.app.context.news
        news.starting = True
        pilot.app.tell(news.overview, news.status)
        await settled(pilot)
        shown = screen_text(pilot)
        assert "starting" in shown
        assert "not running" not in shown
        assert "Press S" not in shown
