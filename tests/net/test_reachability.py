"""Dialling back: both sides on loopback, with requests and answers that lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from libp2p.host.autonat.autonat import AutoNATService

from p2pcommons.net import reachability
from p2pcommons.net.interfaces import ip_of
from p2pcommons.net.library import Multiaddr, PeerId
from p2pcommons.net.nat_messages import (
    AUTONAT_PROTOCOL,
    DialStatus,
    decode_dial_answer,
    encode_dial,
    encode_dial_answer,
)
from p2pcommons.net.reachability import DialBack
from tests.net.hosts import connect, host, says_back

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from p2pcommons.net.frames import FrameStream
    from p2pcommons.net.host import Host

NOBODY = "/ip4/127.0.0.1/tcp/1"
ELSEWHERE = "/ip4/127.0.0.2/tcp/1"


def where(one: Host) -> list[str]:
    return [each.partition("/p2p/")[0] for each in one.addresses()]


async def answered(one: Host, other: Host, request: bytes) -> int:
    async with await one.open_stream(other.peer_id, AUTONAT_PROTOCOL) as stream:
        await stream.write_message(request)
        data = await stream.read_message(4096)
    assert data is not None
    return decode_dial_answer(data).status


def saying(
    status: DialStatus, address: str | None = None
) -> Callable[[FrameStream], Awaitable[None]]:
    async def lie(stream: FrameStream) -> None:
        await stream.read_message(4096)
        await stream.write_message(encode_dial_answer(status, address=address))

    return lie


@pytest.mark.trio
async def test_who_can_be_reached_learns_it_and_where() -> None:
    async with host("asks") as asks, host("answers") as answers:
        asking = DialBack(asks)
        DialBack(answers).serve()
        await connect(asks, answers)
        report = await asking.ask(answers.peer_id, [NOBODY, *where(asks)])
        assert (report.reached, report.address) == (True, where(asks)[0])
        assert len(answers.swarm.get_connections()) == 1
        assert await says_back(asks, answers)


@pytest.mark.trio
async def test_who_cannot_be_reached_learns_it() -> None:
    async with host("asks") as asks, host("answers") as answers:
        asking = DialBack(asks)
        DialBack(answers).serve()
        await connect(asks, answers)
        assert (await asking.ask(answers.peer_id, [NOBODY])).reached is False


@pytest.mark.trio
async def test_nobody_but_the_one_who_asks_is_dialled() -> None:
    async with (
        host("asks") as asks,
        host("answers") as answers,
        host("victim", "/ip4/127.0.0.2/tcp/0") as victim,
    ):
        DialBack(answers).serve()
        came = DialBack(victim)
        await connect(asks, answers)
        asked = [ELSEWHERE, *where(victim), "/dns4/localhost/tcp/1", "/ip4/127.0.0.1/udp/1"]
        assert await answered(asks, answers, encode_dial(asks.peer_id, asked)) == DialStatus.REFUSED
        assert came.last_arrival() is None


@pytest.mark.trio
async def test_another_peer_at_the_address_is_no_success() -> None:
    async with host("asks") as asks, host("answers") as answers, host("other") as other:
        asking = DialBack(asks)
        DialBack(answers).serve()
        await connect(asks, answers)
        assert (await asking.ask(answers.peer_id, where(other))).reached is False
        assert other.connected_peers() == ()


@pytest.mark.trio
async def test_a_request_for_another_peer_is_refused_and_blamed() -> None:
    blamed: list[str] = []
    async with host("asks") as asks, host("answers") as answers:
        DialBack(answers, lambda peer_id, _words: blamed.append(peer_id)).serve()
        await connect(asks, answers)
        async with await asks.open_stream(answers.peer_id, AUTONAT_PROTOCOL) as stream:
            await stream.write_message(encode_dial(answers.peer_id, where(asks)))
            assert await stream.read_message(4096) is None
        assert blamed == [asks.peer_id]
        for junk in (b"", b"\xff" * 40, b"x" * 5000):
            async with await asks.open_stream(answers.peer_id, AUTONAT_PROTOCOL) as stream:
                await stream.write_message(junk)
                await stream.read_message(4096)
        assert await says_back(asks, answers)


@pytest.mark.trio
@pytest.mark.parametrize("claimed", [None, NOBODY])
async def test_who_claims_to_have_come_and_has_not_is_not_believed(claimed: str | None) -> None:
    async with host("asks") as asks, host("liar") as liar:
        asking = DialBack(asks)
        liar.set_stream_handler(AUTONAT_PROTOCOL, saying(DialStatus.OK, claimed))
        await connect(asks, liar)
        report = await asking.ask(liar.peer_id, [NOBODY])
        assert report.reached is None
        assert "nobody came" in report.words


@pytest.mark.trio
async def test_a_refusal_is_no_answer() -> None:
    async with host("asks") as asks, host("declines") as declines, host("mute") as mute:
        asking = DialBack(asks)
        declines.set_stream_handler(AUTONAT_PROTOCOL, saying(DialStatus.REFUSED))
        await connect(asks, declines)
        await connect(asks, mute)
        assert (await asking.ask(declines.peer_id, where(asks))).reached is None
        assert (await asking.ask(mute.peer_id, where(asks))).reached is None


@pytest.mark.trio
async def test_dial_backs_for_one_machine_are_rationed() -> None:
    async with host("asks") as asks, host("answers") as answers:
        DialBack(answers).serve()
        await connect(asks, answers)
        request = encode_dial(asks.peer_id, [NOBODY])
        said = [
            await answered(asks, answers, request)
            for _ in range(reachability.MACHINE_DIAL_BACKS_BURST + 1)
        ]
    assert said[-1] == DialStatus.REFUSED
    assert set(said[:-1]) == {DialStatus.ERROR}


@pytest.mark.trio
async def test_a_peer_that_accepts_and_says_nothing_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reachability, "DIAL_BACK_SECONDS_MAX", 0.2)
    async with host("asks") as asks, host("answers") as answers:
        DialBack(answers).serve()
        await connect(asks, answers)
        silent: Sequence[trio.SocketListener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = silent[0].socket.getsockname()[1]
        with trio.fail_after(5):
            asked = encode_dial(asks.peer_id, [f"/ip4/127.0.0.1/tcp/{port}"])
            assert await answered(asks, answers, asked) == DialStatus.ERROR
        await silent[0].aclose()


@pytest.mark.trio
async def test_a_peer_says_how_it_sees_this_node() -> None:
    async with host("asks") as asks, host("answers") as answers:
        await connect(asks, answers)
        assert await DialBack(asks).seen_as(answers.peer_id) == ip_of(where(asks)[0])


@pytest.mark.trio
async def test_other_programs_are_dialled_back_as_libp2ps_own_client_asks_for_it() -> None:
    async with host("asks") as asks, host("answers") as answers:
        DialBack(answers).serve()
        await connect(asks, answers)
        client = AutoNATService(asks.library_host, serve=False)
        server = PeerId.from_string(answers.peer_id)
        assert await client.query_server(server) == (
            DialStatus.OK,
            Multiaddr(where(asks)[0]).to_bytes(),
        )
        nobody = [Multiaddr(NOBODY).to_bytes()]
        assert (await client.query_server(server, nobody))[0] == DialStatus.ERROR
