"""js-libp2p and our nodes find each other on a local network, in namespaces of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import PROGRAM, Home

from .jspeer import INSTALL_SECONDS, js_peer, node_program

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

pytestmark = [
    pytest.mark.network,
    pytest.mark.timeout(INSTALL_SECONDS + 120),
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("ip"),
        reason="LAN WITH JS-LIBP2P NOT TESTED: needs root and iproute2 on Linux",
    ),
]

JS_LISTEN = ("/ip4/0.0.0.0/tcp/0",)


@contextmanager
def network(*ends: str) -> Generator[list[list[str]]]:
    """Namespaces on one bridge without a default route; yields what to put before a command."""
    names = [f"jlan{os.getpid()}{end}" for end in ("switch", *ends)]
    try:
        made = subprocess.run(
            ["ip", "netns", "add", names[0]], capture_output=True, text=True, check=False
        )
        if made.returncode != 0:
            pytest.skip(f"LAN WITH JS-LIBP2P NOT TESTED: {made.stderr.strip()}")
        ip("-n", names[0], "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        ip("-n", names[0], "link", "set", "br0", "up")
        for number, name in enumerate(names[1:], 1):
            ip("netns", "add", name)
            link = f"v{number}"
            peer = ("type", "veth", "peer", "name", "eth0", "netns", name)
            ip("-n", names[0], "link", "add", link, *peer)
            ip("-n", names[0], "link", "set", link, "master", "br0", "up")
            ip("-n", name, "addr", "add", f"10.79.0.{number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "eth0", "up")
            # js sends no multicast without a route for it; our nodes need none.
            if "js" in ends[number - 1]:
                ip("-n", name, "route", "add", "224.0.0.0/4", "dev", "eth0")
        yield [["ip", "netns", "exec", name] for name in names[1:]]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def running(home: Home, prefix: list[str]) -> Generator[None]:
    command = [*prefix, PROGRAM, "--home", home.path, "node", "run", "--mode", "lan"]
    null = subprocess.DEVNULL
    with subprocess.Popen(command, env=home.environment, stdin=null, stdout=null) as process:
        try:
            until(lambda: home("node", "status").code == 0)
            yield
        finally:
            process.terminate()
            process.wait(20)


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.05)
    return found


def test_js_and_our_node_find_each_other_whoever_comes_first(tmp_path: Path) -> None:
    node = node_program()
    ana = Home(tmp_path / "ana")
    ana.json("init", "--name", "Ana")
    with (
        network("ours", "js1", "js2") as (first, second, third),
        js_peer(node, listen=JS_LISTEN, prefix=second, lan=True) as early,
        running(ana, first),
        js_peer(node, listen=JS_LISTEN, prefix=third, lan=True) as late,
    ):
        own = ana.json("node", "status")["peer_id"]
        for js in (early, late):
            until(lambda js=js: own in js.ask("found")["found"])
            seen = until(lambda js=js: neighbour(ana, js.peer_id))
            # Not the loopback address, which js announces as well.
            assert all("/ip4/10.79.0." in each for each in seen["addresses"]), seen
            until(lambda js=js: own in js.ask("connections")["peers"])


def neighbour(home: Home, peer_id: str) -> dict[str, Any] | None:
    lan = home.json("node", "status")["lan"]
    return next((each for each in lan if each["peer_id"] == peer_id), None)
