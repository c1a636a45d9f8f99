"""Dial every address of a peer, each a little after the one before; say in words what failed.

The library's own `connect` tries one address per transport and then refuses the peer for a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from p2pcommons.net.library import LIBRARY_ERRORS, Multiaddr, read_peer_id

if TYPE_CHECKING:
    from collections.abc import Sequence

STAGGER_SECONDS = 0.25
"""Head start of an address before the next one is tried beside it (RFC 8305 has 250 ms)."""
ADDRESS_SECONDS_MAX = 6.0
"""For one address, from the first packet to the muxed connection."""
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


async def dial_all(
    swarm: Any, peer_id: str, addresses: Sequence[str], timeout_s: float
) -> DialReport:
    """Dial the addresses until one connects; `timeout_s` bounds the whole."""
    try:
        target = read_peer_id(peer_id)
    except ValueError as error:
        return DialReport(False, tuple((address, str(error)) for address in addresses))
    outcomes: dict[str, str] = {}
    wanted: dict[str, str] = {}
    for address in addresses[:ADDRESSES_MAX]:
        try:
            wanted.setdefault(clean_address(address, peer_id), address)
        except ValueError as error:
            outcomes[address] = str(error)
    outcomes.update(dict.fromkeys(wanted.values(), _NOT_TRIED))
    getattr(swarm, "_negative_peer_cache").evict(peer_id)  # noqa: B009
    with trio.move_on_after(timeout_s):
        nursery: Any
        async with trio.open_nursery() as nursery:
            for head, address in wanted.items():
                finished = trio.Event()
                nursery.start_soon(
                    _dial_one, swarm, target, head, address, outcomes, finished, nursery
                )
                with trio.move_on_after(STAGGER_SECONDS):
                    await finished.wait()
    connected = _CONNECTED in outcomes.values()
    if connected:
        outcomes = {
            address: "not needed" if outcome in (_NOT_TRIED, _NO_ANSWER) else outcome
            for address, outcome in outcomes.items()
        }
    return DialReport(connected, tuple(outcomes.items()))


async def _dial_one(
    swarm: Any,
    target: Any,
    head: str,
    address: str,
    outcomes: dict[str, str],
    finished: trio.Event,
    nursery: Any,
) -> None:
    outcomes[address] = _NO_ANSWER
    try:
        with trio.move_on_after(ADDRESS_SECONDS_MAX):
            await swarm.dial_addr(Multiaddr(head), target)
            outcomes[address] = _CONNECTED
            nursery.cancel_scope.cancel()
    except LIBRARY_ERRORS as error:
        outcomes[address] = explain(error)
    finally:
        finished.set()


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
