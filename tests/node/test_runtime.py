"""A node's life: one per home, ends cleanly, and a bad line on its socket hurts nobody."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import trio
from tests.node.nodes import equal, in_thread, running, until

from p2pcommons import control
from p2pcommons.config import Config, Mode
from p2pcommons.errors import UserError
from p2pcommons.node.lock import single_node

pytestmark = [pytest.mark.trio, pytest.mark.network]


async def test_second_node_of_a_home_is_refused_and_names_the_first(tmp_path: Path):
    lock = tmp_path / "node.lock"
    with single_node(lock), pytest.raises(UserError, match=str(os.getpid())), single_node(lock):
        pass
    with single_node(lock):
        assert lock.read_text().strip() == str(os.getpid())


async def test_a_full_disk_at_the_start_of_a_node_is_named_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int, _data: bytes, _at: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match=r"node\.lock"), single_node(tmp_path / "node.lock"):
        pass


async def test_node_stops_when_the_other_end_of_its_pipe_is_closed(tmp_path: Path):
    reading, writing = os.pipe()
    with trio.fail_after(20):
        async with running(tmp_path / "ana", watch_fd=reading) as ana:
            os.close(writing)
            await until(lambda: ana.runtime._stopping.cancel_called)
    os.close(reading)


async def test_socket_of_a_killed_node_does_not_keep_the_next_from_starting(tmp_path: Path):
    import socket

    home = tmp_path / "ana"
    home.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "node.sock"))
    async with running(home) as ana:
        assert await in_thread(control.is_running, ana.replica.paths)
    assert not (home / "node.sock").exists()


async def test_garbage_on_the_control_socket_is_answered_in_words(tmp_path: Path):
    async with running(tmp_path / "ana") as ana:
        path = str(ana.replica.paths.socket())
        lines = (
            *(b"\xff\xfe\n", b"[]\n", b'{"op":"format-disk"}\n', b"{" * 500 + b"\n"),
            *(b"[" * 60_000 + b"\n", b'{"op":"sync","timeout":NaN}\n'),
            *(b'{"op":"sync","timeout":"soon"}\n', b'{"op":"sync","timeout":[]}\n'),
        )
        for line in lines:
            async with await trio.open_unix_socket(path) as stream:
                await stream.send_all(line)
                reply = json.loads(await stream.receive_some(4_096))
                assert reply["error"]
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(b'{"op":"sync","timeout":-1' + b"0" * 400 + b"}\n")
            assert "items" in json.loads(await stream.receive_some(4_096))
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(b"x" * 200_000)
        status = await in_thread(control.request, ana.replica.paths, {"op": "status"})
        assert status["running"] is True


async def test_control_socket_is_for_its_owner_alone(tmp_path: Path):
    async with running(tmp_path / "ana") as ana:
        assert ana.replica.paths.socket().stat().st_mode & 0o077 == 0
        assert ana.replica.paths.home.stat().st_mode & 0o077 == 0


async def test_port_is_drawn_once_and_kept(tmp_path: Path):
    home = tmp_path / "ana"
    home.mkdir()
    (home / "config.toml").write_text('[network]\nmode = "friends"\n')
    async with running(home, listen=()) as ana:
        port = Config.load(home / "config.toml").number("network.port")
        assert port
        assert all(f"/tcp/{port}/" in address for address in ana.addresses)
    async with running(home, listen=()) as ana:
        assert all(f"/tcp/{port}/" in address for address in ana.addresses)


async def test_mode_off_listens_nowhere_and_still_answers(tmp_path: Path):
    async with running(tmp_path / "ana", mode=Mode.OFF) as ana:
        status = await ana.now()
        assert status["addresses"] == []
        assert status["activity"] == "network off"


async def test_restarted_pair_meets_again_without_any_address_typed(tmp_path: Path):
    listen = None
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        listen = (ana.addresses[0].rpartition("/p2p/")[0],)
    async with running(tmp_path / "ben") as ben:
        ben.replica.add_entry(garden, title="Early")
        async with running(tmp_path / "ana", listen=listen) as ana:
            await until(lambda: equal(garden, ana, ben))
