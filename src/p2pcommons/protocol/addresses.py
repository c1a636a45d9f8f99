"""Multiaddresses as text, as far as invites and address books need them; no libp2p here.

Only what this program dials counts: /ip4, /ip6, /dns, /dns4 or /dns6 with /tcp, behind it perhaps
/p2p/RELAY/p2p-circuit for a way through a relay, and /p2p/ID.
"""

from __future__ import annotations

import ipaddress
import re
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING

import base58

from p2pcommons.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

PORT_MAX = 65_535
PEER_ID_PREFIX = bytes.fromhex("002408011220")
"""Identity multihash of the protobuf that holds a 32-byte Ed25519 key."""
_PEER_ID_BYTES = 38
CIRCUIT = "/p2p-circuit"
"""How an address through a relay ends, before the /p2p/ID of who is met there."""
_NAMES = ("dns", "dns4", "dns6")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")
"""A name that resolvers know; others come as punycode. It may stand in logs and on screens."""
_AT_HOME = ("local", "lan", "internal", "intranet", "home", "arpa", "box")
"""Last parts of names that mean another machine, or none, in another private network."""
_NETWORK_BITS = {4: 24, 6: 48}
"""What one customer of a provider usually has to itself, by the version of IP."""


class Scope(IntEnum):
    """From where an address means the same thing; what is less comes from farther away."""

    GLOBAL = 0
    PRIVATE = 1
    LOOPBACK = 2
    NOBODY = 3


def split_peer_address(text: str) -> tuple[str, str]:
    """Return (address, peer id) of `/…/tcp/PORT/p2p/ID`. Raises UserError saying what is wrong."""
    address, mark, peer_id = text.strip().rpartition("/p2p/")
    if not mark:
        raise UserError(f"{text!r} does not end in /p2p/ and a peer id")
    check_peer_id(peer_id)
    check_address(address)
    return address, peer_id


def read_peer_addresses(texts: Iterable[str]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return the addresses of each peer in a list of `/…/tcp/PORT/p2p/ID`, and what is wrong."""
    found: dict[str, tuple[str, ...]] = {}
    wrong: list[str] = []
    for text in texts:
        try:
            address, peer_id = split_peer_address(text)
        except UserError as error:
            wrong.append(str(error))
            continue
        found[peer_id] = tuple(dict.fromkeys((*found.get(peer_id, ()), address)))
    return found, wrong


def check_peer_id(peer_id: str) -> bytes:
    """Return the Ed25519 key inside a base58 peer id. Raises UserError when it is not one."""
    try:
        decoded = base58.b58decode(peer_id)
    except ValueError:
        decoded = b""
    if len(decoded) != _PEER_ID_BYTES or not decoded.startswith(PEER_ID_PREFIX):
        raise UserError(f"{peer_id!r} is not a peer id; they begin with 12D3Koo")
    return decoded[len(PEER_ID_PREFIX) :]


def check_address(address: str) -> None:
    """Raise UserError unless `address` is one this program can dial, through a relay or not."""
    direct, mark, through = address.partition("/p2p/")
    if mark:
        relay, slash, rest = through.partition("/")
        if slash + rest != CIRCUIT:
            raise UserError(f"{address!r} does not end in /p2p/RELAY{CIRCUIT}")
        check_peer_id(relay)
    _check_direct(direct)


def is_dialled(address: str) -> bool:
    """Tell whether `address` is one this program can dial."""
    try:
        check_address(address)
    except UserError:
        return False
    return True


def is_circuit(address: str) -> bool:
    """Tell whether an address leads through a relay."""
    return f"{CIRCUIT}/" in f"{address}/"


def relay_in(address: str) -> str:
    """Return the relay's own address with its /p2p/ID, of an address that leads through it."""
    return address.partition(CIRCUIT)[0]


def without_peer(address: str, peer_id: str) -> str:
    """Return an address without the /p2p/ID of the peer that is met there."""
    return address.removesuffix(f"/p2p/{peer_id}")


@lru_cache(maxsize=8_192)
def scope_of(address: str) -> Scope:
    """Return from where an address can be used; of one through a relay, that of the relay."""
    ip = _ip_of(address)
    if ip is None:
        return _scope_of_name(address)
    if ip.is_multicast or ip.is_unspecified:
        return Scope.NOBODY
    if ip.is_loopback:
        return Scope.LOOPBACK
    # What carriers and overlay networks share (100.64.0.0/10) is neither private nor global.
    return Scope.GLOBAL if ip.is_global else Scope.PRIVATE


def _scope_of_name(address: str) -> Scope:
    """What a name leads to is known only when it is asked for; some mean nothing elsewhere."""
    name = address.split("/")[2].lower().rstrip(".") if address.count("/") > 1 else ""
    first, dot, last = name.rpartition(".")
    if last == "localhost":
        return Scope.LOOPBACK
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last):
        return Scope.NOBODY  # resolvers take it for an IP in a spelling of its own
    return Scope.GLOBAL if dot and first and last not in _AT_HOME else Scope.PRIVATE


def fitting(addresses: Iterable[str], heard_at: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses that can mean the same here as where they come from.

    `heard_at` are the addresses at which their bringer is connected. An address of this machine
    is believed of a bringer on this machine alone, one of a private network of a bringer in one.
    A name is believed of nobody: whose it is may let it lead to any machine, ours too.
    """
    reach = max((scope_of(address) for address in heard_at), default=Scope.GLOBAL)
    return tuple(
        address
        for address in addresses
        if _ip_of(address) is not None and scope_of(address) <= reach
    )


@lru_cache(maxsize=8_192)
def network_of(address: str) -> str | None:
    """Return what stands for the one who has an address: its network, or the name it is found by.

    None for addresses that cost nothing anyway, or prove nothing: private ones and loopback.
    """
    ip = _ip_of(address)
    if ip is None:
        return address.split("/")[2] if address.count("/") > 1 else None
    if scope_of(address) is not Scope.GLOBAL:
        return None
    return str(ipaddress.ip_network((ip, _NETWORK_BITS[ip.version]), strict=False))


def _ip_of(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address.split("/")[2])
    except (ValueError, IndexError):
        return None


def _check_direct(address: str) -> None:
    parts = address.split("/")
    wrong = f"{address!r} is not an address like /ip4/192.0.2.1/tcp/4001"
    if len(parts) != 5 or parts[0] != "" or parts[3] != "tcp":
        raise UserError(wrong)
    _, protocol, host, _, port = parts
    # Other scripts have digits too, and a number of any length is no port.
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > PORT_MAX:
        raise UserError(f"{address!r} has no port between 0 and {PORT_MAX}")
    try:
        if protocol == "ip4":
            ipaddress.IPv4Address(host)
        elif protocol == "ip6":
            ipaddress.IPv6Address(host)
        elif protocol not in _NAMES or not _NAME.fullmatch(host):
            raise UserError(wrong)
    except ipaddress.AddressValueError as error:
        raise UserError(wrong) from error
