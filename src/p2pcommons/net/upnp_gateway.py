"""Asks the router for a port, as a program of its own: `-m p2pcommons.net.upnp_gateway …`.

The C library behind it reads what any device of the local network answers, prints to the terminal
and cannot be stopped once it waits. In a process of its own it can do the node no harm. Says what
came of it as one line of JSON.
"""

from __future__ import annotations

import ipaddress
import json
import sys
from pathlib import Path
from typing import Any, cast

import miniupnpc  # pyright: ignore[reportMissingModuleSource, reportMissingImports]

DESCRIPTION = "p2pcommons"
ANSWERS_MS = 2_000
"""How long devices have to answer."""
GOODBYE_MS = 500
"""The same when a port is given back: its lease ends by itself as well."""
OTHER_PORTS = 4
"""Ports tried when another machine has the same one already."""
ROUTES = Path("/proc/net/route")
"""Where Linux lists the routes of IPv4."""


def main(arguments: list[str]) -> int:
    """`map PORT SECONDS [URL]` or `unmap PORT [URL]`; the URL is the gateway's, else it is looked
    for."""
    try:
        answer = _unmap(arguments) if arguments[0] == "unmap" else _map(arguments)
    except Exception as error:  # noqa: BLE001 - border: the library raises bare exceptions
        answer: dict[str, object] = {"error": str(error)[:200] or type(error).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _map(arguments: list[str]) -> dict[str, object]:
    port, seconds = int(arguments[1]), int(arguments[2])
    gateway = _gateway(arguments[3:], ANSWERS_MS)
    outside = str(gateway.externalipaddress())
    if not ipaddress.ip_address(outside).is_global:
        return {"error": f"the router itself is behind another one: {outside}"}
    for external in range(port, port + OTHER_PORTS):
        holder = gateway.getspecificportmapping(external, "TCP")
        if holder is not None and (holder[0], holder[1]) != (gateway.lanaddr, port):
            continue
        _add(gateway, external, port, seconds)
        return {"ip": outside, "port": external}
    return {"error": "other machines have these ports"}


def _add(gateway: Any, external: int, port: int, seconds: int) -> None:
    """Some routers know no leases; a mapping without end is taken back when the node stops."""
    try:
        gateway.addportmapping(external, "TCP", gateway.lanaddr, port, DESCRIPTION, "", seconds)
    except Exception as error:
        if "OnlyPermanentLeasesSupported" not in str(error):
            raise
        gateway.addportmapping(external, "TCP", gateway.lanaddr, port, DESCRIPTION, "", 0)


def _unmap(arguments: list[str]) -> dict[str, object]:
    gateway = _gateway(arguments[2:], GOODBYE_MS)
    gateway.deleteportmapping(int(arguments[1]), "TCP")
    return {"unmapped": int(arguments[1])}


def _gateway(urls: list[str], answers_ms: int) -> Any:
    gateway: Any = cast("Any", miniupnpc).UPnP()
    gateway.discoverdelay = answers_ms
    if urls:
        gateway.selectigd(urls[0])
        return gateway
    if not _has_way_out():
        raise LookupError("no default route")
    if not gateway.discover():
        raise LookupError("no device answers")
    gateway.selectigd()
    return gateway


def _has_way_out() -> bool:
    """Without a default route nobody is asked: there is no router to ask."""
    try:
        lines = ROUTES.read_text().splitlines()[1:]
    except OSError:
        return True
    return any(line.split()[1] == "00000000" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
