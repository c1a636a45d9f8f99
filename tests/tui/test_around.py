"""Help, leaving, the palette, and what holds on every screen."""

from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from textual.binding import Binding
from textual.dom import DOMNode
from textual.widgets import Input

from p2pcommons.config import Config
from p2pcommons.replica import open_replica
from p2pcommons.tui import look, screens, widgets
from p2pcommons.tui.app import CommonsApp
from p2pcommons.tui.context import DemoNote
from p2pcommons.tui.keymap import binding_names
from p2pcommons.tui.messages import ModeChosen
from p2pcommons.tui.screens.browse import Browse
from p2pcommons.tui.screens.compose import Compose
from p2pcommons.tui.screens.help import Help
from p2pcommons.tui.screens.invite_card import InviteCard
from p2pcommons.tui.screens.jump import LETTERS
from p2pcommons.tui.screens.quit import Quit
from p2pcommons.tui.widgets.entry_list import EntryList
from tests.tui.homes import NARROW, WIDE, press, running, screen_text, settled, told, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from p2pcommons.paths import Paths


def nodes_of_ours() -> Iterator[type[DOMNode]]:
    yield CommonsApp
    for package in (screens, widgets):
        for module in pkgutil.iter_modules(package.__path__):
            found = import_module(f"{package.__name__}.{module.name}")
            for _, value in inspect.getmembers(found, inspect.isclass):
                if issubclass(value, DOMNode) and value.__module__ == found.__name__:
                    yield value


def test_every_binding_has_an_id_and_words() -> None:
    for node in nodes_of_ours():
        for binding in vars(node).get("BINDINGS", ()):
            assert isinstance(binding, Binding)
            assert binding.id, f"{node.__name__}: {binding.key}"
            assert binding.description
            is_letter = len(binding.key) == 1
            assert not (binding.priority and is_letter), "a letter stays a letter in a field"


def test_every_full_screen_and_dialog_explains_itself() -> None:
    for node in nodes_of_ours():
        if node.__module__.startswith(screens.__name__) and hasattr(node, "HELP_TITLE"):
            assert bool(getattr(node, "HELP_TITLE", "")) == bool(getattr(node, "HELP_TEXT", ""))


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_help_names_the_keys_that_work_here(garden: Paths, size: tuple[int, int]) -> None:
    async with running(garden, size) as pilot:
        await press(pilot, "question_mark")
        assert isinstance(pilot.app.screen, Help)
        text = told(pilot)
        for words in ("Search", "Tag", "Read", "Mark", "Invite", "p2pcommons search"):
            assert words in text
        await press(pilot, "escape", "/", "f1")
        assert isinstance(pilot.app.screen, Help), "F1 helps also while typing"
        await press(pilot, "escape")
        await press(pilot, "escape", "enter", "question_mark")
        assert "Follow link" in told(pilot)


@pytest.mark.asyncio
async def test_quitting_says_what_is_only_here(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "ctrl+q")
        assert isinstance(pilot.app.screen, Quit)
        assert "4 of yours are only here" in told(pilot)
        await press(pilot, "escape")
        assert pilot.app.is_running
        await pilot.press("ctrl+q")
        await pilot.pause(0.3)
        await pilot.press("enter")
        await pilot.pause(0.3)
        assert pilot.app.return_value == 0


@pytest.mark.asyncio
async def test_the_demo_says_that_its_folder_goes_and_how_to_keep_the_program(ana: Paths) -> None:
    async with running(ana, demo=DemoNote("/tmp/demo-folder")) as pilot:
        assert "/tmp/demo-folder is temporary" in screen_text(pilot).splitlines()[0]
        await press(pilot, "ctrl+q")
        for words in ("pipx install .", "uv tool install", "p2pcommons"):
            assert words in told(pilot)


@pytest.mark.asyncio
async def test_the_palette_finds_a_tag_and_a_commons(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "ctrl+p")
        await write(pilot, "water")
        await pilot.pause(0.3)
        assert "Tag: #water" in screen_text(pilot)
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, Browse)
        assert pilot.app.screen.query_one(EntryList).row_count == 1


@pytest.mark.asyncio
async def test_an_invite_fits_a_small_screen_and_can_be_pasted(garden: Paths) -> None:
    async with running(garden, NARROW) as pilot:
        await press(pilot, "i")
        assert isinstance(pilot.app.screen, InviteCard)
        assert "Invite to" in told(pilot)
        shown = screen_text(pilot)
        assert "esc Close" in shown
        assert shown.count("█▀▀▀") + shown.count("▄▄▄▄") > 4, "the code is there whole"
        with open_replica(garden) as replica:
            text = replica.make_invite(replica.commons()[0].id).text
        await press(pilot, "escape", "2", "a")
        await write(pilot, f"  {text[:40].lower()}\n{text[40:]} ")
        assert "To Garden Lisboa" in told(pilot)
        await press(pilot, "enter")
        assert not isinstance(pilot.app.screen, InviteCard)


@pytest.mark.asyncio
async def test_a_wrong_invite_says_so_and_stays(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "2", "a")
        await write(pilot, "HELLO")
        assert "Not an invite yet" in told(pilot)
        await press(pilot, "enter")
        assert "HELLO" in screen_text(pilot)


@pytest.mark.asyncio
async def test_a_mode_is_kept_for_the_next_start(garden: Paths) -> None:
    async with running(garden) as pilot:
        pilot.app.post_message(ModeChosen("off"))
        await press(pilot, "2")
        assert "nothing is sent or received" in screen_text(pilot)
    assert Config.load(garden.config_file).mode == "off"


@pytest.mark.asyncio
async def test_ascii_asked_for_is_ascii_drawn(garden: Paths) -> None:
    Config.load(garden.config_file).set("look.ascii", True)
    async with running(garden) as pilot:
        await press(pilot, "down", "space")
        drawn = set(screen_text(pilot)) - set("─")
        assert all(character.isascii() for character in drawn), drawn


@pytest.mark.asyncio
async def test_colours_one_chose_are_there_again(garden: Paths) -> None:
    async with running(garden) as pilot:
        pilot.app.theme = "nord"
        await settled(pilot)
    assert Config.load(garden.config_file).text("look.theme") == "nord"
    async with running(garden) as pilot:
        assert pilot.app.theme == "nord"
    Config.load(garden.config_file).set("look.theme", "no such theme")
    async with running(garden) as pilot:
        assert pilot.app.theme == look.DARK.name


@pytest.mark.asyncio
async def test_keys_of_ones_own_take_the_place_of_ours(garden: Paths) -> None:
    garden.config_file.write_text(
        garden.config_file.read_text()
        + '\n[keys]\n"browse.search" = "slash,ctrl+f"\n"entry.new" = "A"\nentry.nwe = "x"\n'
    )
    async with running(garden) as pilot:
        said = [notice.message for notice in pilot.app._notifications]
        assert "keys.entry.nwe in the settings names no key; is it entry.new" in said[0]
        await press(pilot, "ctrl+f")
        assert pilot.app.screen.query_one("#query", Input).has_focus
        await press(pilot, "escape", "n")
        assert isinstance(pilot.app.screen, Browse), "n does nothing any more"
        await press(pilot, "A")
        assert isinstance(pilot.app.screen, Compose)
        await press(pilot, "escape")
    Config.load(garden.config_file).set("name", "Ana")
    assert Config.load(garden.config_file).keys()["browse.search"] == "slash,ctrl+f"
    assert Config.load(garden.config_file).unknown() == ()


def test_the_guide_names_every_key_that_can_be_changed() -> None:
    guide = (Path(__file__).parents[2] / "docs/user-guide.md").read_text(encoding="utf-8")
    rows = re.findall(r"\| `([a-z-]+\.)` \| (.+) \|", guide)
    named = {start + name for start, names in rows for name in re.findall("`([a-z-]+)`", names)}
    assert named == binding_names()


@pytest.mark.asyncio
async def test_zoom_gives_a_pane_the_screen_and_takes_it_back(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "z")
        assert pilot.app.screen.maximized is not None
        await press(pilot, "z")
        assert pilot.app.screen.maximized is None


@pytest.mark.asyncio
async def test_a_store_that_cannot_be_opened_is_told_in_words_not_in_a_crash(garden: Paths) -> None:
    async with running(garden) as pilot:
        garden.replica_db.rename(garden.replica_db.with_suffix(".away"))
        garden.replica_db.mkdir()
        app = pilot.app
        assert isinstance(app, CommonsApp)
        app.context.desk.reload()
        await press(pilot, "f5", "down", "enter", "t")
        assert pilot.app.is_running
        garden.replica_db.rmdir()


@pytest.mark.asyncio
async def test_leaving_a_commons_hides_it_and_keeps_its_entries(garden: Paths) -> None:
    async with running(garden) as pilot:
        await press(pilot, "C", "end", "enter", "enter")
        assert "Leave Garden Lisboa?" in screen_text(pilot)
        await press(pilot, "f9")
        assert "Nothing here yet" in screen_text(pilot)
    with open_replica(garden) as replica:
        assert replica.commons() == []
        assert replica.commons(left=True)[0].entries == 5


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_letter_leads_to_each_pane(garden: Paths, size: tuple[int, int]) -> None:
    async with running(garden, size) as pilot:
        for pane in list(pilot.app.screen.focus_chain):
            letter = LETTERS[pilot.app.screen.focus_chain.index(pane)]
            await press(pilot, "ctrl+o", letter)
            assert pilot.app.focused is pane
        await press(pilot, "ctrl+o", "escape")
        assert isinstance(pilot.app.screen, Browse)
