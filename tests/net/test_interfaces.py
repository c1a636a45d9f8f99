from __future__ import annotations

import ifaddr
import pytest

from p2pcommons.net.interfaces import expand_wildcards, is_loopback, local_ips

IPS = ("192.168.1.5", "fd00::5", "127.0.0.1", "::1")


def test_wildcard_becomes_one_address_per_interface() -> None:
    assert expand_wildcards(["/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001"], IPS) == [
        "/ip4/192.168.1.5/tcp/4001",
        "/ip6/fd00::5/tcp/4001",
    ]


def test_machine_without_a_network_keeps_loopback() -> None:
    assert expand_wildcards(["/ip4/0.0.0.0/tcp/1"], ["127.0.0.1"]) == ["/ip4/127.0.0.1/tcp/1"]


def test_wildcard_of_a_family_without_a_network_is_left_out() -> None:
    assert expand_wildcards(["/ip6/::/tcp/1"], ["192.168.1.5", "127.0.0.1", "::1"]) == []


def test_concrete_addresses_stay_and_doubles_go() -> None:
    addresses = ["/ip4/192.168.1.5/tcp/1", "/ip4/0.0.0.0/tcp/1", "/dns4/a.example/tcp/1"]
    assert expand_wildcards(addresses, IPS) == [
        "/ip4/192.168.1.5/tcp/1",
        "/dns4/a.example/tcp/1",
    ]


def test_own_interfaces_are_found_without_zones() -> None:
    ips = local_ips()
    assert ips
    assert all("%" not in ip and not ip.startswith("fe80") for ip in ips)


def test_machine_without_a_file_handle_left_keeps_the_addresses_it_saw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = local_ips()

    def fail() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(ifaddr, "get_adapters", fail)
    assert local_ips() == before


def test_loopback_is_known_in_both_families() -> None:
    assert is_loopback("/ip4/127.0.0.9/tcp/1")
    assert is_loopback("/ip6/::1/tcp/1")
    assert not is_loopback("/ip4/10.0.0.1/tcp/1")
    assert not is_loopback("/dns4/localhost/tcp/1")
