"""Finds nodes on the local network, and lets them find this one: mDNS with a service of our own.

What is announced: a random name, the peer id, the addresses. No commons, no names of people.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import trio

from p2pcommons.errors import NetworkError
from p2pcommons.net.dialing import clean_address
from p2pcommons.net.interfaces import ip_of, is_loopback, local_ips
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.lan_service import SERVICE_ERRORS, LanService
from p2pcommons.net.library import read_peer_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

log = paced_logger(__name__)

KEY = b"dnsaddr"
TEXT_BYTES_MAX = 255
"""Of one string in a TXT record (RFC 1035)."""
ADDRESSES_MAX = 8
FOUND_MAX = 64
"""Finds kept for a reader that is slow; they are announced again."""
STOP_SECONDS_MAX = 10.0
ASK_SECONDS = 30.0
"""Between questions who is there. js nodes answer questions and never announce themselves."""
REMEMBERED_MAX = 1000
REPEAT_SECONDS = 10.0
"""The same announcement of the same peer is told again after this time at the earliest."""


_in_thread: Any = cast(Any, trio.to_thread).run_sync


@dataclass(frozen=True, slots=True)
class LanPeer:
    """A node that announced itself; nothing of it has been verified. No addresses: it has left."""

    peer_id: str
    addresses: tuple[str, ...]


class LanDiscovery:
    """Announces this node and listens for others, between `start` and `stop`."""

    def __init__(self) -> None:
        self._found_in, self.found = trio.open_memory_channel[LanPeer](FOUND_MAX)
        self._told: OrderedDict[str, tuple[LanPeer, float]] = OrderedDict()
        self._names: OrderedDict[str, frozenset[str]] = OrderedDict()
        """The peers that each announced name stands for."""
        self._peer_id = ""
        self._announced: tuple[str, ...] = ()
        self._service: LanService | None = None

    @property
    def is_active(self) -> bool:
        """Whether this node announces itself now."""
        return bool(self._announced)

    async def start(self, peer_id: str, addresses: Sequence[str], *, again: bool = False) -> bool:
        """Announce and look for others; with other addresses than before, announce those.

        `again` announces and asks also when nothing differs: somebody plugged a cable in.

        `addresses` are concrete, with or without /p2p/ID; those that are not of this machine, or
        lead here over a relay, are left out. With loopback addresses alone nothing is announced
        and nothing looked for: the answer is False.

        Raises:
            NetworkError: no multicast on any of the interfaces.
        """
        here = frozenset(local_ips())
        announced = tuple(each for each in announceable(peer_id, addresses) if ip_of(each) in here)
        if not announced:
            await self.stop()
            return False
        if announced == self._announced and not again:
            return True
        self._peer_id, self._announced = peer_id, announced
        try:
            await self._announce()
        except SERVICE_ERRORS as error:
            await self.stop()
            raise NetworkError(f"cannot announce on the local network: {error}") from error
        return True

    async def _announce(self) -> None:
        ips = list(dict.fromkeys(ip for ip in map(ip_of, self._announced) if ip is not None))
        port = int(self._announced[0].split("/")[4])
        text = encode_text(self._peer_id, self._announced)
        if self._service is not None:
            try:
                await _in_thread(self._service.announce, ips, port, text)
            except SERVICE_ERRORS as error:
                log.info("beginning anew on the local network: %s", error)
                await self._close()
            else:
                return
        soon: Any = cast(Any, trio.lowlevel.current_trio_token()).run_sync_soon

        def heard(name: str, text: bytes) -> None:
            with suppress(trio.RunFinishedError):
                soon(self._see, name, text)

        def missed(name: str) -> None:
            with suppress(trio.RunFinishedError):
                soon(self._miss, name)

        self._service = await _in_thread(LanService, ips, port, text, heard, missed)

    async def ask(self) -> None:
        """Ask again and again who is there, for ever."""
        while True:
            await trio.sleep(ASK_SECONDS)
            if self._service is not None:
                self._service.ask()

    async def stop(self) -> None:
        """Say goodbye and listen no more. Takes a moment, not the event loop's."""
        self._announced = ()
        await self._close()

    async def _close(self) -> None:
        service, self._service = self._service, None
        if service is not None:
            with trio.move_on_after(STOP_SECONDS_MAX) as scope:
                scope.shield = True
                await _in_thread(service.close)

    def _see(self, name: str, text: bytes) -> None:
        if not self.is_active:
            return
        peers = [peer for peer in decode_text(text) if peer.peer_id != self._peer_id]
        known = self._names.pop(name, frozenset())
        self._names[name] = frozenset(
            islice((*known, *(peer.peer_id for peer in peers)), FOUND_MAX)
        )
        if len(self._names) > REMEMBERED_MAX:
            self._names.popitem(last=False)
        for peer in peers:
            self._tell(peer)

    def _tell(self, peer: LanPeer) -> None:
        now = trio.current_time()
        told, told_at = self._told.get(peer.peer_id, (None, -math.inf))
        if told == peer and now - told_at < REPEAT_SECONDS:
            return
        try:
            self._found_in.send_nowait(peer)
        except trio.WouldBlock:
            return
        self._told[peer.peer_id] = (peer, now)
        self._told.move_to_end(peer.peer_id)
        if len(self._told) > REMEMBERED_MAX:
            self._told.popitem(last=False)

    def _miss(self, name: str) -> None:
        """A name said goodbye or was not heard of for long; its peer may have got another one."""
        left = self._names.pop(name, frozenset()).difference(*self._names.values())
        for peer_id in left:
            self._told.pop(peer_id, None)
            with suppress(trio.WouldBlock):
                self._found_in.send_nowait(LanPeer(peer_id, ()))


def announceable(peer_id: str, addresses: Iterable[str]) -> tuple[str, ...]:
    """Those of our addresses that mean something to others on the network, without /p2p/ID."""
    heads: dict[str, None] = {}
    for address in addresses:
        with suppress(ValueError):
            head = clean_address(address, peer_id)
            if is_on_network(head):
                heads[head] = None
    return tuple(heads)[:ADDRESSES_MAX]


def is_on_network(address: str) -> bool:
    """Whether this is /ip4|ip6/…/tcp/… and means another machine: no loopback, nothing relayed."""
    parts = address.split("/")
    return (
        len(parts) == 5 and parts[3] == "tcp" and bool(ip_of(address)) and not is_loopback(address)
    )


def encode_text(peer_id: str, addresses: Iterable[str]) -> bytes:
    """A TXT record of `dnsaddr=<multiaddress>` strings, as the libp2p specification has them."""
    strings = (KEY + f"={address}/p2p/{peer_id}".encode() for address in addresses)
    return b"".join(bytes([len(each)]) + each for each in strings if len(each) <= TEXT_BYTES_MAX)


def decode_text(text: bytes) -> tuple[LanPeer, ...]:
    """The nodes in a TXT record; what is not one is left out, since anyone on the LAN writes it."""
    found: dict[str, list[str]] = {}
    position = 0
    while position < len(text):
        end = position + 1 + text[position]
        key, _, value = text[position + 1 : end].partition(b"=")
        position = end
        # py-libp2p numbers the keys: dnsaddr, dnsaddr2, …
        if key.rstrip(b"0123456789") != KEY:
            continue
        peer = _read_address(value)
        if peer is not None:
            addresses = found.setdefault(peer[0], [])
            if len(addresses) < ADDRESSES_MAX:
                addresses.append(peer[1])
    return tuple(LanPeer(peer_id, tuple(each)) for peer_id, each in found.items())


def _read_address(value: bytes) -> tuple[str, str] | None:
    try:
        address = value.decode("ascii")
        peer_id = address.rpartition("/p2p/")[2]
        read_peer_id(peer_id)
        head = clean_address(address, peer_id)
    except ValueError:
        return None
    # Loopback, which js nodes announce as well, would lead to this machine itself.
    return (peer_id, head) if is_on_network(head) else None
