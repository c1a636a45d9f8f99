"""What a socket address means to us: who counts as one machine, why a port cannot be had."""

from __future__ import annotations

import ipaddress
import socket


def host_key(remote: tuple[str, int] | None) -> str:
    """What counts as one machine: an IPv4 address, or the /64 of an IPv6 address."""
    if remote is None:
        return "unknown"
    address = ipaddress.ip_address(remote[0].split("%", 1)[0])
    if address.version == 4 or address.is_loopback:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


def why_not(address: str) -> str:
    """Bind once more, only to learn the reason in words; the library keeps it to itself."""
    parts = address.split("/")
    if len(parts) != 5 or parts[1] not in ("ip4", "ip6") or parts[3] != "tcp":
        return "not an address of the form /ip4/…/tcp/… or /ip6/…/tcp/…"
    family = socket.AF_INET if parts[1] == "ip4" else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((parts[2], int(parts[4])))
            probe.listen()
    except (OSError, ValueError, OverflowError) as error:
        return (getattr(error, "strerror", None) or str(error)).lower()
    return "the library gave no reason"
