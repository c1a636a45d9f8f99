"""Who came here is met again, at the machine it came from and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from tests.node.nodes import equal, running, until
from tests.protocol.test_identify import identify

from p2pcommons.errors import NetworkError, StoreError
from p2pcommons.node import whereabouts
from p2pcommons.node.context import NodeContext
from p2pcommons.node.state import NodeState
from p2pcommons.node.whereabouts import CAME, FORGET_SECONDS, Whereabouts
from p2pcommons.protocol.multiaddrs import address_to_bytes
from p2pcommons.store import Store

NOW = 1_790_000_000
CAME_FROM = "/ip4/192.0.2.7/tcp/50123"
RELAY = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
LISTENS = "/ip4/192.0.2.7/tcp/4001"


@dataclass
class Says:
    """A host whose peers answer Identify with these bytes."""

    frame: bytes | None
    peer_id: str = "12D3KooWana"
    remote: str = CAME_FROM
    path: str = "direct"
    connected: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list[str])

    def remote_addresses(self, _peer_id: str) -> tuple[str, ...]:
        return (self.remote,)

    def connected_peers(self) -> tuple[str, ...]:
        return self.connected

    def path_to(self, _peer_id: str) -> tuple[str, str | None]:
        return self.path, None

    async def open_stream(self, peer_id: str, _protocol: str) -> Says:
        await trio.lowlevel.checkpoint()
        self.asked.append(peer_id)
        if self.frame is None:
            raise NetworkError("it does not speak this")
        return self

    async def read_frame(self, _bytes_max: int) -> bytes | None:
        await trio.lowlevel.checkpoint()
        return self.frame

    async def reset(self) -> None:
        await trio.lowlevel.checkpoint()


@dataclass
class Place:
    """A node's address book, and what it makes of a peer."""

    store: Store
    host: Says
    blamed: list[str] = field(default_factory=list[str])
    troubles: list[str] = field(default_factory=list[str])
    fails: StoreError | None = None

    def __post_init__(self) -> None:
        context = SimpleNamespace(
            state=NodeState(),
            now=lambda: NOW,
            storage=self,
            attempt=self.read,
            note_trouble=self.note_trouble,
        )
        self.whereabouts = Whereabouts(
            cast(NodeContext, context),
            cast(Any, self.host),
            lambda peer_id, _why: self.blamed.append(peer_id),
        )

    def note_trouble(self, error: StoreError) -> None:
        self.troubles.append(str(error))

    async def read(self, call: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if self.fails is not None:
            raise self.fails
        return call(self.store)

    def book(self) -> dict[str, tuple[str, ...]]:
        return {row.peer_id: row.addresses for row in self.store.peers()}


def place(tmp_path: Path, *said: str, **options: Any) -> Place:
    frame = identify(*map(address_to_bytes, said))
    return Place(Store.open(tmp_path / "replica.db"), Says(frame, **options))


@pytest.mark.trio
@pytest.mark.network
async def test_who_came_here_is_dialled_when_it_does_not_come_again(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana:
        async with running(tmp_path / "ben") as ben:
            garden = ana.replica.create_commons("Garden").id
            ben.replica.join(ana.invite(garden))
            await until(lambda: equal(garden, ana, ben))
            await until(lambda: [row.source for row in ana.replica.peers()] == [CAME])
            # Ben's machine loses the address of ana, as one does that ana has moved away from.
            ben.replica.store.remove_peer(ana.status["peer_id"])
            (address,) = ben.addresses
        listen = (address.rpartition("/p2p/")[0],)
        async with running(tmp_path / "ben", listen=listen) as ben:
            ana.replica.add_entry(garden, title="Written while ben was away")
            await until(lambda: equal(garden, ana, ben))


@pytest.mark.trio
async def test_an_address_of_another_machine_is_not_believed(tmp_path: Path) -> None:
    here = place(tmp_path, LISTENS, "/ip4/192.0.2.8/tcp/22", "/dns/example.org/tcp/443")
    await here.whereabouts.learn("ben")
    assert here.book() == {"ben": (LISTENS,)}


@pytest.mark.trio
async def test_who_came_over_a_relay_is_met_again_over_its_relays_alone(tmp_path: Path) -> None:
    relayed = [f"/ip4/9.9.9.{n}/tcp/4001/p2p/{RELAY}/p2p-circuit" for n in range(4)]
    at_home = f"/ip4/192.168.1.7/tcp/4001/p2p/{RELAY}/p2p-circuit"
    here = place(tmp_path, LISTENS, at_home, *relayed, remote=relayed[0], path="relayed")
    await here.whereabouts.learn("ben")
    assert here.book() == {"ben": tuple(relayed[:2])}


@pytest.mark.trio
async def test_nobody_is_dialled_over_this_node_itself(tmp_path: Path) -> None:
    over_us = f"/ip4/192.0.2.9/tcp/4001/p2p/{RELAY}/p2p-circuit"
    here = place(tmp_path, LISTENS, over_us, peer_id=RELAY)
    await here.whereabouts.learn("ben")
    assert here.book() == {"ben": (LISTENS,)}


@pytest.mark.trio
async def test_of_who_came_it_is_known_when(tmp_path: Path) -> None:
    here = place(tmp_path, LISTENS)
    await here.whereabouts.learn("ben")
    assert [(row.last_seen, row.last_success) for row in here.store.peers()] == [(NOW, None)]


@pytest.mark.trio
async def test_a_peer_is_asked_once_for_each_connection(tmp_path: Path) -> None:
    here = place(tmp_path, LISTENS)
    await here.whereabouts.learn("ben")
    await here.whereabouts.learn("ben")
    assert here.host.asked == ["ben"]
    here.whereabouts.gone("ben")
    await here.whereabouts.learn("ben")
    assert here.host.asked == ["ben", "ben"]


@pytest.mark.trio
async def test_garbage_instead_of_an_address_is_a_fault(tmp_path: Path) -> None:
    here = Place(Store.open(tmp_path / "replica.db"), Says(b"\xff" * 40))
    await here.whereabouts.learn("eve")
    assert here.blamed == ["eve"]
    assert here.book() == {}


@pytest.mark.trio
async def test_any_number_of_keys_does_not_fill_the_address_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whereabouts, "CAME_MAX", 3)
    here = place(tmp_path, LISTENS, connected=("eve0",))
    here.store.upsert_peer("friend", (LISTENS,), source="invite", now=NOW - 9)
    here.store.upsert_peer("reached", (LISTENS,), source=CAME, now=NOW - 8)
    here.store.note_dialled("reached", ok=True, next_try=NOW, now=NOW - 7)
    for number in range(10):
        await here.whereabouts.learn(f"eve{number}")
    assert set(here.book()) == {"friend", "reached", "eve0", "eve9"}


@pytest.mark.trio
async def test_who_was_not_reached_for_months_is_forgotten_unless_a_person_entered_it(
    tmp_path: Path,
) -> None:
    here = place(tmp_path, connected=("connected",))
    long_ago = NOW - FORGET_SECONDS - 1
    for peer_id in ("gone", "reached", "connected"):
        here.store.upsert_peer(peer_id, (LISTENS,), source=CAME, now=long_ago)
    here.store.note_dialled("reached", ok=True, next_try=NOW, now=NOW - 5)
    for source in ("invite", "manual"):
        here.store.upsert_peer(source, (LISTENS,), source=source, now=long_ago)
    await here.whereabouts.tidy(here.store.peers())
    assert set(here.book()) == {"reached", "connected", "invite", "manual"}


@pytest.mark.trio
async def test_a_store_that_fails_is_told_and_ends_nothing(tmp_path: Path) -> None:
    here = place(tmp_path, LISTENS)
    here.fails = StoreError("the disk is gone", "replica.db")
    await here.whereabouts.learn("ben")
    assert here.troubles == ["the disk is gone"]
    here.fails = None
    assert here.book() == {}


@pytest.mark.trio
async def test_who_hung_up_before_it_was_asked_is_not_remembered_for_ever(tmp_path: Path) -> None:
    here = place(tmp_path, LISTENS, connected=("ben",))
    await here.whereabouts.learn("ben")
    here.whereabouts.gone("eve")
    await here.whereabouts.learn("eve")
    await here.whereabouts.tidy(())
    assert set(here.whereabouts._asked) == {"ben"}  # pyright: ignore[reportPrivateUsage]


@pytest.mark.trio
@pytest.mark.network
async def test_somebody_was_last_here_when_they_left_not_when_they_came(tmp_path: Path) -> None:
    async with running(tmp_path / "ben") as ben:

        def seen() -> int:
            return sum(row.last_seen or 0 for row in ben.replica.store.peers())

        async with running(tmp_path / "ana") as ana:
            garden = ana.replica.create_commons("Garden").id
            ben.replica.join(ana.invite(garden))
            await until(lambda: equal(garden, ana, ben))
            met = seen()
            await trio.sleep(1.1)
        await until(lambda: seen() > met)


@pytest.mark.trio
async def test_who_was_dialled_by_a_name_does_not_give_names_that_lead_elsewhere(
    tmp_path: Path,
) -> None:
    name = "/dns4/leads-to-127-0-0-1.example.org/tcp/631"
    here = place(tmp_path, name, f"{name}/p2p/{RELAY}/p2p-circuit", remote="/dns4/a.example/tcp/1")
    await here.whereabouts.learn(here.host.peer_id)
    assert not here.book()
