"""Where a profile's files lie, with what rights, and where its socket is."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def test_the_home_holds_everything_and_is_for_its_owner_alone(ana: Any) -> None:
    ana.add("One")
    names = {path.name for path in ana.path.iterdir()}
    assert {"config.toml", "device.key", "replica.db"} <= names
    allowed = {
        "config.toml", "device.key", "peer.key", "replica.db", "replica.db-wal", "replica.db-shm",
        "node.lock", "node.log", "node.sock", "drafts",
    }  # fmt: skip
    assert names <= allowed
    assert stat.S_IMODE(ana.path.stat().st_mode) == 0o700
    for name in ("device.key", "replica.db"):
        assert stat.S_IMODE((ana.path / name).stat().st_mode) == 0o600


def test_an_invite_makes_the_peer_key_for_its_owner_alone(ana: Any) -> None:
    ana.json("invite")
    assert stat.S_IMODE((ana.path / "peer.key").stat().st_mode) == 0o600


def test_paths_name_every_file_whether_it_is_there_or_not(empty: Any) -> None:
    found = empty.json("paths")
    assert found["home"] == str(empty.path)
    assert found["config"] == str(empty.path / "config.toml")
    assert found["replica"] == str(empty.path / "replica.db")
    assert found["socket"] == str(empty.path / "node.sock")
    assert not empty.path.exists()


def test_a_long_path_moves_the_socket_to_the_runtime_folder(empty: Any, tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    empty.environment["XDG_RUNTIME_DIR"] = str(runtime)
    empty.path = tmp_path / ("long-" * 20)
    found = empty("paths", "--json")
    digest = hashlib.sha256(os.fsencode(os.path.realpath(empty.path))).hexdigest()[:16]
    assert found.json["socket"] == str(runtime / "p2pcommons" / f"{digest}.sock")
    assert found.err == ""
    assert stat.S_IMODE((runtime / "p2pcommons").stat().st_mode) == 0o700


def test_a_missing_runtime_folder_prints_no_warning(empty: Any, tmp_path: Path) -> None:
    empty.environment.pop("XDG_RUNTIME_DIR", None)
    empty.environment["TMPDIR"] = str(tmp_path)
    empty.path = tmp_path / ("long-" * 20)
    found = empty("paths", "--json")
    assert found.err == ""
    assert found.json["socket"].startswith(str(tmp_path))


def test_the_longest_socket_path_beside_the_home_has_100_bytes(empty: Any, tmp_path: Path) -> None:
    room = 100 - len(str(tmp_path)) - len("/") - len("/node.sock")
    for length, beside in ((room, True), (room + 1, False)):
        empty.path = tmp_path / ("x" * length)
        found = empty.json("paths")["socket"]
        assert (found == str(empty.path / "node.sock")) is beside


def test_the_doctor_names_what_is_open_to_others(ana: Any) -> None:
    assert ana("doctor").code == 0
    (ana.path / "device.key").chmod(0o644)
    done = ana("doctor", "--json")
    assert done.code == 1
    wrong = [check for check in done.json["items"] if not check["ok"]]
    assert [set(check) for check in wrong] == [{"check", "ok", "text", "fix"}]
    assert "chmod 600" in wrong[0]["fix"]


def test_the_doctor_reports_a_store_that_is_damaged(ana: Any) -> None:
    (ana.path / "replica.db").write_bytes(b"not a store at all" * 100)
    done = ana("doctor", "--json")
    assert done.code == 1
    assert any("replica.db" in check["text"] for check in done.json["items"] if not check["ok"])
    code, word, message = ana.error("list")
    assert (code, word) == (1, "failed")
    assert "replica.db" in message


def test_settings_that_are_wrong_name_the_setting(ana: Any) -> None:
    (ana.path / "config.toml").write_text("[network]\nport = 'many'\n")
    code, _, message = ana.error("list")
    assert code == 2
    assert "network.port" in message


def test_the_doctor_finds_settings_that_keep_everything_else_from_working(ana: Any) -> None:
    for broken, named in (
        ("[network\n", "config.toml"),
        ("name = 5\n", "name"),
        ('[network]\nlisten = ["rubbish"]\n', "network.listen"),
        ("[network]\nrelay_seconds = -1\n", "network.relay_seconds"),
    ):
        (ana.path / "config.toml").write_text(broken)
        done = ana("doctor", "--json")
        assert done.code == 1
        wrong = [check for check in done.json["items"] if not check["ok"]]
        assert [check["check"] for check in wrong] == ["settings"]
        assert named in wrong[0]["text"]
        assert wrong[0]["fix"]


def test_a_default_commons_that_is_not_here_is_named_as_the_setting(ana: Any) -> None:
    with (ana.path / "config.toml").open("a") as file:
        file.write('\n[commons]\ndefault = "Elsewhere"\n')
    code, word, message = ana.error("add", "--title", "T")
    assert (code, word) == (3, "not-found")
    assert "Elsewhere" in message
    assert "commons.default" in message
    done = ana("doctor", "--json")
    assert done.code == 1
    wrong = [check["text"] for check in done.json["items"] if not check["ok"]]
    assert any("commons.default" in text for text in wrong)


def test_the_doctor_finds_a_runtime_folder_that_cannot_be_used(empty: Any, tmp_path: Path) -> None:
    runtime = tmp_path / "runtime"
    (runtime / "p2pcommons").parent.mkdir()
    (runtime / "p2pcommons").write_text("in the way")
    empty.path = tmp_path / ("x" * 120)
    empty.environment["XDG_RUNTIME_DIR"] = str(runtime)
    empty.json("init", "--name", "Ana")
    done = empty("doctor", "--json")
    assert done.code == 1
    assert [check["check"] for check in done.json["items"] if not check["ok"]] == ["node"]


def test_a_damaged_store_is_repaired_and_the_damaged_file_kept(ana: Any) -> None:
    entry = ana.add("Compost", "--text", "Turn it weekly.")
    path = ana.path / "replica.db"
    content = path.read_bytes()
    path.write_bytes(b"\xff" * 4_096 + content[4_096:])
    assert "p2pcommons doctor --repair" in ana.error("list")[2]
    before = sorted(file.name for file in ana.path.iterdir())
    found = ana.json("doctor", "--repair", "--dry-run")
    assert (found["dry_run"], found["kept_as"]) == (True, None)
    assert sorted(file.name for file in ana.path.iterdir()) == before
    found = ana.json("doctor", "--repair")
    assert found["salvaged"]["own"] == found["salvaged"]["contributions"] >= 2
    assert (path.parent / found["kept_as"]).read_bytes()[4_096:] == content[4_096:]
    assert ana.json("show", entry)["text"] == "Turn it weekly."
    assert ana("doctor").code == 0
    assert ana.json("doctor", "--repair")["faults"] == []
    assert ana("doctor", "--dry-run").code == 2


def test_a_store_is_not_repaired_under_a_running_node(ana: Any) -> None:
    ana.json("node", "start", "--mode", "off")
    try:
        code, word, message = ana.error("doctor", "--repair")
    finally:
        ana.json("node", "stop")
    assert (code, word) == (7, "conflict")
    assert "node stop" in message


def test_what_is_typed_at_a_store_that_cannot_be_opened_is_kept(ana: Any) -> None:
    path = ana.path / "replica.db"
    path.write_bytes(b"\xff" * 4_096 + path.read_bytes()[4_096:])
    done = ana("add", "--title", "Compost", "--tag", "soil", "-", stdin="Turn it weekly.")
    assert done.code == 1
    assert "kept as a draft" in done.err
    drafts = list((ana.path / "drafts").iterdir())
    assert len(drafts) == 1
    assert "Turn it weekly." in drafts[0].read_text()
    assert "soil" in drafts[0].read_text()
