"""Homes for the stories: real replicas whose chance and time stand still, and a way to wait.

Chance is fixed while a home is made, so that ids, suffixes and the four words are the
same in every run and screens can be compared with what they were.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from typing import TYPE_CHECKING
from unittest import mock

from textual import events
from textual.keys import _character_to_key
from textual.screen import Screen
from textual.widgets import Input, Static, TextArea

from p2pcommons.config import Config
from p2pcommons.model import keys
from p2pcommons.model.kinds import EntryBody
from p2pcommons.paths import Paths, find_paths
from p2pcommons.peerkey import load_peer_seed
from p2pcommons.replica import open_replica
from p2pcommons.tui.app import CommonsApp
from p2pcommons.tui.screens.first_run import FirstRun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from textual.app import App
    from textual.pilot import Pilot

    from p2pcommons.replica import Replica
    from p2pcommons.tui.context import DemoNote

NOW = 1_790_000_000
WIDE, NARROW = (120, 36), (80, 24)
WAITING_GROUPS = {"dialog", "begin", "quit", "leave", "words", "go-to", "jump"}
"""Workers that wait for a person, not for the store."""

OVEN = """\
Mark the *focal line* first. A parabola of **60 cm** is enough for bread.

> Anyone may copy this practice.

1. Cut the reflector from cardboard
2. Line it with foil

| part  | from    |
|-------|---------|
| foil  | kitchen |
| glass | window  |

See [repair notes](https://example.org/repair) and https://example.org/parabola.
"""


@contextlib.contextmanager
def same_chance(seed: int = 7) -> Iterator[None]:
    """Draw the same keys and salts in every run."""
    chance = random.Random(seed)
    with mock.patch.object(os, "urandom", chance.randbytes):
        yield


def empty_home(folder: Path) -> Paths:
    """A folder in which nobody has been yet, network off."""
    paths = find_paths(folder)
    paths.make()
    Config.load(paths.config_file).set("network.mode", "off")
    return paths


def ana_home(folder: Path) -> Paths:
    """Ana, who has made an identity and confirmed nothing; no commons."""
    paths = empty_home(folder)
    with same_chance(), open_replica(paths, clock=lambda: NOW - 90_000) as replica:
        replica.create_identity("ana")
    return paths


def garden_home(folder: Path) -> Paths:
    """Ana with a commons of three people, five entries, one of them with two heads."""
    paths = ana_home(folder)
    with same_chance(8), open_replica(paths, clock=lambda: NOW - 60) as replica:
        load_peer_seed(paths)
        fill_garden(replica)
        replica.confirm_words()
    return paths


def fill_garden(replica: Replica) -> None:
    """Write what the garden holds."""
    garden = replica.create_commons("Garden Lisboa", "What grows here, and how we do it").id
    rui = keys.grant_device(os.urandom(32), os.urandom(32))
    ines = keys.grant_device(os.urandom(32), os.urandom(32))
    replica.name_writer(garden, rui, "rui")
    replica.name_writer(garden, ines, "ines")
    replica.add_entry(
        garden,
        title="Drying herbs without power",
        text="Hang them where the wind goes through.",
        form="practice",
        tags=["food", "solar"],
        identity=ines,
        claimed_at=NOW - 7_200,
    )
    replica.add_entry(
        garden,
        title="Small water filter, tested",
        url="https://www.example.org/filter",
        text="Sand, charcoal, sand.",
        tags=["water"],
        identity=rui,
        claimed_at=NOW - 90_000,
    )
    oven = replica.add_entry(
        garden,
        title="Build a solar oven from a box",
        text=OVEN,
        form="practice",
        tags=["solar", "cook"],
        identity=rui,
        claimed_at=NOW - 10_800,
    ).id
    replica.tag_entry(garden, oven, add=["winter", "solar"])
    replica.add_entry(
        garden,
        title="Compost in a flat",
        text="Turn it **weekly**. It smells only when it is too wet.",
        tags=["soil", "food"],
        claimed_at=NOW - 1_800,
    )
    filters = replica.add_entry(
        garden,
        title="Sharpening tools",
        text="Twenty degrees.",
        tags=["tool"],
        identity=ines,
        claimed_at=NOW - 200_000,
    ).id
    for writer, angle, when in ((rui, "Fifteen", NOW - 600), (ines, "Twenty-five", NOW - 300)):
        replica.contribute(
            EntryBody(form="practice", title="Sharpening tools", text=f"{angle} degrees."),
            commons=garden,
            target=filters,
            parents=[filters],
            identity=writer,
            claimed_at=when,
        )


def make_app(paths: Paths, demo: DemoNote | None = None) -> CommonsApp:
    """The application with time and chance held still, and no clock that polls."""
    return CommonsApp(
        paths,
        demo=demo,
        clock=lambda: NOW,
        pick=lambda below, n: (1, below - 2)[:n],
        poll_seconds=3_600,
    )


@contextlib.asynccontextmanager
async def running(
    paths: Paths, size: tuple[int, int] = WIDE, demo: DemoNote | None = None
) -> AsyncIterator[Pilot[int]]:
    """The application at work, settled; its threads are ended afterwards."""
    app = make_app(paths, demo)
    app.animation_level = "none"
    try:
        async with app.run_test(size=size) as pilot:
            while not (isinstance(app.screen, FirstRun) or _has_begun(app)):
                await asyncio.sleep(0.005)
            await settled(pilot)
            yield pilot
            assert app.bugs == []
    finally:
        app.context.desk.close()


async def settled(pilot: Pilot[int]) -> None:
    """Wait until no worker is busy with the store and no message is waiting anywhere."""
    app = pilot.app
    quiet = 0
    for _ in range(2_000):
        # Longer, in all, than the pause between two frames.
        await asyncio.sleep(0.006)
        quiet = 0 if _is_busy(app) else quiet + 1
        if quiet >= 4:
            break
    else:
        raise AssertionError("the screen never came to rest")
    for field in (*app.screen.query(Input), *app.screen.query(TextArea)):
        field.cursor_blink = False


def _has_begun(app: App[int]) -> bool:
    # Before its first message is handled the application shows an empty screen of the library.
    has_screen = type(app.screen) is not Screen
    return has_screen and all(
        worker.is_finished for worker in app.workers if worker.group == "begin"
    )


def _is_busy(app: App[int]) -> bool:
    pumps = (app, *(node for screen in app.screen_stack for node in screen.walk_children()))
    assert isinstance(app, CommonsApp)
    screen = app.screen
    drawing = screen._layout_required or screen._repaint_required or screen._scroll_required
    if app.context.desk.is_busy or drawing or screen._dirty_widgets or screen._callbacks:
        return True
    waiting = any(pump.message_queue_size for pump in (*pumps, *app.screen_stack))
    return waiting or any(
        not worker.is_finished and worker.group not in WAITING_GROUPS for worker in app.workers
    )


async def press(pilot: Pilot[int], *keys: str) -> None:
    """Press keys one after another, each after what the one before has brought about.

    As Textual's pilot does it, without its pauses, which add up to minutes.
    """
    for key in keys:
        name = _character_to_key(key) if len(key) == 1 and not key.isalnum() else key
        character = _CHARACTERS.get(name, key if len(key) == 1 else None)
        pilot.app.post_message(events.Key(name, character))
        await settled(pilot)


_CHARACTERS = {
    "space": " ",
    "slash": "/",
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}


async def write(pilot: Pilot[int], text: str) -> None:
    """Put a text into what has the focus, as a terminal pastes it: quicker than keys."""
    pilot.app.post_message(events.Paste(text))
    await settled(pilot)


def screen_text(pilot: Pilot[int]) -> str:
    """The characters on the screen, line by line."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def told(pilot: Pilot[int]) -> str:
    """The words of the screen on top as they were given, before they were wrapped."""
    return "\n".join(str(static.content) for static in pilot.app.screen.query(Static))
