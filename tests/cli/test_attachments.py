"""`attach`, `attachments`, `fetch`: files that go with entries."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from p2pcommons.replica.attachments import safe_name

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = {
    "id", "commons", "entry", "author", "claimed_at", "name", "size", "sha256", "cid",
    "media_type", "note", "here",
}  # fmt: skip


def test_a_file_is_attached_listed_shown_and_saved(garden: Any, tmp_path: Path) -> None:
    entry = garden.json("list")["items"][0]["id"]
    source = tmp_path / "plan.pdf"
    source.write_bytes(b"%PDF-1.7 and so on")
    made = garden.json("attach", entry[:10], str(source), "--note", "page\x1b[2J 3")
    assert set(made) == FIELDS
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
