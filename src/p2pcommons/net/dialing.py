"""Dial every address of a peer, each a little after the one before; say in words what failed.

The library's own `connect` tries one address per transport and then refuses the peer for a minute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import trio

from p2pcommons.errors import NetworkError
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.library import Multiaddr, read_peer_id
from p2pcommons.net.paths import CIRCUIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.net.circuits import Circuits

log = paced_logger(__name__)

STAGGER_SECONDS = 0.25
"""Head start of an address before the next one is tried beside it (RFC 8305 has 250 ms)."""
ADDRESS_SECONDS_MAX = 6.0
"""For one address, from the first packet to the muxed connection."""
RELAY_LATER_SECONDS = 1.0
"""Head start of the direct addresses before the way over a relay is tried beside them."""
CIRCUIT_SECONDS_MAX = 12.0
"""Over a relay: the relay is dialled, asks the other end, and a handshake goes through it."""
ADDRESSES_MAX = 16
"""Of one peer; whoever told us of it chose them."""
_CONNECTED = "connected"
_NOT_TRIED = "not tried"
_NO_ANSWER = "no answer in time"
TRANSPORTS = ("ip4", "ip6", "dns", "dns4", "dns6")


@dataclass(frozen=True, slots=True)
class DialReport:
    """What came of dialling a peer: each address tried, with its outcome in words."""

    connected: bool
    tried: tuple[tuple[str, str], ...] = ()

    @property
    def summary(self) -> str:
        """One line for people."""
        return "; ".join(f"{address}: {outcome}" for address, outcome in self.tried) or "no address"

    def hung_up(self) -> DialReport:
        """The same where whoever answered did not stay."""
        told = ((at, came.replace(_CONNECTED, "it hung up at once")) for at, came in self.tried)
        return DialReport(False, tuple(told))


def clean_address(address: str, peer_id: str) -> str:
    """A TCP multiaddress without its /p2p/… part.

    Raises:
        ValueError: it is none, or names another peer; the text says which.
    """
    try:
        parsed = Multiaddr(address)
        names = [protocol.name for protocol in parsed.protocols()]
    except Exception as error:  # the library raises many kinds here
        raise ValueError("not a multiaddress") from error
    if len(names) < 2 or names[0] not in TRANSPORTS or names[1] != "tcp":
        raise ValueError("not a TCP address")
    if names[2:] not in ([], ["p2p"]):
        raise ValueError(f"cannot dial /{names[2]}")
    head, _, named = str(parsed).partition("/p2p/")
    if named and named != peer_id:
        raise ValueError("names another peer")
    return head


def clean_circuit(address: str, peer_id: str) -> tuple[str, str]:
    """The relay's TCP address and its peer id, of `/…/p2p/RELAY/p2p-circuit[/p2p/PEER]`.

    Raises:
        ValueError: it is no such address, or leads to another peer; the text says which.
    """
    head, _, tail = address.partition(CIRCUIT)
    if tail and tail != f"/p2p/{peer_id}":
        raise ValueError("names another peer" if tail.startswith("/p2p/") else "not a multiaddress")
    relay = head.rpartition("/p2p/")[2]
    read_peer_id(relay)
    if relay == peer_id:
        raise ValueError("names itself as its relay")
    return clean_address(head, relay), relay


class Dialler(Protocol):
    """How addresses are dialled; raises a NetworkError or the library's errors."""

    async def dial_straight(self, head: str, peer_id: str) -> None:
        """Connect by a TCP address without /p2p/…."""
        ...

    async def dial_through(self, relay: str, heads: Sequence[str], peer_id: str) -> None:
        """Connect over a relay that has some TCP addresses."""
        ...


@dataclass(slots=True)
class _Try:
    """One way to a peer; over one relay that is one way, however many addresses the relay has."""

    addresses: list[str]
    """As they were given, for the report."""
    heads: list[str]
    relay: str | None = None
    finished: trio.Event = field(default_factory=trio.Event)


class SwarmDialler:
    """Dials with the library's swarm, and over relays."""

    def __init__(self, swarm: Any, circuits: Circuits) -> None:
        self._swarm = swarm
        self._circuits = circuits

    async def dial_straight(self, head: str, peer_id: str) -> None:
        """Connect by a TCP address."""
        # The library refuses a peer for a minute after one address that failed.
        getattr(self._swarm, "_negative_peer_cache").evict(peer_id)  # noqa: B009
        await self._swarm.dial_addr(Multiaddr(head), read_peer_id(peer_id))

    async def dial_through(self, relay: str, heads: Sequence[str], peer_id: str) -> None:
        """Connect over a relay."""
        await self._circuits.dial(relay, heads, peer_id)


async def dial_all(
    dialler: Dialler, peer_id: str, addresses: Sequence[str], timeout_s: float
) -> DialReport:
    """Dial the addresses until one connects; `timeout_s` bounds the whole.

    Those over a relay come last, and a little later: a direct connection is worth the wait.
    """
    try:
        read_peer_id(peer_id)
    except ValueError as error:
        return DialReport(False, tuple((address, str(error)) for address in addresses))
    outcomes: dict[str, str] = {}
    tries = _plan(peer_id, addresses[:ADDRESSES_MAX], outcomes)
    with trio.move_on_after(timeout_s):
        nursery: Any
        async with trio.open_nursery() as nursery:
            before: _Try | None = None
            for each in tries:
                if before is not None:
                    is_later = each.relay is not None and before.relay is None
                    with trio.move_on_after(RELAY_LATER_SECONDS if is_later else STAGGER_SECONDS):
                        await before.finished.wait()
                before = each
                nursery.start_soon(_try, dialler, peer_id, each, outcomes, nursery)
    connected = _CONNECTED in outcomes.values()
    if connected:
        outcomes = {
            address: "not needed" if outcome in (_NOT_TRIED, _NO_ANSWER) else outcome
            for address, outcome in outcomes.items()
        }
    return DialReport(connected, tuple(outcomes.items()))


def _plan(peer_id: str, addresses: Sequence[str], outcomes: dict[str, str]) -> list[_Try]:
    straight: dict[str, _Try] = {}
    relayed: dict[str, _Try] = {}
    for address in addresses:
        try:
            if CIRCUIT in address:
                head, relay = clean_circuit(address, peer_id)
                found = relayed.setdefault(relay, _Try([], [], relay))
            else:
                head = clean_address(address, peer_id)
                found = straight.setdefault(head, _Try([], []))
        except ValueError as error:
            outcomes[address] = str(error)
            continue
        outcomes[address] = _NOT_TRIED
        found.addresses.append(address)
        if head not in found.heads:
            found.heads.append(head)
    return [*straight.values(), *relayed.values()]


async def _try(
    dialler: Dialler,
    peer_id: str,
    way: _Try,
    outcomes: dict[str, str],
    nursery: Any,
) -> None:
    outcomes.update(dict.fromkeys(way.addresses, _NO_ANSWER))
    try:
        if way.relay is None:
            with trio.move_on_after(ADDRESS_SECONDS_MAX):
                await dialler.dial_straight(way.heads[0], peer_id)
                outcomes[way.addresses[0]] = _CONNECTED
        else:
            with trio.move_on_after(CIRCUIT_SECONDS_MAX):
                await dialler.dial_through(way.relay, way.heads, peer_id)
                outcomes.update(dict.fromkeys(way.addresses, _CONNECTED))
        if outcomes[way.addresses[0]] == _CONNECTED:
            nursery.cancel_scope.cancel()
    except NetworkError as error:
        outcomes.update(dict.fromkeys(way.addresses, str(error)))
    except Exception as error:  # noqa: BLE001 - border: whatever the library comes upon
        log.debug("dialling %s failed: %r", way.addresses, error)
        words = explain(error)
        if way.relay is not None:
            words = OVER_A_RELAY.get(words, words)
        outcomes.update(dict.fromkeys(way.addresses, words))
    finally:
        way.finished.set()


EXPLANATIONS: tuple[tuple[str, str], ...] = (
    ("refused: ", "it was refused here"),
    ("Peer ID mismatch", "another peer answers there"),
    ("peer id does not correspond", "another peer answers there"),
    ("Connection refused", "nobody listens there"),
    ("Connect call failed", "nobody listens there"),
    ("unreachable", "no way to that network"),
    ("No route to host", "no way to that machine"),
    ("failed to resolve", "the name is not known"),
    ("Failed to resolve", "the name is not known"),
    ("timeout", "it accepts but does not answer as a node"),
    ("Timeout", "it accepts but does not answer as a node"),
    ("Maximum connections", "too many connections here"),
    ("upgrade", "it accepts but hangs up, or is no node"),
)


OVER_A_RELAY = {
    "another peer answers there": "the relay led to another peer",
    "it accepts but hangs up, or is no node": "the relay cut the connection",
    "it accepts but does not answer as a node": "nothing comes through the relay",
}
"""The same where a relay is between, who said before that it had got through."""


def explain(error: BaseException) -> str:
    """Why a dial failed, in words for people, from the whole chain of causes."""
    texts: list[str] = []
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        texts.append(f"{type(each).__name__}: {each}")
        pending += [each.__cause__, each.__context__]
        pending += getattr(each, "exceptions", ())
    chain = "\n".join(texts)
    for mark, words in EXPLANATIONS:
        if mark in chain:
            return words
    return f"failed ({type(error).__name__})"
