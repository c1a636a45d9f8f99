"""Settings are kept whoever saves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pcommons.config import Config
from p2pcommons.errors import UserError


def test_a_key_that_is_no_text_is_named(tmp_path: Path):
    path = tmp_path / "config.toml"
    path.write_text("[keys.browse]\nsearch = 7\n")
    with pytest.raises(UserError, match=r"keys\.browse\.search in .* must be a text, not 7"):
        Config.load(path).keys()


def test_two_processes_that_save_settings_keep_both(tmp_path: Path):
    path = tmp_path / "config.toml"
    node, person = Config.load(path), Config.load(path)
    person.set("name", "Ana")
    node.set("network.port", 4_001)
    after = Config.load(path)
    assert (after.text("name"), after.number("network.port")) == ("Ana", 4_001)
