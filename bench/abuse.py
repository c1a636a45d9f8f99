"""Peers that abuse a node: what each costs it, and whether honest people notice.

    python bench/abuse.py [--seconds 15] [--entries 3000] [scenario …]

A victim and an honest friend run as people run them and exchange one entry a second; for each
scenario one attacker, a process of its own with a fresh identity, does its worst for a while.
Printed: the victim's processor time, memory and disk over the attack beside the limit of each, the
slowest way of an honest entry, and what `node status` says of the attacker, which is what the
network screen shows. Ends with 1 when a limit is exceeded, an honest entry does not arrive, the
victim dies, or an attacker that must be named is not. Loopback only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import struct
import subprocess
import sys
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import trio

from full_sync import cpu_seconds, fill, memory_mib, store_bytes
from harness import (
    Home,
    free_address,
    homes,
    items,
    join,
    new_commons,
    say,
    wait_equal,
    wait_until,
)
from p2pcommons.errors import NetworkError, RejectedError
from p2pcommons.model.contribution import Contribution, sign
from p2pcommons.model.keys import Signer, grant_device
from p2pcommons.model.kinds import EntryBody, encode_body
from p2pcommons.net.gossip import Gossip, open_gossip
from p2pcommons.net.host import Host, open_host
from p2pcommons.protocol.gossip import encode_gossip
from p2pcommons.protocol.limits import FRAME_BYTES_MAX, RECONCILE_PROTOCOL
from p2pcommons.protocol.messages import (
    Absent,
    Commons,
    Have,
    Hello,
    Neg,
    Open,
    Want,
    decode_message,
    encode_message,
)
from p2pcommons.protocol.negentropy_varint import encode_varint
from p2pcommons.protocol.session import blinded_commons
from p2pcommons.protocol.topic import gossip_topic
from p2pcommons.replica import open_replica
from raw_peer import host_and_port, muxed, peer_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from p2pcommons.net.frames import FrameStream

HONEST_SECONDS_MAX = 35.0
"""An honest entry that gossip had no room for comes by reconciliation within this time."""
CPU_SHARE_MAX = 0.75
"""Of one core, whatever one attacker does: the rest is for everybody else."""
MEMORY_MIB_MAX = 96.0
DISK_MB_MAX = 12.0
"""What does not add contributions writes next to nothing; the log of the store is part of it."""
DISK_MB_PER_S = 2.5
"""What gossip may add: 1.2 MB of contributions a second and as much for indexes and views."""
run: Any = cast("Any", trio).run


@dataclass(frozen=True)
class Scenario:
    """One way to abuse a node."""

    attack: Callable[[str, bytes], Awaitable[None]]
    is_named: bool = True
    """Whether the victim must say who it is and what it did."""
    adds: bool = False
    """Whether what it sends is valid, so that some of it is kept."""


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    *, is_named: bool = True, adds: bool = False
) -> Callable[[Callable[[str, bytes], Awaitable[None]]], Callable[[str, bytes], Awaitable[None]]]:
    """Register an attack under its name."""

    def register(
        attack: Callable[[str, bytes], Awaitable[None]],
    ) -> Callable[[str, bytes], Awaitable[None]]:
        SCENARIOS[getattr(attack, "__name__", "")] = Scenario(attack, is_named, adds)
        return attack

    return register


# --- what the attackers do -------------------------------------------------------------------


@asynccontextmanager
async def attacking(address: str) -> AsyncGenerator[tuple[Host, Gossip]]:
    """A host with a fresh identity, connected with the victim."""
    async with open_host(os.urandom(32), []) as host, open_gossip(host) as gossip:
        await host.dial(peer_of(address), [address])
        yield host, gossip


async def publish_all(
    address: str, commons: bytes, make: Callable[[int], list[bytes]], pause: float
) -> None:
    """Publish without end; dial again whenever the victim has hung up."""
    topic = gossip_topic(commons)
    async with attacking(address) as (host, gossip):
        await gossip.subscribe(topic, lambda _topic, _data: False)
        await trio.sleep(1.5)
        number = 0
        while True:
            if not host.connected_peers():
                await host.dial(peer_of(address), [address])
                await trio.sleep(0.5)
            for message in make(number):
                await gossip.publish(topic, message)
            number += 1
            await trio.sleep(pause)


def author() -> Signer:
    """A person nobody knows."""
    return grant_device(hashlib.sha256(os.urandom(16)).digest(), os.urandom(32))


def entry(signer: Signer, commons: bytes, at: int, title: str = "Buy this") -> Contribution:
    """A valid entry."""
    body = encode_body(EntryBody("note", title, "now " * 80), os.urandom(16))
    return sign(signer, "entry", commons=commons, body=body, claimed_at=at)


@scenario()
async def floods_with_garbage(address: str, commons: bytes) -> None:
    await publish_all(address, commons, lambda _: [os.urandom(20_000) for _ in range(10)], 0.02)


@scenario(is_named=False, adds=True)
async def floods_as_one_author(address: str, commons: bytes) -> None:
    """As fast as it can sign; what stays within the budget of gossip is nothing to be named for."""
    signer = author()

    def make(_number: int) -> list[bytes]:
        now = int(time.time())
        return encode_gossip([entry(signer, commons, now) for _ in range(100)])

    await publish_all(address, commons, make, 0.0)


@scenario(adds=True)
async def spams_as_fresh_authors(address: str, commons: bytes) -> None:
    def make(_number: int) -> list[bytes]:
        now = int(time.time())
        return [each for _ in range(20) for each in encode_gossip([entry(author(), commons, now)])]

    await publish_all(address, commons, make, 0.0)


@scenario(is_named=False, adds=True)
async def dates_back(address: str, commons: bytes) -> None:
    signer = author()

    def make(number: int) -> list[bytes]:
        return encode_gossip([entry(signer, commons, 1 + 20 * number + at) for at in range(20)])

    await publish_all(address, commons, make, 0.2)


@scenario(is_named=False, adds=True)
async def claims_the_future(address: str, commons: bytes) -> None:
    signer = author()

    def make(number: int) -> list[bytes]:
        first = 2**32 - 1 - 20 * (number + 1)
        return encode_gossip([entry(signer, commons, first + at) for at in range(20)])

    await publish_all(address, commons, make, 0.2)


async def greet(stream: FrameStream, commons: bytes) -> None:
    """Show that we know the commons, as the opener of a session, and open it."""
    nonce = os.urandom(32)
    await stream.write_frame(encode_message(Hello(nonce, int(time.time()))))
    theirs = decode_message(await stream.read_frame(FRAME_BYTES_MAX) or b"")
    if not isinstance(theirs, Hello):
        raise NetworkError("no hello")
    await stream.read_frame(FRAME_BYTES_MAX)
    blinded = blinded_commons(nonce + theirs.nonce, commons)
    await stream.write_frame(encode_message(Commons((blinded,))))
    await stream.write_frame(encode_message(Open(0, commons)))


async def sessions(
    address: str, commons: bytes, talk: Callable[[FrameStream], Awaitable[None]]
) -> None:
    """One session after another; each says what `talk` says."""
    async with attacking(address) as (host, _gossip):
        while True:
            with suppress(NetworkError, RejectedError):
                if not host.connected_peers():
                    await host.dial(peer_of(address), [address])
                async with await host.open_stream(peer_of(address), RECONCILE_PROTOCOL) as stream:
                    await greet(stream, commons)
                    await talk(stream)
            await trio.sleep(0.01)


KNOWN_IDS: list[bytes] = []
"""What the victim holds; an attacker learns it by taking part for a while."""


@scenario()
async def opens_sessions_again_and_again(address: str, commons: bytes) -> None:
    async def talk(stream: FrameStream) -> None:
        await stream.write_frame(encode_message(Want(0, tuple(KNOWN_IDS[:450]))))

    await sessions(address, commons, talk)


@scenario()
async def asks_for_everything_again_and_again(address: str, commons: bytes) -> None:
    async def talk(stream: FrameStream) -> None:
        for start in range(0, 10**9, 450):
            first = start % max(1, len(KNOWN_IDS) - 450)
            await stream.write_frame(encode_message(Want(0, tuple(KNOWN_IDS[first : first + 450]))))
            got = 0
            while got < 450:
                answer = cast(
                    "Any", decode_message(await stream.read_frame(FRAME_BYTES_MAX) or b"")
                )
                got += len(getattr(answer, "envelopes", getattr(answer, "ids", ())))

    await sessions(address, commons, talk)


@scenario()
async def announces_made_up_ids(address: str, commons: bytes) -> None:
    async def talk(stream: FrameStream) -> None:
        ids = [os.urandom(32) for _ in range(4_096)]
        await stream.write_frame(encode_message(Have(0, tuple(ids))))
        while (frame := await stream.read_frame(FRAME_BYTES_MAX)) is not None:
            message = decode_message(frame)
            if isinstance(message, Want) and message.ids:
                await stream.write_frame(encode_message(Absent(0, message.ids)))
                more = tuple(os.urandom(32) for _ in message.ids)
                await stream.write_frame(encode_message(Have(0, more)))

    await sessions(address, commons, talk)


@scenario(is_named=False)
async def sends_full_negentropy_frames(address: str, commons: bytes) -> None:
    """It is slowed, and named, once its budget of work is spent: not in a short or busy run."""

    async def talk(stream: FrameStream) -> None:
        data = bytearray(b"\x61")
        first = 2**32 - 1 - int(time.time())
        for number in range(12_000):  # a second each, none of them equal
            step = first if number == 0 else 1
            data += encode_varint(step + 1) + encode_varint(0) + encode_varint(1) + os.urandom(16)
        frame = encode_message(Neg(0, bytes(data)))
        while True:
            await stream.write_frame(frame)
            await stream.read_frame(FRAME_BYTES_MAX)

    await sessions(address, commons, talk)


@scenario()
async def sends_oversize_frames(address: str, _commons: bytes) -> None:
    async with attacking(address) as (host, _gossip):
        while True:
            with suppress(NetworkError):
                if not host.connected_peers():
                    await host.dial(peer_of(address), [address])
                stream = await host.open_stream(peer_of(address), RECONCILE_PROTOCOL)
                raw: Any = getattr(stream, "_stream")  # noqa: B009
                with suppress(Exception):
                    await raw.write(struct.pack(">I", 2**32 - 1) + bytes(60_000))
                await stream.reset()
            await trio.sleep(0.05)


@scenario()
async def opens_500_streams_and_reads_none(address: str, _commons: bytes) -> None:
    async with muxed(address) as muxer:
        for _ in range(500):
            stream = await muxer.open(RECONCILE_PROTOCOL)
            await muxer.data(stream, struct.pack(">I", 200_000) + bytes(60_000))
        await trio.sleep_forever()


@scenario(is_named=False)
async def leaves_500_connections_half_open(address: str, _commons: bytes) -> None:
    streams: list[trio.SocketStream] = []
    while True:
        with suppress(OSError):
            streams.append(await trio.open_tcp_stream(*host_and_port(address)))
        while len(streams) > 500:
            await trio.aclose_forcefully(streams.pop(0))
        await trio.sleep(0.01)


# --- what the victim feels -------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--entries", type=int, default=3_000)
    parser.add_argument("--attack", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.attack:
        name, address, commons, home = chosen.attack
        with open_replica(home) as replica:
            KNOWN_IDS.extend(each for _, each in replica.store.items(bytes.fromhex(commons)))
        run(attack_for, SCENARIOS[name], address, bytes.fromhex(commons), chosen.seconds)
        return 0
    with homes(2) as (victim, friend):
        commons = connect(victim, friend, chosen.entries)
        address = str(cast("list[object]", victim.status()["addresses"])[0])
        print(
            f"limits: CPU {CPU_SHARE_MAX:.0%} of a core, memory +{MEMORY_MIB_MAX:.0f} MiB, disk "
            f"+{DISK_MB_MAX:.0f} MB and {DISK_MB_PER_S} MB/s where it sends what is valid, an "
            f"honest entry within {HONEST_SECONDS_MAX:.0f} s\n"
            f"{'scenario':38} {'CPU':>5} {'MiB':>6} {'MB':>6} {'honest s':>8}  what is said of it"
        )
        failed = [
            name
            for name in chosen.scenarios or SCENARIOS
            if not try_scenario(name, address, victim, friend, commons, chosen.seconds)
        ]
    print(f"failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


async def attack_for(what: Scenario, address: str, commons: bytes, seconds: float) -> None:
    """Attack for a while; being hung up on is not an error of the attacker."""
    print("begun", flush=True)
    with trio.move_on_after(seconds + 3.0):
        try:
            await what.attack(address, commons)
        except Exception as error:  # noqa: BLE001  whatever the victim did to it
            print(f"the attacker ended early: {error!r}"[:200], file=sys.stderr)


def connect(victim: Home, friend: Home, entries: int) -> str:
    for home, name in ((victim, "victim"), (friend, "friend")):
        home.run("init", "--name", name)
    commons = new_commons(victim, "Abuse")
    fill(victim, commons, entries, 50)
    victim.start(listen=free_address())
    friend.start(listen=free_address())
    join(friend, victim, commons)
    wait_equal([victim, friend], commons, 120)
    wait_until("connected", lambda: victim.connected() == 1, 30)
    return commons


def try_scenario(
    name: str, address: str, victim: Home, friend: Home, commons: str, seconds: float
) -> bool:
    """Attack, and print a line; whether all stayed within the limits."""
    assert victim.node is not None
    what = SCENARIOS[name]
    known = {str(peer["peer_id"]) for peer in items(victim.status(), "peers")}
    cpu, memory, disk = cpu_seconds(victim), memory_mib(victim), store_bytes(victim)
    command = [sys.executable, __file__, "--seconds", str(seconds), "--attack"]
    attacker = subprocess.Popen(
        [*command, name, address, commons, str(victim.path)], stdout=subprocess.PIPE
    )
    assert attacker.stdout is not None
    attacker.stdout.readline()
    began = time.monotonic()
    try:
        slowest = honest(victim, friend, commons, name, seconds)
        spent = time.monotonic() - began
        cpu = (cpu_seconds(victim) - cpu) / spent
        memory = memory_mib(victim) - memory
        disk_mb = (store_bytes(victim) - disk) / 1e6
        said = words_about(victim, known)
    finally:
        attacker.terminate()
        attacker.wait()
    room = DISK_MB_MAX + (DISK_MB_PER_S * spent if what.adds else 0.0)
    faults = [
        *(["CPU"] if cpu > CPU_SHARE_MAX else []),
        *(["memory"] if memory > MEMORY_MIB_MAX else []),
        *(["disk"] if disk_mb > room else []),
        *(["honest traffic"] if slowest > HONEST_SECONDS_MAX else []),
        *(["not named"] if what.is_named and not said else []),
        *(["dead"] if victim.node.poll() is not None else []),
    ]
    verdict = f"  FAIL: {', '.join(faults)}" if faults else ""
    print(
        f"{name:38} {cpu:5.0%} {memory:+6.0f} {disk_mb:+6.1f} {slowest:8.1f}  "
        f"{said or '(nothing)'}{verdict}",
        flush=True,
    )
    return not faults


def honest(victim: Home, friend: Home, commons: str, name: str, seconds: float) -> float:
    """Entries of the friend, one a second; the longest that one took to reach the victim."""
    waiting: dict[bytes, float] = {}
    slowest = 0.0
    began = last = time.monotonic()
    with open_replica(victim.path) as there, open_replica(friend.path) as here:
        while (now := time.monotonic()) - began < seconds or waiting:
            if now - began > seconds + HONEST_SECONDS_MAX:
                return now - min(waiting.values())
            if now - began < seconds and now - last >= 1.0:
                last = now
                made = here.add_entry(bytes.fromhex(commons), title=f"Honest during {name}")
                waiting[made.id] = time.monotonic()
            for identifier in there.store.known(list(waiting)) if waiting else ():
                slowest = max(slowest, time.monotonic() - waiting.pop(identifier))
            time.sleep(0.02)
    return slowest


def words_about(victim: Home, known: set[str]) -> str:
    """What the node says of peers it did not know before the attack."""
    said: list[str] = []
    for peer in items(victim.status(), "peers"):
        if peer["peer_id"] in known:
            continue
        if peer["blocked_until"]:
            said.append(f"refused: {peer['reason']}")
        elif peer["slowed"]:
            said.append(str(peer["slowed"]))
    return "; ".join(said)


if __name__ == "__main__":
    began_at = time.monotonic()
    code = main()
    if "--attack" not in sys.argv:
        say(f"took {time.monotonic() - began_at:.0f} s")
    sys.exit(code)
