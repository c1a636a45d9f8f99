"""Keeping what this person pledged to keep: every text, and files up to the size they gave.

The store knows which commons those are; this fetches their files, a few at a time, those of known
people first, and asks again for texts that nobody had so far. A file that does not come gives its
place to another one and is tried again later.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from p2pcommons.blobstore import BlobStore
from p2pcommons.errors import StoreError, UserError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from p2pcommons.node.attachments import Attachments, Fetch
    from p2pcommons.node.context import NodeContext
    from p2pcommons.store import AttachmentRow, Keeping

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
ALL_AGAIN_SECONDS = 3_600.0
"""All files are looked for anew, and texts that nobody had are asked for again."""
FETCHES_MAX = 4
"""Files fetched at once by themselves: most places stay free for what a person asks for."""
PATIENCE_SECONDS = 60.0
"""A fetch that brings nothing for so long gives its place to another file."""
TRY_AGAIN_SECONDS = 600.0
PLAN_SECONDS = 30.0
"""Between two looks at which files are here, while nothing changes: each asks the disk."""
FILES_MAX = 10_000
"""Files of one commons that are thought of, those of known people before strangers': a look at
them takes a tenth of a second, however many are attached."""


@dataclass(slots=True)
class _Files:
    """The files of one kept commons, as far as they have been read."""

    rows: dict[bytes, AttachmentRow] = field(default_factory=dict[bytes, "AttachmentRow"])
    up_to: int = 0
    known: set[bytes] = field(default_factory=set[bytes])

    def place(self, row: AttachmentRow) -> tuple[bool, int, bytes]:
        """Those of known people first, the oldest first."""
        return row.author not in self.known, row.claimed_at, row.id


@dataclass(slots=True)
class _Going:
    """A fetch that was begun here."""

    fetch: Fetch
    had: int
    since: float


class Keeper:
    """Carries out what was pledged on this machine; runs beside everything else."""

    def __init__(
        self,
        context: NodeContext,
        attachments: Attachments,
        on_changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._context = context
        self._attachments = attachments
        self._on_changed = on_changed
        self._blobs = BlobStore(context.paths.blobs_dir)
        self._files: dict[bytes, _Files] = {}
        self._going: dict[bytes, _Going] = {}
        self._not_before: dict[bytes, float] = {}
        self._seen = -1
        self._all_again_at = 0.0
        self._plan_at = 0.0
        self._store_changed = trio.Event()

    def store_changed(self) -> None:
        """Somebody has committed something: perhaps there is something to keep."""
        self._store_changed.set()

    async def run(self) -> None:
        """Look until cancelled: every few seconds while anything is kept, else after changes.

        A store that fails is told, and tried again.
        """
        while True:
            # Before the look: a change that comes during it is another look, not lost.
            self._store_changed = trio.Event()
            has_looked = False
            try:
                await self._look()
                has_looked = True
            except StoreError as error:
                self._context.note_trouble(error)
            await trio.sleep(LOOK_SECONDS)
            if has_looked and not self._context.kept:
                await self._store_changed.wait()

    async def _look(self) -> None:
        storage, now = self._context.storage, self._context.now()
        version = await storage.read(lambda store: store.data_version())
        changed = version != self._seen
        if changed or self._context.kept:
            kept = await storage.read(lambda store: store.kept_commons(now))
            is_new = kept.keys() != self._context.kept.keys()
            self._context.kept = kept
            if is_new:
                await self._on_changed()
        self._seen = version
        again = trio.current_time() >= self._all_again_at
        if again:
            self._all_again_at = trio.current_time() + ALL_AGAIN_SECONDS
            self._forget_waits()
        for commons in self._files.keys() - self._context.kept.keys():
            del self._files[commons]
        for commons, keeping in self._context.kept.items():
            if again:
                await self._context.attempt(
                    lambda store, commons=commons: store.want_again(commons)
                )
            if keeping.files:
                await self._read_files(commons, all_again=again, changed=changed)
        ended = self._end_fruitless()
        if (changed or ended or again or trio.current_time() >= self._plan_at) and self._files:
            self._plan_at = trio.current_time() + PLAN_SECONDS
            await self._fetch_more()

    async def _read_files(self, commons: bytes, *, all_again: bool, changed: bool) -> None:
        files = self._files.get(commons)
        if files is None or all_again:
            files = self._files[commons] = _Files()
        elif not changed:
            return
        after = files.up_to
        rows, files.up_to = await self._context.storage.read(
            lambda store: store.attachments_after(commons, after)
        )
        if not rows:
            return
        files.rows.update((row.id, row) for row in rows)
        files.known = await self._context.storage.read(lambda store: store.known_authors(commons))
        if len(files.rows) > FILES_MAX:
            first = sorted(files.rows.values(), key=files.place)[:FILES_MAX]
            files.rows = {row.id: row for row in first}

    def _forget_waits(self) -> None:
        """Forget until when a file had to wait, once it may be tried again."""
        now = trio.current_time()
        self._not_before = {each: due for each, due in self._not_before.items() if due > now}

    def _end_fruitless(self) -> bool:
        """Forget what has come or failed, and end what brings nothing; tell whether any was."""
        now, before = trio.current_time(), len(self._going)
        for identifier, going in list(self._going.items()):
            if going.fetch.bytes_held > going.had:
                going.had, going.since = going.fetch.bytes_held, now
            waited = now - going.since >= PATIENCE_SECONDS
            unwanted = going.fetch.row.commons not in self._context.kept
            if going.fetch.is_whole:
                del self._going[identifier]
            elif going.fetch.trouble or waited or unwanted:
                del self._going[identifier]
                self._not_before[identifier] = now + TRY_AGAIN_SECONDS
                if not going.fetch.is_asked_for:
                    self._attachments.cancel(identifier)
        return len(self._going) < before

    async def _fetch_more(self) -> None:
        for commons, keeping in self._context.kept.items():
            files = self._files.get(commons)
            if files is not None:
                for row in await trio.to_thread.run_sync(
                    self._lacking, keeping, files, trio.current_time()
                ):
                    if len(self._going) >= FETCHES_MAX:
                        return
                    await self._begin(row)

    def _lacking(self, keeping: Keeping, files: _Files, now: float) -> list[AttachmentRow]:
        """Return the files to fetch next that still fit the size, each once.

        Runs in a thread: it asks the disk for each.
        """
        room = keeping.files
        wanted: dict[bytes, AttachmentRow] = {}
        counted = set[bytes]()
        for row in files.rows.values():
            if row.file.sha256 in counted:
                continue
            if row.id in self._going or self._blobs.holds(row.file.sha256):
                counted.add(row.file.sha256)
                wanted.pop(row.file.sha256, None)
                room -= row.file.size
            elif self._not_before.get(row.id, 0.0) <= now:
                wanted.setdefault(row.file.sha256, row)
        fitting: list[AttachmentRow] = []
        for row in sorted(wanted.values(), key=files.place):
            if row.file.size <= room:
                room -= row.file.size
                fitting.append(row)
        return fitting

    async def _begin(self, row: AttachmentRow) -> None:
        if self._attachments.is_fetching(row.id):
            return  # a person asked for it: that one is patient
        try:
            fetch = await self._attachments.fetch(row.id, asked_for=False)
        except UserError as error:
            log.info("a file of a kept commons is left for later: %s", error)
            self._not_before[row.id] = trio.current_time() + TRY_AGAIN_SECONDS
            return
        self._going[row.id] = _Going(fetch, fetch.bytes_held, trio.current_time())
