"""Room in the screens: pins, texts that are not kept, removal, and the budget dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pytest_textual_snapshot import SVGImageExtension
from textual.widgets import Input

from p2pcommons.replica import open_replica
from p2pcommons.tui.app import CommonsApp
from tests.tui.homes import NARROW, NOW, WIDE, press, running, screen_text, write
from tests.tui.test_snapshots import picture

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from p2pcommons.paths import Paths
    from p2pcommons.replica import Replica

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])


@pytest.fixture
def foreign(garden: Paths) -> Paths:
    """The garden, in which only Ana's own machine wrote what is hers."""
    # The home was made on one machine for three people; what two of them wrote came from peers.
    with open_replica(garden, clock=lambda: NOW) as replica, replica.store._writing() as raw:
        me = replica.require_identity().author
        raw.execute(
            "UPDATE contribution SET own = 0 WHERE author NOT IN "
            "(SELECT rowid FROM author WHERE key = ?)",
            (me,),
        )
        raw.execute(
            "DELETE FROM own_author WHERE author NOT IN (SELECT rowid FROM author WHERE key = ?)",
            (me,),
        )
    return garden


def opened(paths: Paths) -> Replica:
    return open_replica(paths, clock=lambda: NOW)


@SIZES
@pytest.mark.asyncio
async def test_the_room_of_a_commons(
    foreign: Paths, size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    screens = snapshot.use_extension(SVGImageExtension)
    async with running(foreign, size) as pilot:
        await press(pilot, "R")
        await write(pilot, "1kB")
        assert "would go" in await stands(pilot, "would go")
        assert await picture(pilot) == screens(name="room")
        await press(pilot, "f9", "end")
        assert await picture(pilot) == screens(name="not-kept")
        await press(pilot, "enter")
        assert await picture(pilot) == screens(name="reader-not-kept")
    with opened(foreign) as replica:
        (commons,) = replica.commons()
        assert replica.store.budget(commons.id) == 1_000
        assert replica.space(commons.id).not_kept > 0


async def stands(pilot: object, text: str) -> str:
    """Wait until a text that is computed stands on the screen."""
    from tests.tui.homes import settled

    for _ in range(200):
        seen = screen_text(pilot)  # type: ignore[arg-type]
        if text in seen:
            return seen
        await settled(pilot)  # type: ignore[arg-type]
    return screen_text(pilot)  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_what_is_no_size_is_said_and_nothing_changes(foreign: Paths) -> None:
    async with running(foreign) as pilot:
        await press(pilot, "R")
        await write(pilot, "much")
        assert "no size" in await stands(pilot, "no size")
        await press(pilot, "f9")
        assert isinstance(pilot.app, CommonsApp)
        assert pilot.app.screen.query_one("#budget", Input).value == "much"
        await press(pilot, "escape")
    with opened(foreign) as replica:
        assert replica.store.budget(replica.commons()[0].id) is None


@pytest.mark.asyncio
async def test_p_pins_and_unpins_the_entry(foreign: Paths) -> None:
    async with running(foreign) as pilot:
        await press(pilot, "end", "p", "enter")
        assert "pinned" in await stands(pilot, "pinned")
        with opened(foreign) as replica:
            assert len(replica.pins()) == 1
        await press(pilot, "p")
    with opened(foreign) as replica:
        assert replica.pins() == []


@pytest.mark.asyncio
async def test_an_entry_of_others_is_removed_after_being_asked(foreign: Paths) -> None:
    async with running(foreign) as pilot:
        await press(pilot, "end", "enter", "D", "escape")
        await press(pilot, "D", "f9")
        assert "Sharpening tools" not in screen_text(pilot)
    with opened(foreign) as replica:
        (commons,) = replica.commons()
        assert replica.space(commons.id).removed == 3
        assert "Sharpening tools" not in [row.title for row in replica.entries()]


@pytest.mark.asyncio
async def test_ones_own_entry_is_not_removed(foreign: Paths) -> None:
    async with running(foreign) as pilot:
        await press(pilot, "/")
        await write(pilot, "compost")
        await press(pilot, "enter", "D", "f9")
    with opened(foreign) as replica:
        assert "Compost in a flat" in [row.title for row in replica.entries()]
