"""What every screen is given: the desk, the time, the news, the demo's note."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from p2pcommons.tui.look import FULL, Glyphs
from p2pcommons.tui.node_status import NOT_RUNNING, NodeStatus
from p2pcommons.tui.records import Overview
from p2pcommons.tui.widgets.bars import Standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.tui.lanes import Desk
    from p2pcommons.tui.widgets.bars import Tab


@dataclass(frozen=True, slots=True)
class DemoNote:
    """Shown while the demo runs: `folder` is temporary, `install` the ways to keep the program."""

    folder: str
    install: tuple[str, ...] = (
        "pipx install .",
        "uv tool install --overrides constraints.txt .",
    )


NOTHING_READ = Overview(-1, None, (), 0)
"""The overview before the store was read for the first time."""

UNKNOWN = Standing()
"""The standing before anything was asked."""


@dataclass(slots=True)
class News:
    """The newest state of replica and node; the app replaces what changed and tells the pages."""

    overview: Overview = NOTHING_READ
    status: NodeStatus = NOT_RUNNING
    mode: str = "off"
    trouble: str = ""
    """Why the node did not start."""
    silent: str = ""
    """Why the node that runs tells nothing now; empty as soon as it answers."""
    store_trouble: str = ""
    """Why the replica cannot be read now; empty as soon as it can."""
    starting: bool = False
    selected: bytes | None = None
    standing: Standing = UNKNOWN

    @property
    def wrong(self) -> str:
        """What a person has to know before anything else; empty while all is well."""
        return self.store_trouble or self.silent or ("" if self.status.running else self.trouble)

    @property
    def is_starting(self) -> bool:
        """True until a node that was started here has answered."""
        return self.starting and not self.status.running


@dataclass(slots=True)
class Context:
    """Shared by the screens of one run.

    `now` gives seconds since 1970 UTC; `pick` chooses different numbers below its first
    argument, as many as its second says. Both are injected so that a test can hold them still.
    """

    desk: Desk
    now: Callable[[], int]
    pick: Callable[[int, int], tuple[int, ...]]
    glyphs: Glyphs = FULL
    demo: DemoNote | None = None
    tabs: tuple[Tab, ...] = ()
    news: News = field(default_factory=News)
    hosts_allowed: set[str] = field(default_factory=set[str])

    @property
    def notices(self) -> tuple[str, ...]:
        """What the top bar says at its right end, in fewer and fewer words."""
        if self.demo is None:
            return ()
        return (
            f"demo: {self.demo.folder} is temporary and removed at the end",
            "demo: a temporary folder, removed at the end",
            "demo in a temporary folder",
        )


def drawn(below: int, how_many: int) -> tuple[int, ...]:
    """So many different numbers from 0 up to `below`, which is not among them, by chance."""
    return tuple(random.SystemRandom().sample(range(below), how_many))
