"""Whom a node dials, and how often, when many of those it knows never answer."""

from __future__ import annotations

from math import inf
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing

from p2pcommons.config import Mode
from p2pcommons.errors import NetworkError
from p2pcommons.net.dialing import DialReport
from p2pcommons.node.meeting import (
    ABSENT_TRIES,
    DIALS_MAX,
    LATE_SECONDS,
    LATE_TRIES,
    STRANGER_SECONDS,
    Meeting,
)
from p2pcommons.node.state import NodeState
from p2pcommons.store import Store

NOW = 1_790_000_000
DIAL_SECONDS = 6.0


class Nobody:
    """A host that reaches nobody, each time after some seconds."""

    peer_id = "here"
    gate = SimpleNamespace(blocked_until=lambda _peer_id: 0.0)

    def __init__(self) -> None:
        self.dialled: list[tuple[float, str]] = []
        self._tell, self.events = trio.open_memory_channel[Any](1)
        self.on_wake: Any = None

    def connected_peers(self) -> tuple[str, ...]:
        return ()

    async def dial(self, peer_id: str, addresses: tuple[str, ...]) -> DialReport:
        self.dialled.append((trio.current_time(), peer_id))
        await trio.sleep(DIAL_SECONDS)
        return DialReport(False, ((addresses[0], "no answer in time"),))


class Book:
    """An address book as a node's storage gives it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def know(self, peer_id: str, failures: int, source: str = "invite") -> None:
        self._store.upsert_peer(peer_id, ["/ip4/192.0.2.7/tcp/4001"], source=source, now=NOW)
        for _ in range(failures):
            self._store.note_dialled(peer_id, ok=False, next_try=NOW, now=NOW)

    async def read(self, call: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return call(self._store)


async def dials(book: Book, seconds: float, wakes_at: float = inf) -> list[tuple[float, str]]:
    """Meet for so long; when each was dialled."""
    host = Nobody()
    context = SimpleNamespace(
        mode=Mode.FRIENDS,
        state=NodeState(),
        storage=book,
        attempt=book.read,
        now=lambda: NOW,
        chance=Random(1),
    )
    reconciling = SimpleNamespace(blame=lambda _peer_id, _why: None)
    meeting = Meeting(cast(Any, context), cast(Any, host), cast(Any, reconciling))
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(meeting.run)
        await trio.sleep(min(wakes_at, seconds))
        if wakes_at < seconds:
            host.on_wake()
            await trio.sleep(seconds - wakes_at)
        nursery.cancel_scope.cancel()
    return [(at - began, peer_id) for at, peer_id in host.dialled]


@pytest.mark.trio
async def test_those_who_never_answer_do_not_keep_others_waiting(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    with Store.open(tmp_path / "replica.db") as store:
        book = Book(store)
        for number in range(2 * DIALS_MAX):
            book.know(f"absent{number}", ABSENT_TRIES)
        book.know("friend", 0)
        tried = await dials(book, 2.0)
    assert "friend" in {peer_id for _, peer_id in tried}
    assert len(tried) < DIALS_MAX


@pytest.mark.trio
async def test_who_did_not_answer_for_a_day_is_tried_each_hour(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    with Store.open(tmp_path / "replica.db") as store:
        book = Book(store)
        book.know("absent", LATE_TRIES)
        tried = await dials(book, 10 * LATE_SECONDS)
    assert 7 <= len(tried) <= 13


@pytest.mark.trio
async def test_a_dial_under_way_when_the_network_changes_delays_nothing(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    with Store.open(tmp_path / "replica.db") as store:
        book = Book(store)
        book.know("friend", LATE_TRIES)
        tried = await dials(book, DIAL_SECONDS + 2, wakes_at=DIAL_SECONDS / 2)
    assert len(tried) == 2


class Gone(Nobody):
    """A host from which a peer hung up at the end of its session."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: set[str] = set()

    def keep(self, peer_id: str) -> None:
        self.kept.add(peer_id)

    def dialled_addresses(self, _peer_id: str) -> tuple[str, ...]:
        return ()

    remote_addresses = dialled_addresses

    async def open_stream(self, _peer_id: str, _protocol: str) -> Any:
        await trio.lowlevel.checkpoint()
        raise NetworkError("not connected")


@pytest.mark.trio
async def test_no_room_is_kept_for_who_has_gone_before_it_was_noted_that_it_shares() -> None:
    host = Gone()
    context = SimpleNamespace(mode=Mode.FRIENDS, state=NodeState(), now=lambda: NOW)
    reconciling = SimpleNamespace(blame=lambda _peer_id, _why: None)
    meeting = Meeting(cast(Any, context), cast(Any, host), cast(Any, reconciling))
    await meeting.note_shared("eve")
    assert host.kept == set()


class Visited(Nobody):
    """A host that reaches everybody; each hangs up after a while and shares nothing."""

    stays_seconds = 60.0

    def __init__(self, state: NodeState) -> None:
        super().__init__()
        self._state = state
        self._here: set[str] = set()

    def connected_peers(self) -> tuple[str, ...]:
        return tuple(self._here)

    def release(self, peer_id: str) -> None:
        pass

    async def dial(self, peer_id: str, addresses: tuple[str, ...]) -> DialReport:
        self.dialled.append((trio.current_time(), peer_id))
        self._here.add(peer_id)
        await self._tell.send(SimpleNamespace(peer_id=peer_id, connected=True))
        return DialReport(True, ((addresses[0], "connected"),))

    async def hang_up(self, peer_id: str) -> None:
        self._state.peer(peer_id).shared = frozenset()
        self._here.discard(peer_id)
        await self._tell.send(SimpleNamespace(peer_id=peer_id, connected=False))


class Unconcerned:
    """Sessions that nobody asks for."""

    def blame(self, peer_id: str, why: str) -> None:
        pass

    def connected(self, peer_id: str) -> None:
        pass

    disconnected = connected


@pytest.mark.trio
async def test_a_session_older_than_the_commons_makes_nobody_a_stranger(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """It ended after the commons was joined, and the connection before the next session."""
    with Store.open(tmp_path / "replica.db") as store:
        book, state = Book(store), NodeState()
        book.know("friend", 0, "connected")
        host = Visited(state)
        context = SimpleNamespace(
            mode=Mode.FRIENDS,
            state=state,
            storage=book,
            attempt=book.read,
            now=lambda: NOW + int(trio.current_time()),
            chance=Random(1),
        )
        meeting = Meeting(cast(Any, context), cast(Any, host), cast(Any, Unconcerned()))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(meeting.run)
            await trio.sleep(host.stays_seconds)
            meeting.hurry()
            await host.hang_up("friend")
            await trio.sleep(host.stays_seconds)
            assert len(host.dialled) == 2
            await host.hang_up("friend")
            await trio.sleep(STRANGER_SECONDS / 2)
            nursery.cancel_scope.cancel()
    assert len(host.dialled) == 2


@pytest.mark.trio
@pytest.mark.parametrize("source", ["manual", "connected"])
async def test_a_relay_that_a_person_added_is_dialled_again_although_it_shares_nothing(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, source: str
) -> None:
    with Store.open(tmp_path / "replica.db") as store:
        book, state = Book(store), NodeState()
        book.know("relay", 0, source)
        host = Visited(state)
        context = SimpleNamespace(
            mode=Mode.FRIENDS,
            state=state,
            storage=book,
            attempt=book.read,
            now=lambda: NOW + int(trio.current_time()),
            chance=Random(1),
        )
        meeting = Meeting(cast(Any, context), cast(Any, host), cast(Any, Unconcerned()))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(meeting.run)
            await trio.sleep(host.stays_seconds)
            await host.hang_up("relay")
            left_at = context.now()
            await trio.testing.wait_all_tasks_blocked()
            told = state.peer("relay").next_try - left_at
            await trio.sleep(STRANGER_SECONDS / 2)
            nursery.cancel_scope.cancel()
        row = store.peer("relay")
    wanted = source == "manual"
    assert len(host.dialled) == (2 if wanted else 1)
    assert (told < 10) is wanted
    assert told <= STRANGER_SECONDS
    assert row is not None
    assert (row.last_seen is not None and row.last_seen >= left_at) is wanted
