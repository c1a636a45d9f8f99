"""What the node says about itself, read from its JSON into frozen values.

The node passes on what peers told it, so every text is cleaned here; a field that is
missing or of another type counts as not told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from p2pcommons.model.words import clean_line

if TYPE_CHECKING:
    from collections.abc import Mapping

ADDRESS_CHARS_MAX = 160


@dataclass(frozen=True, slots=True)
class Attempt:
    """An address that was tried and why it did not answer."""

    address: str
    error: str


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One peer as the node knows it; times in seconds since 1970 UTC, 0 for never."""

    peer_id: str
    connected: bool
    addresses: tuple[str, ...] = ()
    source: str = ""
    last_seen: int = 0
    last_success: int = 0
    next_try: int = 0
    tried: tuple[Attempt, ...] = ()
    reason: str = ""
    blocked_until: int = 0
    clock_ahead: int = 0
    slowed: str = ""
    """Why it is served more slowly than it asks for; empty when it is not."""


@dataclass(frozen=True, slots=True)
class PairStatus:
    """How one commons stands between this node and a peer; `of` is 0 when unknown."""

    peer_id: str
    equal: bool
    at: int
    have: int = 0
    of: int = 0
    only_declined: int = 0
    """Contributions that one side declined, where nothing else differs."""


@dataclass(frozen=True, slots=True)
class CommonsStatus:
    """One commons and how it stands with each peer."""

    commons: str
    title: str
    count: int
    pairs: tuple[PairStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """The node of this profile, or `running` False."""

    running: bool
    peer_id: str = ""
    mode: str = ""
    addresses: tuple[str, ...] = ()
    started_at: int = 0
    next_try: int = 0
    activity: str = ""
    trouble: str = ""
    peers: tuple[PeerStatus, ...] = ()
    commons: tuple[CommonsStatus, ...] = ()
    lan: tuple[str, ...] = ()

    @property
    def connected(self) -> tuple[PeerStatus, ...]:
        """The peers that are connected now."""
        return tuple(peer for peer in self.peers if peer.connected)


NOT_RUNNING = NodeStatus(running=False)


def read_status(reply: Mapping[str, object]) -> NodeStatus:
    """Read the reply to the op "status"."""
    if reply.get("running") is not True:
        return NOT_RUNNING
    return NodeStatus(
        running=True,
        peer_id=_text(reply, "peer_id"),
        mode=_text(reply, "mode"),
        addresses=_texts(reply, "addresses"),
        started_at=_number(reply, "started_at"),
        next_try=_number(reply, "next_try"),
        activity=_text(reply, "activity"),
        trouble=_text(reply, "trouble"),
        peers=tuple(_peer(peer) for peer in _maps(reply, "peers")),
        commons=tuple(_commons(commons) for commons in _maps(reply, "commons")),
        lan=tuple(_text(peer, "peer_id") for peer in _maps(reply, "lan")),
    )


def _peer(peer: Mapping[str, object]) -> PeerStatus:
    return PeerStatus(
        peer_id=_text(peer, "peer_id"),
        connected=peer.get("connected") is True,
        addresses=_texts(peer, "addresses"),
        source=_text(peer, "source"),
        last_seen=_number(peer, "last_seen"),
        last_success=_number(peer, "last_success"),
        next_try=_number(peer, "next_try"),
        tried=tuple(
            Attempt(_text(attempt, "address"), _text(attempt, "outcome"))
            for attempt in _maps(peer, "tried")
        ),
        reason=_text(peer, "reason"),
        blocked_until=_number(peer, "blocked_until"),
        clock_ahead=_number(peer, "clock_ahead"),
        slowed=_text(peer, "slowed"),
    )


def _commons(commons: Mapping[str, object]) -> CommonsStatus:
    return CommonsStatus(
        commons=_text(commons, "id"),
        title=_text(commons, "title"),
        count=_number(commons, "count"),
        pairs=tuple(_pair(pair) for pair in _maps(commons, "peers")),
    )


def _pair(pair: Mapping[str, object]) -> PairStatus:
    progress = pair.get("progress")
    nothing: Mapping[str, object] = {}
    known = cast("Mapping[str, object]", progress) if isinstance(progress, dict) else nothing
    return PairStatus(
        peer_id=_text(pair, "peer_id"),
        equal=pair.get("equal") is True,
        at=_number(pair, "at"),
        have=_number(known, "have"),
        of=_number(known, "of"),
        only_declined=_number(pair, "only_declined"),
    )


def _text(values: Mapping[str, object], key: str) -> str:
    value = values.get(key)
    return clean_line(value, ADDRESS_CHARS_MAX) if isinstance(value, str) else ""


def _number(values: Mapping[str, object], key: str) -> int:
    value = values.get(key)
    return int(value) if isinstance(value, int | float) else 0


def _texts(values: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = values.get(key)
    if not isinstance(value, list):
        return ()
    listed = cast("list[object]", value)
    return tuple(clean_line(each, ADDRESS_CHARS_MAX) for each in listed if isinstance(each, str))


def _maps(values: Mapping[str, object], key: str) -> tuple[Mapping[str, object], ...]:
    value = values.get(key)
    if not isinstance(value, list):
        return ()
    listed = cast("list[object]", value)
    return tuple(cast("Mapping[str, object]", each) for each in listed if isinstance(each, dict))
