"""`init`, `words`, `whoami`: one identity a home, its words shown once and confirmed."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def words_of(card: str) -> dict[int, str]:
    """Return the words of a card by their numbers."""
    return {int(number): word for number, word in re.findall(r"(\d+) ([a-z]+)", card)}


def test_init_gives_author_device_and_24_words_and_keeps_no_seed(empty: Any) -> None:
    made = empty.json("init", "--name", "Ana")
    assert made["author"].startswith("did:key:z6Mk")
    assert re.fullmatch("[0-9a-f]{64}", made["device"])
    assert len(made["words"]) == 24
    assert made["shown"] == f"Ana~{made['author'][-6:]}"
    assert not (empty.path / "root.key").exists()


def test_init_with_an_identity_there_changes_nothing(ana: Any) -> None:
    before = {path.name: path.read_bytes() for path in ana.path.glob("*.key")}
    assert ana.error("init", "--name", "Rui")[:2] == (7, "conflict")
    assert ana.error("init", "--words", stdin="zoo")[:2] == (7, "conflict")
    assert {path.name: path.read_bytes() for path in ana.path.glob("*.key")} == before
    assert ana.json("whoami")["name"] == "Ana"


def test_init_without_a_name_and_without_a_terminal_is_a_mistake(empty: Any) -> None:
    code, word, message = empty.error("init")
    assert (code, word) == (2, "usage")
    assert "--name" in message


def test_a_name_over_the_limit_names_the_limit(empty: Any) -> None:
    code, _, message = empty.error("init", "--name", "a" * 81)
    assert code == 2
    assert "80" in message
    assert empty.error("whoami")[0] == 3


def test_words_bring_the_same_author_with_a_new_device(empty: Any, tmp_path: Any) -> None:
    made = empty.json("init", "--name", "Ana")
    other = type(empty)(tmp_path / "laptop")
    again = other.json("init", "--words", "--name", "Ana", stdin=" ".join(made["words"]) + "\nmore")
    assert again["author"] == made["author"]
    assert again["device"] != made["device"]
    assert "words" not in again
    assert not (other.path / "root.key").exists()


@pytest.mark.parametrize("typed", ["", "zoo zoo zoo", "abandon " * 24])
def test_wrong_words_are_a_mistake_and_make_nobody(empty: Any, typed: str) -> None:
    assert empty.error("init", "--words", stdin=typed)[:2] == (2, "usage")
    assert empty.error("whoami")[0] == 3


@pytest.mark.parametrize(
    "line",
    [
        ["whoami"],
        ["words"],
        ["commons", "list"],
        ["commons", "create", "Garden"],
        ["commons", "leave", "Garden"],
        ["invite"],
        ["join", "ABC"],
        ["add", "--title", "One"],
        ["edit", "abcdef12"],
        ["withdraw", "abcdef12"],
        ["show", "abcdef12"],
        ["list"],
        ["search", "one"],
        ["tag", "abcdef12", "+a"],
        ["tags"],
        ["digest"],
        ["import", "/dev/null"],
        ["export", "--format", "jsonl", "--out", "/dev/null"],
    ],
)
def test_other_commands_without_an_identity_name_init(empty: Any, line: list[str]) -> None:
    code, word, message = empty.error(*line)
    assert (code, word) == (3, "not-found")
    assert "p2pcommons init" in message


def test_without_a_terminal_the_words_are_printed_and_wait(empty: Any) -> None:
    done = empty("init", "--name", "Ana")
    assert done.code == 0
    card = words_of(done.out)
    assert sorted(card) == list(range(1, 25))
    assert stat.S_IMODE((empty.path / "root.key").stat().st_mode) == 0o600
    doctor = empty("doctor", "--json")
    assert doctor.code == 1
    wrong = [check for check in doctor.json["items"] if not check["ok"]]
    assert [check["check"] for check in wrong] == ["words"]
    shown = empty.json("words")
    assert shown["words"] == [card[number] for number in range(1, 25)]
    assert shown["words_unconfirmed"] is True
    assert empty.json("words", "--forget")["words_unconfirmed"] is False
    assert not (empty.path / "root.key").exists()
    assert empty.error("words")[0] == 3


def test_a_person_is_asked_for_a_name_and_types_two_words_back(
    terminal: Callable[..., Any], empty: Any
) -> None:
    shown = terminal("--home", str(empty.path), "init")
    shown.expect("called? ")
    shown.type("Ana")
    card = words_of(shown.expect("type two of them back"))
    assert len(card) == 24
    assert (empty.path / "root.key").exists()
    for _ in range(2):
        shown.expect("\nword ")
        number = int(shown.expect(": "))
        shown.type(card[number])
    shown.end()
    assert shown.code == 0
    assert not (empty.path / "root.key").exists()


def test_wrong_words_typed_back_keep_the_seed_and_words_shows_them_again(
    terminal: Callable[..., Any], empty: Any
) -> None:
    shown = terminal("--home", str(empty.path), "init", "--name", "Ana")
    shown.expect("\nword ")
    shown.expect(": ")
    shown.type("wrong")
    shown.expect("\nword ")
    shown.expect(": ")
    shown.type("wrong")
    shown.expect("not what the card says")
    shown.expect("\nword ")
    shown.type("")
    shown.end()
    assert shown.code == 0
    assert (empty.path / "root.key").exists()
    again = terminal("--home", str(empty.path), "words")
    card = words_of(again.expect("type two of them back"))
    for _ in range(2):
        again.expect("\nword ")
        number = int(again.expect(": "))
        again.type(card[number])
    again.end()
    assert not (empty.path / "root.key").exists()


def test_words_typed_at_a_terminal_are_not_shown(
    terminal: Callable[..., Any], empty: Any, tmp_path: Any
) -> None:
    words = " ".join(empty.json("init", "--name", "Ana")["words"])
    other = type(empty)(tmp_path / "laptop")
    shown = terminal("--home", str(other.path), "init", "--words")
    shown.expect("not shown): ")
    shown.type(words)
    seen = shown.end()
    assert shown.code == 0
    assert words.split()[3] not in seen.split()
    assert other.json("whoami")["author"] == empty.json("whoami")["author"]


def test_no_input_asks_nothing_on_a_terminal(terminal: Callable[..., Any], empty: Any) -> None:
    shown = terminal("--home", str(empty.path), "init", "--no-input")
    assert "--name" in shown.end()
    assert shown.code == 2


def test_the_name_reaches_a_commons_with_the_first_contribution(ana: Any) -> None:
    from p2pcommons.replica import open_replica

    with open_replica(ana.path) as replica:
        me = replica.require_identity().author
        commons = replica.commons()[0].id
        assert replica.name_of(commons, me).startswith("Ana~")
