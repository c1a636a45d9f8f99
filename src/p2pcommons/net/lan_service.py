"""mDNS as zeroconf does it: on a thread of its own, with calls that block for up to seconds.

Everything here but `ask` is called off the event loop; what is heard is told on zeroconf's thread.
"""

from __future__ import annotations

import ipaddress
import secrets
from typing import TYPE_CHECKING

from zeroconf import (
    RecordUpdateListener,
    ServiceBrowser,
    ServiceInfo,
    ServiceStateChange,
    Zeroconf,
    current_time_millis,
)
from zeroconf._dns import DNSQuestion, DNSText
from zeroconf._exceptions import Error as ZeroconfError
from zeroconf._protocol.outgoing import DNSOutgoing

from p2pcommons.net.journal import paced_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zeroconf import RecordUpdate

log = paced_logger(__name__)

SERVICE_ERRORS = (OSError, ZeroconfError, RuntimeError)
"""What zeroconf raises when the network is not as it should be."""
SERVICE_TYPE = "_p2pcommons._udp.local."
"""As libp2p's `_p2p._udp.local.`, with the same TXT records, but for these nodes alone.

Under the common name every libp2p program of a network dials every other, to find that they have
nothing to say to each other. js-libp2p takes the name as `serviceTag`, without the last dot.
"""
LIFETIME_SECONDS = 120
"""Of what is announced: whoever vanishes without a goodbye is forgotten after this time."""
_QUERY, _POINTER, _INTERNET = 0, 12, 1
"""Flags of a question, type PTR, class IN (RFC 1035)."""


class LanService:
    """One announcement under a random name, and an ear for those of others.

    `heard` is told a name and its TXT record, `missed` a name that said goodbye or was not heard
    of again in time. Raises one of SERVICE_ERRORS when there is no multicast.
    """

    def __init__(
        self,
        ips: Sequence[str],
        port: int,
        text: bytes,
        heard: Callable[[str, bytes], None],
        missed: Callable[[str], None],
    ) -> None:
        self._name = secrets.token_hex(8)

        def changed(name: str, state_change: ServiceStateChange, **_: object) -> None:
            if state_change is ServiceStateChange.Removed:
                missed(name.lower())

        self._zeroconf = Zeroconf(interfaces=list(ips))
        try:
            self._zeroconf.add_listener(_TextListener(heard), None)
            self._browser = ServiceBrowser(self._zeroconf, SERVICE_TYPE, handlers=[changed])
            # The name is random: waiting to see whether somebody has it already is of no use.
            self._zeroconf.register_service(
                self._info(ips, port, text), ttl=LIFETIME_SECONDS, cooperating_responders=True
            )
        except BaseException:
            self._zeroconf.close()
            raise

    def announce(self, ips: Sequence[str], port: int, text: bytes) -> None:
        """Announce something else, on other interfaces, under the same name; and ask anew."""
        info = self._info(ips, port, text)
        info.host_ttl = info.other_ttl = LIFETIME_SECONDS
        self._zeroconf.update_interfaces(list(ips))
        self._zeroconf.update_service(info)
        self.ask()

    def _info(self, ips: Sequence[str], port: int, text: bytes) -> ServiceInfo:
        return ServiceInfo(
            SERVICE_TYPE,
            f"{self._name}.{SERVICE_TYPE}",
            port=port,
            properties=text,
            server=f"{self._name}.local.",
            addresses=[ipaddress.ip_address(ip).packed for ip in ips],
        )

    def ask(self) -> None:
        """Ask once who is there, naming whom we know already, so that only others answer."""

        def send() -> None:
            question = DNSOutgoing(_QUERY)
            question.add_question(DNSQuestion(SERVICE_TYPE, _POINTER, _INTERNET))
            now = current_time_millis()
            cache = self._zeroconf.cache
            for record in cache.async_all_by_details(SERVICE_TYPE, _POINTER, _INTERNET):
                if not record.is_stale(now):
                    question.add_answer_at_time(record, now)
            self._zeroconf.async_send(question)

        if self._zeroconf.loop is not None:
            self._zeroconf.loop.call_soon_threadsafe(send)

    def close(self) -> None:
        """Say goodbye and listen no more."""
        try:
            self._browser.cancel()
            self._zeroconf.unregister_all_services()
        except SERVICE_ERRORS as error:
            log.info("no goodbye on the local network: %s", error)
        finally:
            self._zeroconf.close()


class _TextListener(RecordUpdateListener):
    """Takes the TXT record as it comes. The library's listener waits for an SRV record as well,
    which js nodes do not send, and blocks its thread for up to 15 seconds meanwhile.
    """

    def __init__(self, heard: Callable[[str, bytes], None]) -> None:
        super().__init__()
        self._heard = heard

    def async_update_records(
        self,
        zc: Zeroconf,  # noqa: ARG002
        now: float,  # noqa: ARG002
        records: list[RecordUpdate],
    ) -> None:
        """Called by zeroconf on its thread with what one packet brought.

        js nodes write a record for each address, others one with all; joined they read the same.
        """
        texts: dict[str, bytes] = {}
        for update in records:
            record = update.new
            name = record.name.lower()
            if isinstance(record, DNSText) and name.endswith("." + SERVICE_TYPE) and record.ttl > 0:
                texts[name] = texts.get(name, b"") + record.text
        for name, text in texts.items():
            self._heard(name, text)
