"""A limit of bytes a second slows everything down and breaks nothing."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.node.nodes import equal, running, until

from p2pcommons.config import Config
from p2pcommons.paths import find_paths
from p2pcommons.protocol.events import FrameReceived, Started, Tick
from p2pcommons.protocol.limits import NONCE_BYTES
from p2pcommons.protocol.messages import Commons, Hello, Message, encode_message
from p2pcommons.protocol.session import Session
from p2pcommons.replica import open_replica


def limited(home: Path, kilobytes_per_second: int) -> Path:
    paths = find_paths(home)
    paths.make()
    Config.load(paths.config_file).set("network.kilobytes_per_second", kilobytes_per_second)
    return home


def filled(home: Path) -> bytes:
    """A garden with long texts, written before its node runs: gossip has nothing of it."""
    with closing(open_replica(home)) as replica:
        replica.create_identity(home.name)
        garden = replica.create_commons("Garden").id
        with replica.batch():
            for number in range(10):
                text = os.urandom(20_000).hex()
                replica.add_entry(garden, title=f"Long {number}", text=text)
    return garden


@pytest.mark.trio
@pytest.mark.network
@pytest.mark.parametrize("slow", ["ana", "bob"])
async def test_a_session_on_a_slow_line_comes_to_its_end(tmp_path: Path, slow: str) -> None:
    homes = {name: tmp_path / name for name in ("ana", "bob")}
    limited(homes[slow], 500)
    garden = filled(homes["ana"])
    async with running(homes["ana"]) as ana, running(homes["bob"]) as bob:
        began = trio.current_time()
        bob.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, bob), 30)
        traffic = (await (ana if slow == "ana" else bob).now())["traffic"]
        assert traffic["per_second_max"] == 500_000
        moved = traffic["bytes_in"] + traffic["bytes_out"]
        assert moved > 400_000
        assert moved <= 500_000 * (trio.current_time() - began + 1) + 262_144
        # Of two that begin at once, one gives way before anything moved.
        moving: list[Any] = []
        with trio.fail_after(30):
            while not moving:
                (peer,) = (await bob.now())["peers"]
                moving = [each for each in peer["sessions"] if each["bytes_received"] > 10_000]
                await trio.sleep(0.05)
        assert (peer["reason"], peer["blocked_until"]) == ("", None)
        assert {each["ended"] for each in moving} == {"complete"}


def begun(*messages: Message) -> Session:
    """The answering side of a session, after it has heard these."""
    session = Session(is_opener=False, commons=[], nonce=bytes(NONCE_BYTES), now_s=0)
    session.handle(Started(), 0)
    for message in messages:
        session.handle(FrameReceived(encode_message(message)), 0)
    return session


@pytest.mark.parametrize(
    ("is_greeted", "is_arriving", "ends"),
    [(True, True, False), (True, False, True), (False, True, True)],
)
def test_part_of_a_frame_is_no_silence_once_both_have_greeted(
    is_greeted: bool, is_arriving: bool, ends: bool
) -> None:
    greetings = (Hello(bytes([1]) * NONCE_BYTES, 0), Commons((), ()))
    session = begun(*greetings if is_greeted else greetings[:1])
    for second in range(1, 120):
        session.handle(Tick(is_arriving=is_arriving), second * 1_000)
    assert session.has_ended is ends
