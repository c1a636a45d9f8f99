"""Finds nodes on the local network, and lets them find this one: mDNS with a service of our own.

What is announced: a random name, the peer id, the addresses. No commons, no names of people.
zeroconf blocks for seconds and calls back on a thread of its own; both stay inside this module.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import trio
from zeroconf import RecordUpdateListener, ServiceBrowser, ServiceInfo, Zeroconf
from zeroconf._dns import DNSText
from zeroconf._exceptions import Error as ZeroconfError

from p2pcommons.errors import NetworkError
from p2pcommons.net.dialing import clean_address
from p2pcommons.net.interfaces import ip_of, is_loopback
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.library import read_peer_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zeroconf import RecordUpdate

log = paced_logger(__name__)

SERVICE_TYPE = "_p2pcommons._udp.local."
"""As libp2p's `_p2p._udp.local.`, with the same TXT records, but for these nodes alone."""
KEY = b"dnsaddr"
TEXT_BYTES_MAX = 255
"""Of one string in a TXT record (RFC 1035)."""
ADDRESSES_MAX = 8
FOUND_MAX = 64
"""Finds kept for a reader that is slow; they are announced again."""
STOP_SECONDS_MAX = 10.0
REMEMBERED_MAX = 1000
REPEAT_SECONDS = 10.0
"""The same announcement of the same peer is told again after this time at the earliest."""


_in_thread: Any = cast(Any, trio.to_thread).run_sync


@dataclass(frozen=True, slots=True)
class LanPeer:
    """A node that announced itself; nothing of it has been verified."""

    peer_id: str
    addresses: tuple[str, ...]


class LanDiscovery:
    """Announces this node and listens for others, between `start` and `stop`."""

    def __init__(self) -> None:
        self._found_in, self.found = trio.open_memory_channel[LanPeer](FOUND_MAX)
        self._told: OrderedDict[LanPeer, float] = OrderedDict()
        self._peer_id = ""
        self._announced: tuple[str, ...] = ()
        self._zeroconf: Zeroconf | None = None
        self._browser: ServiceBrowser | None = None

    @property
    def is_active(self) -> bool:
        """Whether this node announces itself now."""
        return self._zeroconf is not None

    async def start(self, peer_id: str, addresses: Sequence[str]) -> bool:
        """Announce and look for others; again with other addresses, announce those.

        `addresses` are concrete, with or without /p2p/ID. With loopback addresses alone nothing is
        announced and nothing looked for: the answer is False.

        Raises:
            NetworkError: no multicast on any of the interfaces.
        """
        announced = announceable(peer_id, addresses)
        if announced == self._announced and self.is_active:
            return True
        await self.stop()
        if not announced:
            return False
        self._peer_id, self._announced = peer_id, announced
        soon: Any = cast(Any, trio.lowlevel.current_trio_token()).run_sync_soon

        def hop(text: bytes) -> None:
            try:
                soon(self._see, text)
            except trio.RunFinishedError:
                log.debug("found a node after the end")

        try:
            await _in_thread(self._start_in_thread, hop)
        except (OSError, ZeroconfError, RuntimeError) as error:
            await self.stop()
            raise NetworkError(f"cannot announce on the local network: {error}") from error
        return True

    async def stop(self) -> None:
        """Say goodbye and listen no more. Takes a moment, not the event loop's."""
        running, self._zeroconf = self._zeroconf, None
        browser, self._browser = self._browser, None
        self._announced = ()
        if running is not None:
            with trio.move_on_after(STOP_SECONDS_MAX) as scope:
                scope.shield = True
                await _in_thread(_stop_in_thread, running, browser)

    def _start_in_thread(self, hop: Callable[[bytes], None]) -> None:
        ips = list(dict.fromkeys(ip for ip in map(ip_of, self._announced) if ip is not None))
        self._zeroconf = Zeroconf(interfaces=ips)
        self._zeroconf.add_listener(_TextListener(hop), None)
        self._browser = ServiceBrowser(self._zeroconf, SERVICE_TYPE, handlers=[_ignore])
        name = secrets.token_hex(8)
        info = ServiceInfo(
            SERVICE_TYPE,
            f"{name}.{SERVICE_TYPE}",
            port=int(self._announced[0].split("/")[4]),
            properties=encode_text(self._peer_id, self._announced),
            server=f"{name}.local.",
            addresses=[ipaddress.ip_address(ip).packed for ip in ips],
        )
        # The name is random: waiting to see whether somebody has it already is of no use.
        self._zeroconf.register_service(info, cooperating_responders=True)

    def _see(self, text: bytes) -> None:
        for peer in decode_text(text):
            if peer.peer_id == self._peer_id or not self.is_active:
                continue
            now = trio.current_time()
            told_at = self._told.pop(peer, None)
            if told_at is not None and now - told_at < REPEAT_SECONDS:
                self._told[peer] = told_at
                continue
            try:
                self._found_in.send_nowait(peer)
            except trio.WouldBlock:
                continue
            self._told[peer] = now
            if len(self._told) > REMEMBERED_MAX:
                self._told.popitem(last=False)


class _TextListener(RecordUpdateListener):
    """Takes the TXT record as it comes. The library's listener waits for an SRV record as well,
    which js nodes do not send, and blocks its thread for up to 15 seconds meanwhile.
    """

    def __init__(self, hop: Callable[[bytes], None]) -> None:
        super().__init__()
        self._hop = hop

    def async_update_records(
        self,
        zc: Zeroconf,  # noqa: ARG002
        now: float,  # noqa: ARG002
        records: list[RecordUpdate],
    ) -> None:
        """Called by zeroconf on its thread with what one packet brought."""
        for update in records:
            record = update.new
            if (
                isinstance(record, DNSText)
                and record.name.lower().endswith("." + SERVICE_TYPE)
                and record.ttl > 0
            ):
                self._hop(record.text)


def announceable(peer_id: str, addresses: Iterable[str]) -> tuple[str, ...]:
    """Those of our addresses that mean something to others on the network, without /p2p/ID."""
    heads: dict[str, None] = {}
    for address in addresses:
        head = clean_address(address, peer_id)
        if ip_of(head) is not None and not is_loopback(head):
            heads[head] = None
    return tuple(heads)[:ADDRESSES_MAX]


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
    ip = ip_of(head)
    return None if ip is None else (peer_id, head)


def _stop_in_thread(running: Zeroconf, browser: ServiceBrowser | None) -> None:
    try:
        if browser is not None:
            browser.cancel()
        running.unregister_all_services()
    except (OSError, ZeroconfError, RuntimeError) as error:
        log.info("no goodbye on the local network: %s", error)
    finally:
        running.close()


def _ignore(**_: object) -> None:
    """The browser asks; the listener hears the answers."""
