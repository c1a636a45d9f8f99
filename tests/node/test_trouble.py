"""A node in trouble says so and goes on: a full disk, a peer that breaks the rules."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
from tests.node.nodes import equal, running, until

from p2pcommons.errors import NetworkError
from p2pcommons.net.frames import FrameStream
from p2pcommons.net.host import open_host
from p2pcommons.node.reconciling import SESSIONS_MAX
from p2pcommons.protocol.limits import FRAME_BYTES_MAX, INVENTED_IDS_MAX, RECONCILE_PROTOCOL
from p2pcommons.protocol.messages import (
    Absent,
    Commons,
    Have,
    Hello,
    Open,
    Want,
    decode_message,
    encode_message,
)
from p2pcommons.protocol.session import blinded_commons
from p2pcommons.store import Store

pytestmark = [pytest.mark.trio, pytest.mark.network]


async def test_store_that_takes_nothing_more_leaves_the_node_alive_and_is_named(tmp_path: Path):
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id

        def limit(pages: int) -> Callable[[Store], None]:
            """SQLite's own limit stands for the disk: it fails in the same way."""

            def apply(store: Store) -> None:
                with store._database.writing() as connection:
                    connection.execute(f"PRAGMA max_page_count = {pages}")

            return apply

        await ben.runtime._context.storage.write(limit(1))
        with ana.replica.batch():
            for number in range(300):
                ana.replica.add_entry(garden, title=f"Note {number}", text="x" * 2_000)
        ben.replica.join(ana.invite(garden))
        # A small write that still fits takes the word back until the next one fails.
        with trio.fail_after(20):
            while "full" not in (said := (await ben.now())["trouble"]):
                await trio.sleep(0.02)
        assert "replica.db" in said

        await ben.runtime._context.storage.write(limit(1_000_000))
        await until(lambda: equal(garden, ana, ben), 60)


async def test_peer_that_breaks_the_rules_is_refused_and_named(tmp_path: Path):
    async with (
        running(tmp_path / "ana") as ana,
        open_host(os.urandom(32), ["/ip4/127.0.0.1/tcp/0"]) as eve,
    ):
        peer_id = ana.status["peer_id"]
        await eve.dial(peer_id, ana.addresses)
        stream = await eve.open_stream(peer_id, RECONCILE_PROTOCOL)
        await stream.write_frame(b"\xc1 not msgpack")
        with trio.fail_after(10):
            while not (named := [p for p in (await ana.now())["peers"] if p["reason"]]):
                await trio.sleep(0.02)
        assert named[0]["peer_id"] == eve.peer_id
        assert named[0]["blocked_until"]
        await until(lambda: eve.peer_id not in ana.runtime._network._host.connected_peers())


async def test_peer_that_opens_sessions_without_end_is_answered_at_a_bounded_pace(tmp_path: Path):
    async with (
        running(tmp_path / "ana") as ana,
        open_host(os.urandom(32), ["/ip4/127.0.0.1/tcp/0"]) as eve,
    ):
        ana.replica.create_commons("Garden")
        peer_id = ana.status["peer_id"]
        await eve.dial(peer_id, ana.addresses)
        served = 0
        for _ in range(60):
            try:
                stream = await eve.open_stream(peer_id, RECONCILE_PROTOCOL)
            except NetworkError:
                continue
            with trio.move_on_after(5):
                served += await stream.read_frame(1_000) is not None
            await stream.reset()
        assert 0 < served < 40
        assert (await ana.now())["running"]


async def test_silent_strangers_do_not_keep_a_node_from_its_peers(tmp_path: Path):
    async with (
        running(tmp_path / "ana") as ana,
        running(tmp_path / "ben") as ben,
        AsyncExitStack() as strangers,
    ):
        garden = ana.replica.create_commons("Garden").id
        peer_id = ana.status["peer_id"]
        for _ in range(SESSIONS_MAX + 2):
            eve = await strangers.enter_async_context(
                open_host(os.urandom(32), ["/ip4/127.0.0.1/tcp/0"])
            )
            eve.set_stream_handler(RECONCILE_PROTOCOL, _say_nothing)
            await eve.dial(peer_id, ana.addresses)
        ben.replica.join(ana.invite(garden))
        ben.replica.nudge()
        await until(lambda: equal(garden, ana, ben))
        found = await ana.ask("sync", timeout=8)
        assert found["equal"]


async def _say_nothing(_stream: FrameStream) -> None:
    await trio.sleep_forever()


async def test_peer_that_wants_everything_and_reads_nothing_costs_little_memory(tmp_path: Path):
    async with (
        running(tmp_path / "ana") as ana,
        open_host(os.urandom(32), ["/ip4/127.0.0.1/tcp/0"]) as eve,
    ):
        garden = ana.replica.create_commons("Garden").id
        text = os.urandom(30_000).hex()
        with ana.replica.batch():
            for number in range(200):
                ana.replica.add_entry(garden, title=f"Note {number}", text=text)
        ids = tuple(identifier for _, identifier in ana.replica.store.items(garden))
        await ana.ask("dial")
        await eve.dial(ana.status["peer_id"], ana.addresses)
        stream = await eve.open_stream(ana.status["peer_id"], RECONCILE_PROTOCOL)
        await _greet(stream, garden)
        for message in (Open(0, garden), *[Want(0, ids)] * 4):
            await stream.write_frame(encode_message(message))
        driver = ana.runtime._network._reconciling._peers[eve.peer_id].driver
        frames = driver._frames
        await until(lambda: frames.statistics().current_buffer_used > 0)
        await trio.sleep(1)
        assert frames.statistics().current_buffer_used < 40


async def _greet(stream: FrameStream, commons: bytes) -> None:
    """Show that we know a commons, as its opener."""
    nonce = os.urandom(32)
    await stream.write_frame(encode_message(Hello(nonce, 5)))
    theirs = decode_message(await stream.read_frame(FRAME_BYTES_MAX) or b"")
    assert isinstance(theirs, Hello)
    await stream.read_frame(FRAME_BYTES_MAX)
    blinded = blinded_commons(nonce + theirs.nonce, commons)
    await stream.write_frame(encode_message(Commons((blinded,))))


async def test_nearly_full_disk_is_left_to_the_person(tmp_path: Path):
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id
        ben.runtime._context.ingest._free_bytes_min = 2**62
        ben.replica.join(ana.invite(garden))
        await until(lambda: "until there is room" in ben.runtime._context.state.trouble)
        own = ben.replica.add_entry(garden, title="Still mine to write").id
        assert ben.replica.entry(garden, own).text == ""
        ben.runtime._context.ingest._free_bytes_min = 0
        await until(lambda: equal(garden, ana, ben), 60)


async def test_peer_that_announces_made_up_ids_is_refused_and_named(tmp_path: Path):
    async with (
        running(tmp_path / "ana") as ana,
        open_host(os.urandom(32), ["/ip4/127.0.0.1/tcp/0"]) as eve,
    ):
        garden = ana.replica.create_commons("Garden").id
        await ana.ask("dial")
        await eve.dial(ana.status["peer_id"], ana.addresses)
        stream = await eve.open_stream(ana.status["peer_id"], RECONCILE_PROTOCOL)
        await _greet(stream, garden)
        made_up = tuple(os.urandom(32) for _ in range(INVENTED_IDS_MAX))
        for message in (Open(0, garden), Have(0, made_up), Have(0, (os.urandom(32),))):
            await stream.write_frame(encode_message(message))
        with trio.move_on_after(20):
            while (frame := await stream.read_frame(FRAME_BYTES_MAX)) is not None:
                message = decode_message(frame)
                if isinstance(message, Want) and message.ids:
                    await stream.write_frame(encode_message(Absent(0, message.ids)))
        with trio.fail_after(20):
            while not (named := [p for p in (await ana.now())["peers"] if p["reason"]]):
                await trio.sleep(0.02)
        assert named[0]["peer_id"] == eve.peer_id
        assert "ids announced that it does not have" in named[0]["reason"]
        assert named[0]["blocked_until"]
