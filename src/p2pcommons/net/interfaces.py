"""Turns wildcard listen addresses into the addresses that others can really reach.

libp2p advertises `/ip4/0.0.0.0/...` literally: in Identify, in mDNS, in signed records.
"""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import ifaddr

from p2pcommons.net.journal import paced_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WILDCARDS = {"0.0.0.0": 4, "::": 6}  # noqa: S104 - recognised here, never bound
log = paced_logger(__name__)
_seen: list[tuple[str, ...]] = [()]
_IPV6_TABLE = Path("/proc/net/if_inet6")
_NOT_IN_USE = 0x40 | 0x20 | 0x08
"""Tentative, deprecated, found to be a double: linux/if_addr.h."""


def local_ips() -> tuple[str, ...]:
    """All IP addresses of this machine that are in use, loopback last.

    Without link-local IPv6: such an address means something together with a zone only, and the
    zone is the reader's own, so it cannot be told to anybody. When the system cannot say, for want
    of file handles for instance, those that it said last.
    """
    try:
        adapters = ifaddr.get_adapters()
    except OSError as error:
        log.warning("cannot look at the interfaces: %s", error)
        return _seen[-1]
    found: list[str] = []
    idle = idle_ipv6(_IPV6_TABLE) if sys.platform == "linux" else frozenset[str]()
    for adapter in adapters:
        for each in adapter.ips:
            text = each.ip if isinstance(each.ip, str) else each.ip[0]
            address = ipaddress.ip_address(text)
            if address.version == 6 and (address.is_link_local or str(address) in idle):
                continue
            found.append(text)
    _seen[:] = [tuple(sorted(dict.fromkeys(found), key=_rank))]
    return _seen[-1]


def addressed_links() -> frozenset[int]:
    """The indices of the interfaces with an address by which others can find this machine.

    In use or not: one that has just come up still checks its addresses.
    """
    try:
        adapters = ifaddr.get_adapters()
    except OSError as error:
        log.warning("cannot look at the interfaces: %s", error)
        return frozenset()
    return frozenset(
        adapter.index
        for adapter in adapters
        if adapter.index is not None and any(_is_told(each.ip) for each in adapter.ips)
    )


def _is_told(ip: str | tuple[str, int, int]) -> bool:
    address = ipaddress.ip_address(ip if isinstance(ip, str) else ip[0])
    return not address.is_loopback and not (address.version == 6 and address.is_link_local)


def idle_ipv6(table: Path) -> frozenset[str]:
    """IPv6 addresses that Linux still checks for doubles, or that are about to go."""
    try:
        lines = table.read_text().splitlines()
    except OSError:
        return frozenset()
    rows = (line.split() for line in lines)
    return frozenset(
        str(ipaddress.IPv6Address(bytes.fromhex(row[0])))
        for row in rows
        if len(row) > 4 and int(row[4], 16) & _NOT_IN_USE
    )


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
