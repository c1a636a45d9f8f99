"""Each workaround for the library: good with it, and shown to be needed by taking it away."""

from __future__ import annotations

import importlib.metadata
import logging
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.rsa import create_new_key_pair as rsa_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_new_x25519_key_pair
from libp2p.exceptions import BaseLibp2pError
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.security.noise.transport import Transport as NoiseTransport

from p2pcommons.errors import NetworkError
from p2pcommons.net import hardening, limits
from p2pcommons.net.hardening import WORKAROUNDS
from p2pcommons.net.host import open_host
from p2pcommons.net.journal import LibraryLog
from p2pcommons.net.library import LIBRARY_ERRORS, peer_id_of_seed, read_peer_id
from p2pcommons.net.tcp_dials import raw_connection
from raw_peer import DATA, RECONCILE, is_hangup, muxed, secured, select, tcp, until_hung_up, varint

from .hosts import ECHO, connect, host, says_back, seed, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from p2pcommons.net.host import Host

pytestmark = pytest.mark.network

SCENARIOS: dict[str, Callable[[], Awaitable[bool]]] = {}


def shows(name: str) -> Callable[[Callable[[], Awaitable[bool]]], Callable[[], Awaitable[bool]]]:
    def register(scenario: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[bool]]:
        SCENARIOS[name] = scenario
        return scenario

    return register


async def boom(*_: object) -> None:
    raise RuntimeError("boom")


@shows("stream-errors-stay-in-the-stream")
async def _one_bad_stream_leaves_the_others_of_its_connection_alone() -> bool:
    async with host("alice") as alice, host("bob") as bob:
        alice.library_host.set_stream_handler("/boom", boom)
        await connect(bob, alice)
        with trio.move_on_after(1), suppress(NetworkError):
            stream = await bob.open_stream(alice.peer_id, "/boom")
            await stream.read_frame(10)
        await trio.sleep(0.3)
        with trio.move_on_after(1):
            return bool(alice.connected_peers()) and await says_back(bob, alice)
        return False


@shows("closed-connections-are-told")
async def _a_connection_that_takes_nothing_is_not_counted_for_ever() -> bool:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        muxed = alice.swarm.get_connections()[0].muxed_conn
        async with muxed._write_lock:  # as while a write waits for the other side
            await alice.disconnect(bob.peer_id)
        with suppress(trio.TooSlowError):
            await until(lambda: not alice.gate.by_peer, 2)
        return not alice.gate.by_peer and not alice.swarm.connections


@shows("task-errors-stay-in-the-task")
async def _one_bad_task_leaves_the_host_alone() -> bool:
    async with host("alice") as alice, host("bob") as bob:
        alice.swarm.manager.run_task(boom)
        await trio.sleep(0.2)
        await connect(bob, alice)
        return await says_back(bob, alice)


@shows("guarded-yamux")
async def _a_peer_that_ignores_windows_is_cut_off() -> bool:
    async with host("alice") as alice:
        alice.library_host.set_stream_handler("/unread", _never_reads)
        try:
            async with muxed(alice.addresses()[0]) as muxer:
                stream = await muxer.open("/unread")
                for _ in range(24):
                    await muxer.data(stream, bytes(1024 * 1024))
                await trio.sleep(0.2)
                return _buffered(alice) <= limits.CONNECTION_BUFFER_BYTES_MAX
        except Exception as error:
            if not is_hangup(error):
                raise
            return True


async def _never_reads(_: object) -> None:
    await trio.sleep_forever()


def _buffered(alice: Host) -> int:
    return sum(
        len(buffer)
        for connection in alice.swarm.get_connections()
        for buffer in connection.muxed_conn.stream_buffers.values()
    )


@shows("cancellable-reads")
async def _a_cancelled_read_loses_nothing() -> bool:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        stream = await bob.open_stream(alice.peer_id, ECHO)
        await stream.write_frame(b"x" * 50_000)
        frames: list[bytes | None] = []

        async def read() -> None:
            frames.append(await stream.read_frame(1 << 20))

        lock = bob.swarm.get_connections()[0].muxed_conn._write_lock
        await trio.sleep(0.2)
        async with lock:  # the window cannot be granted now
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await trio.sleep(0.1)
                nursery.cancel_scope.cancel()
                lock.release()
            await lock.acquire()
        return frames == [b"x" * 50_000]


@shows("smaller-windows")
async def _a_frame_of_two_mebibytes_is_not_waited_for() -> bool:
    async with host("alice") as alice, muxed(alice.addresses()[0]) as muxer:
        stream = await muxer.open(RECONCILE)
        await until(lambda: len(alice.connected_peers()) == 1)
        await muxer.frame(DATA, 0, stream, 2 * 1024 * 1024)
        await trio.sleep(0.5)
        return not alice.connected_peers()


@shows("whole-noise-messages")
async def _a_muxer_frame_fits_one_noise_message() -> bool:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        secured = bob.swarm.get_connections()[0].muxed_conn.secured_conn
        sizes: list[int] = []
        write = secured.write

        async def record(data: bytes) -> None:
            sizes.append(len(data))
            await write(data)

        secured.write = record
        assert await says_back(bob, alice, bytes(300_000))
        return max(sizes) == limits.NOISE_FRAME_BYTES_MAX


@shows("bounded-protocol-lines")
async def _a_stranger_does_not_choose_how_much_is_read() -> bool:
    async with host("alice") as alice, tcp(alice.addresses()[0]) as stream:
        await stream.send_all(varint(2**28) + bytes(1000))
        with trio.move_on_after(1) as scope:
            await until_hung_up(stream, 5)
        return not scope.cancelled_caught


@shows("ed25519-alone")
async def _an_identity_that_is_costly_to_read_is_not_read() -> bool:
    async with host("alice") as alice, secured(alice.addresses()[0], rsa_key_pair(1024)) as pair:
        stream, connection = pair
        refused = False
        with trio.move_on_after(2):
            try:
                await select(connection, "/yamux/1.0.0")
            except BaseLibp2pError:
                refused = True
        return refused and stream is not None


@shows("own-port-alone")
async def _a_port_in_use_is_an_error() -> bool:
    async with host("alice") as alice:
        address = alice.addresses()[0].partition("/p2p/")[0]
        try:
            async with host("bob", address):
                return False
        except NetworkError as error:
            return "in use" in str(error)


@shows("ipv6-remote-address")
async def _ipv6_peers_are_counted_by_address() -> bool:
    async with host("alice", "/ip6/::1/tcp/0") as alice, host("bob") as bob:
        await connect(bob, alice)
        return alice.gate.by_address == {"::1": 1}


@shows("no-disconnect-records")
async def _nothing_is_kept_of_a_peer_that_has_left() -> bool:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        await bob.disconnect(alice.peer_id)
        await until(lambda: not alice.connected_peers())
        await trio.sleep(0.2)
        kept: Any = vars(alice.swarm.auto_connector)
        return not any(str(bob.peer_id) in str(each) for each in kept.values())


@shows("counted-sockets")
async def _bytes_on_the_wire_are_counted() -> bool:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        return sum(alice.traffic.of(bob.peer_id)) > 0


@shows("no-root-logger")
async def _connections_do_not_set_up_logging() -> bool:
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        async with host("alice") as alice, host("bob") as bob:
            await connect(bob, alice)
        return not root.handlers
    finally:
        root.handlers = handlers


async def _fails_as_a_dial(play: Callable[[trio.SocketStream], Awaitable[None]]) -> bool:
    """Whether a peer that agrees on Noise and then plays this is one that was not reached."""

    async def serve(stream: trio.SocketStream) -> None:
        lines = b"\x13/multistream/1.0.0\n\x07/noise\n"
        await stream.send_all(lines)
        asked = b""
        while len(asked) < len(lines):
            asked += await stream.receive_some(len(lines) - len(asked))
        await play(stream)
        await trio.sleep(1)

    bob = peer_id_of_seed(seed("bob"))
    async with host("alice") as alice, trio.open_nursery() as servers:
        listeners: Any = await servers.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        endpoint = listeners[0].socket.getsockname()
        stream = await trio.open_tcp_stream(*endpoint)
        raw = raw_connection(stream, is_initiator=True)
        try:
            await alice.swarm.upgrade_outbound_raw_conn(raw, read_peer_id(bob))
        except LIBRARY_ERRORS:
            return True
        finally:
            servers.cancel_scope.cancel()
            with trio.move_on_after(1) as closing:
                closing.shield = True
                await stream.aclose()
    return False


@shows("handshakes-fail-in-one-way")
async def _garbage_instead_of_a_handshake_is_a_peer_that_was_not_reached() -> bool:
    async def play(stream: trio.SocketStream) -> None:
        await stream.send_all(b"\x00\x60" + b"\x01" * 96)

    return await _fails_as_a_dial(play)


@shows("muxers-fail-in-one-way")
async def _garbage_after_a_handshake_is_a_peer_that_was_not_reached() -> bool:
    async def play(stream: trio.SocketStream) -> None:
        keys = create_new_key_pair(seed("bob"))
        noise = NoiseTransport(keys, noise_privkey=create_new_x25519_key_pair().private_key)
        await noise.secure_inbound(RawConnection(TrioTCPStream(stream), False))
        await stream.send_all(b"\x00\x20" + b"\x01" * 32)

    return await _fails_as_a_dial(play)


@contextmanager
def without(name: str) -> Generator[None]:
    (workaround,) = (each for each in WORKAROUNDS if each.name == name)
    apply = hardening.apply

    def apply_others() -> None:
        apply()
        workaround.undo()

    hardening.apply = apply_others
    try:
        yield
    finally:
        hardening.apply = apply
        workaround.apply()


def test_every_workaround_has_a_scenario() -> None:
    assert set(SCENARIOS) == {each.name for each in WORKAROUNDS}
    assert all(len(each.reason) > 20 for each in WORKAROUNDS)


@pytest.mark.trio
@pytest.mark.parametrize("name", [each.name for each in WORKAROUNDS])
async def test_good_with_the_workaround(name: str) -> None:
    with trio.fail_after(20):
        assert await SCENARIOS[name]()


@pytest.mark.trio
@pytest.mark.parametrize("name", [each.name for each in WORKAROUNDS])
async def test_bad_without_the_workaround(name: str) -> None:
    with without(name):
        good = False
        with trio.move_on_after(5):
            with suppress(Exception):
                good = await SCENARIOS[name]()
    assert not good


@pytest.mark.trio
async def test_another_version_of_the_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.8.2")
    with pytest.raises(NetworkError, match=r"0\.8\.1 is needed, 0\.8\.2 is installed"):
        async with open_host(seed("alice"), []):
            pass


def test_libraries_log_to_our_log_a_few_lines_a_second(caplog: pytest.LogCaptureFixture) -> None:
    hardening.apply()
    library = logging.getLogger("libp2p.somewhere")
    with caplog.at_level(logging.DEBUG, "p2pcommons.libp2p"):
        for each in range(500):
            library.warning("a peer says\n%s", each)
    assert 1 <= len(caplog.records) <= limits.LOG_LINES_BURST + 10
    assert caplog.records[0].getMessage() == "libp2p.somewhere: a peer says"
    assert isinstance(logging.getLogger("libp2p").handlers[0], LibraryLog)
