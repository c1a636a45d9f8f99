"""Nodes that have no way to one another but over a third one; each is told one address alone."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from tests.node.nodes import Node, all_have, equal, running, until

from p2pcommons.errors import NetworkError
from p2pcommons.net import relay as relay_module
from p2pcommons.net.circuits import Reservation
from p2pcommons.node import relaying as relaying_module
from p2pcommons.node.state import NodeState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = [pytest.mark.trio, pytest.mark.network]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaying_module, "STRANGER_SECONDS", 0)
    monkeypatch.setattr(relaying_module, "LOOK_SECONDS", 0.1)


@asynccontextmanager
async def relaying(home: Path) -> AsyncGenerator[Node]:
    _let_relay(home)
    async with running(home) as node:
        yield node


def _let_relay(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text("[network]\nrelay = true\n")


def circuits(node: Node) -> list[str]:
    return [each for each in node.runtime._network.addresses() if "/p2p-circuit" in each]


async def peer_of(node: Node, peer_id: str) -> dict[str, Any]:
    status = await node.now()
    return next(each for each in status["peers"] if each["peer_id"] == peer_id)


async def test_two_that_only_a_relay_can_reach_sync_over_it(tmp_path: Path):
    async with (
        relaying(tmp_path / "rita") as rita,
        running(tmp_path / "ana") as ana,
        running(tmp_path / "ben") as ben,
    ):
        ana.replica.add_peer(rita.addresses[0])
        await until(lambda: bool(circuits(ana)))
        garden = ana.replica.create_commons("Garden").id
        ana.replica.add_entry(garden, title="From Ana")
        ben.replica.store.join_commons(garden, now=ben.replica.now())
        ben.replica.add_peer(circuits(ana)[0])
        await until(lambda: equal(garden, ana, ben))
        ben.replica.add_entry(garden, title="From Ben")
        await until(lambda: all_have("From Ben", garden, ana, ben))
        met = await peer_of(ben, ana.status["peer_id"])
        assert (met["path"], met["relay"]) == ("relayed", rita.status["peer_id"])
        status = await rita.now()
        assert status["relay"]["serving"]
        assert status["relay"]["circuits"] == 1
        assert status["relay"]["bytes"] > 1_000
        # Nothing of the commons is on the relay, which is no member of it.
        assert rita.replica.store.commons_row(garden) is None


async def test_the_other_relay_is_used_when_one_dies(tmp_path: Path):
    async with relaying(tmp_path / "rita") as rita, AsyncExitStack() as stack:
        other = await stack.enter_async_context(relaying(tmp_path / "otto"))
        ana = await stack.enter_async_context(running(tmp_path / "ana"))
        for relay in (rita, other):
            ana.replica.add_peer(relay.addresses[0])
        await until(lambda: len(circuits(ana)) == 2)
        garden = ana.replica.create_commons("Garden").id
        async with running(tmp_path / "ben") as ben:
            ben.replica.store.join_commons(garden, now=ben.replica.now())
            for address in circuits(ana):
                ben.replica.add_peer(address)
            await until(lambda: equal(garden, ana, ben))
            used = (await peer_of(ben, ana.status["peer_id"]))["relay"]
            dead = rita if used == rita.status["peer_id"] else other
            await dead.ask("stop")
            with trio.fail_after(20):
                while (await peer_of(ben, ana.status["peer_id"]))["relay"] in (None, used):
                    await trio.sleep(0.05)
            ana.replica.add_entry(garden, title="After the relay")
            await until(lambda: all_have("After the relay", garden, ana, ben))
            await until(lambda: len(circuits(ana)) == 1)


async def test_a_relay_without_room_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(relay_module, "RESERVATIONS_MAX", 0)
    async with relaying(tmp_path / "rita") as rita, running(tmp_path / "ana") as ana:
        ana.replica.add_peer(rita.addresses[0])
        with trio.fail_after(10):
            while not (await rita.now())["relay"]["refused"]:
                await trio.sleep(0.05)
        await trio.sleep(0.5)
        assert (await rita.now())["relay"]["refused"] == 1
        assert circuits(ana) == []
        assert (await peer_of(ana, rita.status["peer_id"]))["path"] == "direct"


async def test_after_a_pause_the_relay_is_there_again(tmp_path: Path):
    async with relaying(tmp_path / "rita") as rita, running(tmp_path / "ana") as ana:
        ana.replica.add_peer(rita.addresses[0])
        await until(lambda: bool(circuits(ana)))
        await ana.ask("pause")
        await until(lambda: not circuits(ana))
        # However long the pause, the relay is not given up for having been dialled in vain.
        relaying_of = ana.runtime._network._relaying
        await trio.sleep(0.3)
        assert rita.status["peer_id"] in relaying_of._lost
        await ana.ask("resume")
        await until(lambda: bool(circuits(ana)))


async def test_a_relay_that_is_back_before_anybody_looks_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with relaying(tmp_path / "rita") as rita, running(tmp_path / "ana") as ana:
        ana.replica.add_peer(rita.addresses[0])
        await until(lambda: bool(circuits(ana)))
        monkeypatch.setattr(relaying_module, "LOOK_SECONDS", 1.0)
        await trio.sleep(0.2)
        there, here = rita.runtime._network._host, ana.runtime._network._host
        service = there.circuits.relaying
        service._places.clear()
        await there.disconnect(here.peer_id)
        await until(lambda: not here.circuits.holds(there.peer_id))
        assert (await here.dial(there.peer_id, rita.addresses)).connected
        assert circuits(ana)
        await until(lambda: service.reservations == 1)
        await until(lambda: bool(circuits(ana)))


class SlowLines:
    """A host with one relay; whoever else it dials neither answers nor refuses."""

    peer_id = "ana"

    def __init__(self) -> None:
        self.gate = SimpleNamespace(is_paused=False)
        self.changes, self.relaying = 0, None
        self.changed = trio.Event()
        self.here = ("rita",)
        self.looks = 0
        self.reserved = 0
        self.dialled: list[str] = []

    def connected_peers(self) -> tuple[str, ...]:
        self.looks += 1
        return self.here

    def path_to(self, peer_id: str) -> tuple[str, str | None]:
        return ("direct", None) if peer_id == "rita" else ("relayed", "rita")

    def addresses(self) -> list[str]:
        return ["/ip4/192.0.2.1/tcp/1"]

    def remote_addresses(self, _peer_id: str) -> tuple[str, ...]:
        return ("/ip4/192.0.2.2/tcp/1",)

    dialled_addresses = remote_addresses

    async def reserve(self, relay: str) -> Reservation:
        await trio.lowlevel.checkpoint()
        self.reserved += 1
        return Reservation(relay, 0.0, (), 0, 0)

    def holds(self, _relay: str) -> bool:
        return True

    def ignore(self, *_: object) -> None: ...

    keep = release = forget = set_announced = ignore

    async def dial(self, peer_id: str, _addresses: object) -> None:
        self.dialled.append(peer_id)
        await trio.sleep_forever()

    dial_direct = dial


async def test_who_is_alone_looks_seldom_and_asks_a_relay_once_it_connects(
    autojump_clock: trio.testing.MockClock,
) -> None:
    lines: Any = SlowLines()
    lines.here = ()
    state = NodeState()
    context: Any = SimpleNamespace(state=state, now=lambda: int(trio.current_time()))
    under_test = relaying_module.Relaying(context, lines, lines, lines.ignore)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(under_test.run)
        await trio.sleep(10 * relaying_module.IDLE_SECONDS)
        assert lines.looks < 30
        came_at = trio.current_time()
        lines.here, lines.changes = ("rita",), 1
        state.peer("rita").connected_since = context.now()
        lines.changed.set()
        while not lines.reserved:
            await trio.sleep(0.5)
        nursery.cancel_scope.cancel()
    assert trio.current_time() - came_at < relaying_module.IDLE_SECONDS / 2


async def test_a_place_is_renewed_while_those_that_do_not_answer_are_dialled() -> None:
    lines: Any = SlowLines()
    state = NodeState()
    state.lan = {f"neighbour {number}": ("/ip4/192.0.2.9/tcp/1",) for number in range(20)}
    context: Any = SimpleNamespace(state=state, now=lambda: 1_790_000_000)
    under_test = relaying_module.Relaying(context, lines, lines, lines.ignore)
    lost = relaying_module._Lost(("/ip4/192.0.2.8/tcp/1",), 0.0)
    under_test._lost["otto"] = lost
    async with trio.open_nursery() as nursery:
        nursery.start_soon(under_test.run)
        await until(lambda: lines.reserved >= 4)
        nursery.cancel_scope.cancel()
    assert "otto" in lines.dialled
    assert len(lines.dialled) == len(set(lines.dialled)) == relaying_module.DIALS_MAX


async def test_a_relay_that_did_not_answer_once_is_asked_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relaying_module, "AGAIN_SECONDS", 0.2)
    lines: Any = SlowLines()
    state = NodeState()
    context: Any = SimpleNamespace(state=state, now=lambda: 1_790_000_000)
    under_test = relaying_module.Relaying(context, lines, lines, lines.ignore)
    reserve, answers = lines.reserve, iter([False, False, True, False, True])

    async def reserve_at_times(relay: str) -> Reservation:
        if not next(answers, True):
            raise NetworkError("no answer in time: the connection it was asked on is dead")
        return await reserve(relay)

    lines.reserve = reserve_at_times
    async with trio.open_nursery() as nursery:
        nursery.start_soon(under_test.run)
        await until(lambda: lines.reserved >= 2)
        nursery.cancel_scope.cancel()
    assert list(under_test._held) == ["rita"]


async def test_who_does_not_relay_is_left_alone_for_long(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        ana.replica.add_peer(ben.addresses[0])
        pauses = ana.runtime._network._relaying._pauses
        await until(lambda: ben.status["peer_id"] in pauses)
        left_alone = pauses[ben.status["peer_id"]].until - trio.current_time()
        assert left_alone > relaying_module.NO_RELAY_SECONDS / 2
