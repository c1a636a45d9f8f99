"""Settings are kept whoever saves them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from p2pcommons.config import SETTINGS, Config, is_listen_address
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


WRONG = (
    ("network.listen", '["rubbish"]', "/ip4/0.0.0.0/tcp/4001"),
    ("network.listen", '["/ip4/127.0.0.1/tcp/0", "/ip4/999.0.0.1/tcp/1"]', "999"),
    ("network.listen", "[7]", "a list of texts"),
    ("network.port", "70000", "0 to 65,535, not 70000"),
    ("network.relay_circuits", "0", "1 to 1,000"),
    ("network.relay_circuits", "-1", "1 to 1,000"),
    ("network.relay_megabytes", "-1", "0 to 1,000,000"),
    ("network.relay_seconds", "1_000_000_000_000", "0 to 2,592,000"),
    ("network.reconcile_seconds", "0", "1 to 86,400"),
    ("network.reconcile_seconds", "true", "a number, not True"),
    ("network.kilobytes_per_second", "-5", "0 to 10,000,000"),
    ("network.megabytes_per_day", "9223372036854775808", "0 to 1,000,000,000"),
    ("strangers.megabytes", "-1", "0 to 100,000,000"),
    ("strangers.contributions", "-1", "0 to 1,000,000,000"),
    ("network.mode", '"everywhere"', "off, friends, lan, open"),
    ("name", f'"{"x" * 81}"', "the limit is 80"),
    ("name", '"two\\nlines"', "line breaks"),
)


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG)
def test_a_value_out_of_its_range_names_file_setting_and_what_is_allowed(
    tmp_path: Path, name: str, value: str, allowed: str
):
    path = tmp_path / "config.toml"
    path.write_text(f"{name} = {value}\n")
    with pytest.raises(UserError) as raised:
        Config.load(path)
    assert f"{name} in {path}" in str(raised.value)
    assert allowed in str(raised.value)
    path.unlink()
    with pytest.raises(UserError, match=r"config\.toml"):
        Config.load(path).set(name, tomllib.loads(f"it = {value}")["it"])
    assert not path.exists()


def test_everything_that_is_wrong_in_a_file_is_named_at_once(tmp_path: Path):
    path = tmp_path / "config.toml"
    path.write_text('[network]\nlisten = ["rubbish"]\nrelay_circuits = -1\n')
    with pytest.raises(UserError, match=r"network\.listen.*; network\.relay_circuits"):
        Config.load(path)


def test_every_number_has_a_range_that_its_default_lies_in():
    for setting in SETTINGS:
        if type(setting.default) is int:
            assert setting.least <= setting.default <= setting.most, setting.name


def test_a_number_of_thousands_of_digits_is_an_error_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "config.toml"
    path.write_text(f"[network]\nport = {'9' * 5_000}\n")
    with pytest.raises(UserError, match=r"config\.toml"):
        Config.load(path)
    path.unlink()
    monkeypatch.setenv("P2PCOMMONS_PORT", "9" * 5_000)
    with pytest.raises(UserError, match="P2PCOMMONS_PORT must be a number"):
        Config.load(path)
    assert not is_listen_address(f"/ip4/127.0.0.1/tcp/{'9' * 5_000}")


def test_a_variable_that_is_neither_yes_nor_no_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("P2PCOMMONS_RELAY", "perhaps")
    with pytest.raises(UserError, match="P2PCOMMONS_RELAY must be true or false, not 'perhaps'"):
        Config.load(tmp_path / "config.toml")
    monkeypatch.setenv("P2PCOMMONS_RELAY", "Off")
    assert not Config.load(tmp_path / "config.toml").flag("network.relay")


def test_addresses_to_listen_at_are_an_ip_and_a_port():
    for right in ("/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/4001", "/ip6/fe80::1/tcp/65535"):
        assert is_listen_address(right)
    for wrong in (
        "", "/ip4/0.0.0.0", "/ip4/0.0.0.0/udp/1", "/ip4/::/tcp/1", "/dns4/here/tcp/1",
        "/ip4/1.2.3.4/tcp/-1", "/ip4/1.2.3.4/tcp/65536", "/ip4/1.2.3.4/tcp/1/p2p/x",
        "/ip6/fe80::1%eth0/tcp/1", "/ip4/1.2.3.4/tcp/1\n", "ip4/1.2.3.4/tcp/1",
    ):  # fmt: skip
        assert not is_listen_address(wrong), wrong
