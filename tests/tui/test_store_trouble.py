"""Trouble with the store is said on the screen, and costs nothing that was typed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from textual.widgets import TextArea

from p2pcommons import nodeprocess
from p2pcommons.errors import ErrorCode, StoreError, UserError
from p2pcommons.replica import open_replica
from p2pcommons.tui import app as app_module
from p2pcommons.tui.node_status import CommonsStatus, NodeStatus, PairStatus, PeerStatus
from p2pcommons.tui.screens.browse import Browse
from p2pcommons.tui.shaping import Overviews
from tests.tui.homes import NOW, press, running, screen_text, told, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from p2pcommons.paths import Paths
    from p2pcommons.replica import Replica
    from p2pcommons.tui.records import Overview


async def _until(pilot: Pilot[int], is_so: Callable[[], bool]) -> None:
    """Wait until the screen has looked at the store again, at most ten seconds."""
    for _ in range(200):
        if is_so():
            return
        pilot.app._poll()
        await pilot.pause(0.05)
    raise AssertionError("the screen did not notice")


@pytest.mark.asyncio
async def test_store_that_is_moved_away_is_said_and_what_is_typed_is_kept(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "n")
        await write(pilot, "Half a thought")
        moved = garden.replica_db.with_name("moved.db")
        garden.replica_db.rename(moved)
        await press(pilot, "f9", "f9")
        assert "Not published" in screen_text(pilot)
        assert "was removed" in told(pilot)
        await press(pilot, "escape")
        assert pilot.app.screen.query_one("#text", TextArea) is not None
        await press(pilot, "escape")
        news = pilot.app.context.news
        await _until(pilot, lambda: "was removed" in news.standing.network)
        assert news.standing.level == "trouble"
        moved.rename(garden.replica_db)
        await _until(pilot, lambda: "was removed" not in news.standing.network)
    with open_replica(garden, clock=lambda: NOW) as replica:
        assert [draft.title for draft in replica.drafts()] == ["Half a thought"]
        assert replica.store.views_differences() == []


@pytest.mark.asyncio
async def test_who_is_here_already_is_not_asked_for_a_name_when_the_store_is_read_in_vain(
    ana: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Overviews.read
    troubles = [StoreError("the store is locked", "")]

    def in_vain_at_first(self: Overviews, replica: Replica) -> Overview:
        if troubles:
            raise troubles.pop()
        return read(self, replica)

    monkeypatch.setattr(Overviews, "read", in_vain_at_first)
    monkeypatch.setattr(app_module, "POLL_SECONDS", 0.01)
    async with running(ana) as pilot:
        assert not troubles
        assert type(pilot.app.screen) is Browse


@pytest.mark.asyncio
async def test_a_node_that_answers_no_more_is_not_said_to_be_equal(
    garden: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    rui = PeerStatus("12D3KooWrui", connected=True)
    pairs = (PairStatus(rui.peer_id, equal=True, at=NOW),)
    met = NodeStatus(
        running=True, mode="lan", peers=(rui,), commons=(CommonsStatus("", "", 9, pairs),)
    )
    async with running(garden) as pilot:
        app = pilot.app
        app.tell(app.context.news.overview, met)
        standing = app.context.news.standing
        assert (standing.level, "equal" in standing.network) == ("equal", True)
        answered = threading.Event()
        asked: list[int] = []

        def stopped(_paths: Paths) -> dict[str, object]:
            asked.append(1)
            answered.wait(30)
            raise UserError("the node does not answer; see its log", ErrorCode.FAILED)

        monkeypatch.setattr(nodeprocess, "status", stopped)
        await _until(pilot, lambda: bool(asked))
        for _ in range(3):
            app._poll()
            await pilot.pause()
        answered.set()
        await _until(pilot, lambda: "does not answer" in app.context.news.standing.network)
        assert app.context.news.standing.level == "trouble"
        monkeypatch.undo()
        await _until(pilot, lambda: app.context.news.standing.level != "trouble")
