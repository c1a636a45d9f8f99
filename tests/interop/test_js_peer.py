"""A js-libp2p peer, written from docs/protocol.md, takes part in a commons with our node."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from libp2p.host.ping import PingService

from p2pcommons.model.contribution import encode_envelope
from p2pcommons.net.host import open_host
from p2pcommons.net.library import read_peer_id
from p2pcommons.replica import open_replica
from tests.cli.conftest import Home

from .jspeer import FOLDER, INSTALL_SECONDS, JsPeer, js_peer, node_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.network, pytest.mark.timeout(INSTALL_SECONDS + 120)]

ROOT = Path(__file__).parents[2]
LOCAL = ("--mode", "friends", "--listen", "/ip4/127.0.0.1/tcp/0")


@pytest.fixture(scope="module")
def node() -> str:
    return node_program()


@dataclass
class Meeting:
    """Ana's home with a running node, and a js peer that is connected and has joined."""

    ana: Home
    js: JsPeer
    commons: str
    peer_id: str
    address: str

    def envelope(self, identifier: str) -> str:
        """What Ana's store holds of a contribution, in hex."""
        with open_replica(self.ana.path) as replica:
            held = replica.store.envelopes(bytes.fromhex(self.commons), [bytes.fromhex(identifier)])
        return encode_envelope(held[bytes.fromhex(identifier)]).hex()

    def reason_against(self, peer_id: str) -> str:
        """Why a peer is refused, as the status says it."""
        peers = self.ana.json("node", "status")["peers"]
        return next((each["reason"] for each in peers if each["peer_id"] == peer_id), "")

    def reconcile(self) -> dict[str, Any]:
        """A session that js opens; again when ours is under way, since one of two is reset."""
        answer = until(
            lambda: (
                (tried := self.js.try_to("reconcile", peer_id=self.peer_id)).get("results")
                and tried
            )
        )
        (result,) = answer["results"]
        return result

    def lists(self, title: str) -> bool:
        return title in {row["title"] for row in self.ana.json("list")["items"]}


@pytest.fixture(scope="module")
def met(node: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meeting]:
    ana = Home(tmp_path_factory.mktemp("js") / "ana")
    ana.json("init", "--name", "Ana")
    commons = ana.json("commons", "create", "Sun kitchen", "--purpose", "Cooking")["id"]
    ana.add("Build a solar oven", "--tag", "solar")
    try:
        status = ana.json("node", "start", *LOCAL)
        with js_peer(node) as js:
            yield connect(ana, js, commons, status)
    finally:
        ana("node", "stop")


def connect(ana: Home, js: JsPeer, commons: str, status: dict[str, Any]) -> Meeting:
    address = status["addresses"][0]
    js.ask("join", commons=commons)
    dialled = js.ask("dial", address=address)
    assert dialled["peer_id"] == status["peer_id"]
    assert (dialled["encryption"], dialled["multiplexer"]) == ("/noise", "/yamux/1.0.0")
    return Meeting(ana, js, commons, status["peer_id"], address)


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.05)
    return found


def test_js_reads_the_test_vectors_as_we_do(node: str) -> None:
    vectors = ROOT / "tests" / "vectors"
    files = [vectors / "contributions-v1.json", vectors / "protocol-v1.json"]
    done = subprocess.run(
        [node, FOLDER / "vectors.mjs", *files], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"wrong": []}


def test_js_learns_by_identify_who_we_are_and_what_we_speak(met: Meeting) -> None:
    told = until(
        lambda: (found := met.js.ask("identified", peer_id=met.peer_id))["known"] and found
    )
    assert {
        "/meshsub/1.1.0",
        "/p2pcommons/reconcile/1.0.0",
        "/p2pcommons/blob/1.0.0",
        "/ipfs/ping/1.0.0",
        "/ipfs/id/1.0.0",
    } <= set(told["protocols"])
    assert told["listens"] == [met.address.partition("/p2p/")[0]]
    assert told["observed"].startswith("/ip4/127.0.0.1/tcp/")
    assert told["agent"].startswith("p2pcommons/")
    assert told["protocol"] == "p2pcommons/1"


def test_js_pings_us(met: Meeting) -> None:
    assert met.js.ask("ping", peer_id=met.peer_id)["ms"] >= 0


@pytest.mark.trio
async def test_we_dial_js_and_ping_it(met: Meeting) -> None:
    async with open_host(b"j" * 32, ["/ip4/127.0.0.1/tcp/0"]) as host:
        report = await host.dial(met.js.peer_id, met.js.addresses)
        assert report.connected, report.tried
        ping = PingService(host.library_host)
        assert await ping.ping(read_peer_id(met.js.peer_id), ping_amt=2)


def test_what_we_add_reaches_js_by_gossip_byte_for_byte(met: Meeting) -> None:
    until(lambda: met.peer_id in met.js.ask("subscribers", commons=met.commons)["peers"])
    added = met.ana.add("Sprouts on a window sill", "--tag", "food")
    (message,) = until(
        lambda: [each for each in met.js.ask("gossip")["messages"] if added in each["ids"]]
    )
    assert message["type"] == "unsigned"
    assert message["fitting"]
    at = message["ids"].index(added)
    assert message["envelopes"][at] == met.envelope(added)


def test_what_js_signs_and_publishes_is_accepted_and_listed(met: Meeting) -> None:
    until(lambda: met.peer_id in met.js.ask("subscribers", commons=met.commons)["peers"])
    written = met.js.ask("write", commons=met.commons, title="A lens of ice", tags=["ice", "solar"])
    assert (
        met.peer_id in met.js.ask("publish", commons=met.commons, ids=[written["id"]])["recipients"]
    )
    until(lambda: met.lists("A lens of ice"))
    assert met.envelope(written["id"]) == written["envelope"]
    shown = met.ana.json("show", written["id"])
    assert set(shown["tags"]) == {"ice", "solar"}


def test_js_opens_a_session_and_both_hold_the_same_afterwards(met: Meeting) -> None:
    for number in range(3):
        met.js.ask("write", commons=met.commons, title=f"Written offline {number}", tags=[])
    result = met.reconcile()
    assert result["equal"], result
    until(lambda: met.lists("Written offline 2"))
    held = met.js.ask("held", commons=met.commons)["envelopes"]
    assert {key: met.envelope(key) for key in held} == held
    assert len(held) == met.ana.json("digest", met.commons)["count"]
    # Equal sets: nothing is sent.
    again = met.reconcile()
    assert (again["equal"], again["sent"], again["received"]) == (True, 0, 0)


def test_we_open_a_session_with_js_and_both_hold_the_same_afterwards(met: Meeting) -> None:
    met.js.ask("serve")
    # More than are listed at once: ranges are compared by fingerprints.
    for number in range(40):
        met.js.ask("write", commons=met.commons, title=f"Lens {number}", tags=["ice"])
    before = len(met.js.ask("sessions")["sessions"])
    met.ana.add("Only here so far")
    met.ana.json("sync")
    until(lambda: met.lists("Lens 39"))

    def last() -> list[dict[str, Any]]:
        # One that was opened while js opened one too is reset, and goes for an error.
        done = [each for each in met.js.ask("sessions")["sessions"][before:] if "results" in each]
        return [each for each in done if each["results"][0]["equal"]]

    assert until(last)[0]["peer_id"] == met.peer_id
    held = met.js.ask("held", commons=met.commons)["envelopes"]
    assert len(held) == met.ana.json("digest", met.commons)["count"]
    (shared,) = met.ana.json("node", "status")["commons"]
    (with_js,) = [each for each in shared["peers"] if each["peer_id"] == met.js.peer_id]
    assert with_js["equal"], with_js


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param("ffffffff" + "00" * 64, id="a frame of four gigabytes"),
        pytest.param("00000004" + "deadbeef", id="no msgpack"),
        pytest.param("00000008" + "91a568656c6c6f" + "00", id="a hello of nothing"),
    ],
)
def test_garbage_of_js_ends_its_stream_and_the_node_goes_on(
    node: str, met: Meeting, sent: str
) -> None:
    # A peer of its own: it is refused afterwards.
    with js_peer(node) as stranger:
        stranger.ask("dial", address=met.address)
        ended = stranger.ask("raw", peer_id=met.peer_id, bytes=sent)["ended"]
        assert ended in ("reset", "closed"), "the node ends the stream, or the whole connection"
        until(lambda: met.reason_against(stranger.peer_id))
    assert met.js.ask("ping", peer_id=met.peer_id)["ms"] >= 0
