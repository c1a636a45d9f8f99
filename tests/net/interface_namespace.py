"""Run inside a network namespace of its own: addresses and cables come and go, and are told."""

from __future__ import annotations

import subprocess
import sys

import trio
import trio.testing

sys.path.insert(0, sys.argv[1])

from p2pcommons.net import interface_changes
from p2pcommons.net.interface_changes import watch_interfaces
from p2pcommons.net.interfaces import local_ips


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


async def main() -> None:
    interface_changes.SELDOM_SECONDS = 0.0  # each change of this test is to be told by itself
    told, tell = trio.open_memory_channel[tuple[str, ...]](100)

    async def changed() -> None:
        told.send_nowait(local_ips())

    async def expect(*words: str, address: str | None = None, gone: bool = False) -> None:
        ip(*words)
        with trio.fail_after(10):
            while True:
                ips = await tell.receive()
                if address is None or (address in ips) is not gone:
                    return

    async with trio.open_nursery() as nursery:
        ip("link", "set", "lo", "up")
        ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
        nursery.start_soon(watch_interfaces, changed)
        await trio.testing.wait_all_tasks_blocked()
        ip("link", "set", "v0", "up")
        ip("link", "set", "v1", "up")
        await trio.sleep(interface_changes.SETTLE_SECONDS_MAX + 0.5)
        try:
            tell.receive_nowait()
        except trio.WouldBlock:
            pass
        else:
            raise AssertionError("a cable without an address was told")
        await expect("addr", "add", "10.77.0.1/24", "dev", "v0", address="10.77.0.1")
        # IPv6: only when the kernel has checked that nobody else has it.
        await expect("addr", "add", "fd00::1/64", "dev", "v0", address="fd00::1")
        await expect("link", "set", "v1", "down")
        await expect("link", "set", "v1", "up")
        await expect("addr", "del", "10.77.0.1/24", "dev", "v0", address="10.77.0.1", gone=True)
        await expect("link", "del", "v0", address="fd00::1", gone=True)
        nursery.cancel_scope.cancel()
    print("ok")


trio.run(main)
