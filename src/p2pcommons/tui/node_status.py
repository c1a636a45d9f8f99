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
HISTORY_MAX = 60
OFFERS_MAX = 32
"""Of one peer, shown; a peer can name no more of them on this screen."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An address that was tried and why it did not answer."""

    address: str
    error: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A public commons that a peer offers to whoever is near; `commons` is its id in hex."""

    commons: str
    title: str


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """One exchange with a peer; `ended` says how, `bytes_` are those of the session alone."""

    ended: str
    milliseconds: int = 0
    sent: int = 0
    received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


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
    path: str = ""
    """direct, relayed or lan while it is connected; empty when not told."""
    relay: str = ""
    """The peer id of the relay between, if there is one."""
    round_trip_ms: float = -1.0
    """Negative when not measured."""
    bytes_in: int = 0
    bytes_out: int = 0
    shared: int = -1
    """How many commons it shares with this node; negative when not known yet."""
    offers: tuple[Offer, ...] = ()
    sessions: tuple[SessionStatus, ...] = ()


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
    count: int = 0
    """How many contributions the peer held when they last compared."""
    was_equal: bool = False
    """Whether they were equal when they last compared; something has come since if not `equal`."""


@dataclass(frozen=True, slots=True)
class CommonsStatus:
    """One commons and how it stands with each peer."""

    commons: str
    title: str
    count: int
    pairs: tuple[PairStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Reachability:
    """Whether others can reach this node, in words; `state` is empty when not told."""

    state: str = ""
    words: str = ""
    upnp: str = ""
    public: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """What this node carries for others that cannot reach each other."""

    serving: bool = False
    reservations: int = 0
    circuits: int = 0
    carried: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes since the node started and today, the limits (0: none), and the last ten minutes.

    `history` holds bytes in and out of each ten seconds, the oldest first.
    """

    bytes_in: int = 0
    bytes_out: int = 0
    day_in: int = 0
    day_out: int = 0
    per_second_max: int = 0
    per_day_max: int = 0
    history: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """The node neither dials nor answers; `until` is 0 for until somebody resumes it."""

    until: int = 0
    reason: str = "person"


@dataclass(frozen=True, slots=True)
class Finding:
    """What looking for members in the wider network came to."""

    dht_peers: int = 0
    looked_up: int = 0
    found: int = 0
    last: int = 0
    words: str = ""
    """What the last search came to."""


@dataclass(frozen=True, slots=True)
class LanPeer:
    """A node on the local network and the public commons it offers there."""

    peer_id: str
    offers: tuple[Offer, ...] = ()


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
    lan: tuple[LanPeer, ...] = ()
    reachability: Reachability = Reachability()
    relay: RelayStatus = RelayStatus()
    traffic: Traffic | None = None
    paused: Pause | None = None
    finding: Finding | None = None

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
        lan=tuple(LanPeer(_text(peer, "peer_id"), _offers(peer)) for peer in _maps(reply, "lan")),
        reachability=_reachability(_map(reply, "reachability")),
        relay=_relay(_map(reply, "relay")),
        traffic=_traffic(_map(reply, "traffic")) if "traffic" in reply else None,
        paused=_pause(reply),
        finding=_finding(_map(reply, "finding")) if "finding" in reply else None,
    )


def _reachability(told: Mapping[str, object]) -> Reachability:
    return Reachability(
        state=_text(told, "state"),
        words=_text(told, "words"),
        upnp=_text(told, "upnp"),
        public=_texts(told, "public"),
    )


def _relay(told: Mapping[str, object]) -> RelayStatus:
    return RelayStatus(
        serving=told.get("serving") is True,
        reservations=_number(told, "reservations"),
        circuits=_number(told, "circuits"),
        carried=_number(told, "bytes"),
        refused=_number(told, "refused"),
    )


def _traffic(told: Mapping[str, object]) -> Traffic:
    return Traffic(
        bytes_in=_number(told, "bytes_in"),
        bytes_out=_number(told, "bytes_out"),
        day_in=_number(told, "day_in"),
        day_out=_number(told, "day_out"),
        per_second_max=_number(told, "per_second_max"),
        per_day_max=_number(told, "per_day_max"),
        history=_history(told.get("history")),
    )


def _history(value: object) -> tuple[tuple[int, int], ...]:
    listed = cast("list[object]", value) if isinstance(value, list) else []
    pairs = [cast("list[object]", each) for each in listed if isinstance(each, list)]
    return tuple(
        (int(pair[0]), int(pair[1]))
        for pair in pairs[-HISTORY_MAX:]
        if len(pair) == 2 and isinstance(pair[0], int) and isinstance(pair[1], int)
    )


def _pause(reply: Mapping[str, object]) -> Pause | None:
    if not isinstance(reply.get("paused"), dict):
        return None
    told = _map(reply, "paused")
    return Pause(until=_number(told, "until"), reason=_text(told, "reason"))


def _finding(told: Mapping[str, object]) -> Finding:
    return Finding(
        dht_peers=_number(told, "dht_peers"),
        looked_up=_number(told, "looked_up"),
        found=_number(told, "found"),
        last=_number(told, "last"),
        words=_text(told, "words"),
    )


def _offers(peer: Mapping[str, object]) -> tuple[Offer, ...]:
    return tuple(
        Offer(_text(offer, "id"), _text(offer, "title"))
        for offer in _maps(peer, "offers")[:OFFERS_MAX]
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
        path=_text(peer, "path"),
        relay=_text(peer, "relay"),
        round_trip_ms=_measured(peer, "round_trip_ms"),
        bytes_in=_number(peer, "bytes_in"),
        bytes_out=_number(peer, "bytes_out"),
        shared=_number(peer, "shared") if isinstance(peer.get("shared"), int) else -1,
        offers=_offers(peer),
        sessions=tuple(_session(session) for session in _maps(peer, "sessions")),
    )


def _session(told: Mapping[str, object]) -> SessionStatus:
    return SessionStatus(
        ended=_text(told, "ended"),
        milliseconds=_number(told, "milliseconds"),
        sent=_number(told, "sent"),
        received=_number(told, "received"),
        bytes_sent=_number(told, "bytes_sent"),
        bytes_received=_number(told, "bytes_received"),
    )


def _commons(commons: Mapping[str, object]) -> CommonsStatus:
    return CommonsStatus(
        commons=_text(commons, "id"),
        title=_text(commons, "title"),
        count=_number(commons, "count"),
        pairs=tuple(_pair(pair) for pair in _maps(commons, "peers")),
    )


def _pair(pair: Mapping[str, object]) -> PairStatus:
    known = _map(pair, "progress")
    return PairStatus(
        peer_id=_text(pair, "peer_id"),
        equal=pair.get("equal") is True,
        at=_number(pair, "at"),
        have=_number(known, "have"),
        of=_number(known, "of"),
        only_declined=_number(pair, "only_declined"),
        count=_number(pair, "count"),
        was_equal=_text(pair, "outcome") == "equal",
    )


def _text(values: Mapping[str, object], key: str) -> str:
    value = values.get(key)
    return clean_line(value, ADDRESS_CHARS_MAX) if isinstance(value, str) else ""


def _number(values: Mapping[str, object], key: str) -> int:
    value = values.get(key)
    return int(value) if isinstance(value, int | float) else 0


def _measured(values: Mapping[str, object], key: str) -> float:
    value = values.get(key)
    return float(value) if isinstance(value, int | float) else -1.0


def _map(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = values.get(key)
    nothing: Mapping[str, object] = {}
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else nothing


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
