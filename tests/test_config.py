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


def test_a_table_that_is_none_is_named_and_its_settings_are_not_passed_over(tmp_path: Path):
    path = tmp_path / "config.toml"
    for said in ("network = 3\n", 'keys = "a"\n', "[[strangers]]\nmegabytes = 1\n"):
        path.write_text(said)
        with pytest.raises(UserError, match="must be a table"):
            Config.load(path)


def test_two_processes_that_save_settings_keep_both(tmp_path: Path):
    path = tmp_path / "config.toml"
    node, person = Config.load(path), Config.load(path)
    person.set("name", "Ana")
    node.set("network.port", 4_001)
    after = Config.load(path)
    assert (after.text("name"), after.number("network.port")) == ("Ana", 4_001)
