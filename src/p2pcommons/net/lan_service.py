"""mDNS as zeroconf does it: on a thread of its own, with calls that block for up to seconds.

Everything here but `ask` is called off the event loop; what is heard is told on zeroconf's thread.
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

from zeroconf import (
    RecordUpdateListener,
    ServiceBrowser,
    ServiceInfo,
    ServiceStateChange,
    Zeroconf,
)
from zeroconf._dns import DNSPointer, DNSQuestion, DNSText
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
"""Whoever vanishes without a goodbye is missed after this time.

Told with what is announced; but zeroconf takes pointers to live a thousand seconds at least, so
who was heard when is noted here.
"""
NAMES_MAX = 1000
"""Names whose silence is noted; of a flood of them the oldest are let go."""
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
        self._heard = heard
        self._missed = missed
        self._heard_at: OrderedDict[str, float] = OrderedDict()
        """On zeroconf's thread alone."""

        def changed(name: str, state_change: ServiceStateChange, **_: object) -> None:
            # On a third thread, the browser's.
            if state_change is ServiceStateChange.Removed:
                self._on_loop(self._miss, name.lower())

        self._zeroconf = Zeroconf(interfaces=list(ips))
        try:
            self._zeroconf.add_listener(_TextListener(self._hear), None)
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
        """Ask once who is there, naming whom we have heard lately, so that only others answer.

        Answers go to everybody: each node speaks once in a while however many ask. Who has been
        silent for too long is missed.
        """
        self._on_loop(self._ask)

    def _on_loop(self, call: Callable[..., None], *what: object) -> None:
        loop = self._zeroconf.loop
        if loop is not None:
            with suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(call, *what)

    def _ask(self) -> None:
        question = DNSOutgoing(_QUERY)
        question.add_question(DNSQuestion(SERVICE_TYPE, _POINTER, _INTERNET))
        now = time.monotonic()
        for name, heard_at in tuple(self._heard_at.items()):
            if now - heard_at > LIFETIME_SECONDS:
                self._miss(name)
            elif now - heard_at < LIFETIME_SECONDS / 2:
                known = DNSPointer(SERVICE_TYPE, _POINTER, _INTERNET, LIFETIME_SECONDS, name)
                question.add_answer_at_time(known, 0)
        self._zeroconf.async_send(question)

    def _hear(self, name: str, text: bytes) -> None:
        self._heard_at[name] = time.monotonic()
        self._heard_at.move_to_end(name)
        if len(self._heard_at) > NAMES_MAX:
            self._heard_at.popitem(last=False)
        self._heard(name, text)

    def _miss(self, name: str) -> None:
        self._heard_at.pop(name, None)
        self._missed(name)

    def close(self) -> None:
        """Say goodbye and listen no more."""
        try:
            self._browser.cancel()
            self._zeroconf.unregister_all_services()
        except SERVICE_ERRORS as error:
            log.info("no goodbye on the local network: %s", error)
        finally:
            with suppress(*SERVICE_ERRORS):
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
