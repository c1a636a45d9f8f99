"""A node from start to stop: the one place that knows all of its parts and puts them together."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

import trio

from p2pcommons import control
from p2pcommons.config import Config, Mode
from p2pcommons.errors import NetworkError, UserError, first_error
from p2pcommons.logs import log_to
from p2pcommons.model import ed25519
from p2pcommons.net.gossip import open_gossip
from p2pcommons.net.host import Host, open_host
from p2pcommons.net.limits import HostLimits
from p2pcommons.net.nat import Nat
from p2pcommons.node.admission import StrangersPool, pool_limits
from p2pcommons.node.attachments import read_id
from p2pcommons.node.commands import ControlServer
from p2pcommons.node.context import NodeContext, wall_clock
from p2pcommons.node.engine import Engine
from p2pcommons.node.ingesting import Ingest
from p2pcommons.node.lanes import ThreadLanes
from p2pcommons.node.lock import single_node
from p2pcommons.node.network import Network
from p2pcommons.node.relaying import relay_for_others
from p2pcommons.node.sets import Sets
from p2pcommons.node.status import exchanges_of, paused_fields, read_commons, status_of
from p2pcommons.node.storage import Storage
from p2pcommons.node.turns import Turns
from p2pcommons.peerkey import load_peer_seed, peer_id_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from p2pcommons.node.commands import Operation
    from p2pcommons.node.ports import GossipPort, HostPort, OpenPorts
    from p2pcommons.node.reachability import NatPort
    from p2pcommons.node.relaying import RelaysPort
    from p2pcommons.paths import Paths

log = logging.getLogger(__name__)

SYNC_SECONDS = 30.0
SYNC_SECONDS_MAX = 3_600.0
_ALL_INTERFACES = ("/ip4/0.0.0.0/tcp/{port}", "/ip6/::/tcp/{port}")


def run_node(
    paths: Paths,
    *,
    listen: Sequence[str] = (),
    mode: str | None = None,
    relay: bool = False,
    watch_fd: int | None = None,
    verbose: bool = False,
    ready: Callable[[dict[str, object]], None] | None = None,
) -> None:
    """Run the node of a home until it is asked to stop.

    `listen` replaces the configured addresses for this run; with `relay` it relays for others
    whatever the settings say. With `watch_fd`, the reading end of
    a pipe, the node stops when the other end is closed. `ready` gets the status once it
    listens. Raises UserError(NOT_RUNNING) beside a running node, NetworkError when it cannot
    listen, StoreError when the store cannot be used.
    """
    paths.make()
    with single_node(paths.node_lock):
        log_to(paths.node_log, verbose=verbose)
        chosen = None if mode is None else Mode(mode)
        runtime = Runtime(paths, listen, chosen, watch_fd, ready, relay=relay)
        try:
            trio.run(runtime.run)
        except* (NetworkError, OSError) as errors:
            raise NetworkError(str(first_error(errors))) from None


class Runtime:
    """One running node."""

    def __init__(
        self,
        paths: Paths,
        listen: Sequence[str],
        mode: Mode | None,
        watch_fd: int | None,
        ready: Callable[[dict[str, object]], None] | None,
        *,
        relay: bool = False,
    ) -> None:
        self._paths = paths
        self._config = Config.load(paths.config_file)
        self._mode = mode or self._config.mode
        self._listen = tuple(listen)
        self._watch_fd = watch_fd
        self._relays = relay or self._config.flag("network.relay")
        self._ready = ready
        self._network: Network | None = None
        self._stopping = trio.CancelScope()
        self._context: NodeContext
        self._engine: Engine
        self._peer_id = ""
        self._addresses: tuple[str, ...] = ()

    async def run(self) -> None:
        """Start everything in order, serve, and stop everything in the reverse order."""
        seed = load_peer_seed(self._paths)
        self._peer_id = peer_id_of(seed)
        turns = Turns(self._paths.turn_socket())
        storage = Storage(self._paths.replica_db, ThreadLanes(self._paths.replica_db, turns))
        await storage.open()
        strangers = StrangersPool(
            lambda: pool_limits(self._config, self._paths.data_dir), wall_clock
        )
        ingest = Ingest(storage, wall_clock, admission=strangers, rows_max=turns.rows_max)
        self._context = NodeContext(
            self._paths,
            self._config,
            self._mode,
            storage,
            Sets(storage),
            ingest,
            sign_as_peer=partial(ed25519.sign, seed),
            strangers=strangers,
        )
        self._context.state.started_at = wall_clock()
        try:
            await storage.write(strangers.load)
            with self._stopping:
                await self._serve(seed)
        finally:
            with trio.CancelScope(shield=True):
                await storage.close()
        log.info("stopped")

    async def _serve(self, seed: bytes) -> None:
        control_server = ControlServer(self._paths.socket(), self._operations())
        async with AsyncExitStack() as stack:
            if self._mode is not Mode.OFF:
                rate = self._config.number("network.kilobytes_per_second") * 1_000
                limits = HostLimits(bytes_per_second=rate)
                ports = _libp2p_ports(seed, self._listen_addresses(), limits)
                network = Network(self._context, ports, _libp2p_nat, self._libp2p_relays)
                self._network = await stack.enter_async_context(network.open())
                await self._note_addresses()
            self._engine = Engine(self._context, self._network)
            await self._engine.refresh_joined()
            nursery = await stack.enter_async_context(trio.open_nursery())
            stack.callback(nursery.cancel_scope.cancel)
            listener = await control_server.listen()
            stack.callback(control_server.remove)
            nursery.start_soon(control_server.serve, listener)
            nursery.start_soon(self._stop_on_signals)
            nursery.start_soon(self._engine.run)
            if self._watch_fd is not None:
                nursery.start_soon(self._stop_with_parent, self._watch_fd)
            log.info("node %s, mode %s, at %s", self._peer_id, self._mode, self._addresses)
            if self._ready is not None:
                self._ready(await self._status())
            await trio.sleep_forever()

    # --- what keeps it going -----------------------------------------------------------------

    async def _note_addresses(self) -> None:
        """Keep the addresses for an invite that is made while no node runs."""
        assert self._network is not None
        self._addresses = tuple(self._network.addresses())
        noted = json.dumps([_without_peer(address) for address in self._addresses])
        await self._context.storage.write(
            lambda store: store.set_meta(control.ADDRESSES_META, noted)
        )

    async def _stop_on_signals(self) -> None:
        wanted = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP)
        with trio.open_signal_receiver(*wanted) as signals:
            async for number in signals:
                if number == signal.SIGTSTP:
                    # Suspended between two transactions, never inside one: a suspended writer
                    # would keep everybody else from writing.
                    await self._context.storage.write(
                        lambda _store: os.kill(os.getpid(), signal.SIGSTOP)
                    )
                    continue
                log.info("signal %d: stopping", number)
                self._stopping.cancel()

    async def _stop_with_parent(self, descriptor: int) -> None:
        while True:
            await trio.lowlevel.wait_readable(descriptor)
            if not os.read(descriptor, 4_096):
                log.info("whoever started this node is gone: stopping")
                self._stopping.cancel()
                return

    def _listen_addresses(self) -> tuple[str, ...]:
        """Return where to listen; the port of a home is drawn once, at its first start."""
        if self._listen:
            return self._listen
        configured = self._config.texts("network.listen")
        if configured:
            return configured
        port = self._config.number("network.port")
        if port == 0:
            port = _free_port()
            self._config.set("network.port", port)
        return tuple(address.format(port=port) for address in _ALL_INTERFACES)

    def _libp2p_relays(self, host: HostPort) -> RelaysPort:
        assert isinstance(host, Host), "the host that _libp2p_ports has opened"
        if self._relays:
            relay_for_others(self._context, host.circuits)
        return host.circuits

    # --- what the control socket offers ------------------------------------------------------

    def _operations(self) -> dict[str, Operation]:
        return {
            "status": self._op_status,
            "nudge": self._op_nudge,
            "sync": self._op_sync,
            "dial": self._op_dial,
            "compact": self._op_compact,
            "stop": self._op_stop,
            "fetch": self._op_fetch,
            "unfetch": self._op_unfetch,
            "pause": self._op_pause,
            "resume": self._op_resume,
        }

    async def _op_status(self, _request: dict[str, object]) -> dict[str, object]:
        return await self._status()

    async def _op_nudge(self, _request: dict[str, object]) -> dict[str, object]:
        self._engine.nudge()
        await trio.lowlevel.checkpoint()
        return {"ok": True}

    async def _op_dial(self, _request: dict[str, object]) -> dict[str, object]:
        """Try everybody known at once."""
        await self._engine.look()
        if self._network is not None:
            self._network.hurry()
        return {"ok": True}

    async def _op_sync(self, request: dict[str, object]) -> dict[str, object]:
        """Reconcile with every connected peer, and say what came of it."""
        seconds = _sync_seconds(request.get("timeout", SYNC_SECONDS))
        began = self._context.now()
        await self._engine.look()
        if self._network is not None:
            await self._network.sync(trio.current_time() + seconds)
        items = exchanges_of(self._context, began)
        return {
            "items": items,
            "peers": len(self._context.state.connected()),
            "paused": paused_fields(self._context),
            "equal": bool(items) and all(item["equal"] for item in items),
        }

    async def _op_fetch(self, request: dict[str, object]) -> dict[str, object]:
        """Begin to fetch an attachment, or say how far it is."""
        network = self._networked()
        return (await network.attachments.fetch(read_id(request.get("id")))).as_fields()

    async def _op_unfetch(self, request: dict[str, object]) -> dict[str, object]:
        """Give up fetching an attachment."""
        await trio.lowlevel.checkpoint()
        network = self._networked()
        return {"cancelled": network.attachments.cancel(read_id(request.get("id")))}

    async def _op_pause(self, request: dict[str, object]) -> dict[str, object]:
        """Meet nobody for so many seconds, or until somebody resumes."""
        await self._networked().pausing.pause(request.get("seconds"))
        return {"paused": paused_fields(self._context)}

    async def _op_resume(self, _request: dict[str, object]) -> dict[str, object]:
        """Meet others again."""
        was_paused, waived = await self._networked().pausing.resume()
        told = None if waived is None else waived.as_fields()
        return {"paused": None, "was_paused": was_paused, "day_waived": told}

    def _networked(self) -> Network:
        if self._network is None:
            raise UserError("the network is off: network.mode in config.toml says so")
        return self._network

    async def _op_compact(self, _request: dict[str, object]) -> dict[str, object]:
        """Write the store anew without gaps; what this node would write waits meanwhile."""
        before, after = await self._context.storage.write(lambda store: store.compact())
        return {"before": before.total, "after": after.total}

    async def _op_stop(self, _request: dict[str, object]) -> dict[str, object]:
        trio.lowlevel.spawn_system_task(self._stop_in_a_moment)
        await trio.lowlevel.checkpoint()
        return {"ok": True, "pid": os.getpid()}

    async def _stop_in_a_moment(self) -> None:
        # The answer goes out first; whoever asked waits for the process to be gone.
        await trio.sleep(0.02)
        log.info("asked to stop")
        self._stopping.cancel()

    async def _status(self) -> dict[str, object]:
        book = await self._context.storage.read(lambda store: store.peers())
        commons = await self._context.storage.read(read_commons)
        if self._network is not None:
            self._network.measure()
        return status_of(
            self._context,
            peer_id=self._peer_id,
            addresses=() if self._network is None else self._network.addresses(),
            next_try=None if self._network is None else self._network.next_try(),
            book=book,
            commons=commons,
        )


def _libp2p_ports(seed: bytes, listen: Sequence[str], limits: HostLimits) -> OpenPorts:
    @asynccontextmanager
    async def opened(
        on_fault: Callable[[str, str], None],
    ) -> AsyncGenerator[tuple[HostPort, GossipPort]]:
        async with (
            open_host(seed, listen, limits=limits) as host,
            open_gossip(host, on_fault) as gossip,
        ):
            yield host, gossip

    return opened


def _libp2p_nat(host: HostPort, blame: Callable[[str, str], None]) -> NatPort:
    assert isinstance(host, Host), "the host that _libp2p_ports has opened"
    return Nat(host, blame)


def _sync_seconds(asked: object) -> float:
    """Return how long a `sync` may take. Raises UserError for what is no number of seconds."""
    # JSON as Python reads it has NaN, and integers that no float can hold.
    if not isinstance(asked, (int, float)) or asked != asked:
        raise UserError("the timeout is a number of seconds")
    return float(min(max(asked, 0), SYNC_SECONDS_MAX))


def _free_port() -> int:
    """Return a TCP port that nobody listens on just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("", 0))
        return cast("int", probe.getsockname()[1])


def _without_peer(address: str) -> str:
    return address.rpartition("/p2p/")[0] or address
