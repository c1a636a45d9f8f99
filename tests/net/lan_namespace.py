"""Run inside a network namespace of its own: nodes on one machine find each other by mDNS.

Beside a good interface there is one without multicast, and there is no default route.
"""

from __future__ import annotations

import subprocess
import sys

import trio

sys.path.insert(0, sys.argv[1])

from p2pcommons.net import lan_service
from p2pcommons.net.host import open_host
from p2pcommons.net.lan import LanDiscovery, LanPeer


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


async def next_of(lan: LanDiscovery, peer_id: str) -> LanPeer:
    with trio.fail_after(10):
        while True:
            peer = await lan.found.receive()
            if peer.peer_id == peer_id:
                return peer


async def main() -> None:
    ip("link", "set", "lo", "up")
    for link in ("v", "w"):
        ip("link", "add", f"{link}0", "type", "veth", "peer", "name", f"{link}1")
        ip("link", "set", f"{link}1", "up")
    ip("link", "set", "w0", "multicast", "off")
    ip("addr", "add", "10.77.0.1/24", "dev", "v0")
    ip("addr", "add", "fd77::1/64", "dev", "v0", "nodad")
    ip("addr", "add", "10.78.0.1/24", "dev", "w0")
    ip("link", "set", "v0", "up")
    ip("link", "set", "w0", "up")
    async with (
        open_host(b"a" * 32, ["/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"]) as alice,
        open_host(b"b" * 32, ["/ip4/0.0.0.0/tcp/0"]) as bob,
        open_host(b"l" * 32, ["/ip4/127.0.0.1/tcp/0"]) as local,
    ):
        for each in ("/10.77.0.1/", "/10.78.0.1/", "/fd77::1/"):
            assert any(each in address for address in alice.addresses()), alice.addresses()
        lans = [LanDiscovery(), LanDiscovery(), LanDiscovery()]
        assert await lans[0].start(alice.peer_id, alice.addresses())
        began = trio.current_time()
        assert await lans[1].start(bob.peer_id, bob.addresses())
        assert not await lans[2].start(local.peer_id, local.addresses())
        one = await next_of(lans[1], alice.peer_id)
        print("newcomer sees", trio.current_time() - began)
        await next_of(lans[0], bob.peer_id)
        print("is seen", trio.current_time() - began)
        assert len(one.addresses) == 3, one
        assert (await bob.dial(one.peer_id, one.addresses)).connected

        # An interface goes: what is left is announced, and the others hear of it.
        ip("addr", "del", "10.77.0.1/24", "dev", "v0")
        assert await lans[0].start(alice.peer_id, alice.addresses())
        while "/ip4/10.77.0.1/" in str(one):
            one = await next_of(lans[1], alice.peer_id)
        assert one.addresses, "back under another name, it has not left"
        ip("addr", "add", "10.77.0.1/24", "dev", "v0")
        assert await lans[0].start(alice.peer_id, alice.addresses())
        while len(one.addresses) != 3:
            one = await next_of(lans[1], alice.peer_id)

        # Goodbye.
        began = trio.current_time()
        await lans[0].stop()
        print("stopped", trio.current_time() - began)
        assert (await next_of(lans[1], alice.peer_id)).addresses == ()
        print("missed", trio.current_time() - began)
        # Back at once: told again, although nothing has changed.
        assert await lans[0].start(alice.peer_id, alice.addresses())
        assert (await next_of(lans[1], alice.peer_id)).addresses
        await expect_to_miss_the_silent(lans[1], lans[0])
        for lan in lans:
            await lan.stop()
    print("ok")


async def expect_to_miss_the_silent(listener: LanDiscovery, vanishing: LanDiscovery) -> None:
    """One that says nothing of itself but answers stays; one that answers no more is missed."""
    lan_service.LIFETIME_SECONDS = 2
    assert listener._service is not None
    assert vanishing._service is not None
    for silent in (False, True):
        if silent:
            registry = vanishing._service._zeroconf.registry
            registry.async_remove(registry.async_get_service_infos())
        missed = False
        for _ in range(40 if silent else 10):
            if missed:
                break
            listener._service.ask()
            with trio.move_on_after(0.25):
                missed |= not (await listener.found.receive()).addresses
        assert missed is silent


trio.run(main)
