"""The screens of the real program in a real terminal, as text and as a picture.

    python scripts/screens.py [--text docs/screens.md] [--picture docs/images/browse.svg]

The text is a story in two terminals (tmux, 120x36 and 80x24): from an empty home to the first
entry of one's own, and on a second home from an invite to the first entry that arrives. Nodes
run in mode `friends` on loopback. The picture is the browse screen over a small garden.
Needs tmux for the text; a session server of its own is started and ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

from p2pcommons.config import Config
from p2pcommons.model import keys
from p2pcommons.model.kinds import DEFAULT_LICENCE
from p2pcommons.paths import Paths, find_paths
from p2pcommons.replica import Replica, open_replica
from p2pcommons.tui.app import CommonsApp
from p2pcommons.tui.node_status import CommonsStatus, NodeStatus, PairStatus, PeerStatus

PROGRAM = Path(sys.executable).with_name("p2pcommons")
SIZES = ((120, 36), (80, 24))
WIDE_CELLS = 100
"""From here on the editor has fields for licence and language between the tags and the text."""
SECONDS_MAX = 30.0
NOW = 1_790_000_000
PEERS = ("12D3KooWRui", "12D3KooWMar")


class Terminal:
    """One program in a tmux window of a given size."""

    def __init__(self, server: str, name: str, home: Path, size: tuple[int, int]) -> None:
        self._server = server
        self._name = name
        self.is_wide = size[0] >= WIDE_CELLS
        command = f"exec {PROGRAM} --home {home}"
        width, height = (str(cells) for cells in size)
        environment = ("-e", "COLORTERM=truecolor", "-e", "LC_ALL=C.UTF-8")
        self._tmux(
            "new-session", "-d", "-s", name, "-x", width, "-y", height, *environment, command
        )

    def keys(self, *names: str) -> None:
        """Press keys by their tmux names."""
        for name in names:
            self._tmux("send-keys", "-t", self._name, name)
            time.sleep(0.15)

    def type(self, text: str) -> None:
        """Type a text as it stands."""
        self._tmux("send-keys", "-t", self._name, "-l", text)
        time.sleep(0.3)

    def shows(self, text: str) -> str:
        """Wait until `text` is on the screen and return the whole of it. Raises TimeoutError."""
        deadline = time.monotonic() + SECONDS_MAX
        shown = ""
        while time.monotonic() < deadline:
            shown = self._tmux("capture-pane", "-p", "-t", self._name)
            if text in shown:
                time.sleep(0.5)
                return self._tmux("capture-pane", "-p", "-t", self._name)
            time.sleep(0.1)
        raise TimeoutError(f"{text!r} is not on the screen:\n{shown}")

    def quit(self) -> None:
        """Leave the program the way a person does."""
        self.keys("Escape", "Escape", "C-q")
        time.sleep(1.0)
        # Asks once more only where something of one's own is nowhere else.
        self._tmux("send-keys", "-t", self._name, "Enter", accept=True)
        deadline = time.monotonic() + SECONDS_MAX
        while time.monotonic() < deadline and self._name in self._tmux("ls", accept=True):
            time.sleep(0.1)

    def _tmux(self, *arguments: str, accept: bool = False) -> str:
        command = ["tmux", "-L", self._server, "-f", "/dev/null", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=not accept)
        return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, default=Path("docs/screens.md"))
    parser.add_argument("--picture", type=Path, default=Path("docs/images/browse.svg"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="p2pc-screens-") as folder:
        drawn = asyncio.run(picture(Path(folder) / "picture"))
        chosen.picture.parent.mkdir(parents=True, exist_ok=True)
        chosen.picture.write_text(drawn, encoding="utf-8")
        print(f"{chosen.picture} is written")
        parts = [story(Path(folder) / f"{width}", (width, height)) for width, height in SIZES]
    chosen.text.write_text(INTRODUCTION + "\n".join(parts), encoding="utf-8")
    print(f"{chosen.text} is written")
    return 0


INTRODUCTION = """\
# Screens

What the program shows, as text, from an empty home to the first entry of one's own and the first
that arrives from somebody else. Made by `python scripts/screens.py`, which drives the real
program in a real terminal; colours are lost here. Names in keys, four words and invites differ
each time.

"""


def story(folder: Path, size: tuple[int, int]) -> str:
    """The story in two terminals of one size, as Markdown."""
    server = f"p2pc-screens-{os.getpid()}-{size[0]}"
    shots: list[tuple[str, str]] = []
    try:
        ana = Terminal(server, "ana", quiet_home(folder / "ana"), size)
        first_entry(ana, shots)
        invite = made_invite(folder / "ana")
        rui = Terminal(server, "rui", quiet_home(folder / "rui"), size)
        first_arrival(rui, invite, shots)
        ana.keys("1")
        shots.append(("Ana's screen now: the same four words", ana.shows("equal")))
        rui.quit()
        ana.quit()
    finally:
        subprocess.run(["tmux", "-L", server, "kill-server"], check=False, capture_output=True)
    lines = [f"## {size[0]}x{size[1]}", ""]
    for told, shot in shots:
        text = "\n".join(line.rstrip() for line in shot.rstrip("\n").split("\n"))
        lines += [f"**{told}**", "", "```text", text, "```", ""]
    return "\n".join(lines)


def first_entry(ana: Terminal, shots: list[tuple[str, str]]) -> None:
    """From an empty home to the first entry, an invite and the network."""
    shots.append(("The first run asks one thing", ana.shows("What do you want to be called?")))
    ana.type("ana")
    ana.keys("Enter")
    shots.append(("Three ways on", ana.shows("Open the handbook")))
    ana.keys("Enter")
    ana.shows("What is it called?")
    ana.type("Garden Lisboa")
    ana.keys("Enter")
    ana.type("What grows here, and how we do it")
    shots.append(("Start a commons", ana.shows("how we do it")))
    ana.keys("Enter")
    ana.shows("No entries yet")
    ana.keys("n")
    ana.shows("New entry")
    ana.type("Build a solar oven from a box")
    ana.keys("Tab", "Tab")
    ana.type("solar cook")
    ana.keys("Tab", "Tab", *(("Tab", "Tab") if ana.is_wide else ()))
    for line in OVEN:
        ana.type(line)
        ana.keys("Enter")
    time.sleep(2.5)
    written = ana.shows("draft saved")
    assert f"Licence  {DEFAULT_LICENCE}" in written or not ana.is_wide, "typed into another field"
    shots.append(("Write; the draft saves itself", written))
    ana.keys("F9")
    shots.append(("What leaves this machine", ana.shows("Sign and publish")))
    ana.keys("F9")
    shots.append(("The first entry of one's own", ana.shows("1 entry")))
    ana.keys("Enter")
    shots.append(("Read it", ana.shows("Follow link")))
    ana.keys("Escape", "t")
    ana.shows("ON THIS ENTRY")
    ana.type("wi")
    shots.append(("Tag it", ana.shows("new here")))
    ana.keys("Escape", "i")
    shots.append(("Invite somebody", ana.shows("Scan it")))
    ana.keys("Escape", "2")
    shots.append(("The network while nobody is there yet", ana.shows("known as")))


def made_invite(home: Path) -> str:
    """An invite of this home, as the command line gives it."""
    command = [str(PROGRAM), "--home", str(home), "invite", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout)["invite"])


OVEN = (
    "Mark the *focal line* first. A parabola of **60 cm** is enough for bread.",
    "",
    "1. Cut the reflector from cardboard",
    "2. Line it with foil",
)


def first_arrival(rui: Terminal, invite: str, shots: list[tuple[str, str]]) -> None:
    """From an empty home and an invite to the first entry that arrives."""
    rui.shows("What do you want to be called?")
    rui.type("rui")
    rui.keys("Enter")
    rui.shows("Paste an invite")
    rui.keys("Down", "Enter")
    rui.shows("address of a peer")
    rui.type(invite)
    shots.append(("Somebody else pastes the invite", rui.shows("Enter joins")))
    rui.keys("Enter")
    rui.shows("Build a solar oven")
    shots.append(("The first entry that arrives", rui.shows("equal")))
    rui.keys("2")
    rui.shows("how reached")
    shots.append(("The network when both hold the same", rui.shows("equal")))
    rui.keys("Enter")
    shots.append(("Everything about a peer", rui.shows("Copy address")))
    rui.keys("Escape", "1", "?")
    shots.append(("Help, for the screen one is on", rui.shows("Help: Browse")))
    rui.keys("Escape")


def quiet_home(folder: Path) -> Path:
    """An empty home whose node, once there is one, stays on this machine."""
    paths = find_paths(folder)
    paths.make()
    config = Config.load(paths.config_file)
    config.set("network.mode", "friends")
    config.set("network.listen", ["/ip4/127.0.0.1/tcp/0"])
    return folder


async def picture(folder: Path) -> str:
    """The browse screen over a small garden, as SVG that loads nothing from anywhere."""
    app = CommonsApp(garden(folder), clock=lambda: NOW, poll_seconds=3_600)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause(1.0)
        await pilot.press("f", "down", "enter", "down")
        app.tell(app.context.news.overview, two_peers(app))
        await pilot.pause(1.0)
        drawn = app.export_screenshot(title="p2pcommons")
    app.context.desk.close()
    drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    drawn = drawn.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    return re.sub(r"terminal-\d+", "terminal", drawn)


def two_peers(app: CommonsApp) -> NodeStatus:
    """What a node says that two peers hold the same as."""
    commons = app.context.news.overview.commons[0]
    peers = tuple(PeerStatus(peer, connected=True) for peer in PEERS)
    pairs = tuple(PairStatus(peer.peer_id, equal=True, at=NOW - 120) for peer in peers)
    standing = CommonsStatus(commons.commons.hex(), commons.title, commons.count, pairs)
    return NodeStatus(running=True, mode="friends", peers=peers, commons=(standing,))


def garden(folder: Path) -> Paths:
    """A few people with a few entries; the same ones whenever this is run."""
    paths = find_paths(folder)
    paths.make()
    Config.load(paths.config_file).set("network.mode", "off")
    chance = random.Random(11)
    with (
        mock.patch.object(os, "urandom", chance.randbytes),
        open_replica(paths, clock=lambda: NOW) as replica,
    ):
        replica.create_identity("ana")
        replica.confirm_words()
        plant(replica)
        readings = replica.create_commons("Readings").id
        for number, title in enumerate(READINGS):
            replica.add_entry(readings, title=title, claimed_at=NOW - 300_000 - number * 90_000)
    return paths


def plant(replica: Replica) -> None:
    """Fill the garden."""
    commons = replica.create_commons("Garden Lisboa", "What grows here, and how we do it").id
    people = {
        name: keys.grant_device(os.urandom(32), os.urandom(32))
        for name in ("rui", "ines", "tomás", "mar")
    }
    for name, signer in people.items():
        replica.name_writer(commons, signer, name)
    for title, text, tags, who, hours in GARDEN:
        made = replica.add_entry(
            commons,
            title=title,
            text=text,
            tags=tags.split(),
            form="practice",
            identity=people.get(who),
            claimed_at=NOW - int(hours * 3_600),
        )
        if "solar" in tags:
            replica.tag_entry(commons, made.id, add=["winter"])
    for peer in PEERS:
        last = replica.store.last_rowid()
        replica.store.mark_equal(peer, commons, rowid=last, now=NOW)


SOLAR = """\
Mark the *focal line* first. A parabola of **60 cm** is enough for bread.

> Anyone may copy this practice.

1. Cut the reflector from cardboard
2. Line it with foil, shiny side out
3. Turn it every twenty minutes

| part  | from    |
|-------|---------|
| foil  | kitchen |
| glass | window  |

See [repair notes](https://example.org/repair).
"""

GARDEN = (
    ("Compost in a flat, three ways", "Turn it weekly.", "soil food", "", 0.1),
    ("Build a solar oven from a box", SOLAR, "solar cook", "rui", 0.6),
    ("Drying herbs without power", "Hang them in the wind.", "food solar", "ines", 3),
    ("Small water filter, tested", "Sand, charcoal, sand.", "water sand", "tomás", 20),
    ("Sharpening tools", "Twenty degrees.", "tool repair", "ines", 30),
    ("Seeds: what to keep, what to swap", "Tomatoes keep four years.", "seed swap", "mar", 52),
    ("Mending a wind charger bearing", "Cheap if the shaft is true.", "wind repair", "rui", 75),
    ("Beds that water themselves", "A clay pot, buried.", "water soil", "mar", 100),
    ("Tool list for a repair table", "Fewer than you think.", "tool repair", "tomás", 130),
    ("Bread without an oven", "A lid, a stone, patience.", "food cook", "ines", 160),
    ("Rain barrels on a balcony", "Mind the weight.", "water", "rui", 200),
    ("What the bees found in March", "A list, with dates.", "bees seed", "mar", 240),
    ("Insulating a window with bubbles", "Soapy water holds it.", "winter repair", "tomás", 290),
)
READINGS = ("The gift, chapter four", "Tools for conviviality", "Governing the commons")

if __name__ == "__main__":
    sys.exit(main())
