"""The command palette: actions, commons, and the tags of the commons by prefix."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from textual.app import SystemCommand
from textual.command import DiscoveryHit, Hit, Provider
from textual.content import Content

from p2pcommons.tui import wording

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import App
    from textual.command import Hits
    from textual.screen import Screen

    from p2pcommons.tui.app import CommonsApp
    from p2pcommons.tui.context import Context
    from p2pcommons.tui.screens.browse import Browse

TAGS_OFFERED_MAX = 8

_ACTIONS = (
    ("Write a new entry", "n in the list", "new"),
    ("Search", "/ in the list", "search"),
    ("Invite somebody", "a code and a text to give away", "invite"),
    ("Start or join a commons", "or open the handbook", "commons"),
    ("Room on this machine", "what a commons takes, and its budget", "room"),
    ("Pin or unpin", "keep the texts of this entry", "pin"),
    ("Remove from this machine", "this entry, not for the others", "remove"),
    ("Sync now", "with every connected peer", "sync"),
    ("Add a peer or an invite", "paste it", "add"),
    ("Pause the network", "for an hour, a day, until resumed", "pause"),
    ("Resume the network", "after a pause", "resume"),
    ("Join what is offered nearby", "a public commons of somebody on this network", "join_nearby"),
    ("Offer a commons nearby", "or name it to members alone again", "offer"),
    ("Who keeps a commons", "pledge to keep it, or take that back", "keep"),
    ("Mode of the network", "off, friends, lan, open", "mode"),
)


def commands(app: App[int], screen: Screen[object]) -> Iterable[SystemCommand]:
    """Actions of the screen that is on top, and of the whole program."""
    for title, told, action in _ACTIONS:
        if hasattr(screen, f"action_{action}") and screen.check_action(action, ()):
            yield SystemCommand(title, told, partial(screen.run_action, action))
    yield SystemCommand("Browse", "all entries", partial(app.run_action, "mode('browse')"))
    yield SystemCommand(
        "Network", "peers, mode, invites", partial(app.run_action, "mode('network')")
    )
    yield SystemCommand("Your 24 words", "while they wait", partial(app.run_action, "words"))
    yield SystemCommand("Help", "keys of this screen", partial(app.run_action, "help"))
    yield SystemCommand("Theme", "colours", app.action_change_theme)
    yield SystemCommand("Quit", "leave the program", partial(app.run_action, "quit"))


class CommonsProvider(Provider):
    """The joined commons."""

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for line in _context(self).news.overview.commons:
            yield DiscoveryHit(
                Content(f"Commons: {line.title}"),
                partial(_show_commons, self, line.commons),
                help=wording.count(line.entries, "entry", "entries"),
            )

    async def search(self, query: str) -> Hits:
        """Those whose title fits."""
        matcher = self.matcher(query)
        for line in _context(self).news.overview.commons:
            words = f"Commons: {line.title}"
            score = matcher.match(words)
            if score > 0:
                yield Hit(
                    score,
                    Content(words),
                    partial(_show_commons, self, line.commons),
                    text=words,
                )


class TagProvider(Provider):
    """Tags that begin with what is typed, asked of the store."""

    async def search(self, query: str) -> Hits:
        """A few, most used first."""
        prefix = query.strip().lstrip("#").lower()
        if not prefix:
            return
        found = await _context(self).desk.search.run(
            lambda replica: replica.tag_counts((), prefix, TAGS_OFFERED_MAX)
        )
        for place, row in enumerate(found):
            yield Hit(
                0.5 - place / 100,
                Content(f"Tag: #{row.tag}"),
                partial(_show_tag, self, row.tag),
                text=f"#{row.tag}",
                help=wording.count(row.count, "entry", "entries"),
            )


def _context(provider: Provider) -> Context:
    return cast("CommonsApp", provider.app).context


async def _show_commons(provider: Provider, commons: bytes) -> None:
    (await _browse(provider)).show_commons(commons)


async def _show_tag(provider: Provider, tag: str) -> None:
    (await _browse(provider)).show_tag(tag)


async def _browse(provider: Provider) -> Browse:
    app = provider.app
    await app.switch_mode("browse")
    while len(app.screen_stack) > 1:
        await app.pop_screen()
    return cast("Browse", app.screen)
