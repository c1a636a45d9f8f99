"""One machine of three: alice and bob behind routers that keep ports, and a relay in the street.

    nat_namespace.py TESTS FOLDER relay|alice|bob

Each runs in a namespace of its own (see test_nat.py) and tells the others by files in FOLDER.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import trio

sys.path.insert(0, sys.argv[1])

from p2pcommons.net.host import Host, open_host
from p2pcommons.net.nat import Nat
from p2pcommons.net.relay import Relay, RelayLimits

FOLDER = Path(sys.argv[2])
STREET = "20.0.0"
PORT = 4001


async def told(name: str) -> str:
    """Wait for what another one says."""
    path = FOLDER / name
    while not path.exists():
        assert not (FOLDER / "failed").exists(), "another one failed"
        await trio.sleep(0.02)
    return path.read_text()


def tell(name: str, words: str) -> None:
    draft = FOLDER / f"{name}.draft"
    draft.write_text(words)
    draft.rename(FOLDER / name)


async def seen_at(number: int) -> list[str]:
    await trio.lowlevel.checkpoint()
    return [f"/ip4/{STREET}.{number}/tcp/{PORT}"]


async def relay(host: Host) -> None:
    Relay(host, RelayLimits()).serve()
    tell("relay", f"/ip4/{STREET}.1/tcp/{PORT}/p2p/{host.peer_id}")
    await told("over")


async def with_nat(host: Host, number: int, tasks: trio.Nursery) -> Nat:
    nat = Nat(host)
    tasks.start_soon(partial(nat.run, partial(seen_at, number), lambda _peer: True))
    return nat


async def alice(host: Host, tasks: trio.Nursery) -> None:
    nat = await with_nat(host, 11, tasks)
    address = await told("relay")
    _, _, relay_id = address.rpartition("/")
    assert (await host.dial(relay_id, [address])).connected
    assert await nat.seen_as(relay_id) == f"{STREET}.11"
    report = await nat.ask(relay_id, await seen_at(11))
    assert report.reached is None, "the relay serves no dial-backs"
    await host.circuits.reserve(relay_id)
    tell("alice", f"{address}/p2p-circuit/p2p/{host.peer_id}")
    while not any(nat.is_ours_to_punch(each) for each in host.connected_peers()):
        await trio.sleep(0.02)
    await told("relayed")  # once it is direct, nobody sees that it was not
    (bob_id,) = (each for each in host.connected_peers() if each != relay_id)
    report = await nat.punch(bob_id)
    assert report.connected, report.words
    assert nat.has_hole_for(bob_id)
    await host.disconnect(relay_id)
    tell("direct", host.path_to(bob_id)[0])
    await told("over")


async def bob(host: Host, tasks: trio.Nursery) -> None:
    await with_nat(host, 12, tasks)
    circuit = await told("alice")
    alice_id = circuit.rpartition("/")[2]
    direct = await host.dial(alice_id, await seen_at(11), 1.0)
    assert not direct.connected, "the router lets strangers in"
    report = await host.dial(alice_id, [circuit])
    assert report.connected, report.summary
    assert host.path_to(alice_id)[0] == "relayed"
    tell("relayed", "")
    assert await told("direct") == "direct"
    assert host.path_to(alice_id)[0] == "direct"
    tell("over", "")


async def main(name: str) -> None:
    with trio.fail_after(240):
        async with open_host(name.encode().ljust(32), [f"/ip4/0.0.0.0/tcp/{PORT}"]) as host:
            if name == "relay":
                await relay(host)
                return
            async with trio.open_nursery() as tasks:
                await (alice if name == "alice" else bob)(host, tasks)
                tasks.cancel_scope.cancel()
    print("ok")


try:
    trio.run(main, sys.argv[3])
except BaseException:
    tell("failed", sys.argv[3])  # so that nobody waits for it
    raise
