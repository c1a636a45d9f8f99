"""The ends of a circuit: a reservation at a relay, a dial through one, and being dialled.

What comes out is a connection like any other: Noise and the muxer run inside the circuit, so the
relay sees who talks with whom and how much, and can cut, delay or misdirect, but neither read nor
forge. The same gate and limits hold; for the limit per address the relay counts as the address.

Written anew over our own streams; docs/decisions/0010-circuits-over-our-own-streams.md says why.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from p2pcommons.errors import NetworkError, RejectedError
from p2pcommons.net.closing import close_all
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.library import (
    ConnectionClosedError,
    ConnectionType,
    Multiaddr,
    RawConnection,
    ReadWriteCloser,
    read_peer_id,
)
from p2pcommons.net.notices import SwarmNotices
from p2pcommons.net.paths import is_circuit
from p2pcommons.net.relay import Relay, RelayLimits
from p2pcommons.net.relay_messages import (
    HOP_PROTOCOL,
    MESSAGE_BYTES_MAX,
    STOP_PROTOCOL,
    RelayRefusal,
    Status,
    decode_status,
    decode_stop,
    encode_connect,
    encode_reserve,
    encode_stop_status,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from p2pcommons.net.frames import FrameStream
    from p2pcommons.net.host import Host

log = paced_logger(__name__)

ANSWER_SECONDS_MAX = 10.0
"""For a relay to answer; before it says yes to a circuit it asks the other end."""
CIRCUITS_PER_RELAY_MAX = 32
"""Circuits that one relay may bring to us at a time; our own relays carry 16 in all."""
LIFETIME_SECONDS_MIN = 120
"""A reservation that is to end earlier, or has already by another clock, is taken for this."""
LIFETIME_SECONDS_MAX = 3_600
"""The specification's usual hour; a relay that promises more is asked again all the same."""
RETIRE_LOOK_SECONDS = 5.0
RETIRE_SECONDS = 10.0
"""How long a circuit stays beside a direct connection: that one may turn out to be no good."""
RETIRE_SECONDS_MAX = 600.0
"""The same while something still runs on it: a file, a first sync."""
_CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Reservation:
    """A relay's promise to bring others to us; nothing of it is believed beyond our own bounds."""

    relay: str
    seconds: float
    """From now on."""
    addresses: tuple[str, ...]
    """What it claims as its own addresses, without /p2p/RELAY."""
    circuit_seconds: int
    circuit_bytes: int


class Circuit(ReadWriteCloser):
    """A stream to a relay that has become the way to somebody else."""

    def __init__(self, stream: FrameStream) -> None:
        self._stream = stream
        self._reading: trio.CancelScope | None = None
        self._is_cut = False
        self._is_closed = False

    async def read(self, n: int | None = None) -> bytes:
        """Read up to `n` bytes, none at the end or when this side has closed."""
        if n == 0 or self._is_cut or self._is_closed:
            return b""
        with trio.CancelScope() as self._reading:
            return await self._stream.read(n or _CHUNK_BYTES)
        return b""

    async def write(self, data: bytes) -> None:
        """Send all of `data`. Raises ConnectionClosedError, as sockets do, when it is gone."""
        if self._is_cut:
            raise ConnectionClosedError("the circuit was cut")
        try:
            await self._stream.write(data)
        except NetworkError as error:
            raise ConnectionClosedError(str(error)) from error

    def cut(self) -> None:
        """Be gone at once, without waiting for anything; `close` tells the relay afterwards."""
        self._is_cut = True
        if self._reading is not None:
            self._reading.cancel()

    async def close(self) -> None:
        """Say goodbye; whoever reads here gets the end."""
        self._is_closed = True
        if self._reading is not None:
            self._reading.cancel()
        await (self._stream.reset() if self._is_cut else self._stream.close())

    def get_remote_address(self) -> tuple[str, int] | None:
        """There is no socket of its own; limits count the relay (see `Host`)."""
        return None


class Circuits:
    """Reservations of one host, and its circuits through relays of others."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._dials: dict[str, trio.Lock] = {}
        self.accept_from: set[str] = set()
        """Relays whose circuits are taken: those where this node has a reservation."""
        self.changes = 0
        """Grows whenever somebody connects or disconnects."""
        self.changed = trio.Event()
        """Set, and replaced, at the same time."""
        host.swarm.register_notifee(SwarmNotices(self._note_change, self._note_change))
        self.relaying: Relay | None = None
        """What this host does for others, once it relays."""

    def serve(self) -> None:
        """Let relays bring others."""
        self._host.set_stream_handler(STOP_PROTOCOL, self._be_dialled, CIRCUITS_PER_RELAY_MAX)

    def _note_change(self, _muxed: Any) -> None:
        self.changes += 1
        changed, self.changed = self.changed, trio.Event()
        changed.set()

    def relay_for_others(self, limits: RelayLimits, is_known: Callable[[str], bool]) -> None:
        """Relay from now on; who `is_known` gets a place before strangers."""
        self.relaying = Relay(self._host, limits, is_known)
        self.relaying.serve()

    async def reserve(self, relay: str) -> Reservation:
        """Ask a directly connected peer to relay for this node, or to go on doing so.

        Raises:
            RelayRefusal: it says no; the text says why.
            NetworkError: it is no relay, or does not answer.
            RejectedError: it answers nonsense.
        """
        stream = await self._host.open_stream(relay, HOP_PROTOCOL, relayed=False)
        async with stream:
            granted = decode_status(await _asked(stream, encode_reserve()))
        promised = granted.expires - time.time()
        seconds = min(max(promised, LIFETIME_SECONDS_MIN), LIFETIME_SECONDS_MAX)
        self.accept_from.add(relay)
        return Reservation(
            relay,
            seconds,
            tuple(address.partition("/p2p/")[0] for address in granted.addresses),
            granted.circuit_seconds,
            granted.circuit_bytes,
        )

    def holds(self, relay: str) -> bool:
        """Whether there is a place with a relay, as far as this side knows."""
        return relay in self.accept_from

    def forget(self, relay: str) -> None:
        """Take no more circuits of a relay; those that stand go on."""
        self.accept_from.discard(relay)

    # Dialling

    async def dial(self, relay: str, relay_addresses: Sequence[str], peer_id: str) -> None:
        """Connect with a peer through a relay, and with the relay first where that is needed.

        Raises:
            NetworkError: in words what failed.
            library errors: as those of a direct dial.
        """
        if relay in (peer_id, self._host.peer_id):
            raise NetworkError("not a relay for this peer")
        await self._reach(relay, relay_addresses)
        try:
            stream = await self._host.open_stream(relay, HOP_PROTOCOL, relayed=False)
        except NetworkError as error:
            raise NetworkError("it does not relay") from error
        try:
            decode_status(await _asked(stream, encode_connect(peer_id)))
            circuit = self._raw(Circuit(stream), True, relay_addresses[0], relay)
            await self._host.swarm.upgrade_outbound_raw_conn(circuit, read_peer_id(peer_id))
        except BaseException as error:
            await stream.reset()
            if isinstance(error, RejectedError):
                raise NetworkError("the relay talks nonsense") from error
            raise

    async def _reach(self, relay: str, addresses: Sequence[str]) -> None:
        """Connect with a relay; several dials through it share that."""
        lock = self._dials.setdefault(relay, trio.Lock())
        try:
            async with lock:
                kind, _ = self._host.path_to(relay)
                if kind in ("direct", "lan"):
                    return
                report = await self._host.dial_direct(relay, addresses)
                if not report.connected:
                    why = report.tried[0][1] if report.tried else "no address"
                    raise NetworkError(f"the relay is gone: {why}")
        finally:
            if not lock.statistics().tasks_waiting and not lock.locked():
                self._dials.pop(relay, None)

    # Beside a direct connection

    async def retire(self) -> None:
        """Close circuits beside which there is a direct connection, once nothing runs on them.

        New streams take the direct one (`Host.open_stream`), so a circuit only has to be left to
        those that began before. Whoever upgrades a relayed peer just makes the direct connection.
        """
        beside: dict[int, float] = {}
        while True:
            await trio.sleep(RETIRE_LOOK_SECONDS)
            now = trio.current_time()
            spare = {id(each): each for each in self._spare_circuits()}
            beside = {key: beside.get(key, now) for key in spare}
            for key, connection in spare.items():
                waited = now - beside[key]
                is_due = waited >= RETIRE_SECONDS and not _is_busy(connection)
                if is_due or waited >= RETIRE_SECONDS_MAX:
                    log.info("a direct connection stands: no relay any more")
                    await close_all([connection])

    def _spare_circuits(self) -> list[Any]:
        found: list[Any] = []
        for connections in list(self._host.swarm.connections.values()):
            opened = [each for each in connections if not each.is_closed]
            circuits = [each for each in opened if is_circuit(each)]
            if len(circuits) < len(opened):
                found += circuits
        return found

    # Being dialled

    async def _be_dialled(self, stream: FrameStream) -> None:
        with trio.move_on_after(ANSWER_SECONDS_MAX) as scope:
            data = await stream.read_message(MESSAGE_BYTES_MAX)
            if data is None:
                return
            peer_id = decode_stop(data)
            if stream.peer_id not in self.accept_from or peer_id == self._host.peer_id:
                await stream.write_message(encode_stop_status(Status.PERMISSION_DENIED))
                return
            await stream.write_message(encode_stop_status(Status.OK))
        if scope.cancelled_caught:
            raise NetworkError("the relay took too long to say what it wants")
        circuit = self._raw(Circuit(stream), False, stream.address, stream.peer_id)
        await self._host.shake_hands(circuit, f"relay {stream.peer_id}")

    def _raw(self, circuit: Circuit, is_ours: bool, relay_address: str, relay: str) -> Any:
        head = relay_address.partition("/p2p/")[0]
        address = Multiaddr(f"{head}/p2p/{relay}/p2p-circuit")
        return RawConnection(circuit, is_ours, ConnectionType.RELAYED, [address])


def _is_busy(connection: Any) -> bool:
    """Whether something runs on a connection besides gossip, which moves to another by itself."""
    protocols = (str(each.get_protocol() or "") for each in connection.get_streams())
    return any("sub/" not in protocol for protocol in protocols)


async def _asked(stream: FrameStream, message: bytes) -> bytes:
    """Ask a relay and return its answer. Raises NetworkError, RejectedError."""
    with trio.move_on_after(ANSWER_SECONDS_MAX):
        await stream.write_message(message)
        answer = await stream.read_message(MESSAGE_BYTES_MAX)
        if answer is None:
            raise NetworkError("the relay is gone")
        return answer
    raise NetworkError("the relay does not answer")


__all__ = ["Circuit", "Circuits", "RelayRefusal", "Reservation"]
