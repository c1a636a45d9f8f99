"""Multiaddresses as text, as far as invites and address books need them; no libp2p here.

Only what this program dials counts: /ip4, /ip6, /dns, /dns4 or /dns6 with /tcp, and /p2p/ID.
"""

from __future__ import annotations

import ipaddress
import re

import base58

from p2pcommons.errors import UserError

PORT_MAX = 65_535
PEER_ID_PREFIX = bytes.fromhex("002408011220")
"""Identity multihash of the protobuf that holds a 32-byte Ed25519 key."""
_PEER_ID_BYTES = 38
_NAMES = ("dns", "dns4", "dns6")


def split_peer_address(text: str) -> tuple[str, str]:
    """Return (address, peer id) of `/…/tcp/PORT/p2p/ID`. Raises UserError saying what is wrong."""
    address, mark, peer_id = text.strip().rpartition("/p2p/")
    if not mark:
        raise UserError(f"{text!r} does not end in /p2p/ and a peer id")
    check_peer_id(peer_id)
    check_address(address)
    return address, peer_id


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
    """Raise UserError unless `address` is one this program can dial or listen on."""
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
        elif protocol not in _NAMES or not host:
            raise UserError(wrong)
    except ipaddress.AddressValueError as error:
        raise UserError(wrong) from error
