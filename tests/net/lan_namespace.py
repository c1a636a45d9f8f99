"""Run inside a network namespace of its own: two nodes on one bridge find each other by mDNS."""

from __future__ import annotations

import subprocess
import sys

import trio

sys.path.insert(0, sys.argv[1])

from p2pcommons.net.host import open_host
from p2pcommons.net.lan import LanDiscovery


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


async def main() -> None:
    ip("link", "set", "lo", "up")
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
    ip("addr", "add", "10.77.0.1/24", "dev", "v0")
    ip("link", "set", "v0", "up")
    ip("link", "set", "v1", "up")
    async with (
        open_host(b"a" * 32, ["/ip4/0.0.0.0/tcp/0"]) as alice,
        open_host(b"b" * 32, ["/ip4/0.0.0.0/tcp/0"]) as bob,
        open_host(b"l" * 32, ["/ip4/127.0.0.1/tcp/0"]) as local,
    ):
        assert all("/10.77.0.1/" in each for each in alice.addresses()), alice.addresses()
        lans = [LanDiscovery(), LanDiscovery(), LanDiscovery()]
        assert await lans[0].start(alice.peer_id, alice.addresses())
        began = trio.current_time()
        assert await lans[1].start(bob.peer_id, bob.addresses())
        assert not await lans[2].start(local.peer_id, local.addresses())
        with trio.fail_after(10):
            one = await lans[1].found.receive()
            print("newcomer sees", trio.current_time() - began)
            other = await lans[0].found.receive()
            print("is seen", trio.current_time() - began)
        assert one.peer_id == alice.peer_id
        assert other.peer_id == bob.peer_id
        assert (await bob.dial(one.peer_id, one.addresses)).connected
        began = trio.current_time()
        for lan in lans:
            await lan.stop()
        print("stopped", trio.current_time() - began)
    print("ok")


trio.run(main)
