"""Turns wildcard listen addresses into the addresses that others can really reach.

libp2p advertises `/ip4/0.0.0.0/...` literally: in Identify, in mDNS, in signed records.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import ifaddr

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WILDCARDS = {"0.0.0.0": 4, "::": 6}  # noqa: S104 - recognised here, never bound


def local_ips() -> tuple[str, ...]:
    """All IP addresses of this machine, loopback last, without link-local IPv6 (needs a zone)."""
    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        for each in adapter.ips:
            text = each.ip if isinstance(each.ip, str) else each.ip[0]
            address = ipaddress.ip_address(text)
            if address.version == 6 and address.is_link_local:
                continue
            found.append(text)
    return tuple(sorted(dict.fromkeys(found), key=_rank))


def _rank(ip: str) -> tuple[bool, bool, str]:
    address = ipaddress.ip_address(ip)
    return (address.is_loopback, address.version == 6, ip)


def ip_of(address: str) -> str | None:
    """The IP in a multiaddress of the form /ip4/… or /ip6/…, else None."""
    parts = address.split("/")
    return parts[2] if len(parts) > 2 and parts[1] in ("ip4", "ip6") else None


def is_loopback(address: str) -> bool:
    """Whether a multiaddress names this machine only."""
    ip = ip_of(address)
    return ip is not None and ipaddress.ip_address(ip).is_loopback


def expand_wildcards(addresses: Iterable[str], ips: Sequence[str] | None = None) -> list[str]:
    """Replace /ip4/0.0.0.0 and /ip6/:: by one address per interface; others stay.

    A machine without any network keeps its loopback address; otherwise loopback is left out of an
    expanded wildcard, because it means another machine to everybody else.
    """
    known = tuple(ips) if ips is not None else None
    result: dict[str, None] = {}
    for address in addresses:
        ip = ip_of(address)
        if ip not in WILDCARDS:
            result[address] = None
            continue
        if known is None:
            known = local_ips()
        result.update(dict.fromkeys(_concrete(address, WILDCARDS[ip], known)))
    return list(result)


def _concrete(address: str, version: int, ips: Sequence[str]) -> list[str]:
    rest = address.split("/", 3)[3]
    matching = [ip for ip in ips if ipaddress.ip_address(ip).version == version]
    if any(not ipaddress.ip_address(ip).is_loopback for ip in ips):
        matching = [ip for ip in matching if not ipaddress.ip_address(ip).is_loopback]
    return [f"/ip{version}/{ip}/{rest}" for ip in matching]
