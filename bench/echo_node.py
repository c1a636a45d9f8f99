"""A node that echoes frames and listens to one gossip topic; the victim of `remote_kill_hosts.py`.

    python bench/echo_node.py [--plain]

With --plain it is a host as the library makes it, without a single workaround of ours. Prints its
multiaddress and runs until its standard input ends.
"""

from __future__ import annotations

import hashlib
import os
import sys
from typing import TYPE_CHECKING, Any, cast

import trio

from raw_peer import GOSSIP, RECONCILE, TOPIC

if TYPE_CHECKING:
    from p2pcommons.net.frames import FrameStream


async def hardened() -> None:
    from p2pcommons.net.gossip import open_gossip
    from p2pcommons.net.host import open_host

    async def echo(stream: FrameStream) -> None:
        while (frame := await stream.read_frame(1 << 20)) is not None:
            await stream.write_frame(frame)

    async with (
        open_host(os.urandom(32), ["/ip4/127.0.0.1/tcp/0"]) as host,
        open_gossip(host) as gossip,
    ):
        host.set_stream_handler(RECONCILE, echo)
        await gossip.subscribe(TOPIC, lambda _topic, _data: True)
        print(host.addresses()[0], flush=True)
        await until_input_ends()


async def plain() -> None:
    from libp2p import new_host
    from libp2p.crypto.ed25519 import create_new_key_pair
    from libp2p.network.stream.exceptions import StreamError
    from libp2p.pubsub.gossipsub import GossipSub
    from libp2p.pubsub.pubsub import Pubsub
    from libp2p.tools.anyio_service import background_trio_service
    from multiaddr import Multiaddr  # pyright: ignore[reportMissingTypeStubs]

    host: Any = new_host(key_pair=create_new_key_pair(os.urandom(32)))
    protocols: Any = [GOSSIP]
    router = GossipSub(protocols, 6, 4, 12, heartbeat_interval=1)
    pubsub = Pubsub(
        host,
        router,
        strict_signing=True,
        msg_id_constructor=lambda message: hashlib.sha256(message.data).digest(),
    )

    async def read(stream: Any, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += await stream.read(size - len(data))
        return data

    async def echo(stream: Any) -> None:
        try:
            while True:
                head = await read(stream, 4)
                await stream.write(head + await read(stream, int.from_bytes(head, "big")))
        except StreamError:  # the end of a stream; let out of here it ends the host
            await stream.reset()

    host.set_stream_handler(RECONCILE, echo)
    async with (
        host.run([Multiaddr("/ip4/127.0.0.1/tcp/0")]),
        background_trio_service(pubsub),
        background_trio_service(router),
    ):
        await pubsub.wait_until_ready()
        await pubsub.subscribe(TOPIC)
        print(host.get_addrs()[0], flush=True)
        await until_input_ends()


async def until_input_ends() -> None:
    run: Any = cast(Any, trio.to_thread).run_sync
    await run(sys.stdin.read, abandon_on_cancel=True)


if __name__ == "__main__":
    trio.run(plain if "--plain" in sys.argv else hardened)
