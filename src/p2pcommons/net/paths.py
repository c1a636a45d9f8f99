"""By which way a connection leads to a peer: straight, over the local network, or over a relay."""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ifaddr

from p2pcommons.net.interfaces import ip_of
from p2pcommons.net.sockets import host_key

if TYPE_CHECKING:
    from collections.abc import Iterable

DIRECT, LAN, RELAYED, NONE = "direct", "lan", "relayed", "none"
CIRCUIT = "/p2p-circuit"
_FRESH_SECONDS = 5.0
"""Interfaces come and go; asking the system for them takes a millisecond."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def relay_of(address: str) -> str | None:
    """The peer id of the relay in `/…/p2p/RELAY/p2p-circuit[/p2p/PEER]`, None without a relay."""
    head, mark, _ = address.partition(CIRCUIT)
    return head.rpartition("/p2p/")[2] if mark else None


def is_circuit(connection: Any) -> bool:
    """Whether a connection of the library's runs over a relay."""
    return any(CIRCUIT in str(each) for each in connection.get_transport_addresses())


def machine_of(muxed: Any) -> str:
    """What counts as the machine at the other end for the limits: over a relay, the relay."""
    for address in muxed.get_transport_addresses():
        relay = relay_of(str(address))
        if relay is not None:
            return f"relay {relay}"
    return host_key(muxed.get_remote_address())


def path_of(addresses: Iterable[str]) -> tuple[str, str | None]:
    """The kind of the best of some open connections, and its relay where it has one.

    `addresses` are their other ends; "none" when there are none.
    """
    best: tuple[str, str | None] = (NONE, None)
    for address in addresses:
        relay = relay_of(address)
        if relay is None:
            return (LAN if is_on_our_network(address) else DIRECT, None)
        best = (RELAYED, relay)
    return best


def is_on_our_network(address: str) -> bool:
    """Whether an address is a private or link-local one in a network that this machine is in."""
    text = ip_of(address)
    if text is None:
        return False
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if ip.is_loopback or not (ip.is_private or ip.is_link_local):
        return False
    return any(ip in network for network in _interfaces.now() if network.version == ip.version)


@dataclass(slots=True)
class _Interfaces:
    """The networks that this machine is in, as they were a moment ago."""

    looked_at: float = 0.0
    networks: tuple[Network, ...] = ()

    def now(self) -> tuple[Network, ...]:
        now = time.monotonic()
        if not self.networks or now - self.looked_at >= _FRESH_SECONDS:
            self.looked_at = now
            self.networks = tuple(
                ipaddress.ip_network(f"{_text(each.ip)}/{each.network_prefix}", strict=False)
                for adapter in ifaddr.get_adapters()
                for each in adapter.ips
            )
        return self.networks


def _text(ip: Any) -> str:
    return ip if isinstance(ip, str) else ip[0]


_interfaces = _Interfaces()
