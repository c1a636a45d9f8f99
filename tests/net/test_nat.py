"""Two routers and a relay, in network namespaces: from the relay to a direct connection."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.net.benches import bench

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = {"relay": "r", "alice": "a", "bob": "b"}


@contextmanager
def lab() -> Generator[dict[str, list[str]]]:
    nat_lab = bench("nat_lab")
    missing = nat_lab.why_not()
    if missing:
        pytest.skip(f"no routers to test with: {missing}")
    with nat_lab.two_homes("cone", "cone") as built:
        yield {"relay": built.relay, "alice": built.anas, "bob": built.ruis}


@pytest.mark.network
@pytest.mark.timeout(300)  # on a machine that does much else
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("ip") is None,
    reason="needs root and ip netns",
)
def test_two_behind_routers_meet_over_a_relay_and_then_without_it(tmp_path: Path) -> None:
    script = str(Path(__file__).with_name("nat_namespace.py"))
    with lab() as machines:
        running = [
            subprocess.Popen(
                [*machines[name], sys.executable, script, str(ROOT / "src"), str(tmp_path), name],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            for name in PEERS
        ]
        said = [each.communicate(timeout=270)[0].decode() for each in running]
    assert [each.returncode for each in running] == [0, 0, 0], "\n".join(said)
