"""Whatever happens, what was typed is kept; nothing leaves before it was shown what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input, TextArea

from p2pcommons.replica import open_replica
from p2pcommons.tui.screens import compose
from p2pcommons.tui.screens.browse import Browse
from p2pcommons.tui.screens.compose import Compose
from p2pcommons.tui.screens.publish import Publish
from p2pcommons.tui.screens.words_card import WordsCard
from tests.tui.homes import NARROW, NOW, WIDE, press, running, screen_text, settled, told, write

if TYPE_CHECKING:
    from p2pcommons.paths import Paths
    from p2pcommons.replica import Draft


def drafts(paths: Paths) -> list[Draft]:
    with open_replica(paths, clock=lambda: NOW) as replica:
        return replica.drafts()


@pytest.mark.asyncio
async def test_leaving_keeps_the_draft_and_n_goes_on_with_it(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "n")
        await write(pilot, "Half a thought")
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, Browse)
        assert [draft.title for draft in drafts(garden)] == ["Half a thought"]
        await press(pilot, "n", "down", "enter")
        assert pilot.app.screen.query_one("#title", Input).value == "Half a thought"
        await press(pilot, "f9", "f9")
        assert isinstance(pilot.app.screen, Browse)
        assert drafts(garden) == []
        assert "Half a thought" in screen_text(pilot)


@pytest.mark.asyncio
async def test_words_typed_into_the_link_are_not_published_as_an_address(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "n")
        await write(pilot, "Half a thought")
        pilot.app.screen.query_one("#url", Input).value = "Turn it weekly"
        await press(pilot, "f9", "f9")
        assert "Not published: the link is not an address" in screen_text(pilot)
        await press(pilot, "escape")
        pilot.app.screen.query_one("#url", Input).value = "https://example.org/compost"
        await press(pilot, "f9", "f9")
        assert isinstance(pilot.app.screen, Browse)
    assert drafts(garden) == []


@pytest.mark.asyncio
async def test_a_program_that_is_killed_leaves_the_draft(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "n")
        await write(pilot, "Half a thought")
        compose = pilot.app.screen
        assert isinstance(compose, Compose)
        assert await compose.save_now(), "what the clock does two seconds after the last key"
    assert [draft.title for draft in drafts(garden)] == ["Half a thought"]


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_licence_and_language_are_kept_in_the_draft_said_before_signing_and_signed(
    garden: Paths, size: tuple[int, int]
) -> None:
    async with running(garden, size) as pilot:
        await press(pilot, "n")
        await write(pilot, "Pão sem forno")
        await press(pilot, "f3")
        await write(pilot, "CC0-1.0")
        await press(pilot, "enter")
        await write(pilot, "pt")
        await press(pilot, "ctrl+s")
        assert [(draft.licence, draft.language) for draft in drafts(garden)] == [("CC0-1.0", "pt")]
        await press(pilot, "f3")
        assert pilot.app.screen.query_one("#licence").display, "what is filled in stays in view"
        await press(pilot, "f9")
        assert "the licence CC0-1.0, the language pt" in told(pilot)
        await press(pilot, "f9")
    with open_replica(garden, clock=lambda: NOW) as replica:
        (row,) = replica.search("forno")
        detail = replica.entry(row.commons, row.id)
        assert (detail.licence, detail.language) == ("CC0-1.0", "pt")


@pytest.mark.asyncio
async def test_an_untouched_editor_leaves_no_draft(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "n", "escape")
        assert isinstance(pilot.app.screen, Browse)
    assert drafts(garden) == []


@pytest.mark.asyncio
async def test_a_refused_entry_says_why_and_keeps_every_word(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "n")
        await write(pilot, "Too long")
        pilot.app.screen.query_one("#text", TextArea).text = "x" * 70_000
        await press(pilot, "f9", "f9")
        assert isinstance(pilot.app.screen, Publish)
        assert "Not published" in screen_text(pilot)
        await press(pilot, "escape")
        assert len(pilot.app.screen.query_one("#text", TextArea).text) == 70_000
        await press(pilot, "escape")
    assert len(drafts(garden)[0].text) == 70_000


@pytest.mark.asyncio
async def test_publishing_says_what_leaves_and_that_the_address_is_there(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "n")
        await write(pilot, "The filter again")
        await press(pilot, "tab")
        await write(pilot, "https://WWW.example.org:443/filter")
        await press(pilot, "f9")
        shown = told(pilot)
        assert "the title, the address, the time and your name" in shown
        assert "Small water filter, tested" in shown


@pytest.mark.asyncio
async def test_an_edit_is_a_new_version(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "/")
        await write(pilot, "compost")
        await press(pilot, "enter", "e")
        pilot.app.screen.query_one("#text", TextArea).text = "Turn it daily."
        await press(pilot, "f9", "f9")
        assert "Turn it daily." in screen_text(pilot)
    with open_replica(garden, clock=lambda: NOW) as replica:
        (row,) = replica.search("compost")
        assert (row.versions, row.heads) == (2, 1)
        assert set(row.tags) == {"soil", "food"}, "tags stay what they were"


@pytest.mark.asyncio
async def test_a_merge_leaves_one_version(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "/")
        await write(pilot, "sharpening")
        await press(pilot, "enter", "enter", "M")
        assert "THE OTHER VERSIONS" in screen_text(pilot)
        pilot.app.screen.query_one("#text", TextArea).text = "Twenty, whatever they say."
        await press(pilot, "f9", "f9")
        with open_replica(garden, clock=lambda: NOW) as replica:
            (row,) = replica.search("sharpening")
            detail = replica.entry(row.commons, row.id)
    merged = [version for version in detail.versions if version.text.startswith("Twenty, ")]
    assert len(merged[0].parents) == 2


@pytest.mark.asyncio
async def test_only_ones_own_can_be_withdrawn(garden: Paths) -> None:
    async with running(garden, NARROW) as pilot:
        await press(pilot, "/")
        await write(pilot, "herbs")
        await press(pilot, "enter", "enter", "X")
        assert "Withdraw your versions?" not in screen_text(pilot)
        await press(pilot, "escape", "escape", "/")
        await write(pilot, "compost")
        await press(pilot, "enter", "enter", "X")
        assert "Withdraw your versions?" in screen_text(pilot)
        await press(pilot, "f9")
    with open_replica(garden, clock=lambda: NOW) as replica:
        assert not replica.search("compost")


@pytest.mark.asyncio
async def test_the_words_stay_until_two_were_typed_back(ana: Paths) -> None:
    with open_replica(ana) as replica:
        secret = replica.unconfirmed_words()
    assert secret is not None
    async with running(ana) as pilot:
        await press(pilot, "W")
        assert all(word in screen_text(pilot) for word in secret)
        await write(pilot, "wrong")
        await press(pilot, "tab")
        await write(pilot, secret[22])
        await press(pilot, "enter")
        assert "word 2 is not" in screen_text(pilot)
        await press(pilot, "escape")
        assert ana.root_key.exists()
        await press(pilot, "W")
        await write(pilot, secret[1])
        await press(pilot, "enter")
        await write(pilot, secret[22])
        await press(pilot, "enter")
        await settled(pilot)
        assert not isinstance(pilot.app.screen, WordsCard)
    assert not ana.root_key.exists()


@pytest.mark.asyncio
async def test_a_tag_of_mine_is_taken_back_and_others_stay(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "/")
        await write(pilot, "oven")
        await press(pilot, "enter", "t", "tab", "tab")
        before = screen_text(pilot)
        assert "you" in before
        await press(pilot, "enter", "ctrl+s")
    with open_replica(garden, clock=lambda: NOW) as replica:
        (row,) = replica.search("oven")
        taggers = dict(replica.entry(row.commons, row.id).taggers)
        assert len(taggers["solar"]) == 1, "rui's stays"


@pytest.mark.asyncio
async def test_a_draft_is_thrown_away_only_when_asked_twice(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "n")
        await write(pilot, "Half a thought")
        await press(pilot, "ctrl+s", "f2", "escape")
        assert isinstance(pilot.app.screen, Compose)
        assert len(drafts(garden)) == 1
        await press(pilot, "f2", "f9")
        assert isinstance(pilot.app.screen, Browse)
        assert drafts(garden) == []


@pytest.mark.asyncio
async def test_quitting_while_writing_saves_the_last_words(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "n")
        await write(pilot, "Half a thought")
        await press(pilot, "ctrl+q")
        assert [draft.title for draft in drafts(garden)] == ["Half a thought"]


@pytest.mark.asyncio
async def test_who_writes_without_a_pause_is_saved_too(
    garden: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "SAVE_PAUSE_SECONDS", 0.15)
    async with running(garden) as pilot:
        await press(pilot, "n")
        for _ in range(12):
            await pilot.press("a")
            await pilot.pause(0.02)
        await settled(pilot)
        assert drafts(garden), "saved although a key came again and again"
