"""Attachments over the network: serves whole files, fetches what a person asked for.

Several holders give different parts at once; what they send is checked against the signed hashes
before it is written, and a part on disk is where the next try begins. Memory is one chunk a holder.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from p2pcommons.blobstore import BlobStore, Described
from p2pcommons.errors import (
    NetworkError,
    RejectedError,
    StoreError,
    UserError,
    first_error,
)
from p2pcommons.model.ids import ID_BYTES, short
from p2pcommons.model.limits import CHUNK_BYTES, ERASE_AFTER_SECONDS
from p2pcommons.node.metering import Metered
from p2pcommons.protocol.blobs import (
    BLOB_PROTOCOL,
    REQUEST_BYTES_MAX,
    BlobFetch,
    absent,
    decode_request,
    encode_request,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import HostPort, StreamPort
    from p2pcommons.store import AttachmentRow

log = logging.getLogger(__name__)

FETCHES_MAX = 64
"""Files being fetched or waited for."""
LOOKED_AT_ONCE = 2
"""Files whose chunks on disk are hashed at the same time, when fetching begins."""
HOLDERS_AT_ONCE = 8
"""Streams on which files are coming. A file that nobody has takes none of them."""
CHUNK_SECONDS = 60.0
SLOW_BYTES_MIN = 4_096
"""As long as a holder may take for one chunk before others are asked for it, unless at least so
much of it came meanwhile."""
ASK_AGAIN_SECONDS = 15.0
"""A peer that did not have a file is asked again then: it may have got it meanwhile."""
LOOK_SECONDS = 0.5
SERVED_AT_ONCE_MAX = 8
"""Chunks read for others at the same time."""
COUNT_SECONDS = 60.0
"""Between two looks at how much all files take."""
SWEEP_SECONDS = 3_600.0
FREE_BYTES_MIN = 100_000_000
"""What stays free on the disk for the person."""


@dataclass(slots=True)
class Fetch:
    """One file that a person asked for: how far it is, from how many, and what is in the way."""

    row: AttachmentRow
    bytes_held: int = 0
    holders: int = 0
    is_whole: bool = False
    trouble: str = ""
    is_asked_for: bool = False
    """A person waits for it."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    """There before the task is: it may be given up before it has begun."""

    def as_fields(self) -> dict[str, object]:
        """Return it as the control socket tells it."""
        return {
            "id": self.row.id.hex(),
            "have": self.row.file.size if self.is_whole else self.bytes_held,
            "of": self.row.file.size,
            "holders": self.holders,
            "whole": self.is_whole,
            "trouble": self.trouble,
        }


class Attachments:
    """Serves and fetches the files of the joined commons."""

    def __init__(
        self, context: NodeContext, host: HostPort, blame: Callable[[str, str], None]
    ) -> None:
        self._context = context
        self._host = host
        self._blame = blame
        self._blobs = BlobStore(context.paths.blobs_dir)
        self._fetches: dict[bytes, Fetch] = {}
        self._looking = trio.CapacityLimiter(LOOKED_AT_ONCE)
        self._coming = trio.CapacityLimiter(HOLDERS_AT_ONCE)
        self._serving = trio.CapacityLimiter(SERVED_AT_ONCE_MAX)
        self._tasks: trio.Nursery | None = None
        self._counted, self._counted_at = 0, -COUNT_SECONDS

    async def run(self) -> None:
        """Serve until cancelled."""
        self._host.set_stream_handler(BLOB_PROTOCOL, self._serve)
        async with trio.open_nursery() as nursery:
            self._tasks = nursery
            while True:
                await trio.sleep(SWEEP_SECONDS)
                await self._sweep()

    async def _sweep(self) -> None:
        """Let go of what was withdrawn so long ago that it would be erased in the store as well."""
        try:
            described = await self._context.storage.read(lambda store: store.described_files())
            older_than = self._context.now() - ERASE_AFTER_SECONDS
            await trio.to_thread.run_sync(self._blobs.sweep, described, older_than)
        except StoreError as error:
            self._context.note_trouble(error)

    # --- serving -----------------------------------------------------------------------------

    async def _serve(self, stream: StreamPort) -> None:
        """Answer requests on one stream; what is not shown here is absent.

        A peer gets all files one and a half times as fast as it goes, and more of them slowly.
        """
        metered = Metered(self._context, self._context.meters, stream.peer_id)
        try:
            while (frame := await stream.read_frame(REQUEST_BYTES_MAX)) is not None:
                request = decode_request(frame)
                wanted = request.id
                row = await self._context.storage.read(
                    lambda store, wanted=wanted: store.attachment(wanted)
                )
                held = await self._held_bytes(row)
                for index in range(request.first, request.first + request.count):
                    await metered.until_file_served(held)
                    chunk = await self._chunk(row, index)
                    metered.file_served(len(chunk), held)
                    await stream.write_frame(chunk)
            await stream.close()
        except RejectedError as error:
            self._blame(stream.peer_id, str(error))
            await stream.reset()
        except NetworkError as error:
            log.debug("serving a file to %s ended: %s", stream.peer_id, error)
        except StoreError as error:
            self._context.note_trouble(error)
            await stream.reset()

    async def _held_bytes(self, row: AttachmentRow | None) -> int:
        """Return about what all files here take; one that has just come counts as well."""
        now = trio.current_time()
        if now - self._counted_at >= COUNT_SECONDS:
            self._counted_at = now
            self._counted = await trio.to_thread.run_sync(self._blobs.bytes_used)
        return self._counted if row is None else max(self._counted, row.file.size)

    async def _chunk(self, row: AttachmentRow | None, index: int) -> bytes:
        if row is None:
            return absent()
        data = await trio.to_thread.run_sync(
            self._blobs.read_chunk, row.file.sha256, index, limiter=self._serving
        )
        return absent() if data is None else data

    # --- fetching ----------------------------------------------------------------------------

    async def fetch(self, identifier: bytes, *, asked_for: bool = True) -> Fetch:
        """Begin to fetch a file, or say how far it is; it goes on when holders come back.

        `asked_for`: by a person, who is patient.

        Raises UserError for an id that is no attachment, or too many at once.
        """
        if (known := self._under_way(identifier, asked_for=asked_for)) is not None:
            return known
        row = await self._context.storage.read(lambda store: store.attachment(identifier))
        # Somebody else may have asked for it meanwhile.
        if (known := self._under_way(identifier, asked_for=asked_for)) is not None:
            return known
        if row is None:
            raise UserError(f"{short(identifier)} is no attachment of a joined commons")
        is_whole = self._blobs.holds(row.file.sha256)
        fetch = Fetch(row, is_whole=is_whole, is_asked_for=asked_for)
        if fetch.is_whole or self._tasks is None:
            return fetch
        self._forget_finished()
        if len(self._fetches) >= FETCHES_MAX:
            raise UserError(f"{FETCHES_MAX} files are being fetched already: let some finish first")
        self._fetches[identifier] = fetch
        self._tasks.start_soon(self._fetch_all, fetch)
        return fetch

    def _under_way(self, identifier: bytes, *, asked_for: bool) -> Fetch | None:
        known = self._fetches.get(identifier)
        if known is None or known.trouble:
            return None
        known.is_asked_for |= asked_for
        return known

    def is_fetching(self, identifier: bytes) -> bool:
        """Tell whether a file is being fetched or waited for."""
        known = self._fetches.get(identifier)
        return known is not None and not known.is_whole and not known.trouble

    def cancel(self, identifier: bytes) -> bool:
        """Give up fetching; what is here stays for the next time. False where nothing was."""
        fetch = self._fetches.pop(identifier, None)
        if fetch is not None:
            fetch.scope.cancel()
        return fetch is not None

    def _forget_finished(self) -> None:
        for identifier, fetch in list(self._fetches.items()):
            if fetch.is_whole or fetch.trouble:
                del self._fetches[identifier]

    async def _fetch_all(self, fetch: Fetch) -> None:
        with fetch.scope:
            try:
                await self._fetch(fetch)
            # From a holder's task it comes in a group.
            except* (StoreError, UserError) as errors:
                fetch.trouble = str(first_error(errors))
                log.info("an attachment could not be fetched: %s", fetch.trouble)

    async def _fetch(self, fetch: Fetch) -> None:
        file = fetch.row.file
        described = Described(file.size, file.sha256, file.chunks)
        self._check_room(file.size)
        async with self._looking:
            held = await trio.to_thread.run_sync(self._blobs.held_chunks, described)
        plan = BlobFetch(fetch.row.id, file.size, file.chunks, held)
        asked: dict[str, tuple[int | None, float]] = {}
        async with trio.open_nursery() as nursery:
            while plan.missing:
                fetch.bytes_held = max(0, file.size - plan.missing * CHUNK_BYTES)
                for peer_id in self._may_hold(fetch.row.commons, asked):
                    nursery.start_soon(self._in_turn, peer_id, fetch, plan)
                await trio.sleep(LOOK_SECONDS / 5 if fetch.holders else LOOK_SECONDS)
            nursery.cancel_scope.cancel()
        if not await trio.to_thread.run_sync(self._blobs.finish, described):
            raise UserError("the file on disk is not what was written to it: is the disk broken?")
        fetch.is_whole = True

    def _may_hold(self, commons: bytes, asked: dict[str, tuple[int | None, float]]) -> list[str]:
        """Return whom to ask now and note it: who has just come, or was asked a while ago."""
        now = trio.current_time()
        due: list[str] = []
        for peer in self._context.state.connected():
            since, at = asked.get(peer.peer_id, (None, 0.0))
            waits = since == peer.connected_since and now - at < ASK_AGAIN_SECONDS
            if commons in (peer.shared or ()) and not waits:
                asked[peer.peer_id] = peer.connected_since, now
                due.append(peer.peer_id)
        return due

    async def _in_turn(self, peer_id: str, fetch: Fetch, plan: BlobFetch) -> None:
        async with self._coming:
            await self._from_holder(peer_id, fetch, plan)

    async def _from_holder(self, peer_id: str, fetch: Fetch, plan: BlobFetch) -> None:
        """Fetch parts from one peer for as long as it gives what is asked."""
        if plan.has_holder(peer_id):
            return
        plan.add_holder(peer_id)
        counted = False
        try:
            stream = await self._host.open_stream(peer_id, BLOB_PROTOCOL)
            try:
                while (request := plan.next_request(peer_id)) is not None:
                    await stream.write_frame(encode_request(request))
                    for _ in range(request.count):
                        got = await self._take_chunk(stream, fetch, plan)
                        fetch.holders += got and not counted
                        counted = counted or got
                await stream.close()
            except BaseException:
                await stream.reset()
                raise
        except (NetworkError, trio.TooSlowError) as error:
            log.debug("fetching a file from %s ended: %s", peer_id, error)
        except RejectedError as error:
            self._blame(peer_id, str(error))
        finally:
            fetch.holders -= counted
            plan.remove_holder(peer_id)

    async def _take_chunk(self, stream: StreamPort, fetch: Fetch, plan: BlobFetch) -> bool:
        """Read and keep one chunk; False where the peer does not have it."""
        frame = await _read_while_it_comes(stream)
        if frame is None:
            raise NetworkError("the stream ended before the file")
        taken = plan.take(stream.peer_id, frame)
        if taken is None:
            return bool(frame)
        index, data = taken
        await trio.to_thread.run_sync(self._blobs.write_chunk, fetch.row.file.sha256, index, data)
        plan.written(index)
        return True

    def _check_room(self, size: int) -> None:
        folder = self._context.paths.data_dir
        try:
            free = shutil.disk_usage(folder).free
        except OSError as error:
            raise StoreError(f"{folder}: {error.strerror or error}", str(folder)) from error
        if free - size < FREE_BYTES_MIN:
            raise UserError(
                f"{free // 1_000_000} MB are left at {folder}: not enough for this file"
            )


async def _read_while_it_comes(stream: StreamPort) -> bytes | None:
    """Read a frame, for as long as it takes while some of it comes. Raises TooSlowError."""
    while True:
        before = stream.bytes_read
        with trio.move_on_after(CHUNK_SECONDS):
            return await stream.read_frame(CHUNK_BYTES)
        if stream.bytes_read - before < SLOW_BYTES_MIN:
            raise trio.TooSlowError


def read_id(value: object) -> bytes:
    """Return the id in a request on the control socket. Raises UserError for what is none."""
    try:
        identifier = bytes.fromhex(str(value))
    except ValueError:
        identifier = b""
    if len(identifier) != ID_BYTES:
        raise UserError("an attachment is named by 64 hex digits")
    return identifier
