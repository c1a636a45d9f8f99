"""Finding each other on the local network. Real multicast only inside a namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from zeroconf import RecordUpdate
from zeroconf._dns import DNSText

from p2pcommons.net.lan import (
    ADDRESSES_MAX,
    FOUND_MAX,
    REMEMBERED_MAX,
    LanDiscovery,
    LanPeer,
    announceable,
    decode_text,
    encode_text,
)
from p2pcommons.net.lan_service import SERVICE_TYPE, _TextListener
from p2pcommons.net.library import peer_id_of_seed

ALICE = peer_id_of_seed(b"a" * 32)
BOB = peer_id_of_seed(b"b" * 32)


def test_announcement_names_peer_and_addresses_and_nothing_else() -> None:
    text = encode_text(ALICE, ["/ip4/10.0.0.1/tcp/4001", "/ip6/fd00::1/tcp/4001"])
    assert decode_text(text) == (
        LanPeer(ALICE, ("/ip4/10.0.0.1/tcp/4001", "/ip6/fd00::1/tcp/4001")),
    )


def test_numbered_keys_of_py_libp2p_are_read() -> None:
    strings = [
        f"dnsaddr{number}=/ip4/10.0.0.1/tcp/{number or 1}/p2p/{BOB}".encode()
        for number in ("", 2, 3)
    ]
    text = b"".join(bytes([len(each)]) + each for each in strings)
    assert len(decode_text(text)[0].addresses) == 3


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"dnsaddr",
        b"dnsaddr=",
        b"dnsaddr=/ip4/10.0.0.1/tcp/1",
        b"dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/nobody",
        b"dnsaddr=/dns4/evil.example/tcp/1/p2p/" + ALICE.encode(),
        b"dnsaddr=/ip4/10.0.0.1/udp/1/quic-v1/p2p/" + ALICE.encode(),
        b"dnsaddr=\xff\xfe/p2p/" + ALICE.encode(),
        b"dnsaddr=/ip4/127.0.0.1/tcp/1/p2p/" + ALICE.encode(),
        b"dnsaddr=/ip6/::1/tcp/1/p2p/" + ALICE.encode(),
        b"dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/" + BOB.encode() + b"/p2p-circuit/p2p/" + ALICE.encode(),
        b"commons=books",
    ],
)
def test_strange_announcements_are_left_out(value: bytes) -> None:
    assert decode_text(bytes([len(value)]) + value) == ()


def test_one_peer_cannot_announce_any_number_of_addresses() -> None:
    text = encode_text(ALICE, [f"/ip4/10.0.0.{n}/tcp/1" for n in range(100)])
    (peer,) = decode_text(text)
    assert len(peer.addresses) == ADDRESSES_MAX


@given(st.binary(max_size=600))
@settings(max_examples=200)
def test_any_bytes_decode_without_an_error(text: bytes) -> None:
    decode_text(text)


def test_loopback_is_not_announced() -> None:
    addresses = [f"/ip4/127.0.0.1/tcp/1/p2p/{ALICE}", f"/ip6/::1/tcp/1/p2p/{ALICE}"]
    assert announceable(ALICE, addresses) == ()


def heard(lan: LanDiscovery) -> list[LanPeer]:
    """What a reader of the channel finds now."""
    found: list[LanPeer] = []
    with suppress(trio.WouldBlock):
        while True:
            found.append(lan.found.receive_nowait())
    return found


@pytest.fixture
def listening() -> LanDiscovery:
    """Carol's ear, without a network: names and texts are brought to it by hand."""
    lan = LanDiscovery()
    lan._peer_id, lan._announced = peer_id_of_seed(b"c" * 32), ("/ip4/10.0.0.3/tcp/1",)
    return lan


@pytest.mark.trio
async def test_goodbye_of_one_name_is_none_of_a_peer_that_has_another(
    listening: LanDiscovery,
) -> None:
    text = encode_text(ALICE, ["/ip4/10.0.0.1/tcp/1"])
    listening._see("before.", text)
    listening._see("after.", text)
    assert heard(listening) == [LanPeer(ALICE, ("/ip4/10.0.0.1/tcp/1",))]
    listening._miss("before.")
    assert heard(listening) == []
    listening._miss("after.")
    assert heard(listening) == [LanPeer(ALICE, ())]
    # Back at once, with the same address: told again.
    listening._see("third.", text)
    assert heard(listening) == [LanPeer(ALICE, ("/ip4/10.0.0.1/tcp/1",))]


@pytest.mark.trio
async def test_other_addresses_of_a_peer_are_told_at_once_and_the_same_ones_are_not(
    listening: LanDiscovery,
) -> None:
    for number in (1, 2, 1):
        for _ in range(3):
            listening._see("a.", encode_text(ALICE, [f"/ip4/10.0.0.{number}/tcp/1"]))
    assert [peer.addresses for peer in heard(listening)] == [
        ("/ip4/10.0.0.1/tcp/1",),
        ("/ip4/10.0.0.2/tcp/1",),
        ("/ip4/10.0.0.1/tcp/1",),
    ]


@pytest.mark.trio
async def test_flood_of_announcements_takes_bounded_room(listening: LanDiscovery) -> None:
    texts = [encode_text(ALICE, [f"/ip4/10.0.0.1/tcp/{port}"]) for port in range(1, 9)]
    for number in range(3 * REMEMBERED_MAX):
        listening._see(f"{number}.", texts[number % len(texts)])
    assert len(listening._names) == REMEMBERED_MAX
    assert len(listening._told) == 1
    assert len(heard(listening)) == FOUND_MAX


def test_records_of_js_one_for_each_address_are_read_together() -> None:
    told: list[tuple[str, bytes]] = []
    addresses = ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/10.9.0.1/tcp/1"]
    records = [
        RecordUpdate(DNSText("Abc." + SERVICE_TYPE, 16, 1, ttl, encode_text(ALICE, [address])))
        for address, ttl in zip(addresses, (120, 120, 120), strict=True)
    ]
    goodbye = RecordUpdate(DNSText("other." + SERVICE_TYPE, 16, 1, 0, encode_text(BOB, addresses)))
    listener = _TextListener(lambda name, text: told.append((name, text)))
    listener.async_update_records(None, 0.0, [*records, goodbye])
    ((name, text),) = told
    assert name == "abc." + SERVICE_TYPE
    assert decode_text(text) == (LanPeer(ALICE, tuple(addresses[1:])),)


@pytest.mark.trio
async def test_node_on_loopback_announces_nothing_and_looks_for_nothing() -> None:
    lan = LanDiscovery()
    assert not await lan.start(ALICE, [f"/ip4/127.0.0.1/tcp/4001/p2p/{ALICE}"])
    assert not lan.is_active
    await lan.stop()


@pytest.mark.network
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare"),
    reason="needs root on Linux for a network namespace",
)
def test_two_nodes_in_one_network_find_each_other() -> None:
    root = Path(__file__).parents[2]
    script = Path(__file__).with_name("lan_namespace.py")
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
