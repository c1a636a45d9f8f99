"""Settings are kept whoever saves them."""

from __future__ import annotations

from pathlib import Path

from p2pcommons.config import Config


def test_two_processes_that_save_settings_keep_both(tmp_path: Path):
    path = tmp_path / "config.toml"
    node, person = Config.load(path), Config.load(path)
    person.set("name", "Ana")
    node.set("network.port", 4_001)
    after = Config.load(path)
    assert (after.text("name"), after.number("network.port")) == ("Ana", 4_001)
