"""Noticing that the network of this machine has changed."""

from __future__ import annotations

import errno
import itertools
import math
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from p2pcommons.net import interface_changes
from p2pcommons.net.interface_changes import Links, watch_interfaces
from p2pcommons.net.interfaces import idle_ipv6

from .hosts import connect, host

UP, DOWN = 0x1 | 0x40, 0x1


def link(index: int, flags: int, kind: int = 16, sequence: int = 0) -> bytes:
    body = struct.pack("=BxHiII", 0, 1, index, flags, 0) + b"\x08\x00\x04\x00abcd"
    return struct.pack("=IHHII", 16 + len(body), kind, 0, sequence, 0) + body


def test_cable_that_is_pulled_and_put_back_is_told() -> None:
    links = Links()
    assert not links.take(link(2, UP, sequence=1))
    assert links.take(link(2, DOWN))
    assert links.take(link(2, UP))
    assert links.take(link(2, UP, kind=17))


def test_cable_that_was_out_at_the_start_and_is_put_in_is_told() -> None:
    links = Links()
    assert not links.take(link(2, DOWN, sequence=1) + link(3, UP, sequence=1))
    assert not links.take(link(3, UP))
    assert links.take(link(2, UP))


def test_wifi_that_tells_the_same_again_and_again_is_no_change() -> None:
    links = Links()
    assert links.take(link(3, UP))
    assert not links.take(link(3, UP) + link(3, UP))
    assert not links.take(link(3, UP, kind=20))


def test_nothing_is_remembered_of_links_that_come_and_go_as_those_of_containers_do() -> None:
    links = Links()
    for index in range(100):
        assert links.take(link(index, UP))
        assert links.take(link(index, UP, kind=17))
    assert not links._running  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("size", range(40))
def test_notice_cut_short_is_passed_over(size: int) -> None:
    Links().take(link(2, DOWN)[:size])
    Links().take(b"\x00" * size)


def test_address_that_is_still_checked_for_doubles_is_not_used(tmp_path: Path) -> None:
    table = tmp_path / "if_inet6"
    table.write_text(
        "fd000000000000000000000000000001 02 40 00 80     eth0\n"
        "fd000000000000000000000000000002 02 40 00 c0     eth0\n"
        "fd000000000000000000000000000003 02 40 00 20     eth0\n"
    )
    assert idle_ipv6(table) == {"fd00::2", "fd00::3"}
    assert idle_ipv6(tmp_path / "none") == frozenset()


@pytest.mark.trio
async def test_without_a_kernel_that_tells_the_addresses_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interface_changes, "open_notices", lambda: None)
    monkeypatch.setattr(interface_changes, "LOOK_SECONDS", 0.01)
    pictures = iter([("10.0.0.1",), ("10.0.0.1",), ("10.0.0.2",)])
    told = trio.Event()

    async def changed() -> None:
        told.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_interfaces, changed, lambda: next(pictures, ("10.0.0.2",)))
        with trio.fail_after(5):
            await told.wait()
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_kernel_that_stops_telling_does_not_end_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken:
        def __enter__(self) -> Broken:
            return self

        def __exit__(self, *_: object) -> None: ...

        async def recv(self, _: int) -> bytes:
            raise OSError(errno.EIO, "no more")

    def look() -> tuple[str, ...]:
        looks.append(None)
        return (f"10.0.0.{len(looks)}",)

    looks: list[None] = []
    told = trio.Event()

    async def changed() -> None:
        told.set()

    monkeypatch.setattr(interface_changes, "open_notices", Broken)
    monkeypatch.setattr(interface_changes, "LOOK_SECONDS", 0.01)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_interfaces, changed, look)
        with trio.fail_after(5):
            await told.wait()
        nursery.cancel_scope.cancel()


class Notices:
    """What the kernel tells, link by link, every so many seconds."""

    def __init__(self, every: float, *told: bytes) -> None:
        self._every, self._told = every, list(told)

    def __enter__(self) -> Notices:
        return self

    def __exit__(self, *_: object) -> None: ...

    async def recv(self, _: int) -> bytes:
        await trio.sleep(self._every if self._told else math.inf)
        return self._told.pop(0)


async def told_within(
    seconds: float, monkeypatch: pytest.MonkeyPatch, notices: Notices
) -> list[float]:
    """When it was told, of a machine whose link 2 alone has an address."""
    monkeypatch.setattr(interface_changes, "open_notices", lambda: notices)
    began, times = trio.current_time(), list[float]()

    async def changed() -> None:
        times.append(trio.current_time() - began)

    with trio.move_on_after(seconds):
        await watch_interfaces(changed, lambda: ("10.0.0.1",), lambda: frozenset((2,)))
    return times


@pytest.mark.trio
async def test_containers_that_come_and_go_without_an_address_of_ours_are_not_told(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    flapping = [link(7, UP), link(7, UP, kind=17)] * 100
    assert not await told_within(300, monkeypatch, Notices(1.0, *flapping))


@pytest.mark.trio
async def test_cable_that_flaps_for_minutes_is_told_at_once_and_then_seldom(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    flapping = [link(2, UP), link(2, DOWN)] * 100
    times = await told_within(200, monkeypatch, Notices(1.0, *flapping))
    assert times[0] < 2, "the first one at once"
    gaps = [b - a for a, b in itertools.pairwise(times[interface_changes.AT_ONCE_MAX :])]
    assert gaps
    assert min(gaps) > interface_changes.SELDOM_SECONDS * 0.9
    assert len(times) <= interface_changes.AT_ONCE_MAX + 200 / interface_changes.SELDOM_SECONDS


@pytest.mark.trio
async def test_cable_put_in_while_nothing_is_told_is_told_afterwards(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    flapping = [link(2, UP), link(2, DOWN)] * 3
    times = await told_within(100, monkeypatch, Notices(1.0, *flapping, link(2, UP)))
    assert times[-1] > 7


@pytest.mark.trio
async def test_host_that_moved_says_so_first_and_then_tries_its_connections() -> None:
    told: list[str] = []
    async with host("alice") as alice, host("bob") as bob:
        await connect(alice, bob)
        alice.on_addresses_changed = lambda: told.append("moved")
        alice.on_wake = lambda: told.append("woke")
        await alice._addresses_changed()
        assert told == ["moved", "woke"]
        assert bob.peer_id in alice.connected_peers(), "it answered"


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare"),
    reason="needs root on Linux for a network namespace",
)
def test_addresses_and_cables_that_come_and_go_are_told() -> None:
    root = Path(__file__).parents[2]
    script = Path(__file__).with_name("interface_namespace.py")
    done = subprocess.run(
        ["unshare", "-n", sys.executable, str(script), str(root / "src")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "unshare failed" in done.stderr or "not permitted" in done.stderr:
        pytest.skip("namespaces are not permitted here")
    assert done.stdout.endswith("ok\n"), done.stdout + done.stderr
    assert done.stderr == ""
