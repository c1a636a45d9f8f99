"""Multiaddresses as text: what can be dialled, and what is said about the rest."""

from __future__ import annotations

import base58
import pytest

from p2pcommons.errors import UserError
from p2pcommons.protocol.addresses import (
    PEER_ID_PREFIX,
    Scope,
    check_address,
    check_peer_id,
    fitting,
    scope_of,
    split_peer_address,
)

PEER = base58.b58encode(PEER_ID_PREFIX + bytes(range(32))).decode()


def test_an_address_with_a_peer_id_is_taken_apart() -> None:
    assert split_peer_address(f" /ip4/192.0.2.1/tcp/4001/p2p/{PEER} ") == (
        "/ip4/192.0.2.1/tcp/4001",
        PEER,
    )
    assert PEER.startswith("12D3Koo")
    assert check_peer_id(PEER) == bytes(range(32))


@pytest.mark.parametrize(
    "address",
    ["/ip4/192.0.2.1/tcp/0", "/ip6/2001:db8::1/tcp/65535", "/dns4/example.org/tcp/443"],
)
def test_what_can_be_dialled_is_accepted(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/ip4/192.0.2.1/tcp/" + "9" * 5_000,
        "/ip4/192.0.2.1/tcp/\u0663\u0663",
        "192.0.2.1:4001",
        "/ip4/192.0.2.1",
        "/ip4/192.0.2.1/udp/4001",
        "/ip4/192.0.2.256/tcp/4001",
        "/ip6/192.0.2.1/tcp/4001",
        "/ip4/192.0.2.1/tcp/65536",
        "/ip4/192.0.2.1/tcp/http",
        "/dns//tcp/1",
        "/dns4/\x1b[2Jexample.org/tcp/1",
        "/dns4/example.org\u202e/tcp/1",
        "/dns4/two words/tcp/1",
        "/unix/x/tcp/1",
    ],
)
def test_what_cannot_is_refused(address: str) -> None:
    with pytest.raises(UserError):
        check_address(address)


@pytest.mark.parametrize("peer", ["", "Qm", "0OIl", PEER[:-1], PEER + "1"])
def test_a_peer_id_that_is_none_is_refused(peer: str) -> None:
    with pytest.raises(UserError, match="not a peer id"):
        check_peer_id(peer)


def test_an_address_without_a_peer_id_says_what_is_missing() -> None:
    with pytest.raises(UserError, match="/p2p/"):
        split_peer_address("/ip4/192.0.2.1/tcp/4001")


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("/ip4/9.9.9.9/tcp/1", Scope.GLOBAL),
        ("/ip4/100.100.1.2/tcp/1", Scope.PRIVATE),
        ("/ip6/fd00::1/tcp/1", Scope.PRIVATE),
        ("/ip6/fe80::1/tcp/1", Scope.PRIVATE),
        ("/ip4/127.0.0.2/tcp/1", Scope.LOOPBACK),
        ("/ip4/0.0.0.0/tcp/1", Scope.NOBODY),
        (f"/dns4/relay.example.org/tcp/1/p2p/{PEER}/p2p-circuit", Scope.GLOBAL),
        ("/dns4/localhost/tcp/631", Scope.LOOPBACK),
        ("/dns/a.LocalHost./tcp/631", Scope.LOOPBACK),
        ("/dns4/router/tcp/80", Scope.PRIVATE),
        ("/dns4/nas.local/tcp/80", Scope.PRIVATE),
        ("/dns4/127.1/tcp/80", Scope.NOBODY),
        ("/dns4/2130706433/tcp/80", Scope.NOBODY),
        ("/dns4/0x7f.0x1/tcp/80", Scope.NOBODY),
    ],
)
def test_an_address_means_the_same_as_far_as_its_ip_or_name_does(
    address: str, scope: Scope
) -> None:
    assert scope_of(address) is scope


def test_what_an_overlay_network_gave_this_machine_is_not_for_the_internet() -> None:
    own = ["/ip4/100.100.1.2/tcp/1", "/ip4/9.9.9.9/tcp/1"]
    assert fitting(own, ["/ip4/8.8.8.8/tcp/1"]) == ("/ip4/9.9.9.9/tcp/1",)
    assert fitting(own, ["/ip4/100.100.1.3/tcp/1"]) == tuple(own)


@pytest.mark.parametrize("heard_at", ["/ip4/8.8.8.8/tcp/1", "/ip4/127.0.0.1/tcp/1"])
def test_a_name_that_a_stranger_gives_is_not_dialled_for_it_may_lead_into_our_own_network(
    heard_at: str,
) -> None:
    name = "/dns4/leads-to-127-0-0-1.example.org/tcp/631"
    given = [name, f"{name}/p2p/{PEER}/p2p-circuit", "/ip4/9.9.9.9/tcp/1"]
    assert fitting(given, [heard_at]) == ("/ip4/9.9.9.9/tcp/1",)
