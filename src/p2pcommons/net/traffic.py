"""How many bytes went over the wire, with whom and in all: sums of what the sockets count.

Nothing is added up while bytes move. A socket counts for itself, and whoever asks gets the sums.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

PEERS_REMEMBERED_MAX = 1_024
"""Peers whose sums are kept after they have gone, some 200 bytes each; the longest gone are
forgotten first."""


class Wire(Protocol):
    """Something that counts the bytes of one connection."""

    bytes_in: int
    bytes_out: int


class _Followed:
    __slots__ = ("is_inner", "peer_id", "wire")

    def __init__(self, wire: Wire, peer_id: str | None, *, is_inner: bool) -> None:
        self.wire = wire
        self.peer_id = peer_id
        self.is_inner = is_inner


class Traffic:
    """Bytes of one host since it was opened, with handshakes that led to nothing."""

    def __init__(self) -> None:
        self._followed: dict[int, _Followed] = {}
        self._gone_in = self._gone_out = 0
        self._gone_with: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def begin(self, wire: Wire, peer_id: str | None = None, *, is_inner: bool = False) -> None:
        """Count a connection from its first byte; again: now it is known who is behind it.

        One that runs inside another, through a relay, `is_inner`: its bytes are those of the
        relay's connection already, so they count for the peer and not in the whole.
        """
        self._followed[id(wire)] = _Followed(wire, peer_id, is_inner=is_inner)

    def end(self, wire: Wire) -> None:
        """Keep the sums of a connection that is closed; a second time changes nothing."""
        followed = self._followed.pop(id(wire), None)
        if followed is None:
            return
        if not followed.is_inner:
            self._gone_in += wire.bytes_in
            self._gone_out += wire.bytes_out
        if followed.peer_id is not None:
            came, went = self._gone_with.pop(followed.peer_id, (0, 0))
            self._gone_with[followed.peer_id] = (came + wire.bytes_in, went + wire.bytes_out)
            if len(self._gone_with) > PEERS_REMEMBERED_MAX:
                self._gone_with.popitem(last=False)

    def total(self) -> tuple[int, int]:
        """Return the bytes that came in and went out, on all connections there ever were."""
        outer = [each.wire for each in self._followed.values() if not each.is_inner]
        came = sum(wire.bytes_in for wire in outer)
        went = sum(wire.bytes_out for wire in outer)
        return self._gone_in + came, self._gone_out + went

    def of(self, peer_id: str) -> tuple[int, int]:
        """Return the same for one peer."""
        came, went = self._gone_with.get(peer_id, (0, 0))
        for each in self._followed.values():
            if each.peer_id == peer_id:
                came += each.wire.bytes_in
                went += each.wire.bytes_out
        return came, went
