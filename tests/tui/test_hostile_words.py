"""Words of peers made to do harm are shown on every screen as words, and nothing else happens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from p2pcommons.model import codec, keys
from p2pcommons.model.contribution import sign
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.replica import open_replica
from p2pcommons.tui.app import CommonsApp
from p2pcommons.tui.node_status import read_status
from p2pcommons.tui.widgets.entry_list import EntryList
from tests.tui.homes import NARROW, NOW, WIDE, ana_home, press, running, screen_text, settled, write

if TYPE_CHECKING:
    from pathlib import Path

    from p2pcommons.paths import Paths
    from p2pcommons.replica import Replica

BAD = (
    "\x1b[2J\x1b]0;owned\x07 [/foo] [@click=app.quit]press[/] [bold red]x[/bold red] "
    "\u202eesrever\u202c \u2066iso\u2069 a\u200b\u200b\u200bb \x9b31m \r\n\t\x00 {0} %s $(id) "
    "日本語 👩\u200d🌾 مرحبا بالعالم e\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301"
)
LONG = (BAD * 10)[:300]
FORBIDDEN = ("\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u200b", "\x00", "\r", "\t")


class Eve:
    """Signs what the writer's side would refuse to sign."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self.signer = keys.grant_device(os.urandom(32), os.urandom(32))

    def say(
        self,
        kind: str,
        body: dict[str, object],
        *,
        commons: bytes = ZERO_ID,
        target: bytes | None = None,
        parents: tuple[bytes, ...] = (),
    ) -> bytes:
        signed = sign(
            self.signer,
            kind,
            commons=commons,
            body=codec.encode({**body, "salt": os.urandom(16)}),
            claimed_at=NOW - 800,
            target=target,
            parents=parents,
        )
        self.replica.store.ingest([signed], received_at=NOW - 500)
        return signed.id


@pytest.fixture
def hostile(tmp_path: Path) -> Paths:
    """A commons of somebody who puts everything into every field."""
    paths = ana_home(tmp_path)
    with open_replica(paths, clock=lambda: NOW - 500) as replica:
        eve, mallory = Eve(replica), Eve(replica)
        founding = {"title": LONG, "purpose": BAD, "licence": BAD, "rules": [BAD]}
        commons = eve.say("commons", {**founding, "visibility": "public"})
        replica.store.join_commons(commons, now=NOW)
        eve.say("profile", {"name": BAD[:80]}, commons=commons)
        markdown = (
            f"# {BAD}\n\n> {BAD}\n\n| {BAD} | b |\n|-|-|\n| c | [x]({BAD}) |\n\n```\n{BAD}\n```"
        )
        for number in range(3):
            body: dict[str, object] = {
                "form": BAD[:30],
                "title": LONG,
                "text": markdown,
                "url": f"https://example.org/{number}/[/foo]\u202e",
                "licence": BAD[:60],
                "edit_note": BAD,
            }
            entry = eve.say("entry", body, commons=commons)
            tags = ["[/foo]", "\u202eesrever", "[@click=app.quit]x[/]", "👩\u200d🌾", "日本"]
            eve.say("tag", {"tags": tags}, commons=commons, target=entry)
            other: dict[str, object] = {"form": "note", "title": LONG, "text": BAD}
            eve.say("entry", other, commons=commons, target=entry, parents=(entry,))
            mallory.say("entry", other, commons=commons, target=entry, parents=(entry,))
        assert len(replica.entries()) == 3
    return paths


def check(shown: str) -> None:
    for character in FORBIDDEN:
        assert character not in shown, repr(character)


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_no_screen_lets_them_through(hostile: Paths, size: tuple[int, int]) -> None:
    async with running(hostile, size) as pilot:
        check(screen_text(pilot))
        assert "[/foo]" in screen_text(pilot)
        for keys_pressed in (
            ("f", "escape"),  # the drawer
            ("enter", "d", "l", "escape", "escape"),  # the reader, its details, its labels
            ("t", "down", "escape"),  # tags
            ("e", "f8", "f9", "escape", "escape"),  # the editor and publishing
            ("i", "escape"),  # an invite
            ("question_mark", "escape"),
            ("o", "escape"),  # the address
            ("2", "i", "escape", "1"),
        ):
            for key in keys_pressed:
                await press(pilot, key)
                check(screen_text(pilot))
        assert pilot.app.is_running


@pytest.mark.asyncio
async def test_they_can_be_searched_for_and_clicked(hostile: Paths) -> None:
    async with running(hostile) as pilot:
        await press(pilot, "/")
        await write(pilot, "[/foo] \u202eesrever")
        check(screen_text(pilot))
        await press(pilot, "enter")
        for y in (4, 7):
            await pilot.click(EntryList, offset=(20, y))
        for x in range(62, 118, 18):
            for y in (3, 4, 9):
                await pilot.click(offset=(x, y))
        await settled(pilot)
        assert pilot.app.is_running


@pytest.mark.asyncio
async def test_a_node_that_passes_them_on_is_shown_cleanly(hostile: Paths) -> None:
    async with running(hostile) as pilot:
        app = pilot.app
        assert isinstance(app, CommonsApp)
        told = {"peer_id": BAD, "connected": False, "addresses": [BAD], "source": BAD}
        tried = [{"address": BAD, "outcome": BAD}]
        status = read_status(
            {"running": True, "peer_id": BAD, "activity": BAD, "peers": [{**told, "tried": tried}]}
        )
        app.tell(app.context.news.overview, status)
        await press(pilot, "2")
        check(screen_text(pilot))
        await press(pilot, "enter")
        check(screen_text(pilot))


def test_a_status_of_other_types_counts_as_not_told() -> None:
    assert not read_status({"running": "yes"}).running
    status = read_status({"running": True, "peers": [1, {"peer_id": 5, "tried": {}}], "lan": "x"})
    assert status.peers[0].peer_id == ""
    assert status.lan == ()
