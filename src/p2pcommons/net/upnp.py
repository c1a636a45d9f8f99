"""Asks the router to pass connections on to this node (UPnP), where there is one that does.

The asking itself happens in `upnp_gateway`, in a process of its own. Without a router that knows
UPnP nothing happens, and nothing is said but in the log.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, cast

import trio

from p2pcommons.net.journal import paced_logger

log = paced_logger(__name__)

LEASE_SECONDS = 3_600
"""For which a router keeps a port for us; renewed at half of it."""
ASK_SECONDS_MAX = 20.0
"""For everything: a start of Python, two seconds for answers, some small requests."""
GOODBYE_SECONDS_MAX = 3.0
"""A node that stops does not wait longer; the lease ends by itself."""
ANSWER_CHARS_MAX = 2_000
PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Mapping:
    """What a router promised: connections to this address of the internet reach this node."""

    ip: str
    port: int

    @property
    def address(self) -> str:
        """The multiaddress, without /p2p/ID."""
        return f"/ip4/{self.ip}/tcp/{self.port}"


async def map_port(port: int, gateway_url: str | None = None) -> Mapping | None:
    """Ask for a port of the router that leads to `port` here; None when there is none to be had.

    Asked again for the same port it renews the lease. `gateway_url` spares the search.
    """
    answer = await _ask(ASK_SECONDS_MAX, "map", str(port), str(LEASE_SECONDS), gateway_url)
    ip, mapped = answer.get("ip"), answer.get("port")
    if not isinstance(ip, str) or not isinstance(mapped, int) or not 0 < mapped <= PORT_MAX:
        log.debug("no port by UPnP: %s", answer.get("error"))
        return None
    try:
        return Mapping(str(ipaddress.IPv4Address(ip)), mapped)
    except ValueError:
        return None


async def unmap_port(port: int, gateway_url: str | None = None) -> None:
    """Give a port of the router back."""
    answer = await _ask(GOODBYE_SECONDS_MAX, "unmap", str(port), gateway_url)
    log.debug("giving back the router's port %d: %s", port, answer)


async def _ask(seconds_max: float, *arguments: str | None) -> dict[str, object]:
    command = [sys.executable, "-P", "-m", "p2pcommons.net.upnp_gateway"]
    command += [each for each in arguments if each is not None]
    with trio.move_on_after(seconds_max):
        try:
            done = await trio.run_process(
                command, capture_stdout=True, stderr=subprocess.DEVNULL, check=False
            )
        except OSError as error:
            return {"error": str(error)}
        return _read(done.stdout)
    return {"error": "no answer in time"}


def _read(said: bytes | Any) -> dict[str, object]:
    try:
        answer: object = json.loads(bytes(said)[:ANSWER_CHARS_MAX])
    except ValueError:
        return {"error": "it ended without an answer"}
    return cast("dict[str, object]", answer) if isinstance(answer, dict) else {}
