"""Finding each other on the local network. Real multicast only inside a namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.net.lan import (
    ADDRESSES_MAX,
    LanDiscovery,
    LanPeer,
    announceable,
    decode_text,
    encode_text,
)
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
