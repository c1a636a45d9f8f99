"""The person on a machine: keys are made once, words are kept until confirmed, then gone."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.replica import open_replica


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_person_gets_words_that_wait_in_root_key_until_confirmed(tmp_path: Path):
    with open_replica(tmp_path / "home") as replica:
        identity, words = replica.create_identity("Ana")
        assert len(words) == 24
        assert identity.words_unconfirmed
        assert replica.unconfirmed_words() == words
        assert mode(replica.paths.root_key) == 0o600
        assert mode(replica.paths.device_key) == 0o600
        assert mode(replica.paths.home) == 0o700
        replica.confirm_words()
        assert not replica.paths.root_key.exists()
        assert replica.unconfirmed_words() is None


def test_second_identity_is_refused_and_nothing_changes(tmp_path: Path):
    with open_replica(tmp_path) as replica:
        first, _words = replica.create_identity("Ana")
        key = replica.paths.device_key.read_bytes()
        with pytest.raises(UserError) as caught:
            replica.create_identity("Eve")
        assert caught.value.code is ErrorCode.CONFLICT
        assert replica.paths.device_key.read_bytes() == key
        assert replica.require_identity() == first


def test_of_two_who_make_an_identity_at_once_one_is_refused(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(_make, [(tmp_path, f"Person {number}") for number in range(8)]))
    words = [each for each in made if each is not None]
    assert len(words) == 1
    with open_replica(tmp_path) as replica:
        assert replica.unconfirmed_words() == words[0]


def _make(wanted: tuple[Path, str]) -> tuple[str, ...] | None:
    home, name = wanted
    with open_replica(home) as replica:
        try:
            return replica.create_identity(name)[1]
        except UserError:
            return None


def test_words_on_another_machine_give_the_same_author_and_another_device(tmp_path: Path):
    with open_replica(tmp_path / "old") as old, open_replica(tmp_path / "new") as new:
        before, words = old.create_identity("Ana")
        after = new.restore_identity(words)
        assert after.author == before.author
        assert after.device != before.device
        assert not new.paths.root_key.exists()


def test_two_devices_of_one_author_write_into_one_line(tmp_path: Path):
    with open_replica(tmp_path / "old") as old, open_replica(tmp_path / "new") as new:
        _identity, words = old.create_identity("Ana")
        new.restore_identity(words, "Ana")
        garden = old.create_commons("Garden").id
        entry = old.add_entry(garden, title="Compost").id
        export = tmp_path / "all.jsonl"
        export.write_bytes(b"".join(old.export("jsonl")))
        assert new.import_file(export).added == old.digest(garden).count
        new.edit_entry(entry, commons=garden, text="Turn it.")
        assert new.entry(garden, entry).row.heads == 1


def test_damaged_key_file_is_named_and_not_replaced(tmp_path: Path):
    with open_replica(tmp_path) as replica:
        replica.create_identity("Ana")
        replica.paths.device_key.write_bytes(b"\x00short")
    with open_replica(tmp_path) as replica:
        with pytest.raises(UserError, match=r"device\.key"):
            _ = replica.identity
        with pytest.raises(UserError):
            replica.create_identity("Ana")
        assert replica.paths.device_key.read_bytes() == b"\x00short"


def test_name_travels_with_the_first_contribution_and_not_before(tmp_path: Path):
    with open_replica(tmp_path) as replica:
        me, _words = replica.create_identity("Ana")
        garden = replica.create_commons("Garden").id
        assert replica.digest(garden).count == 2
        replica.add_entry(garden, title="Compost")
        assert replica.digest(garden).count == 3
        assert replica.name_of(garden, me.author) == me.shown
        replica.set_name("Ana M.")
        replica.add_entry(garden, title="Beans")
        assert replica.digest(garden).count == 5
        assert replica.name_of(garden, me.author).startswith("Ana M.~")
