"""Every screen at both sizes as it was when somebody last looked at it and found it good.

`pytest tests/tui/test_snapshots.py --snapshot-update` accepts what the screens show now;
look at the SVG files before committing them.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pytest_textual_snapshot import SVGImageExtension
from textual.widgets import TextArea

from p2pcommons.tui.app import CommonsApp
from p2pcommons.tui.context import DemoNote
from p2pcommons.tui.node_status import (
    Attempt,
    CommonsStatus,
    LanPeer,
    NodeStatus,
    Offer,
    PairStatus,
    Pause,
    PeerStatus,
    Reachability,
    RelayStatus,
    SessionStatus,
    Traffic,
)
from tests.tui.homes import NARROW, NOW, OVEN, WIDE, press, running, settled, write

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion
    from textual.pilot import Pilot

    from p2pcommons.paths import Paths

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])
RUI = "12D3KooWJ9mZ7XeHnUq3Rui"
INES = "12D3KooWJ9mZ7XeHnUqInes"
TOMAS = "12D3KooWJ9mZ7XeHnUqTom1"
MAR = "12D3KooWJ9mZ7XeHnUq0Mar"
RELAY = "12D3KooWRelay00000abc123"


@pytest.fixture
def screens(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """One SVG file for each name."""
    return snapshot.use_extension(SVGImageExtension)


async def picture(pilot: Pilot[int]) -> str:
    """The screen as SVG, once it stands still, without toasts, which go by the clock."""
    pilot.app.clear_notifications()
    before, drawn = "", pilot.app.export_screenshot()
    while before != drawn:
        await asyncio.sleep(0.04)
        await settled(pilot)
        before, drawn = drawn, pilot.app.export_screenshot()
    return drawn


def peer(*, connected: bool) -> PeerStatus:
    tried = () if connected else (Attempt("/ip4/192.0.2.7/tcp/4777", "connection refused"),)
    return PeerStatus(
        RUI,
        connected=connected,
        addresses=("/ip4/192.0.2.7/tcp/4777",),
        source="invite",
        last_seen=NOW - 7_200,
        next_try=0 if connected else NOW + 12,
        tried=tried,
        path="lan" if connected else "",
        round_trip_ms=2.3 if connected else -1.0,
        bytes_in=1_234_567 if connected else 0,
        bytes_out=340_000 if connected else 0,
        sessions=(SessionStatus("orderly", 140, 3, 12, 4_000, 90_000),) if connected else (),
    )


def node(commons: str, *, connected: bool, have: int = 0, of: int = 0) -> NodeStatus:
    pair = PairStatus(RUI, equal=not of, at=NOW - 120, have=have, of=of)
    return NodeStatus(
        running=True,
        peer_id="12D3KooWQ4aNa0000000Ana",
        mode="lan",
        addresses=("/ip4/192.0.2.3/tcp/4777/p2p/12D3KooWQ4aNa0000000Ana",),
        started_at=NOW - 10_800,
        peers=(peer(connected=connected),),
        commons=(CommonsStatus(commons, "Garden Lisboa", 14, (pair,)),) if connected else (),
        reachability=Reachability("lan", "LAN only", "none"),
        traffic=Traffic(1_300_000, 400_000, 12_000_000, 3_000_000),
    )


def crowded(commons: str) -> NodeStatus:
    """Everything at once: a relay, limits, peers in every state."""
    plain = node(commons, connected=True)
    others = (
        PeerStatus(
            INES,
            connected=True,
            source="dht",
            path="relayed",
            relay=RELAY,
            round_trip_ms=141,
            bytes_in=45_000,
            bytes_out=3_400,
        ),
        PeerStatus(
            TOMAS, connected=True, path="direct", round_trip_ms=1_240, shared=0, slowed="asks a lot"
        ),
        PeerStatus(
            MAR, connected=False, blocked_until=NOW + 540, reason="bad signature", bytes_in=88_000
        ),
    )
    pairs = (*plain.commons[0].pairs, PairStatus(INES, equal=False, at=NOW, have=312, of=1_840))
    history = tuple((each * 7_919 % 50_000, each * 104_729 % 9_000) for each in range(60))
    return replace(
        plain,
        peers=(*plain.peers, *others),
        commons=(CommonsStatus(commons, "Garden Lisboa", 14, pairs),),
        reachability=Reachability("relayed", "behind NAT, relayed by …abc123", "none"),
        lan=(LanPeer(RUI, (Offer("ab" * 32, "Repair café"), Offer("cd" * 32, "Readings"))),),
        relay=RelayStatus(True, 2, 1, 3_100_000, 4),
        traffic=Traffic(1_300_000, 400_000, 12_000_000, 3_000_000, 200_000, 500_000_000, history),
    )


async def tell(pilot: Pilot[int], status: NodeStatus) -> None:
    app = pilot.app
    assert isinstance(app, CommonsApp)
    app.context.news.mode = "lan"
    app.tell(app.context.news.overview, status)
    await settled(pilot)


def commons_of(pilot: Pilot[int]) -> str:
    app = pilot.app
    assert isinstance(app, CommonsApp)
    return app.context.news.overview.commons[0].commons.hex()


@SIZES
@pytest.mark.asyncio
async def test_the_first_run(
    empty: Paths, size: tuple[int, int], screens: SnapshotAssertion
) -> None:
    async with running(empty, size) as pilot:
        assert await picture(pilot) == screens(name="first-run")


@SIZES
@pytest.mark.asyncio
async def test_before_anything_is_there(
    ana: Paths, size: tuple[int, int], screens: SnapshotAssertion
) -> None:
    async with running(ana, size) as pilot:
        assert await picture(pilot) == screens(name="welcome")
        await press(pilot, "W")
        assert await picture(pilot) == screens(name="words")
        await press(pilot, "escape", "down", "enter")
        assert await picture(pilot) == screens(name="paste-invite")
        await press(pilot, "escape", "up", "enter")
        assert await picture(pilot) == screens(name="begin-commons")
        await write(pilot, "Garden")
        await press(pilot, "enter", "enter")


@SIZES
@pytest.mark.asyncio
async def test_browsing(garden: Paths, size: tuple[int, int], screens: SnapshotAssertion) -> None:
    async with running(garden, size) as pilot:
        await press(pilot, "down")
        assert await picture(pilot) == screens(name="browse")
        await press(pilot, "f")
        assert await picture(pilot) == screens(name="facets")
        await press(pilot, "escape", "space", "space")
        assert await picture(pilot) == screens(name="marked")
        await press(pilot, "escape", "/")
        await write(pilot, "solar")
        assert await picture(pilot) == screens(name="search")
        await write(pilot, " nowhere")
        assert await picture(pilot) == screens(name="nothing-fits")


@SIZES
@pytest.mark.asyncio
async def test_reading(garden: Paths, size: tuple[int, int], screens: SnapshotAssertion) -> None:
    async with running(garden, size) as pilot:
        await press(pilot, "/")
        await write(pilot, "oven")
        await press(pilot, "enter", "enter")
        assert await picture(pilot) == screens(name="reader")
        await press(pilot, "d")
        assert await picture(pilot) == screens(name="reader-details")
        await press(pilot, "d", "l", "a")
        assert await picture(pilot) == screens(name="open-link")
        await press(pilot, "escape", "escape", "escape", "/")
        await write(pilot, "sharpening")
        await press(pilot, "enter", "enter")
        assert await picture(pilot) == screens(name="side-by-side")
        await press(pilot, "M")
        assert await picture(pilot) == screens(name="merge")


@SIZES
@pytest.mark.asyncio
async def test_writing(garden: Paths, size: tuple[int, int], screens: SnapshotAssertion) -> None:
    async with running(garden, size) as pilot:
        await press(pilot, "n")
        await write(pilot, "A solar oven for two")
        pilot.app.screen.query_one("#text", TextArea).text = OVEN
        await pilot.pause(0.02)
        await press(pilot, "ctrl+s")
        assert await picture(pilot) == screens(name="compose")
        await press(pilot, "f9")
        assert await picture(pilot) == screens(name="publish")
        await press(pilot, "escape", "escape", "/")
        await write(pilot, "oven")
        await press(pilot, "enter", "t")
        await write(pilot, "so")
        assert await picture(pilot) == screens(name="tags")
        await press(pilot, "escape", "C")
        assert await picture(pilot) == screens(name="commons")
        await press(pilot, "escape", "escape", "home", "enter", "X")
        assert await picture(pilot) == screens(name="withdraw")


@SIZES
@pytest.mark.asyncio
async def test_the_network(
    garden: Paths, size: tuple[int, int], screens: SnapshotAssertion
) -> None:
    async with running(garden, size) as pilot:
        commons = commons_of(pilot)
        await press(pilot, "2")
        assert await picture(pilot) == screens(name="network-off")
        await tell(pilot, node(commons, connected=False))
        assert await picture(pilot) == screens(name="network-alone")
        await tell(pilot, node(commons, connected=True, have=312, of=1_840))
        assert await picture(pilot) == screens(name="network-receiving")
        await tell(pilot, node(commons, connected=True))
        assert await picture(pilot) == screens(name="network-equal")
        await tell(pilot, crowded(commons))
        assert await picture(pilot) == screens(name="network-crowded")
        await tell(pilot, replace(node(commons, connected=False), paused=Pause(NOW + 3_600)))
        assert await picture(pilot) == screens(name="network-paused")
        await tell(pilot, node(commons, connected=True))
        await press(pilot, "m")
        assert await picture(pilot) == screens(name="mode")
        await press(pilot, "escape", "enter")
        assert await picture(pilot) == screens(name="peer")
        await press(pilot, "escape", "K")
        assert await picture(pilot) == screens(name="pledges")
        await press(pilot, "escape", "i")
        assert await picture(pilot) == screens(name="invite")


@SIZES
@pytest.mark.asyncio
async def test_help_and_leaving(
    garden: Paths, size: tuple[int, int], screens: SnapshotAssertion
) -> None:
    demo = DemoNote("/tmp/p2pcommons-demo-x")
    async with running(garden, size, demo) as pilot:
        await press(pilot, "question_mark")
        assert await picture(pilot) == screens(name="help")
        await press(pilot, "escape", "g")
        assert await picture(pilot) == screens(name="go-to")
        await press(pilot, "escape", "ctrl+q")
        assert await picture(pilot) == screens(name="quit-demo")
