"""Multiaddresses and peer ids as bytes, as the messages of other libp2p programs carry them.

Only the kinds that this program dials are known; see `protocol.addresses`.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

import base58

from p2pcommons.errors import RejectedError, RejectReason, UserError
from p2pcommons.protocol.addresses import PEER_ID_PREFIX, check_address, check_peer_id
from p2pcommons.protocol.varint import read_varint, write_varint

_IP4, _TCP, _IP6, _DNS, _DNS4, _DNS6, _P2P, _CIRCUIT = 4, 6, 41, 53, 54, 55, 421, 290
"""Codes of the multiaddr table of multiformats."""
_FIXED_BYTES = {_IP4: 4, _IP6: 16, _TCP: 2, _CIRCUIT: 0}
_NAMES = {"dns": _DNS, "dns4": _DNS4, "dns6": _DNS6}
_WORDS = {code: name for name, code in _NAMES.items()}
_PARTS_MAX = 8
_PEER_ID_BYTES = len(PEER_ID_PREFIX) + 32


@lru_cache(maxsize=4_096)
def peer_id_to_bytes(peer_id: str) -> bytes:
    """Return the multihash that a peer id stands for. Raises UserError when it is not one."""
    return PEER_ID_PREFIX + check_peer_id(peer_id)


def peer_id_from_bytes(data: bytes) -> str | None:
    """Return the text of a peer id, None for one of another kind of key than ours."""
    if len(data) != _PEER_ID_BYTES or not data.startswith(PEER_ID_PREFIX):
        return None
    return base58.b58encode(data).decode()


@lru_cache(maxsize=8_192)
def address_to_bytes(address: str) -> bytes:
    """Return an address as bytes. Raises UserError for one that cannot be dialled."""
    check_address(address)
    _, protocol, host, _, port, *through = address.split("/")
    if protocol == "ip4":
        data = write_varint(_IP4) + ipaddress.IPv4Address(host).packed
    elif protocol == "ip6":
        data = write_varint(_IP6) + ipaddress.IPv6Address(host).packed
    else:
        name = host.encode()
        data = write_varint(_NAMES[protocol]) + write_varint(len(name)) + name
    data += write_varint(_TCP) + int(port).to_bytes(2, "big")
    if through:
        relay = peer_id_to_bytes(through[1])
        data += write_varint(_P2P) + write_varint(len(relay)) + relay + write_varint(_CIRCUIT)
    return data


def address_from_bytes(data: bytes, peer_id: str) -> str | None:
    """Return the text of an address of a peer, without its own /p2p/ID at the end.

    None for bytes that are no address, and for one that this program cannot dial.
    """
    try:
        parts = list(_parts(data))
    except (RejectedError, ValueError):
        return None
    address = "".join(parts).removesuffix(f"/p2p/{peer_id}")
    try:
        check_address(address)
    except UserError:
        return None
    return address


def _parts(data: bytes) -> list[str]:
    at, found = 0, list[str]()
    while at < len(data):
        code, at = read_varint(data, at)
        size = _FIXED_BYTES.get(code)
        if size is None:
            if code not in (_P2P, *_WORDS):
                raise _shape()
            size, at = read_varint(data, at)
        value, at = data[at : at + size], at + size
        if at > len(data) or len(found) == _PARTS_MAX:
            raise _shape()
        found.append(_part(code, value))
    return found


def _part(code: int, value: bytes) -> str:
    if code == _IP4:
        return f"/ip4/{ipaddress.IPv4Address(value)}"
    if code == _IP6:
        return f"/ip6/{ipaddress.IPv6Address(value)}"
    if code == _TCP:
        return f"/tcp/{int.from_bytes(value, 'big')}"
    if code == _CIRCUIT:
        return "/p2p-circuit"
    if code == _P2P:
        peer_id = peer_id_from_bytes(value)
        if peer_id is None:
            raise _shape()
        return f"/p2p/{peer_id}"
    name = value.decode("ascii")
    if "/" in name:
        raise _shape()
    return f"/{_WORDS[code]}/{name}"


def _shape() -> RejectedError:
    return RejectedError(RejectReason.MESSAGE_SHAPE, "not an address")
