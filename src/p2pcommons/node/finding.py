"""When to search the directory, and for what: commons of which no holder is connected.

In mode `open` alone. What this node holds it says again each hour; what it lacks a holder of is
looked for with growing pauses. Whoever is named is dialled, and believed when a session shows it.
"""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, cast

import trio

from p2pcommons.errors import NetworkError, RejectedError, StoreError
from p2pcommons.model.kinds import CIRCLE
from p2pcommons.node.directory import Directory
from p2pcommons.node.holders import HolderDials, Search
from p2pcommons.protocol.budget import TokenBucket
from p2pcommons.protocol.kademlia import BUCKET_PEERS_MAX, REFRESH_SECONDS, provider_key
from p2pcommons.protocol.kademlia_messages import Contact, Kind
from p2pcommons.protocol.lookup import ASKED_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import HostPort
    from p2pcommons.protocol.lookup import Lookup

log = logging.getLogger(__name__)

GRACE_SECONDS = 2.0
"""As long as the address book and the LAN have to bring a holder before strangers are asked."""
PAUSE_SECONDS = 120.0
PAUSE_SECONDS_MAX = 1_800.0
"""Between two searches for one commons; doubled each time, up to this."""
AGAIN_SECONDS = 20.0
"""A person who asks, or somebody new to ask, brings the next search forward to this."""
GREETING_SECONDS = 0.3
"""After a connection: the session goes first."""
GREETINGS_PER_SECOND = 2.0
GREETINGS_BURST = 60
"""A crowd that comes and goes is not told again and again what is held here."""
JOIN_SECONDS = 20.0
"""Between two searches for this node's own place while few others are known."""
FIRST_SECONDS = 3.0
"""After the first peer was met, until what is held is said to those nearest to it."""
TOUR_SECONDS = 900.0
"""Between two looks at who is still there."""
TOUR_ASKED_MAX = 10
ADDRESSES_SECONDS = 30.0
"""How often this node's own addresses are compared with those it gave."""
ANNOUNCED_MAX = 64
"""Commons that are said to be held here, the busiest: each costs a search an hour."""
TOLD_MAX = 48
"""Of them, told at once to somebody who has just connected."""
CONTACTS_META = "directory.contacts"
CONTACTS_KEPT_MAX = 32
"""Peers remembered over a restart."""
_NEVER = math.inf


class Finding:
    """Says what is held, and searches for what is not."""

    def __init__(
        self, context: NodeContext, host: HostPort, blame: Callable[[str, str], None]
    ) -> None:
        self._context = context
        self._host = host
        self.directory = Directory(context, host, blame)
        self._tasks: trio.Nursery | None = None
        self._wake = trio.Event()
        self._say_wake = trio.Event()
        self._searches: dict[bytes, Search] = {}
        self._circles: frozenset[bytes] = frozenset()
        self._say_at: dict[bytes, float] = {}
        self._greetings = TokenBucket(GREETINGS_PER_SECOND, GREETINGS_BURST)
        self._joined_at = -_NEVER
        self._tour_at = _NEVER
        self._said_from: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Take part until cancelled."""
        self.directory.serve()
        await self._remember()
        await self._note_held()
        try:
            async with trio.open_nursery() as nursery:
                self._tasks = nursery
                for peer_id in self._host.connected_peers():
                    self.met(peer_id)
                nursery.start_soon(self.directory.keep_letting_go)
                nursery.start_soon(self._say_what_is_held)
                await self._search_what_lacks()
        finally:
            self._tasks = None

    def met(self, peer_id: str) -> None:
        """Somebody connected: make each other's acquaintance, unless this ends for a pause."""
        if self._tasks is not None and self._context.state.paused is None:
            self._tasks.start_soon(self._greet, peer_id)

    def changed(self) -> None:
        """A peer went or a commons was joined: see what lacks a holder now, and what is held."""
        self._wake.set()
        self._say_wake.set()

    def hurry(self) -> None:
        """A person asked: search again soon for what was searched for in vain."""
        self._bring_forward()

    # --- meeting others ------------------------------------------------------------------------

    async def _greet(self, peer_id: str) -> None:
        await trio.sleep(GREETING_SECONDS)
        now = trio.current_time()
        if peer_id not in self._host.connected_peers() or not self._greetings.take(1, now):
            return
        contact = Contact(peer_id)
        try:
            await self.directory.ask(contact, Kind.FIND_NODE, self.directory.own_key)
            held = self._context.joined[:TOLD_MAX]
            keys = [key for each in held if (key := provider_key(each)) in self.directory.held]
            if keys:
                await self.directory.tell(contact, keys)
        except (NetworkError, RejectedError) as error:
            # In another mode it does not speak this; that is its choice.
            log.debug("no directory at %s: %s", peer_id, error)
            return
        now = trio.current_time()
        self._bring_forward()
        if self._tour_at == _NEVER:
            self._tour_at = now + TOUR_SECONDS
            for key in self._say_at:
                self._say_at[key] = min(self._say_at[key], now + FIRST_SECONDS)
            self._say_wake.set()
        few = len(self.directory.table) < BUCKET_PEERS_MAX
        if few and now - self._joined_at >= JOIN_SECONDS:
            self._joined_at = now
            await self._walk(self.directory.own_key, BUCKET_PEERS_MAX)
            await self._keep_contacts()

    async def _walk(self, key: bytes, asked_max: int) -> Lookup:
        return await self.directory.walk(Kind.FIND_NODE, key, asked_max=asked_max)

    def _bring_forward(self) -> None:
        soon = trio.current_time()
        for search in self._searches.values():
            if search.due < _NEVER:
                search.due = min(search.due, max(soon, search.began + AGAIN_SECONDS))
        self._wake.set()

    # --- what is held --------------------------------------------------------------------------

    async def _say_what_is_held(self) -> None:
        """Say each hour what is held here, and look now and then who is still there."""
        while True:
            self._say_wake = trio.Event()
            await self._note_held()
            now = trio.current_time()
            addresses = frozenset(self._host.addresses())
            if self._tour_at != _NEVER and addresses != self._said_from:
                self._said_from = addresses
                for key in self._say_at:
                    self._say_at[key] = min(self._say_at[key], now + FIRST_SECONDS)
            for key in [key for key, due in self._say_at.items() if due <= now]:
                self._say_at[key] = now + REFRESH_SECONDS * self._context.chance.uniform(0.75, 1.0)
                await self._say(key)
            if self._tour_at <= now:
                await self._tour()
            due = min([self._tour_at, *self._say_at.values()])
            with trio.move_on_at(min(due, trio.current_time() + ADDRESSES_SECONDS)):
                await self._say_wake.wait()

    async def _say(self, key: bytes) -> None:
        lookup = await self._walk(key, ASKED_MAX)
        for contact in lookup.closest():
            try:
                await self.directory.tell(contact, [key])
            except NetworkError as error:
                log.debug("%s was not told: %s", contact.peer_id, error)

    async def _note_held(self) -> None:
        """Of the public commons whose beginning is here, say so; of circles nothing is said."""
        try:
            rows = await self._context.storage.read(lambda store: store.commons_rows())
        except StoreError as error:
            self._context.note_trouble(error)
            return
        self._circles = frozenset(row.id for row in rows if row.visibility == CIRCLE)
        known = {row.id for row in rows if row.title is not None} - self._circles
        joined = [each for each in self._context.joined if each in known][:ANNOUNCED_MAX]
        keys = [provider_key(each) for each in joined]
        now = trio.current_time()
        first = _NEVER if self._tour_at == _NEVER else now + FIRST_SECONDS
        self._say_at = {key: self._say_at.get(key, first) for key in keys}
        self.directory.held = frozenset(keys)

    async def _tour(self) -> None:
        """See who is still there: ask near this node's own place, and at a place by chance."""
        self._tour_at = trio.current_time() + TOUR_SECONDS * self._context.chance.uniform(0.8, 1.2)
        self.directory.hints.forget_old(trio.current_time())
        anywhere = self._context.chance.randbytes(32)
        for key in (self.directory.own_key, anywhere):
            await self._walk(key, TOUR_ASKED_MAX)
        await self._keep_contacts()

    async def _keep_contacts(self) -> None:
        contacts = list(self.directory.table)
        self._context.chance.shuffle(contacts)
        kept = json.dumps({each.peer_id: each.addresses for each in contacts[:CONTACTS_KEPT_MAX]})
        await self._context.attempt(lambda store: store.set_meta(CONTACTS_META, kept))

    async def _remember(self) -> None:
        try:
            kept = await self._context.storage.read(lambda store: store.meta(CONTACTS_META))
        except StoreError as error:
            self._context.note_trouble(error)
            return
        self.directory.remembered = read_contacts(kept)

    # --- what is not ---------------------------------------------------------------------------

    async def _search_what_lacks(self) -> None:
        while True:
            self._wake = trio.Event()
            now = trio.current_time()
            self._plan(now)
            for commons, search in tuple(self._searches.items()):
                if search.due <= now and commons in self._lacking():
                    await self._search(commons, search)
            due = min((each.due for each in self._searches.values()), default=_NEVER)
            with trio.move_on_at(due):
                await self._wake.wait()

    def _plan(self, now: float) -> None:
        """Let each commons that lacks a holder have a search to come, and the others none.

        A holder that comes and goes all the time causes no more searches than none at all.
        """
        lacking = self._lacking()
        self._searches = {
            each: self._searches.get(each) or Search(_NEVER) for each in self._context.joined
        }
        for commons, search in self._searches.items():
            if commons not in lacking:
                search.due, search.times = _NEVER, 0
            elif search.due == _NEVER:
                search.due = max(now + GRACE_SECONDS, search.began + PAUSE_SECONDS)

    def _lacking(self) -> set[bytes]:
        """Return the commons of which nobody who is connected is known to hold anything."""
        held: set[bytes] = set()
        for peer in self._context.state.connected():
            held |= peer.shared or frozenset()
        return set(self._context.joined) - held - self._circles

    async def _search(self, commons: bytes, search: Search) -> None:
        state = self._context.state.finding
        chance = self._context.chance.uniform(0.8, 1.2)
        search.began = trio.current_time()
        pause = min(PAUSE_SECONDS * 2**search.times, PAUSE_SECONDS_MAX)
        dials = HolderDials(self._context, self._host, commons)
        answered = await self._walk_and_dial(commons, dials)
        search.due = trio.current_time() + pause * chance
        if not answered:
            search.began = -_NEVER  # the first to be asked is asked at once
            state.words = "nobody to ask who else holds it"
            return
        search.times += 1
        state.looked_up += 1
        state.last = self._context.now()
        state.asked += answered
        state.named += dials.tried
        state.found += dials.met
        state.words = dials.words(answered)
        log.info("searched for a holder of %s: %s", commons.hex()[:10], state.words)

    async def _walk_and_dial(self, commons: bytes, dials: HolderDials) -> int:
        """Search, and dial who is named, until a holder is met; returns how many answered."""
        key = provider_key(commons)
        lookup = self.directory.begin(key)
        async with trio.open_nursery() as search:

            async def stop_when_met() -> None:
                await dials.success.wait()
                search.cancel_scope.cancel()

            search.start_soon(stop_when_met)
            async with trio.open_nursery() as nursery:

                def named(contact: Contact) -> None:
                    if dials.takes(contact):
                        self.directory.about_to_visit(contact.peer_id)
                        nursery.start_soon(dials.dial, contact)

                await self.directory.pursue(lookup, Kind.GET_PROVIDERS, key, named)
            search.cancel_scope.cancel()
        return lookup.answered


def read_contacts(kept: str | None) -> list[Contact]:
    """Read the peers that the store kept; what is not understood is none."""
    try:
        found = cast("object", json.loads(kept or "{}"))
    except ValueError:
        return []
    listed = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    return [
        Contact(
            peer_id, tuple(each for each in cast("list[object]", where) if isinstance(each, str))
        )
        for peer_id, where in listed.items()
        if isinstance(where, list)
    ]
