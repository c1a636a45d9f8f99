"""What differs when a person sits at a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_program_alone_opens_the_screens(terminal: Callable[..., Any], empty: Any) -> None:
    shown = terminal("--home", str(empty.path))
    shown.expect("\x1b[?1049h")
    shown.expect("p2pcommons")
    shown.press(b"\x11")
    shown.end()
    assert shown.code == 0


def test_ctrl_c_at_a_question_ends_with_130(terminal: Callable[..., Any], empty: Any) -> None:
    shown = terminal("--home", str(empty.path), "init")
    shown.expect("called? ")
    shown.press(b"\x03")
    assert "Traceback" not in shown.end()
    assert shown.code == 130
    assert not (empty.path / "device.key").exists()


def test_the_end_of_the_input_at_a_question_is_a_mistake(
    terminal: Callable[..., Any], empty: Any
) -> None:
    shown = terminal("--home", str(empty.path), "init")
    shown.expect("called? ")
    shown.press(b"\x04")
    assert "the input ended" in shown.end()
    assert shown.code == 2


def test_json_asks_nothing_on_a_terminal(terminal: Callable[..., Any], empty: Any) -> None:
    shown = terminal("--home", str(empty.path), "init", "--json")
    assert json.loads(shown.end())["error"]["code"] == "usage"
    assert shown.code == 2


@pytest.mark.parametrize(
    ("environment", "dim"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_emphasis_can_be_switched_off(
    terminal: Callable[..., Any], garden: Any, environment: dict[str, str], dim: bool
) -> None:
    settings = {**garden.environment, "TERM": "xterm", "LINES": "40", **environment}
    shown = terminal("--home", str(garden.path), "list", environment=settings)
    assert ("\x1b[2m" in shown.end()) is dim


def test_lines_are_cut_to_the_terminal_and_wide_characters_counted(
    terminal: Callable[..., Any], ana: Any
) -> None:
    ana.add("面包" * 60, "--tag", "面包")
    settings = {**ana.environment, "TERM": "dumb", "COLUMNS": "80", "LINES": "24"}
    shown = terminal("--home", str(ana.path), "list", environment=settings)
    line = shown.end().splitlines()[0]
    wide = sum(1 for character in line if ord(character) > 0x2E80)
    assert len(line) + wide <= 80
    assert line.endswith("…")
    assert "面包" * 60 in ana("list").out


def test_a_terminal_shows_the_newest_and_says_how_to_see_all(
    terminal: Callable[..., Any], ana: Any
) -> None:
    from p2pcommons.replica import open_replica

    with open_replica(ana.path) as replica, replica.batch():
        commons = replica.commons()[0].id
        for number in range(45):
            replica.add_entry(commons, title=f"Entry {number}")
    shown = terminal("--home", str(ana.path), "list")
    seen = shown.end()
    assert seen.count("Entry ") == 40
    assert "--limit 0" in seen
    assert len(ana.json("list")["items"]) == 45
    everything = terminal("--home", str(ana.path), "list", "--limit", "0")
    assert everything.end().count("Entry ") == 45


def test_leaving_for_good_asks_when_something_may_be_lost(
    terminal: Callable[..., Any], ana: Any
) -> None:
    ana.add("One")
    shown = terminal("--home", str(ana.path), "commons", "leave", "Sun kitchen", "--delete")
    shown.expect("go on: ")
    shown.type("no")
    shown.end()
    assert shown.code == 4
    assert len(ana.json("list")["items"]) == 1
    again = terminal("--home", str(ana.path), "commons", "leave", "Sun kitchen", "--delete")
    again.expect("go on: ")
    again.type("delete")
    again.end()
    assert again.code == 0
    assert ana.json("commons", "list", "--left")["items"] == []


def test_text_can_be_typed_at_the_terminal(terminal: Callable[..., Any], ana: Any) -> None:
    shown = terminal("--home", str(ana.path), "add", "-", "--title", "Typed")
    shown.expect("Ctrl-D")
    shown.type("first line")
    shown.press(b"\x04")
    shown.end()
    entry = ana.json("list")["items"][0]
    assert ana.json("show", entry["id"])["text"] == "first line\n"
