"""Listens on addresses, and says in words on which it cannot and why."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from p2pcommons.errors import NetworkError
from p2pcommons.net.interfaces import WILDCARDS, ip_of
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.library import Multiaddr
from p2pcommons.net.sockets import why_not

if TYPE_CHECKING:
    from collections.abc import Sequence

log = paced_logger(__name__)


async def listen_on(swarm: Any, addresses: Sequence[str]) -> None:
    """Let the library's swarm listen on all of the addresses.

    Raises:
        NetworkError: on one of them it cannot; the text says on which and why.
    """
    for address in addresses:
        try:
            parsed = Multiaddr(address)
        except Exception as error:  # the library raises many kinds here
            raise NetworkError(f"cannot listen on {address!r}: not a multiaddress") from error
        if await swarm.listen(parsed):
            continue
        if ip_of(address) in WILDCARDS and not socket.has_dualstack_ipv6():
            log.info("no IPv6 on this machine, not listening on %s", address)
            continue
        raise NetworkError(f"cannot listen on {address}: {why_not(address)}")
