"""What it costs two replicas to find out what they lack, in memory and between two nodes.

    python bench/reconcile.py [--entries 100000] [--sessions 7] [--home FOLDER]

Three cases: equal replicas; ten that are new on the other side; ten that are spread over the past.
First both sides in this process, without a network. Then two node processes over libp2p and Noise
that stay connected; bytes and rounds are what the session itself counted, and beside them stands
a bare stream with one frame each way to another process. Then the longest time for which an event
loop stands still while a full frame of fingerprints, all wrong, is answered. Ends with 1 if more
bytes or rounds were needed than stated, or the replicas differ. `--home` keeps the entries for the
next run; with --entries 1000000 making them takes some minutes.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, cast

import trio

import corpus
from harness import Home, Json, free_address, items, say, wait_equal, wait_until
from p2pcommons.model.contribution import Contribution, sign
from p2pcommons.model.kinds import ENTRY, EntryBody, encode_body
from p2pcommons.net.host import open_host
from p2pcommons.node.storage import Storage
from p2pcommons.paths import find_paths
from p2pcommons.protocol.items import ItemSet
from p2pcommons.protocol.limits import NEGENTROPY_BYTES_MAX, RECONCILE_PROTOCOL
from p2pcommons.protocol.negentropy import Negentropy
from p2pcommons.protocol.negentropy_varint import encode_varint
from p2pcommons.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

NEW = 10
EQUAL_BYTES_MAX = 400
BEYOND_ENTRIES_MAX = 2_000
SECONDS_MAX = 120.0

Items = list[tuple[int, bytes]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--sessions", type=int, default=7)
    parser.add_argument("--home", type=Path, help="keeps the entries for the next run")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        kept = chosen.home or Path(stack.enter_context(tempfile.TemporaryDirectory("p2pc")))
        corpus.build(kept / f"reconcile-{chosen.entries}" / "ana", chosen.entries)
        source = find_paths(kept / f"reconcile-{chosen.entries}" / "ana").replica_db
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="p2pc-")))
        ana, rui = (Home(work / name) for name in ("ana", "rui"))
        for home in (ana, rui):
            home.path.mkdir()
            shutil.copyfile(source, find_paths(home.path).replica_db)
            stack.callback(home.stop)
        with Store.open(find_paths(ana.path).replica_db) as store:
            began = time.perf_counter()
            held = store.items(corpus.founding().id)
            say(f"{len(held)} ids read in {time.perf_counter() - began:.2f} s")
        wrong = in_memory(held) + stalls(held)
        del held
        wrong += between_nodes(ana, rui, chosen.entries, chosen.sessions)
    for line in wrong:
        say(f"WRONG: {line}")
    return 1 if wrong else 0


# --- in this process ------------------------------------------------------------------------------


def in_memory(held: Items) -> list[str]:
    """Both sides of a comparison, without network or store."""
    began = time.perf_counter()
    base = ItemSet(held)
    say(f"set made in {time.perf_counter() - began:.2f} s, {base.bytes_used / base.count:.0f} B/id")
    chance = random.Random(1)
    newest = max(claimed_at for claimed_at, _ in held)
    oldest = min(claimed_at for claimed_at, _ in held)
    cases: list[tuple[str, Items]] = [
        ("equal", []),
        ("ten new", [(newest + 1 + n, chance.randbytes(32)) for n in range(NEW)]),
        (
            "ten in the past",
            [(chance.randrange(oldest, newest), os.urandom(32)) for _ in range(NEW)],
        ),
    ]
    for name, more in cases:
        other = ItemSet(held)
        adding = timed(lambda other=other, more=more: other.add_many(more))
        times: list[float] = []
        sizes: list[int] = []
        for _ in range(21):
            began = time.perf_counter()
            sizes = compare(base, other)
            times.append(time.perf_counter() - began)
        say(
            f"in memory, {name:16}{median(times) * 1e3:8.2f} ms, {len(sizes) // 2} rounds, "
            f"{sum(sizes)} bytes; adding them {adding * 1e3:.2f} ms"
        )
    return []


def compare(mine: ItemSet, theirs: ItemSet) -> list[int]:
    """Compare two sets that were equal before; return the sizes of all messages."""
    opener = Negentropy(mine.snapshot(), frame_bytes_max=NEGENTROPY_BYTES_MAX)
    other = Negentropy(theirs.snapshot(), frame_bytes_max=NEGENTROPY_BYTES_MAX)
    message: bytes | None = opener.initiate(0)
    sizes: list[int] = []
    while message is not None:
        answer = other.reconcile(message).message or b""
        sizes += [len(message), len(answer)]
        message = opener.reconcile(answer).message
    return sizes


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def stalls(held: Items) -> list[str]:
    """Answer a frame full of wrong fingerprints where an event loop would, and beside it."""
    snapshot = ItemSet(held).snapshot()
    message = bytearray(b"\x61")
    step = max(1, snapshot.count // 12_000)
    order = 0
    for index in range(step, snapshot.count, step):
        bound = snapshot.item(index)[0]
        message += encode_varint(bound - order + 1) + b"\x00\x01" + bytes(16)
        order = bound
        if len(message) > NEGENTROPY_BYTES_MAX - 64:
            break
    side = Negentropy(snapshot, frame_bytes_max=NEGENTROPY_BYTES_MAX)
    alone = timed(lambda: side.reconcile(bytes(message)))
    longest = trio.run(longest_stall, lambda: side.reconcile(bytes(message)))
    say(
        f"attack frame of {len(message)} bytes: {alone * 1e3:.0f} ms of work; "
        f"the loop stood still for {longest * 1e3:.1f} ms at most"
    )
    return []


async def longest_stall(work: Callable[[], object]) -> float:
    """Run `work` where a node does, and see how late a timer of a millisecond is meanwhile."""
    longest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder) / "replica.db")
        await storage.open()
        done = False

        async def watch() -> None:
            nonlocal longest
            while not done:
                began = time.perf_counter()
                await trio.sleep(0.001)
                longest = max(longest, time.perf_counter() - began - 0.001)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await trio.sleep(0.05)
            await storage.compute(work)
            done = True
        await storage.close()
    return longest


# --- between two nodes ----------------------------------------------------------------------------


def between_nodes(ana: Home, rui: Home, entries: int, sessions: int) -> list[str]:
    wrong: list[str] = []
    commons = corpus.founding().id.hex()
    for home, name in ((ana, "ana"), (rui, "rui")):
        home.run("init", "--name", name, accept=(0, 7))
    ana.start(listen=free_address())
    rui.start(listen=free_address())
    rui.run("join", str(ana.run("invite", commons)["invite"]))
    wait_equal([ana, rui], commons, SECONDS_MAX)
    # The first sessions find the two equal and compare in full, which is done once a day.
    for _ in range(3):
        sync(rui)
    trip, opened = trio.run(bare_round_trips)
    say(
        f"bare libp2p: a stream and one frame each way {opened:.1f} ms, "
        f"each further frame each way {trip:.1f} ms"
    )
    figures = [session(rui, received=0) for _ in range(sessions)]
    wrong += report("equal", figures, 0)
    if max(map(total_bytes, figures)) > EQUAL_BYTES_MAX or figures[0]["rounds"] != 1:
        wrong.append("equal replicas took more than one round or 400 bytes")
    new: list[Json] = []
    size = 0
    for number in range(sessions):
        start = entries + number * NEW
        made = [each for block in corpus.entries(start, start + NEW) for each in block]
        new.append(fetched(ana, rui, made))
        size = max(size, bytes_of(made))
    wrong += report(f"{NEW} new", new, size)
    if max(map(total_bytes, new)) > size + BEYOND_ENTRIES_MAX or max(map(rounds_of, new)) > 3:
        wrong.append("ten new took more than 3 rounds or 2 kB beyond the entries")
    past: list[Json] = []
    for number in range(sessions):
        made = in_the_past(entries, number)
        past.append(fetched(ana, rui, made))
        size = max(size, bytes_of(made))
    wrong += report(f"{NEW} in the past", past, size)
    wait_equal([ana, rui], commons, SECONDS_MAX)
    return wrong


def fetched(ana: Home, rui: Home, made: list[Contribution]) -> Json:
    """Take contributions into one store, as another process would, and let the other fetch them."""
    with Store.open(find_paths(ana.path).replica_db) as store:
        store.ingest(made, received_at=corpus.RECEIVED_AT)
    figures = session(rui, received=len(made))
    session(rui, received=0)
    return figures


def sync(home: Home) -> None:
    home.run("sync", "--timeout", "60", accept=(0, 1, 6))


def session(home: Home, *, received: int) -> Json:
    """Reconcile until a session of this node has brought so many; return its figures."""
    found: list[Json] = []

    def is_there() -> bool:
        sync(home)
        found[:] = [each for each in opened_sessions(home)[-2:] if each["received"] == received]
        return bool(found)

    wait_until(f"a session that brings {received}", is_there, SECONDS_MAX)
    return found[-1] if not received else found[0]


def opened_sessions(home: Home) -> list[Json]:
    """The last sessions that this node opened and that came to their end."""
    listed = [each for peer in items(home.status(), "peers") for each in items(peer, "sessions")]
    return [each for each in listed if each["opened"] and each["ended"] == "complete"]


def in_the_past(entries: int, number: int) -> list[Contribution]:
    """Sign ten entries that claim to be from anywhere in the corpus's time."""
    chance = random.Random(f"past {number}")
    made: list[Contribution] = []
    for place in range(NEW):
        body = EntryBody("note", f"Found late {number} {place}", "Written long ago. " * 12)
        made.append(
            sign(
                corpus.signer(place),
                ENTRY,
                commons=corpus.founding().id,
                body=encode_body(body, chance.randbytes(16)),
                claimed_at=corpus.time_of(chance.randrange(entries)) + 1,
            )
        )
    return made


def report(name: str, figures: list[Json], entry_bytes: int) -> list[str]:
    times = sorted(float(cast("float", each["milliseconds"])) for each in figures)
    beyond = max(map(total_bytes, figures)) - entry_bytes
    say(
        f"between nodes, {name:16}{median(times):8.1f} ms ({times[0]:.1f} to {times[-1]:.1f}), "
        f"{max(map(rounds_of, figures))} rounds, {beyond} bytes"
        + (f" beyond {entry_bytes} of entries" if entry_bytes else " in all")
    )
    return []


def total_bytes(figures: Json) -> int:
    return cast("int", figures["bytes_sent"]) + cast("int", figures["bytes_received"])


def rounds_of(figures: Json) -> int:
    return cast("int", figures["rounds"])


def bytes_of(made: list[Contribution]) -> int:
    """Bytes of contributions as sent: header, body, signature and grant."""
    return sum(len(each.header_bytes) + len(each.body or b"") + 128 for each in made)


async def bare_round_trips() -> tuple[float, float]:
    """Milliseconds of a frame each way with another process, alone and with opening the stream."""
    echo = subprocess.Popen(  # noqa: ASYNC220  nothing else waits yet
        [sys.executable, str(Path(__file__).with_name("echo_node.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert echo.stdout is not None
    try:
        address = echo.stdout.readline().decode().strip()
        peer_id = address.rpartition("/p2p/")[2]
        async with open_host(os.urandom(32), ["/ip4/127.0.0.1/tcp/0"]) as host:
            await host.dial(peer_id, [address])
            trips: list[float] = []
            opened: list[float] = []
            for _ in range(21):
                began = time.perf_counter()
                stream = await host.open_stream(peer_id, RECONCILE_PROTOCOL)
                await stream.write_frame(bytes(300))
                await stream.read_frame(1_000)
                opened.append(time.perf_counter() - began)
                began = time.perf_counter()
                await stream.write_frame(bytes(300))
                await stream.read_frame(1_000)
                trips.append(time.perf_counter() - began)
                await stream.reset()
            return median(trips) * 1e3, median(opened) * 1e3
    finally:
        if echo.stdin is not None:
            echo.stdin.close()
        echo.wait(10)


if __name__ == "__main__":
    sys.exit(main())
