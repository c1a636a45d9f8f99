"""Files that go with entries: what is asked and answered on a blob stream, and who fetches what.

A request names the contribution that describes the file, so a peer serves only what it shows: what
is withdrawn, or of a commons it left, is absent. Each chunk is checked against the signed list of
hashes before it counts; a cut loses at most the chunk under way.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.model import codec
from p2pcommons.model.ids import ID_BYTES
from p2pcommons.model.limits import ATTACHMENT_BYTES_MAX, CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

BLOB_PROTOCOL = "/p2pcommons/blob/1.0.0"
"""The libp2p protocol id of a stream on which files are served."""

CHUNKS_PER_REQUEST_MAX = 16
"""Four megabytes: enough to hide a round trip, little enough to share a file among holders."""

CHUNKS_MAX = ATTACHMENT_BYTES_MAX // CHUNK_BYTES
"""In the largest file."""

REQUEST_BYTES_MAX = 128
"""A request is an id and two numbers."""

_ABSENT = b""


@dataclass(frozen=True, slots=True)
class BlobRequest:
    """`count` chunks from chunk `first` of the file that contribution `id` describes."""

    id: bytes
    first: int
    count: int


def encode_request(request: BlobRequest) -> bytes:
    """Return a request's frame."""
    return codec.encode([request.id, request.first, request.count])


def decode_request(data: bytes) -> BlobRequest:
    """Read a request's frame. Raises RejectedError for anything that is none."""
    if len(data) > REQUEST_BYTES_MAX:
        raise RejectedError(RejectReason.MESSAGE_TOO_LARGE, f"a blob request of {len(data)} bytes")
    value = codec.decode(data)
    wrong = RejectedError(RejectReason.MESSAGE_SHAPE, "not a blob request")
    if type(value) is not list or len(cast("list[object]", value)) != 3:
        raise wrong
    identifier, first, count = cast("list[object]", value)
    if type(identifier) is not bytes or len(identifier) != ID_BYTES:
        raise wrong
    if type(first) is not int or type(count) is not int:
        raise wrong
    if not (0 <= first < CHUNKS_MAX and 1 <= count <= CHUNKS_PER_REQUEST_MAX):
        raise wrong
    return BlobRequest(identifier, first, count)


def absent() -> bytes:
    """Return the frame that stands for a chunk which is not held or not served."""
    return _ABSENT


def chunk_size(size: int, index: int) -> int:
    """Return the bytes of one chunk of a file of `size` bytes; the last may be shorter."""
    return min(CHUNK_BYTES, size - index * CHUNK_BYTES)


def chunk_hash(chunks: bytes, index: int) -> bytes:
    """Return the hash that chunk `index` must have."""
    return chunks[index * ID_BYTES : (index + 1) * ID_BYTES]


def is_chunk(size: int, chunks: bytes, index: int, data: bytes) -> bool:
    """Tell whether `data` is chunk `index` of the file that was signed."""
    return len(data) == chunk_size(size, index) and hashlib.sha256(data).digest() == chunk_hash(
        chunks, index
    )


@dataclass(slots=True)
class _Holder:
    asked: deque[int] = field(default_factory=deque[int])
    lacks: set[int] = field(default_factory=set[int])


class BlobFetch:
    """Shares the missing chunks of one file among its holders; pure, one call for each event.

    `size` and `chunks` are those of the signed description, `held` the chunks that are here.
    """

    def __init__(self, identifier: bytes, size: int, chunks: bytes, held: Iterable[int]) -> None:
        self._id = identifier
        self._size = size
        self._chunks = chunks
        self.count = -(-size // CHUNK_BYTES)
        self._missing = set(range(self.count)) - set(held)
        self._holders: dict[str, _Holder] = {}

    @property
    def missing(self) -> int:
        """How many chunks are not here yet."""
        return len(self._missing)

    def add_holder(self, peer_id: str) -> None:
        """Somebody may have the file."""
        self._holders.setdefault(peer_id, _Holder())

    def has_holder(self, peer_id: str) -> bool:
        """Tell whether it is being asked."""
        return peer_id in self._holders

    def remove_holder(self, peer_id: str) -> None:
        """It went away; what it was asked for is asked of others."""
        self._holders.pop(peer_id, None)

    def next_request(self, peer_id: str) -> BlobRequest | None:
        """Return what to ask of an idle holder: a run of chunks that nobody was asked for.

        When all that is missing is asked for already, the slowest part is asked for twice: one
        holder that stalls must not keep the last chunk from everybody.
        """
        holder = self._holders.get(peer_id)
        if holder is None or holder.asked:
            return None
        wanted = self._missing - holder.lacks
        asked = {index for other in self._holders.values() for index in other.asked}
        run = _first_run(wanted - asked) or _first_run(wanted)
        if not run:
            return None
        holder.asked.extend(run)
        return BlobRequest(self._id, run[0], len(run))

    def take(self, peer_id: str, data: bytes) -> tuple[int, bytes] | None:
        """Take the next frame of a holder's answer; return a chunk to be written, or None.

        Raises RejectedError for a chunk that nobody asked for, or that is not what was signed;
        such a holder is asked no more.
        """
        holder = self._holders.get(peer_id)
        if holder is None or not holder.asked:
            raise RejectedError(RejectReason.NOT_WANTED, "a chunk of a file")
        index = holder.asked.popleft()
        if data == _ABSENT:
            holder.lacks.add(index)
            return None
        if not is_chunk(self._size, self._chunks, index, data):
            self.remove_holder(peer_id)
            raise RejectedError(RejectReason.BODY_HASH, f"chunk {index} of a file")
        if index not in self._missing:
            return None
        return index, data

    def written(self, index: int) -> None:
        """A chunk is on disk."""
        self._missing.discard(index)


def _first_run(indexes: set[int]) -> list[int]:
    """Return the first indexes that follow one another, at most a request's worth."""
    if not indexes:
        return []
    first = min(indexes)
    run = [first]
    while len(run) < CHUNKS_PER_REQUEST_MAX and run[-1] + 1 in indexes:
        run.append(run[-1] + 1)
    return run
