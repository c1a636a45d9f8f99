"""Relays: relaying for others where the person allows it, and having relays where it is needed.

A node that others cannot reach, as far as it knows, reserves a place with one or two connected
peers that relay, those it shares a commons with first, and announces the way through them. A relay
that is gone or refuses is left alone for growing pauses, and another one takes its place.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import trio

from p2pcommons.errors import NetworkError, RejectedError, UserError
from p2pcommons.net.interfaces import is_loopback
from p2pcommons.net.relay import RelayLimits
from p2pcommons.net.relay_messages import RelayRefusal
from p2pcommons.net.streams import NotSpokenError
from p2pcommons.node.state import RelayFigures
from p2pcommons.protocol.addresses import check_address, fitting, is_circuit

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.net.circuits import Reservation
    from p2pcommons.net.relay import Relay
    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import HostPort

log = logging.getLogger(__name__)

RELAYS_WANTED = 2
"""One may die; more would be a burden for others and too many addresses in an invite."""
ADDRESSES_PER_RELAY_MAX = 2
"""One of each version of IP."""
LOOK_SECONDS = 1.0
"""How often it is looked whether a relay is gone or one is to be asked; costs microseconds."""
IDLE_SECONDS = 30.0
"""The same while nobody is connected and no relay was lost, unless somebody connects."""
KEPT_PART = 0.6
"""The part of a reservation's time after which it is renewed."""
STRANGER_SECONDS = 5
"""A peer of which it is not known yet what it shares gets this long before it is asked."""
NO_RELAY_SECONDS = 600.0
"""Until a peer that does not relay is asked again, unless it connects anew."""
AGAIN_SECONDS = 1.0
"""The same where it did not answer, or was cut off: its connection may have been dead, with another
one standing. Doubled with each further time, up to that."""
REFUSED_SECONDS = 60.0
"""The same after a refusal; doubled with each further one."""
REFUSED_SECONDS_MAX = 3_600.0
ASKED_MAX = 256
"""Peers of which it is remembered that they refused."""
REDIAL_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0)
"""Until a relay that is gone is dialled again; after the last one it is forgotten."""
LAN_SECONDS = 60.0
"""Until a neighbour on the LAN, met through a relay, is dialled directly again."""
DIALS_MAX = 8
"""Dials that this has under way at once."""
ANNOUNCED = "circuits"
"""The key under which the host announces the ways through relays."""


class RelaysPort(Protocol):
    """What this needs of a host with relays; `net.circuits.Circuits` is the real one."""

    async def reserve(self, relay: str) -> Reservation:
        """Ask for a place, or for the same place longer. Raises NetworkError, RejectedError."""
        ...

    def forget(self, relay: str) -> None:
        """Take no more circuits of a relay."""
        ...

    def holds(self, relay: str) -> bool:
        """Return whether there is a place with a relay; one ends with the connection."""
        ...

    def relay_for_others(self, limits: RelayLimits, is_known: Callable[[str], bool]) -> None:
        """Relay from now on; who `is_known` gets a place before strangers."""
        ...

    @property
    def changes(self) -> int:
        """A number that grows whenever somebody connects or disconnects."""
        ...

    @property
    def changed(self) -> trio.Event:
        """An event that is set at the next such change; another one takes its place then."""
        ...

    @property
    def relaying(self) -> Relay | None:
        """What this host does as a relay; None when it is none."""
        ...


class OpenRelays(Protocol):
    """Makes that for a host."""

    def __call__(self, host: HostPort) -> RelaysPort:
        """Called once the host listens."""
        ...


@dataclass(slots=True)
class _Held:
    """A place with a relay."""

    renew_at: float
    addresses: tuple[str, ...]
    """The relay's, without /p2p/RELAY: announced, and dialled when it is gone."""


@dataclass(slots=True)
class _Lost:
    """A relay that is gone."""

    addresses: tuple[str, ...]
    at: float
    tries: int = 0


@dataclass(slots=True)
class _Pause:
    """A peer that is not asked for a while."""

    until: float
    refusals: int = 0
    silences: int = 0


def relay_for_others(context: NodeContext, relays: RelaysPort) -> None:
    """Relay within the limits of the settings."""
    config, peers = context.config, context.state.peers

    def is_known(peer_id: str) -> bool:
        return peer_id in peers and bool(peers[peer_id].shared)

    limits = RelayLimits(
        config.number("network.relay_circuits"),
        config.number("network.relay_megabytes") * 1024 * 1024,
        config.number("network.relay_seconds"),
    )
    relays.relay_for_others(limits, is_known)


class Relaying:
    """The relays of one node."""

    def __init__(
        self,
        context: NodeContext,
        host: HostPort,
        relays: RelaysPort,
        blame: Callable[[str, str], None],
    ) -> None:
        self._context = context
        self._host = host
        self._relays = relays
        self._blame = blame
        self._held: dict[str, _Held] = {}
        self._lost: dict[str, _Lost] = {}
        self._pauses: dict[str, _Pause] = {}
        self._relayed_before: dict[str, None] = {}
        """Those that relayed for this node, the last one last: asked at once when they are back."""
        self._dialled_lan: dict[str, float] = {}
        self._dialling: set[str] = set()
        self._looked_at = -1
        self._straight: list[str] = []
        """Peers with a connection of their own, as when somebody connected or went last."""

    async def run(self) -> None:
        """Keep relays, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                changed = self._relays.changed
                await self._look()
                self._dial_lost(nursery)
                self._dial_neighbours(nursery)
                if self._host.connected_peers() or self._held or self._lost:
                    await trio.sleep(LOOK_SECONDS)
                else:
                    with trio.move_on_after(IDLE_SECONDS):
                        await changed.wait()

    def measure(self) -> None:
        """Bring the figures of the status up to date."""
        state = self._context.state
        relay = self._relays.relaying
        if relay is not None:
            state.relay = RelayFigures(
                True, relay.reservations, relay.circuits, relay.carried_bytes, relay.refused
            )
        for peer in state.connected():
            kind, peer.relay = self._host.path_to(peer.peer_id)
            if kind == "direct" and peer.peer_id in state.lan:
                remote = self._host.remote_addresses(peer.peer_id)
                kind = "direct" if any(is_loopback(each) for each in remote) else "lan"
            peer.path = kind

    async def _look(self) -> None:
        """Let go of relays that are gone, renew and ask where that is due."""
        if self._looked_at != self._relays.changes:
            self._looked_at = self._relays.changes
            self._straight = [
                peer_id
                for peer_id in self._host.connected_peers()
                if self._host.path_to(peer_id)[0] in ("direct", "lan")
            ]
        straight, now = self._straight, trio.current_time()
        # A relay that has started anew may be back before anybody has looked.
        held = [relay for relay in self._held if relay in straight and self._relays.holds(relay)]
        for relay in [relay for relay in self._held if relay not in held]:
            log.info("the relay %s is gone", relay)
            self._lost[relay] = _Lost(self._held[relay].addresses, now + REDIAL_PAUSES[0])
            self._let_go(relay)
        if self._host.gate.is_paused:
            for lost in self._lost.values():
                lost.at = now  # at once when the pause is over
            return
        if not self._needs_relays():
            for relay in tuple(self._held):
                self._let_go(relay)
            self._lost.clear()
            return
        for relay in held:
            if self._held[relay].renew_at <= now:
                await self._ask(relay)
        if len(self._held) < RELAYS_WANTED:
            candidate = self._candidate(straight, now)
            if candidate is not None:
                await self._ask(candidate)

    def _needs_relays(self) -> bool:
        state = self._context.state.reachability.state
        if self._relays.relaying is not None:
            # Whoever relays is taken for reachable until the contrary is known.
            return state == "relayed"
        return state != "reachable"

    # Asking for a place

    def _candidate(self, straight: list[str], now: float) -> str | None:
        for peer_id in [each for each in self._pauses if each not in straight]:
            if not self._pauses[peer_id].refusals:  # when it comes again it may relay
                del self._pauses[peer_id]
        asked = {peer_id for peer_id, pause in self._pauses.items() if pause.until > now}
        askable = [each for each in straight if each not in self._held and each not in asked]
        if not askable:
            return None
        found: list[tuple[bool, int, str]] = []
        at_home = all(map(is_loopback, self._own_addresses()))
        for peer_id in askable:
            # Who listens on this machine alone does not want to be met from elsewhere.
            remote = self._host.remote_addresses(peer_id)
            if at_home and not all(map(is_loopback, remote)):
                continue
            peer = self._context.state.peer(peer_id)
            since = self._context.now() if peer.connected_since is None else peer.connected_since
            is_new = not peer.shared and peer_id not in self._relayed_before
            if is_new and self._context.now() - since < STRANGER_SECONDS:
                continue
            found.append((not peer.shared, since, peer_id))
        return min(found)[2] if found else None

    def _own_addresses(self) -> list[str]:
        return [each for each in self._host.addresses() if not is_circuit(each)]

    async def _ask(self, relay: str) -> None:
        try:
            reservation = await self._relays.reserve(relay)
        except NetworkError as error:
            log.info("no place with %s: %s", relay, error)
            self._let_go(relay)
            self._pause(relay, error)
            return
        except RejectedError as error:
            self._let_go(relay)
            self._blame(relay, f"as a relay: {error}")
            return
        addresses = self._addresses_of(reservation)
        if relay not in self._held:
            log.info("%s relays for this node, at %s", relay, addresses)
        self._pauses.pop(relay, None)
        self._relayed_before.pop(relay, None)
        self._relayed_before[relay] = None
        if len(self._relayed_before) > ASKED_MAX:
            del self._relayed_before[next(iter(self._relayed_before))]
        self._lost.pop(relay, None)
        self._host.keep(relay)
        renew_at = trio.current_time() + KEPT_PART * reservation.seconds
        self._held[relay] = _Held(renew_at, addresses)
        self._announce()

    def _pause(self, peer_id: str, why: NetworkError) -> None:
        pause = self._pauses.pop(peer_id, None) or _Pause(0.0)
        seconds = NO_RELAY_SECONDS
        if isinstance(why, RelayRefusal):
            seconds = min(REFUSED_SECONDS * 2 ** min(pause.refusals, 16), REFUSED_SECONDS_MAX)
            pause.refusals += 1
        elif not isinstance(why, NotSpokenError):
            seconds = min(AGAIN_SECONDS * 2 ** min(pause.silences, 16), NO_RELAY_SECONDS)
            pause.silences += 1
        pause.until = trio.current_time() + seconds
        self._pauses[peer_id] = pause
        if len(self._pauses) > ASKED_MAX:
            del self._pauses[next(iter(self._pauses))]

    def _addresses_of(self, reservation: Reservation) -> tuple[str, ...]:
        """Where others find the relay: where we found it, then what it claims, if it can be."""
        relay = reservation.relay
        dialled = [each for each in self._host.dialled_addresses(relay) if not is_circuit(each)]
        claimed = fitting(reservation.addresses, self._host.remote_addresses(relay))
        found: list[str] = []
        for address in dict.fromkeys((*dialled, *claimed)):
            try:
                check_address(address)
            except UserError:
                continue
            if not is_circuit(address):
                found.append(address)
        return tuple(found[:ADDRESSES_PER_RELAY_MAX])

    def _let_go(self, relay: str) -> None:
        self._relays.forget(relay)
        if self._held.pop(relay, None) is None:
            return
        if not self._context.state.peer(relay).shared:
            self._host.release(relay)
        self._announce()

    def _announce(self) -> None:
        self._host.set_announced(
            ANNOUNCED,
            [
                f"{address}/p2p/{relay}/p2p-circuit"
                for relay, held in self._held.items()
                for address in held.addresses
            ],
        )

    # Dialling

    def _may_dial(self, peer_id: str) -> bool:
        """Whether to begin dialling a peer. The look goes on meanwhile: places must be renewed."""
        if self._host.gate.is_paused or peer_id in self._dialling:
            return False
        return len(self._dialling) < DIALS_MAX

    def _dial_lost(self, nursery: trio.Nursery) -> None:
        """Try to get a relay back that shares nothing with us: nobody else dials it soon."""
        now = trio.current_time()
        for relay, lost in tuple(self._lost.items()):
            if len(self._held) >= RELAYS_WANTED or not lost.addresses:
                del self._lost[relay]
            elif lost.at <= now and self._may_dial(relay):
                self._dialling.add(relay)
                nursery.start_soon(self._dial_one_lost, relay, lost)

    async def _dial_one_lost(self, relay: str, lost: _Lost) -> None:
        try:
            report = await self._host.dial(relay, lost.addresses)
        finally:
            self._dialling.discard(relay)
        lost.tries += 1
        if report.connected or lost.tries >= len(REDIAL_PAUSES):
            if self._lost.get(relay) is lost:  # it may have come back, and gone again, meanwhile
                del self._lost[relay]
        else:
            lost.at = trio.current_time() + REDIAL_PAUSES[lost.tries]

    def _dial_neighbours(self, nursery: trio.Nursery) -> None:
        """Who is on the same LAN needs no relay."""
        lan, now = self._context.state.lan, trio.current_time()
        for peer_id in [each for each in self._dialled_lan if each not in lan]:
            del self._dialled_lan[peer_id]
        if not self._needs_relays():
            return
        for peer_id, addresses in tuple(lan.items()):
            due = self._dialled_lan.get(peer_id, now) <= now
            relayed = due and self._host.path_to(peer_id)[0] == "relayed"
            if relayed and self._may_dial(peer_id):
                self._dialled_lan[peer_id] = now + LAN_SECONDS
                self._dialling.add(peer_id)
                nursery.start_soon(self._dial_neighbour, peer_id, addresses)

    async def _dial_neighbour(self, peer_id: str, addresses: tuple[str, ...]) -> None:
        try:
            await self._host.dial_direct(peer_id, addresses)
        finally:
            self._dialling.discard(peer_id)
