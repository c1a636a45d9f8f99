"""The node as a service of the person's session: units that the supervisor accepts."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from p2pcommons import service
from p2pcommons.paths import Paths

SYSTEMD = pytest.mark.skipif(shutil.which("systemctl") is None, reason="there is no systemd here")


def unreachable_bus(home: Any, tmp_path: Path) -> Any:
    """Let units be written below `tmp_path`, and keep them away from the supervisor of a person."""
    home.environment |= {
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_RUNTIME_DIR": str(tmp_path / "nothing"),
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/nothing/bus",
    }
    return home


@SYSTEMD
def test_a_unit_is_written_named_and_taken_away_again(ana: Any, tmp_path: Path) -> None:
    ana = unreachable_bus(ana, tmp_path)
    assert ana("service", "status", "--json").json["installed"] is False
    installed = ana("service", "install", "--json")
    fields = installed.json
    # No session bus: the file is there for the next log-in, and that is what is said.
    assert (installed.code, fields["installed"], fields["running"]) == (1, True, False)
    assert fields["said"]
    unit = Path(fields["file"])
    assert unit.parent == tmp_path / "config" / "systemd" / "user"
    assert f"--home {ana.path} node run" in unit.read_text()
    assert ana("service", "status", "--json").code == 5
    assert ana("service", "remove", "--json").json["removed"] is True
    assert not unit.exists()
    assert ana("service", "remove", "--json").json["removed"] is False


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("name", ["plain", "with a space", "100%", "dollar$HOME", 'quote"d', "é"])
def test_systemd_accepts_the_unit_whatever_the_home_is_called(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    unit = tmp_path / "p2pcommons-test.service"
    unit.write_text(service.systemd_unit(Paths(home, home, home)), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(unit)],
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    said = [line for line in done.stderr.splitlines() if unit.name in line]
    assert not said, done.stderr


def test_a_launch_agent_names_the_same_command(tmp_path: Path) -> None:
    home = tmp_path / "a & b"
    agent = plistlib.loads(service.launchd_agent(Paths(home, home, home), "x").encode())
    assert agent["ProgramArguments"][3:] == ["--home", str(home), "node", "run", "--background"]
    assert agent["KeepAlive"] == {"SuccessfulExit": False}


@pytest.mark.skipif(shutil.which("true") is None, reason="needs a Unix")
def test_without_a_supervisor_the_command_to_run_is_named(ana: Any, tmp_path: Path) -> None:
    ana.environment["PATH"] = str(tmp_path)
    code, _, message = ana.error("service", "install")
    assert code == 1
    assert "node run" in message
