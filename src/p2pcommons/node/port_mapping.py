"""Keeps a port of the router open for this node (UPnP), where there is a router that does it."""

from __future__ import annotations

import ipaddress
import logging
from typing import TYPE_CHECKING

import trio

from p2pcommons.net.interfaces import ip_of
from p2pcommons.net.upnp import LEASE_SECONDS, Mapping, map_port, unmap_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from p2pcommons.node.context import NodeContext

log = logging.getLogger(__name__)

AGAIN_SECONDS = 900.0
"""Until a router is looked for again after none was found; it may just have been switched on."""


class PortMapping:
    """Asks for the port, renews it, and gives it back at the end.

    `mapped(addresses, how)` is told what came of it: "mapped" with addresses, "none", or "off".
    """

    def __init__(
        self,
        context: NodeContext,
        listening: Callable[[], tuple[str, ...]],
        mapped: Callable[[Sequence[str], str], None],
        gateway_url: str | None = None,
    ) -> None:
        self._context = context
        self._listening = listening
        self._mapped = mapped
        self._gateway_url = gateway_url
        self._mapping: Mapping | None = None
        self._changed = trio.Event()

    def addresses_changed(self) -> None:
        """This machine has other addresses: it may be behind another router now."""
        self._changed.set()

    async def run(self) -> None:
        """Keep the port mapped until cancelled; nothing where the person does not want it."""
        if not self._context.config.flag("network.upnp"):
            return
        try:
            while True:
                self._changed = trio.Event()
                port = mappable_port(self._listening())
                if port is None:
                    self._note(None, "off")
                else:
                    mapping = await map_port(port, self._gateway_url)
                    self._note(mapping, "none" if mapping is None else "mapped")
                pause = AGAIN_SECONDS if self._mapping is None else LEASE_SECONDS / 2
                with trio.move_on_after(pause * self._context.chance.uniform(0.9, 1.0)):
                    await self._changed.wait()
        finally:
            held = self._mapping
            self._note(None, "off")
            if held is not None:
                with trio.CancelScope(shield=True):
                    await unmap_port(held.port, self._gateway_url)

    def _note(self, mapping: Mapping | None, how: str) -> None:
        if mapping is not None and mapping != self._mapping:
            log.info("the router passes on connections to %s", mapping.address)
        self._mapping = mapping
        self._mapped([] if mapping is None else [mapping.address], how)


def mappable_port(listening: Sequence[str]) -> int | None:
    """Return the port that a router should lead to this machine: of an address that needs one.

    Addresses of this machine alone, and those of the internet itself, do not.
    """
    for address in listening:
        ip = ip_of(address)
        if ip is None or ":" in ip:
            continue
        parsed = ipaddress.IPv4Address(ip)
        if parsed.is_private and not (parsed.is_loopback or parsed.is_link_local):
            return int(address.split("/")[4])
    return None
