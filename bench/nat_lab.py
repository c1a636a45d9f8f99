"""Homes behind routers, in network namespaces of their own: two NATs, a street, and a relay in it.

    anas (10.1.0.2) -- router [10.1.0.1 | 20.0.0.11] --+
                                                       street 20.0.0.0/24 -- relay (20.0.0.1)
    ruis (10.2.0.2) -- router [10.2.0.1 | 20.0.0.12] --+                  `- second (20.0.0.2)

The street has addresses of the internet, so that the program takes them for such, and there is no
link from it to anywhere: nothing leaves the namespaces. A router is one of these:

    cone       lets in only answers, and keeps port numbers (most homes)
    symmetric  lets in only answers, and draws another port for each destination (some offices)
    forwarded  a cone that passes one port on to the machine behind it

Needs root, iproute2 and nftables; `why_not` says what is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

PORT = 4001
KINDS = ("cone", "symmetric", "forwarded")
RULES = """
table ip nat {{
  chain before {{ type nat hook prerouting priority -100; {forward} }}
  chain after {{ type nat hook postrouting priority 100; oifname "wan" masquerade {draw}; }}
}}
table ip filter {{
  chain through {{
    type filter hook forward priority 0; policy drop;
    ct state established,related accept; iifname "lan" accept; ct status dnat accept;
  }}
  chain inside {{ type filter hook input priority 0; iifname "wan" ct state new drop; }}
}}
"""
"""What is not wanted is dropped, not refused, as home routers do."""


@dataclass(frozen=True, slots=True)
class Lab:
    """Commands put before a program run it on one of the machines."""

    anas: list[str]
    ruis: list[str]
    relay: list[str]
    second: list[str]
    anas_router: list[str]


def why_not() -> str:
    """What is missing for a lab; empty when nothing is."""
    if os.geteuid() != 0:
        return "not root"
    for program in ("ip", "nft"):
        if shutil.which(program) is None:
            return f"there is no program {program!r}"
    name = f"nt{os.getpid()}try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode:
        return "network namespaces are not allowed here"
    rules = RULES.format(forward="", draw="")
    ruled = subprocess.run(
        ["ip", "netns", "exec", name, "nft", "-f", "-"],
        input=rules.encode(),
        capture_output=True,
        check=False,
    )
    ip("netns", "delete", name)
    return "the kernel has no NAT" if ruled.returncode else ""


@contextmanager
def two_homes(anas: str, ruis: str) -> Generator[Lab]:
    """Two machines behind routers of two kinds; all is gone at the end."""
    name = f"nt{os.getpid()}"
    spaces = {each: name + each for each in ("s", "a", "b", "na", "nb", "r", "p")}
    try:
        for space in spaces.values():
            ip("netns", "add", space)
            ip("-n", space, "link", "set", "lo", "up")
        street(spaces["s"])
        for each, outer, number in (("r", "eth0", 1), ("p", "eth0", 2)):
            into_the_street(spaces["s"], spaces[each], outer, number)
            ip("-n", spaces[each], "route", "add", "default", "dev", outer)
        behind_a_router(spaces, "a", "na", 1, anas)
        behind_a_router(spaces, "b", "nb", 2, ruis)
        yield Lab(*(enter(spaces[each]) for each in ("a", "b", "r", "p", "na")))
    finally:
        for space in spaces.values():
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True)


@contextmanager
def one_lan() -> Generator[Lab]:
    """Two machines on one network without a router; relay and second are not there."""
    name = f"nt{os.getpid()}"
    spaces = {each: name + each for each in ("s", "a", "b")}
    try:
        for space in spaces.values():
            ip("netns", "add", space)
            ip("-n", space, "link", "set", "lo", "up")
        street(spaces["s"])
        for number, each in ((1, "a"), (2, "b")):
            cable(spaces["s"], f"v{number}", spaces[each], "eth0")
            ip("-n", spaces["s"], "link", "set", f"v{number}", "master", "br0", "up")
            up(spaces[each], "eth0", f"10.77.0.{number}/24")
            ip("-n", spaces[each], "route", "add", "default", "dev", "eth0")
        yield Lab(enter(spaces["a"]), enter(spaces["b"]), [], [], [])
    finally:
        for space in spaces.values():
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True)


def behind_a_router(spaces: dict[str, str], home: str, router: str, number: int, kind: str) -> None:
    """A machine, its router, and the cables between them and to the street."""
    machine, space = spaces[home], spaces[router]
    into_the_street(spaces["s"], space, "wan", 10 + number)
    cable(space, "lan", machine, "eth0")
    up(space, "lan", f"10.{number}.0.1/24")
    up(machine, "eth0", f"10.{number}.0.2/24")
    ip("-n", machine, "route", "add", "default", "via", f"10.{number}.0.1")
    inside(space, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    to = f"10.{number}.0.2"
    rules = RULES.format(
        forward=f'iifname "wan" tcp dport {PORT} dnat to {to};' if kind == "forwarded" else "",
        draw="random,fully-random" if kind == "symmetric" else "",
    )
    inside(space, "nft", "-f", "-", text=rules)


def enter(space: str) -> list[str]:
    """What is put before a command to run it there."""
    return ["ip", "netns", "exec", space]


def street(space: str) -> None:
    """A switch."""
    ip("-n", space, "link", "add", "br0", "type", "bridge")
    ip("-n", space, "link", "set", "br0", "up")


def into_the_street(switch: str, space: str, name: str, number: int) -> None:
    """A machine on the switch, at 20.0.0.`number`."""
    cable(switch, f"p{number}", space, name)
    ip("-n", switch, "link", "set", f"p{number}", "master", "br0", "up")
    up(space, name, f"20.0.0.{number}/24")


def cable(one: str, end: str, other: str, other_end: str) -> None:
    """A cable between two machines."""
    ip("-n", one, "link", "add", end, "type", "veth", "peer", "name", other_end, "netns", other)


def up(space: str, name: str, address: str) -> None:
    """Give one end of a cable an address."""
    ip("-n", space, "addr", "add", address, "dev", name)
    ip("-n", space, "link", "set", name, "up")


def inside(space: str, *command: str, text: str = "") -> None:
    """Run a command on one machine."""
    subprocess.run(["ip", "netns", "exec", space, *command], input=text.encode(), check=True)


def ip(*arguments: str) -> None:
    """Run iproute2."""
    subprocess.run(["ip", *arguments], check=True)
