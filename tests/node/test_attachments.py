"""Files between real nodes: from several holders, over cuts, and never from a liar."""

from __future__ import annotations

import errno
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.node.nodes import Node, equal, in_thread, running, until

from p2pcommons.errors import UserError
from p2pcommons.model.limits import CHUNK_BYTES
from p2pcommons.net.host import open_host
from p2pcommons.node import attachments, keeping
from p2pcommons.node.attachments import HOLDERS_AT_ONCE
from p2pcommons.protocol import budget
from p2pcommons.protocol.blobs import BLOB_PROTOCOL, BlobRequest, encode_request

pytestmark = [pytest.mark.trio, pytest.mark.network]

SIZE = 40 * CHUNK_BYTES + 5


async def attached(ana: Node, folder: Path) -> tuple[bytes, bytes, Any]:
    """A commons of ana's in which an entry has a file of ten megabytes."""
    source = folder / "scan.tiff"
    source.write_bytes(os.urandom(SIZE))
    garden = ana.replica.create_commons("Garden").id
    entry = ana.replica.add_entry(garden, title="Scan").id
    return garden, entry, ana.replica.attach(garden, entry, source)


async def whole(node: Node, file: Any, seconds: float = 30) -> None:
    with trio.fail_after(seconds):
        while not (await node.ask("fetch", id=file.id.hex()))["whole"]:
            await trio.sleep(0.05)


async def test_a_file_comes_from_two_holders_at_once_and_is_the_same(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        names = ("ana", "ben", "eva")
        ana, ben, eva = [
            await stack.enter_async_context(running(tmp_path / name)) for name in names
        ]
        garden, entry, file = await attached(ana, tmp_path)
        for node in (ben, eva):
            node.replica.join(ana.invite(garden))
        eva.replica.join(ben.invite(garden))
        await until(lambda: equal(garden, ana, ben, eva))
        assert [each.is_here for each in ben.replica.attachments(garden, entry)] == [False]
        await whole(ben, file)
        await whole(eva, file)
        for node in (ben, eva):
            saved = await in_thread(node.replica.blobs.path, file.sha256)
            assert saved.read_bytes() == (tmp_path / "scan.tiff").read_bytes()


async def test_a_fetch_waits_for_a_holder_and_goes_on_where_it_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "ASK_AGAIN_SECONDS", 0.5)
    async with running(tmp_path / "ben") as ben:
        async with running(tmp_path / "ana") as ana:
            garden, _entry, file = await attached(ana, tmp_path)
            ben.replica.join(ana.invite(garden))
            await until(lambda: equal(garden, ana, ben))
            part = tmp_path / "ben" / "blobs" / f"{file.sha256.hex()}.part"
            await ben.ask("fetch", id=file.id.hex())
            await until(part.exists)
            where = ana.addresses[0].partition("/p2p/")[0]
        have = (await ben.ask("fetch", id=file.id.hex()))["have"]
        assert have < SIZE
        async with running(tmp_path / "ana", listen=(where,)):
            await whole(ben, file)
        assert ben.replica.blobs.path(file.sha256).stat().st_size == SIZE


async def test_files_that_nobody_has_keep_no_other_from_coming(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden, entry, file = await attached(ana, tmp_path)
        gone: list[Any] = []
        for number in range(HOLDERS_AT_ONCE + 1):
            source = tmp_path / f"{number}.txt"
            source.write_bytes(os.urandom(100))
            gone.append(ana.replica.attach(garden, entry, source))
            ana.replica.blobs.path(gone[-1].sha256).unlink()
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        for each in gone:
            await ben.ask("fetch", id=each.id.hex())
        await whole(ben, file)


async def test_a_withdrawn_file_is_served_no_more(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden, entry, file = await attached(ana, tmp_path)
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        ana.replica.withdraw(ana.replica.store.find_ids(file.id.hex())[0])
        assert ana.replica.attachments(garden, entry) == []
        await until(lambda: ben.replica.attachments(garden, entry) == [])
        with pytest.raises(UserError, match="no attachment"):
            await ben.ask("fetch", id=file.id.hex())


async def test_a_holder_whose_file_is_not_what_was_signed_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden, _entry, file = await attached(ana, tmp_path)
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        ana.replica.blobs.path(file.sha256).write_bytes(b"\x00" * SIZE)
        await ben.ask("fetch", id=file.id.hex())

        async def reason() -> str:
            return next(iter(peer["reason"] for peer in (await ben.now())["peers"]), "")

        with trio.fail_after(20):
            while "chunk 0 of a file" not in await reason():
                await trio.sleep(0.05)
        assert (await ben.ask("fetch", id=file.id.hex()))["have"] == 0


async def test_a_disk_that_takes_no_chunk_ends_the_fetch_and_not_the_node(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden, _entry, file = await attached(ana, tmp_path)
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        blocked = tmp_path / "ben" / "blobs" / f"{file.sha256.hex()}.part"
        blocked.mkdir(parents=True)
        await ben.ask("fetch", id=file.id.hex())
        fetch = ben.runtime._network.attachments._fetches[file.id]
        await until(lambda: bool(fetch.trouble))
        assert str(blocked) in fetch.trouble
        blocked.rmdir()
        await whole(ben, file)


async def test_a_disk_that_does_not_say_what_is_free_ends_the_fetch_and_not_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with running(tmp_path / "ana") as ana:
        _garden, _entry, file = await attached(ana, tmp_path)
        ana.replica.blobs.remove(file.sha256)
        monkeypatch.setattr(attachments.shutil, "disk_usage", gone)
        await ana.ask("fetch", id=file.id.hex())
        fetch = ana.runtime._network.attachments._fetches[file.id]
        await until(lambda: bool(fetch.trouble))
        assert os.strerror(errno.EIO) in fetch.trouble
        assert (await ana.now())["pid"]


async def test_a_file_that_is_asked_for_twice_at_once_is_fetched_once(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana:
        _garden, _entry, file = await attached(ana, tmp_path)
        ana.replica.blobs.remove(file.sha256)
        under_test, found = ana.runtime._network.attachments, list[Any]()

        async def ask() -> None:
            found.append(await under_test.fetch(file.id))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(ask)
        assert found[0] is found[1]


async def test_a_fetch_that_is_given_up_before_it_has_begun_does_not_begin(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana:
        _garden, _entry, file = await attached(ana, tmp_path)
        ana.replica.blobs.remove(file.sha256)
        under_test = ana.runtime._network.attachments
        fetch = await under_test.fetch(file.id)
        assert under_test.cancel(file.id)
        await until(lambda: fetch.scope.cancelled_caught)
        assert not under_test.is_fetching(file.id)


async def test_what_a_person_asks_for_is_not_given_up_with_what_came_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(keeping, "PATIENCE_SECONDS", 0.5)
    async with running(tmp_path / "ana") as ana:
        garden, _entry, file = await attached(ana, tmp_path)
        ana.replica.blobs.remove(file.sha256)
        ana.replica.pledge(garden, keep=True, files=2 * SIZE)
        fetches = ana.runtime._network.attachments._fetches
        await until(lambda: file.id in fetches)
        await ana.ask("fetch", id=file.id.hex())
        await trio.sleep(1.2)
        assert file.id in fetches


async def test_who_fetches_a_file_again_and_again_is_served_slowly_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "SERVED_BYTES_MIN", 1)
    async with running(tmp_path / "ana") as ana:
        _garden, _entry, file = await attached(ana, tmp_path)
        async with open_host(b"e" * 32, []) as eve:
            await eve.dial(ana.status["peer_id"], ana.addresses)
            stream = await eve.open_stream(ana.status["peer_id"], BLOB_PROTOCOL)
            got, chunks = 0, -(-SIZE // CHUNK_BYTES)
            with trio.move_on_after(20):
                for index in range(2 * chunks):
                    await stream.write_frame(
                        encode_request(BlobRequest(file.id, index % chunks, 1))
                    )
                    got += len(await stream.read_frame(CHUNK_BYTES) or b"")
                    peers = (await ana.now())["peers"]
                    if any(each["slowed"] for each in peers):
                        break
            said = [each["slowed"] for each in (await ana.now())["peers"]]
        assert said == ["asks for more than all there is: served slowly"]
        assert SIZE < got < 2 * SIZE
