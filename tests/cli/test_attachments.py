"""`attach`, `attachments`, `fetch`: files that go with entries."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from p2pcommons.replica.attachments import safe_name

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = {
    "id", "commons", "entry", "author", "author_name", "claimed_at", "name", "size", "sha256",
    "cid", "media_type", "note", "here",
}  # fmt: skip


def test_a_file_is_attached_listed_shown_and_saved(garden: Any, tmp_path: Path) -> None:
    entry = garden.json("list")["items"][0]["id"]
    source = tmp_path / "plan.pdf"
    source.write_bytes(b"%PDF-1.7 and so on")
    made = garden.json("attach", entry[:10], str(source), "--note", "page\x1b[2J 3")
    assert made.pop("already") is False
    assert set(made) == FIELDS
    who = garden.json("whoami")
    assert (made["author"], made["author_name"]) == (who["author"], who["name"])
    assert made["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert made["cid"].startswith("bafkrei")
    assert (made["media_type"], made["here"]) == ("application/pdf", True)
    assert "\x1b" not in made["note"]
    assert garden.json("attachments", entry)["items"] == [made]
    assert garden.json("show", entry)["attachments"] == [made]
    assert "plan.pdf" in garden("show", entry).out
    source.unlink()
    got = garden.json("fetch", made["id"][:10], "--out", str(tmp_path))
    assert got["path"] == str(source)
    assert source.read_bytes() == b"%PDF-1.7 and so on"
    assert garden.error("fetch", made["id"], "--out", str(tmp_path))[:2] == (7, "conflict")
    garden.json("fetch", made["id"], "--out", str(tmp_path), "--force")
    garden.json("withdraw", made["id"])
    assert garden.json("attachments", entry)["items"] == []
    assert garden.error("fetch", made["id"])[:2] == (3, "not-found")


def test_a_file_attached_again_adds_nothing_and_under_another_name_stands_beside(
    ana: Any, tmp_path: Path
) -> None:
    entry = ana.json("add", "--title", "Beds")["id"]
    source = tmp_path / "plan.txt"
    source.write_text("dig")
    first = ana.json("attach", entry, str(source), "--note", "the beds")
    again = ana.json("attach", entry, str(source))
    assert again == {**first, "already": True}
    assert "attached already" in ana("attach", entry, str(source), "--note", "the beds").err
    del first["already"]
    assert ana.json("attachments", entry)["items"] == [first]
    other = ana.json("attach", entry, str(source), "--name", "plan of the beds.txt")
    noted = ana.json("attach", entry, str(source), "--note", "seen from the south")
    assert (other["sha256"], other["already"], noted["already"]) == (first["sha256"], False, False)
    listed = ana.json("attachments", entry)["items"]
    assert {each["id"] for each in listed} == {first["id"], other["id"], noted["id"]}
    assert len([each for each in (ana.path / "blobs").rglob("*") if each.is_file()]) == 1
    ana.json("withdraw", first["id"])
    ana.json("withdraw", noted["id"])
    assert ana.json("attach", entry, str(source))["already"] is False


def test_what_cannot_be_attached_or_fetched_is_said(garden: Any, tmp_path: Path) -> None:
    entry = garden.json("list")["items"][0]["id"]
    assert garden.error("attach", entry, str(tmp_path / "nothing"))[:2] == (2, "usage")
    (tmp_path / "empty").touch()
    assert garden.error("attach", entry, str(tmp_path / "empty"))[0] == 2
    assert garden.error("attach", "0" * 64, __file__)[:2] == (3, "not-found")
    assert garden.error("fetch", "x")[:2] == (2, "usage")
    assert garden.error("fetch", entry)[:2] == (3, "not-found")
    assert "no files" in garden("attachments", entry).err
    (tmp_path / "plan.txt").write_text("dig")
    made = garden.json("attach", entry, str(tmp_path / "plan.txt"))
    said = garden.error("fetch", made["id"], "--out", str(tmp_path / "no" / "plan.txt"))[2]
    assert said.endswith("cannot be written: No such file or directory")
    garden.json("withdraw", made["id"])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("plan.pdf", "plan.pdf"),
        ("../../.ssh/authorized_keys", "_.._.ssh_authorized_keys"),
        ("/etc/passwd", "_etc_passwd"),
        (".bashrc", "bashrc"),
        ("C:\\autoexec.bat", "C__autoexec.bat"),
        ("..", "attachment"),
        ("a\x00b\u202egnp.exe", "abgnp.exe"),
        ("é" * 200 + ".txt", "é" * 125 + ".txt"),
    ],
)
def test_a_file_name_of_a_stranger_stays_in_its_folder(given: str, kept: str) -> None:
    assert safe_name(given) == kept
