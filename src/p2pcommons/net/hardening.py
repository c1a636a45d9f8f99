"""Workarounds for libp2p 0.8.1, each with its reason; without them any remote peer ends the node.

They replace private parts of the library, so the version is checked first. `tests/net` has a test
for each that fails without it; docs/decisions/0003-libp2p-hardened-from-outside.md tells the whole.
"""

from __future__ import annotations

import functools
import gc
import importlib.metadata
import logging
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio
from libp2p.crypto import serialization
from libp2p.crypto.ed25519 import Ed25519PublicKey
from libp2p.crypto.keys import KeyType
from libp2p.io.trio import TrioTCPStream
from libp2p.network.auto_connector import AutoConnector
from libp2p.network.connection import swarm_connection
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.protocol_muxer import multiselect_communicator
from libp2p.stream_muxer import muxer_multistream
from libp2p.stream_muxer.yamux import yamux
from libp2p.tools.anyio_service.trio_manager import TrioManager
from libp2p.transport.exceptions import MuxerUpgradeFailure, SecurityUpgradeFailure, UpgradeFailure
from libp2p.transport.tcp import tcp
from libp2p.transport.upgrader import TransportUpgrader
from libp2p.utils.varint import read_varint_prefixed_bytes_limited

from p2pcommons.errors import NetworkError
from p2pcommons.net import limits
from p2pcommons.net.journal import catch_libraries, paced_logger
from p2pcommons.net.muxer import GuardedStream, GuardedYamux
from p2pcommons.net.wire import CountedSocket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

resource: Any
try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None

log = paced_logger(__name__)

LIBP2P_VERSION = "0.8.1"
FILES_MIN = 2048
THREADS_MAX = 8
"""Worker threads of the node's event loop; 40 in trio, more than two cores have a use for."""

_MISSING = object()


@dataclass(frozen=True, slots=True)
class Workaround:
    """One attribute of the library that is replaced, and why."""

    name: str
    owner: Any
    attribute: str
    replacement: Any
    reason: str

    def apply(self) -> None:
        """Put the replacement in place; a second time changes nothing.

        Raises:
            NetworkError: the library has no such part, so it is not the version this was made for.
        """
        current = getattr(self.owner, self.attribute, _MISSING)
        if current is _MISSING:
            raise NetworkError(f"libp2p has no {self.attribute} to work around ({self.name})")
        if current is not self.replacement:
            _originals.setdefault(self.name, current)
            setattr(self.owner, self.attribute, self.replacement)

    def undo(self) -> None:
        """Put the library's own part back, for tests that show what happens without this."""
        if self.name in _originals:
            setattr(self.owner, self.attribute, _originals[self.name])


_KEY_KINDS = {KeyType.Ed25519.value: Ed25519PublicKey.from_bytes}

_originals: dict[str, Any] = {}


async def _read_line(reader: Any) -> bytes:
    """Read a multistream line of bounded length."""
    from libp2p.exceptions import ParseError

    line = await read_varint_prefixed_bytes_limited(reader, limits.PROTOCOL_LINE_BYTES_MAX)
    if line[-1:] != b"\n" or not line.isascii():
        raise ParseError("not a multistream line")
    return line[:-1]


def _set_socket_flags(sock: Any) -> None:
    """Let a restarted node have its port again, and nobody else share it."""
    if sys.platform == "win32":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def _remote_address(self: Any) -> tuple[str, int] | None:
    """Host and port of the other side; IPv6 sockets name four things, of which two are wanted."""
    if self._cached_remote_address is None:
        try:
            name = self.stream.socket.getpeername()
        except OSError:
            return None
        self._cached_remote_address = (str(name[0]).removeprefix("::ffff:"), int(name[1]))
    return self._cached_remote_address


_run_task = TrioManager.run_task


def _run_guarded_task(
    self: Any, async_fn: Callable[..., Awaitable[Any]], *args: Any, **options: Any
) -> None:
    """Run a task of a library service such that an error in it ends the task alone."""
    if options.get("daemon") or options.get("_internal"):
        _run_task(self, async_fn, *args, **options)
        return

    @functools.wraps(async_fn)
    async def guarded(*guarded_args: Any) -> None:
        try:
            await async_fn(*guarded_args)
        except Exception as error:  # noqa: BLE001 - border: libp2p callback
            log.info("task %s failed: %r", getattr(async_fn, "__name__", async_fn), error)

    _run_task(self, guarded, *args, **options)


_handle_muxed_stream: Any = getattr(SwarmConn, "_handle_muxed_stream")  # noqa: B009


async def _handle_guarded_stream(self: Any, muxed_stream: Any) -> None:
    """Handle an inbound stream: counted, and an error in it ends the stream alone."""
    gate = getattr(self.swarm, "gate", None)
    peer_id = str(self.muxed_conn.peer_id)
    try:
        if gate is not None and not gate.begin_stream(peer_id):
            await muxed_stream.reset()
            return
        try:
            await _handle_muxed_stream(self, muxed_stream)
        finally:
            if gate is not None:
                gate.end_stream(peer_id)
    except Exception as error:  # noqa: BLE001 - border: libp2p callback
        log.info("stream of %s failed: %r", peer_id, error)
        with trio.move_on_after(1):
            await _reset_quietly(muxed_stream)


_close_connection = SwarmConn.close


async def _close_whole(self: Any) -> None:
    """Close a connection; whoever closes it may be cut short, and it is told all the same."""
    if self.event_closed.is_set():
        return
    try:
        await _close_connection(self)
    except BaseException:
        self.muxed_conn.abort(limits.CLOSED_HERE)
        self.swarm.remove_conn(self)
        with trio.CancelScope(shield=True):
            await self.swarm.notify_disconnected(self)  # a second time changes nothing
        raise


async def _reset_quietly(muxed_stream: Any) -> None:
    try:
        await muxed_stream.reset()
    except Exception as error:  # noqa: BLE001 - border: libp2p callback
        log.debug("reset failed: %r", error)


_upgrade_security = TransportUpgrader.upgrade_security
_upgrade_connection = TransportUpgrader.upgrade_connection


async def _secure(self: Any, raw_conn: Any, is_initiator: bool, peer_id: Any = None) -> Any:
    """Shake hands; whatever the other side's bytes cause is a handshake that failed."""
    try:
        return await _upgrade_security(self, raw_conn, is_initiator, peer_id)
    except UpgradeFailure:
        raise
    except Exception as error:
        raise SecurityUpgradeFailure(f"no handshake: {error!r}"[:200]) from error


async def _mux(self: Any, conn: Any, peer_id: Any) -> Any:
    """Agree on a muxer; the same holds."""
    try:
        return await _upgrade_connection(self, conn, peer_id)
    except UpgradeFailure:
        raise
    except Exception as error:
        raise MuxerUpgradeFailure(f"no muxer: {error!r}"[:200]) from error


def _no_record(self: Any, peer_id: Any) -> None:
    """Nothing dials by itself, so nothing has to back off."""


WORKAROUNDS: tuple[Workaround, ...] = (
    Workaround(
        "stream-errors-stay-in-the-stream",
        SwarmConn,
        "_handle_muxed_stream",
        _handle_guarded_stream,
        "An exception in any stream handler, also one that a remote peer provokes (undecodable "
        "pubsub message), leaves the connection's nursery and ends the host. Inbound streams are "
        "counted here as well; the library takes any number.",
    ),
    Workaround(
        "closed-connections-are-told",
        SwarmConn,
        "close",
        _close_whole,
        "Who is cancelled while closing, because the other side takes nothing or an error ends the "
        "muxer meanwhile, leaves a connection that is never told to be gone: it counts for ever, "
        "and after four of them the peer is not let in again.",
    ),
    Workaround(
        "task-errors-stay-in-the-task",
        TrioManager,
        "run_task",
        _run_guarded_task,
        "An exception in any task of the swarm or of pubsub cancels the whole service.",
    ),
    Workaround(
        "handshakes-fail-in-one-way",
        TransportUpgrader,
        "upgrade_security",
        _secure,
        "What the cryptography says of garbage (InvalidTag, NoiseValueError) goes past whoever "
        "dials over a relay or through a NAT and ends the host; the connection below stays open.",
    ),
    Workaround(
        "muxers-fail-in-one-way",
        TransportUpgrader,
        "upgrade_connection",
        _mux,
        "The same where the garbage comes after the handshake.",
    ),
    Workaround(
        "guarded-yamux",
        muxer_multistream,
        "Yamux",
        GuardedYamux,
        "Receive windows are not enforced (a peer can fill the memory through one stream), writes "
        "wait for ever, a cancelled write corrupts the connection, dead connections are kept, "
        "pings are answered without limit.",
    ),
    Workaround(
        "cancellable-reads",
        yamux,
        "YamuxStream",
        GuardedStream,
        "A read that is cancelled while it grants window loses the bytes it has taken.",
    ),
    Workaround(
        "smaller-windows",
        yamux,
        "MAX_WINDOW_SIZE",
        limits.WINDOW_BYTES_MAX,
        "One frame may announce, and one stream buffer, 16 MiB.",
    ),
    Workaround(
        "whole-noise-messages",
        yamux,
        "MAX_MESSAGE_SIZE",
        limits.NOISE_FRAME_BYTES_MAX,
        "A full frame does not fit one Noise message and is split into two, one of 17 bytes.",
    ),
    Workaround(
        "bounded-protocol-lines",
        multiselect_communicator,
        "read_delim",
        _read_line,
        "Before any key is exchanged a peer names the length of the line that is read next, up to "
        "2^64; other than ASCII raises UnicodeDecodeError past the handlers.",
    ),
    Workaround(
        "ed25519-alone",
        serialization,
        "key_type_to_public_key_deserializer",
        _KEY_KINDS,
        "A stranger's identity may be an RSA key of 60 kB, or a private one, whose import tests "
        "its primes: a third of a second in which nothing else runs, for each handshake.",
    ),
    Workaround(
        "own-port-alone",
        tcp,
        "_set_reuse_flags",
        _set_socket_flags,
        "SO_REUSEPORT lets a second node listen on the same port without an error, and each gets "
        "half of the connections; /ip6/:: also takes the port of /ip4/0.0.0.0.",
    ),
    Workaround(
        "counted-sockets",
        tcp,
        "TrioTCPStream",
        CountedSocket,
        "Nothing counts the bytes of a connection, which a person with a slow line wants to know.",
    ),
    Workaround(
        "ipv6-remote-address",
        TrioTCPStream,
        "get_remote_address",
        _remote_address,
        "Over IPv6 the remote address is None, so limits per address would not count it.",
    ),
    Workaround(
        "no-disconnect-records",
        AutoConnector,
        "record_disconnect",
        _no_record,
        "A record is kept for every peer that ever disconnected.",
    ),
    Workaround(
        "no-root-logger",
        swarm_connection,
        "logging",
        logging.getLogger("libp2p.network.connection.swarm_connection"),
        "logging.debug() on the root logger installs a handler that writes to the terminal.",
    ),
)


def check_version() -> None:
    """Refuse any other version of the library than the one these workarounds were made for.

    Raises:
        NetworkError: another version, or none, is installed.
    """
    try:
        found = importlib.metadata.version("libp2p")
    except importlib.metadata.PackageNotFoundError:
        found = "none"
    if found != LIBP2P_VERSION:
        raise NetworkError(f"libp2p {LIBP2P_VERSION} is needed, {found} is installed")


def apply() -> None:
    """Check the version, put every workaround in place and catch the libraries' logs."""
    check_version()
    for workaround in WORKAROUNDS:
        workaround.apply()
    catch_libraries()


_settled: list[bool] = []


def settle_process() -> None:
    """Tune this process for a node, inside trio; only the first call does the slow part.

    The library leaves some hundred thousand objects that the garbage collector walks again and
    again (3 % of all samples while syncing), and trio would start 40 threads where two cores are.
    Some systems allow 256 open files, fewer than the connections that we allow.
    """
    trio.to_thread.current_default_thread_limiter().total_tokens = THREADS_MAX
    if _settled:
        return
    _settled.append(True)
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = FILES_MIN if hard == resource.RLIM_INFINITY else min(FILES_MIN, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
