"""`demo`: two real nodes on this machine meet, exchange a commons, and a tag crosses over.

Everything lies in a temporary folder that is removed at the end.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pcommons.cli.choosing import title_of
from p2pcommons.cli.demo_nodes import demo_nodes
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command
from p2pcommons.cli.times import count
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model.ids import short

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica import Replica
    from p2pcommons.store import CommonsRow, Digest

TAG = "read-in-the-demo"
INSTALL = ("pipx install .", "uv tool install --overrides constraints.txt .")
STALL_SECONDS = 60.0
"""Without a new contribution for this long, the replicas are taken not to meet."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _Person:
    """One of the two."""

    name: str
    replica: Replica


@command(
    "demo",
    examples=[
        ("demo", "two nodes on this machine share the handbook"),
        ("demo bookmarks.html", "or your bookmarks; nothing leaves this machine"),
    ],
)
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option("--no-tui", is_flag=True, help="End after the result, also on a terminal.")
@click.pass_obj
def demo(invocation: Invocation, data: Path | None, no_tui: bool) -> Reply:
    """Show two nodes meet on this machine.

    Both have homes of their own in a temporary folder. DATA is a bookmarks file or JSON Lines.
    On a terminal the second replica is opened at the end.
    """
    if data is not None and not data.exists():
        raise UserError(f"{data} is not there", ErrorCode.NOT_FOUND)
    _forget_settings()
    steps = _Steps(invocation)
    with _temporary_folder() as folder, demo_nodes() as nodes:
        steps.say(f"two nodes start on this machine, with homes in {folder}")
        ana = _Person("Ana", nodes.start("Ana", folder / "ana"))
        rui = _Person("Rui", nodes.start("Rui", folder / "rui"))
        with ana.replica, rui.replica:
            shown = _act(steps, ana, rui, data)
            if invocation.asks and not invocation.json and not no_tui:
                _open_screens(rui, folder)
    last = f"keep it: {' or '.join(INSTALL)}, then: p2pcommons"
    steps.finish(f"the folder {folder} is removed", last)
    return Reply(shown)


def _act(steps: _Steps, ana: _Person, rui: _Person, data: Path | None) -> dict[str, object]:
    """Go through the demo and return what it showed. Raises UserError when it does not work."""
    began = time.monotonic()
    row = _fill(steps, ana, data)
    invited = ana.replica.make_invite(row.id)
    steps.say(f"Ana makes an invite: {invited.text}")
    rui.replica.join(invited.text)
    steps.say("Rui joins with it")
    held = _wait_until_equal(steps, ana, rui, row.id)
    seconds = round(time.monotonic() - began, 2)
    steps.say(f"both hold the same after {seconds:.1f} s:")
    words = " ".join(ana.replica.four_words(row.id))
    for person in (ana, rui):
        steps.tell(
            f"{person.name}  {count(held.count, 'contribution')}  "
            f"fingerprint {held.fingerprint.hex()}  {words}"
        )
    crossing = _cross(steps, ana, rui, row.id)
    return {
        "commons": row.id.hex(),
        "title": title_of(row),
        "count": held.count,
        "fingerprint": held.fingerprint.hex(),
        "bodies": held.bodies,
        "words": words.split(),
        "equal": True,
        "seconds": seconds,
        "tag": crossing,
    }


def _fill(steps: _Steps, ana: _Person, data: Path | None) -> CommonsRow:
    if data is None:
        row = ana.replica.open_handbook()
        held = ana.replica.commons_row(row.id)
        steps.say(f"Ana opens the handbook: {count(held.entries, 'entry', 'entries')}")
        return row
    row = ana.replica.create_commons(data.stem)
    steps.say(f"Ana starts the commons {title_of(row)} and imports {data}")
    report = ana.replica.import_file(data, commons=row.id, progress=steps.progress)
    if not report.added:
        raise UserError(f"{data}: nothing in it became an entry", ErrorCode.FAILED)
    steps.tell(
        f"{count(report.links, 'link')}: {report.added:,} added, {report.merged:,} merged, "
        f"{report.skipped:,} skipped, {report.failed:,} failed"
    )
    return row


def _wait_until_equal(steps: _Steps, ana: _Person, rui: _Person, commons: bytes) -> Digest:
    """Wait until both replicas have one count and fingerprint, as long as something arrives."""
    had, since = -1, time.monotonic()
    while True:
        here, there = ana.replica.digest(commons), rui.replica.digest(commons)
        if (here.count, here.fingerprint, here.bodies) == (
            there.count,
            there.fingerprint,
            there.bodies,
        ):
            return here
        steps.progress(there.count, here.count)
        if there.count > had:
            had, since = there.count, time.monotonic()
        if time.monotonic() - since > STALL_SECONDS:
            raise UserError(
                f"the replicas differ: Ana holds {count(here.count, 'contribution')} "
                f"({here.fingerprint.hex()}), Rui {there.count:,} ({there.fingerprint.hex()}), "
                f"and nothing arrived for {STALL_SECONDS:.0f} s",
                ErrorCode.FAILED,
            )
        time.sleep(_POLL_SECONDS)


def _cross(steps: _Steps, ana: _Person, rui: _Person, commons: bytes) -> dict[str, object]:
    """Tag an entry on the second replica and watch the tag arrive on the first."""
    entry = rui.replica.entries(commons=[commons], limit=1)[0]
    steps.say(f"Rui tags {short(entry.id)} {entry.title!r} with #{TAG}")
    began = time.monotonic()
    rui.replica.tag_entry(commons, entry.id, add=[TAG])
    author = rui.replica.require_identity().author

    def arrived() -> bool:
        taggers = dict(ana.replica.entry(commons, entry.id).taggers)
        return any(person.author == author for person in taggers.get(TAG, ()))

    _wait_for(arrived, "the tag did not arrive on Ana's replica")
    seconds = round(time.monotonic() - began, 2)
    who = ana.replica.name_of(commons, author)
    steps.say(f"on Ana's replica after {seconds:.1f} s: #{TAG} by {who}")
    return {"entry": entry.id.hex(), "tag": TAG, "by": who, "seconds": seconds}


def _wait_for(is_so: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + STALL_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise UserError(f"{otherwise} within {STALL_SECONDS:.0f} s", ErrorCode.FAILED)
        time.sleep(_POLL_SECONDS)


class _Steps:
    """Says what happens, numbered; with --json on stderr, since stdout holds the object."""

    def __init__(self, invocation: Invocation) -> None:
        self._out = invocation.out
        self._number = 0

    def say(self, text: str) -> None:
        """Say the next step."""
        self._number += 1
        self._write(f"{self._number:2}. {text}")

    def tell(self, text: str) -> None:
        """Say more about the step before."""
        self._write(f"    {text}")

    def finish(self, *lines: str) -> None:
        """Say what stands at the end, without a number."""
        for line in lines:
            self._write(line)

    def progress(self, done: int, total: int) -> None:
        """Show how far the step is."""
        of = f" of {total:,}" if total else ""
        self._out.progress(f"    {done:,}{of}")

    def _write(self, text: str) -> None:
        self._out.end_progress()
        if self._out.json:
            self._out.say(text)
        else:
            self._out.write_line(text)
            self._out.flush()


def _open_screens(person: _Person, folder: Path) -> None:
    from p2pcommons.tui import DemoNote
    from p2pcommons.tui import run as run_screens

    run_screens(person.replica.paths, demo=DemoNote(str(folder), INSTALL))


@contextmanager
def _temporary_folder() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="p2pcommons-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _forget_settings() -> None:
    """Leave this person's own settings out of the demo's homes."""
    from p2pcommons.config import SETTINGS
    from p2pcommons.paths import HOME_VARIABLE

    for variable in (HOME_VARIABLE, *(setting.variable for setting in SETTINGS)):
        os.environ.pop(variable, None)
