"""`budget`, `pin`, `unpin`, `remove`, `restore`, `people`, `compact`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from p2pcommons.cli.root import run
from p2pcommons.errors import UserError
from p2pcommons.model.contribution import Contribution, sign
from p2pcommons.model.ids import to_did
from p2pcommons.model.keys import grant_device
from p2pcommons.model.kinds import EntryBody, encode_body
from p2pcommons.replica import open_replica, parse_size, size_said

if TYPE_CHECKING:
    from pathlib import Path

LOCAL = ("--mode", "friends", "--listen", "/ip4/127.0.0.1/tcp/0")
BO = grant_device(bytes([2]) * 32, bytes([3]) * 32)
USE = {
    "commons", "kept", "bytes", "budget", "contributions", "own_bytes", "strangers",
    "strangers_bytes", "strangers_contributions", "not_kept", "pinned", "removed", "let_go",
    "declined",
}  # fmt: skip


@dataclass
class Here:
    """A home whose commands run in this process, which takes a tenth of the time."""

    path: Path
    entries: list[str]
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> tuple[int, str]:
        code = run(["--home", str(self.path), *arguments], "p2pcommons")
        return code, self.capsys.readouterr().out

    def json(self, *arguments: str) -> Any:
        code, out = self(*arguments, "--json")
        assert code == 0, out
        return {name: value for name, value in json.loads(out).items() if name != "v"}

    def error(self, *arguments: str) -> tuple[int, str, str]:
        code, out = self(*arguments, "--json")
        error = json.loads(out)["error"]
        return code, error["code"], error["message"]


@pytest.fixture
def home(begun: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Here:
    """Ana's home with an entry of hers and ten long ones of Bo's, oldest first."""
    copied = begun.copy(tmp_path / "home")
    with open_replica(copied.path) as replica:
        (commons,) = replica.commons()
        replica.add_entry(commons.id, title="Own", text="mine")
        now = replica.now()
        made = [bos(commons.id, number, now - 1_000 + number) for number in range(10)]
        replica.store.ingest(made, received_at=now)
    return Here(copied.path, [each.id.hex() for each in made], capsys)


def bos(commons: bytes, number: int, claimed_at: int) -> Contribution:
    body = encode_body(EntryBody("note", f"Bo {number}", "word " * 1_000), bytes(16))
    return sign(BO, "entry", commons=commons, body=body, claimed_at=claimed_at)


def test_a_budget_is_previewed_set_and_taken_away(home: Here) -> None:
    (before,) = home.json("budget")["items"]
    assert set(before) == USE | {"title"}
    assert before["budget"] is None
    preview = home.json("budget", "Sun kitchen", "38kB", "--preview")
    going = [item["id"] for item in preview["items"]]
    assert going == home.entries[: len(going)]
    assert preview["items"][0]["title"] == "Bo 0"
    assert preview["dropped"] == len(going) > 0
    assert home.json("budget", "Sun kitchen")["not_kept"] == 0
    done = home.json("budget", "Sun kitchen", "38kB")
    assert (done["budget"], done["dropped"], done["freed"]) == (
        38_000,
        preview["dropped"],
        preview["freed"],
    )
    assert done["bytes"] < 38_000
    assert set(done) == USE | {"dropped", "freed"}
    entry = home.json("show", going[0])
    assert (entry["title"], entry["text"], entry["not_kept"]) == ("Bo 0", None, True)
    assert "not kept here" in home("show", going[0])[1]
    assert "Bo 0  (text not kept here)" in home("list")[1]
    assert home.json("budget", "Sun kitchen", "none")["budget"] is None


def test_pinned_entries_stay_and_are_listed(home: Here) -> None:
    first = home.entries[0]
    assert home.json("pin", first) == {"id": first, "pinned": True, "lacking": 0}
    (pinned,) = home.json("pin")["items"]
    assert (pinned["id"], pinned["title"], pinned["lacking"]) == (first, "Bo 0", 0)
    home.json("budget", "Sun kitchen", "0")
    assert not home.json("show", first)["not_kept"]
    assert home.json("show", home.entries[1])["not_kept"]
    assert home.json("unpin", first)["pinned"] is False
    assert home.error("unpin", first)[:2] == (3, "not-found")


def test_an_entry_of_others_is_removed_and_may_be_asked_for_again(home: Here) -> None:
    first = home.entries[0]
    before = home.json("digest")["items"][0]
    assert home.json("remove", first) == {"id": first, "removed": 1}
    assert home.error("show", first)[0] == 3
    after = home.json("digest")["items"][0]
    assert (after["count"], after["fingerprint"]) == (before["count"], before["fingerprint"])
    assert [item["id"] for item in home.json("remove")["items"]] == [first]
    code, out = home("restore", first[:8], "--wait", "0", "--json")
    assert code == 6
    assert json.loads(out) == {"v": 1, "id": first, "asked": 1, "here": False}
    assert home.json("remove")["items"] == []
    assert home.json("digest")["items"][0]["count"] == before["count"] - 1


def test_own_entries_are_withdrawn_and_not_removed(home: Here) -> None:
    own = next(each for each in home.json("list")["items"] if each["title"] == "Own")
    code, name, message = home.error("remove", own["id"])
    assert (code, name) == (4, "refused")
    assert "p2pcommons withdraw" in message


def test_people_are_listed_with_their_standing_and_kept_by_name(home: Here) -> None:
    did = to_did(BO.author)
    standing = {item["author"]: item["standing"] for item in home.json("people", "list")["items"]}
    assert standing.pop(did) == "stranger"
    assert set(standing.values()) == {"own"}
    assert home.json("people", "keep", did) == {"author": did, "kept": True}
    items = home.json("people", "list", "--limit", "1")["items"]
    assert [(item["author"], item["standing"]) for item in items] == [(did, "kept")]
    assert home.json("people", "let-go", did) == {"author": did, "kept": False}
    assert home.error("people", "let-go", did)[0] == 3


def test_compacting_gives_back_what_a_budget_let_go(home: Here) -> None:
    home.json("budget", "Sun kitchen", "0")
    planned = home.json("compact", "--dry-run")
    assert planned["after"] is None
    assert planned["needed"] < planned["free"]
    done = home.json("compact")
    assert done["after"] < done["before"]
    assert not done["by_node"]


def test_a_running_node_compacts_by_itself(begun: Any, tmp_path: Path) -> None:
    home = begun.copy(tmp_path / "home")
    home.json("node", "start", *LOCAL)
    try:
        assert home.json("compact")["by_node"]
    finally:
        home("node", "stop")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("200MB", 200_000_000),
        ("1.5 GB", 1_500_000_000),
        ("512", 512),
        ("3kb", 3_000),
        ("none", None),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-3MB", "3 XB", "1.2.3GB"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match="200MB"):
        parse_size(text)


@pytest.mark.parametrize("text", ["99999999TB", "9" * 400 + "TB"])
def test_a_size_beyond_all_disks_is_refused_and_no_error_of_ours(text: str) -> None:
    with pytest.raises(UserError, match="more than any machine holds"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (200_000_000, "200 MB"), (10**10, "10 GB")],
)
def test_sizes_are_said_in_three_digits(size: int, said: str) -> None:
    assert size_said(size) == said
