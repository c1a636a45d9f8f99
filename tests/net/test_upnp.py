"""A port of the router: the real UPnP library against a small router on loopback."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import trio

from p2pcommons.net import upnp_gateway
from p2pcommons.net.upnp import LEASE_SECONDS, Mapping, map_port, unmap_port
from tests.net.benches import bench

if TYPE_CHECKING:
    from pathlib import Path

Router, running = bench("upnp_router").Router, bench("upnp_router").running
OUTER = "20.0.0.9"


@pytest.mark.trio
async def test_a_router_passes_a_port_on_until_it_is_given_back() -> None:
    with running(Router(OUTER)) as router:
        assert await map_port(4001, router.url) == Mapping(OUTER, 4001)
        assert router.mappings == {4001: ("127.0.0.1", 4001, LEASE_SECONDS)}
        assert await map_port(4001, router.url) == Mapping(OUTER, 4001)
        await unmap_port(4001, router.url)
        assert router.mappings == {}


@pytest.mark.trio
async def test_a_port_that_another_machine_has_is_left_to_it() -> None:
    with running(Router(OUTER)) as router:
        router.mappings[4001] = ("192.168.1.7", 4001, 0)
        assert await map_port(4001, router.url) == Mapping(OUTER, 4002)
        assert router.mappings[4001][0] == "192.168.1.7"


@pytest.mark.trio
async def test_a_router_without_leases_is_asked_for_a_mapping_without_end() -> None:
    with running(Router(OUTER, leases=False)) as router:
        assert await map_port(4001, router.url) == Mapping(OUTER, 4001)
        assert router.mappings == {4001: ("127.0.0.1", 4001, 0)}


@pytest.mark.trio
async def test_a_router_behind_another_router_is_of_no_use() -> None:
    with running(Router("192.168.1.1")) as router:
        assert await map_port(4001, router.url) is None
        assert router.mappings == {}


@pytest.mark.trio
async def test_without_a_router_nothing_happens_and_nothing_is_said() -> None:
    assert await map_port(4001, "http://127.0.0.1:1/root.xml") is None
    said = await trio.run_process(
        [sys.executable, "-m", "p2pcommons.net.upnp_gateway", "map", "x"],
        capture_stdout=True,
        capture_stderr=True,
    )
    assert b"error" in said.stdout
    assert said.stderr == b""


def test_without_a_default_route_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = tmp_path / "route"
    routes.write_text("Iface\tDestination\tGateway\neth0\t0000A8C0\t00000000\n")
    monkeypatch.setattr(upnp_gateway, "ROUTES", routes)
    assert upnp_gateway.main(["map", "4001", "60"]) == 0
    assert "no default route" in capsys.readouterr().out
