"""`pledge` and `pledges`: what a person takes on, and a commons that stays whatever it takes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from p2pcommons.cli.pledge import last_second_of, promise_said
from p2pcommons.errors import UserError
from p2pcommons.model.kinds import PledgeBody
from p2pcommons.replica import open_replica
from p2pcommons.replica.pledges import shown_pledge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def home(begun: Any, tmp_path: Path) -> Any:
    return begun.copy(tmp_path / "home")


def test_a_commons_that_is_kept_has_no_budget(home: Any) -> None:
    commons = home.json("commons", "list")["items"][0]["id"]
    home.json("budget", commons, "100MB")
    answer = home.json("pledge", commons, "--keep", "--files", "5GB", "--until", "2099-12-31")
    assert answer["kept"] is True
    assert answer["pledge"]["keeps"] is True
    assert (answer["pledge"]["files"], answer["pledge"]["words"]) == (5 * 10**9, "")
    shown = home.json("budget", commons)
    assert (shown["budget"], shown["kept"]) == (None, True)
    refused = home("budget", commons, "10MB", "--json")
    assert refused.code == 4
    assert "--take-back" in refused.json["error"]["message"]
    doctor = home.json("doctor")["items"]
    assert [each["ok"] for each in doctor if each["check"] == "kept"] == [True]
    back = home.json("pledge", commons, "--take-back")
    assert (back["kept"], back["pledge"]) == (False, None)
    assert home.json("budget", commons, "10MB")["budget"] == 10**7
    assert home("pledge", commons, "--take-back", "--json").code == 3


def test_what_is_not_named_stays_pledged(begun: Any, tmp_path: Path) -> None:
    with open_replica(begun.copy(tmp_path / "home").path) as replica:
        (commons,) = replica.commons()
        first = replica.pledge(commons.id, keep=True, files=10**9)
        second = replica.pledge(commons.id, text="I answer on Sundays")
        assert (second.keeps, second.files, second.text) == (True, 10**9, "I answer on Sundays")
        assert replica.pledges(commons.id) == (second,)
        count = replica.commons_row(commons.id).count
        assert replica.pledge(commons.id, keep=True) == second
        assert replica.commons_row(commons.id).count == count
        assert promise_said(first) == "keeps every text and files up to 1.0 GB"
        assert first.is_own


def test_a_pledge_that_promises_nothing_is_refused(begun: Any, tmp_path: Path) -> None:
    with open_replica(begun.copy(tmp_path / "home").path) as replica:
        (commons,) = replica.commons()
        for words in (None, "  ", "x" * 501, "a\x1bb"):
            with pytest.raises(UserError):
                replica.pledge(commons.id, text=words)
        with pytest.raises(UserError, match="--keep"):
            replica.pledge(commons.id, files=5)
        with pytest.raises(UserError):
            replica.pledge(commons.id, keep=True, until=1)
        assert replica.pledges(commons.id) == ()
        assert replica.kept(commons.id) is None


def test_nothing_is_pledged_for_a_commons_of_which_nothing_is_here(
    begun: Any, tmp_path: Path
) -> None:
    rui = type(begun)(tmp_path / "rui")
    rui.json("init", "--name", "Rui")
    invite = begun.copy(tmp_path / "ana").json("invite")["invite"]
    commons = rui.json("join", invite)["commons"]
    code, word, said = rui.error("pledge", commons, "--keep")
    assert (code, word) == (4, "refused")
    assert "not been received yet" in said


def test_a_pledge_that_has_run_out_is_followed_by_a_new_one_alone(
    begun: Any, tmp_path: Path
) -> None:
    home, later = begun.copy(tmp_path / "home").path, time.time() + 60
    with open_replica(home) as replica:
        (commons,) = replica.commons()
        replica.pledge(commons.id, keep=True, until=int(later) - 1)
    with open_replica(home, clock=lambda: later) as replica:
        assert replica.pledges(commons.id) == ()
        renewed = replica.pledge(commons.id, text="I answer on Sundays")
        assert (renewed.keeps, renewed.until, renewed.text) == (False, None, "I answer on Sundays")
        assert replica.kept(commons.id) is None


def test_words_of_a_pledge_are_cleaned_and_one_that_ended_is_not_shown(
    begun: Any, tmp_path: Path
) -> None:
    with open_replica(begun.copy(tmp_path / "home").path) as replica:
        (commons,) = replica.commons()
        replica.pledge(commons.id, text="I weed")
        row = replica.store.pledges(commons.id)[0]
        hostile = PledgeBody("\x1b[31mI \u202eweed" + "!" * 900, until=5)
        row = replace(row, author_name="B\x07o", body=hostile)
        shown = shown_pledge(row, b"", None)
        assert shown.text.startswith("[31mI weed")
        assert len(shown.text) == 500
        assert shown.who.startswith("Bo~")


def test_a_day_that_is_none_is_named() -> None:
    assert last_second_of("1970-01-01") == 86_399
    for text in ("tomorrow", "2027-02-30", "9999-12-31"):
        with pytest.raises(UserError, match="is no day"):
            last_second_of(text)


def test_leaving_for_good_says_that_the_pledge_ends_before_it_does(
    home: Any, terminal: Callable[..., Any]
) -> None:
    commons = home.json("commons", "list")["items"][0]["id"]
    home.json("pledge", commons, "--keep")
    shown = terminal("--home", str(home.path), "commons", "leave", commons, "--delete")
    assert "that ends with it" in shown.expect("Type delete to go on: ")
    shown.type("no")
    shown.end()
    assert shown.code == 4
    assert home.json("commons", "list")["items"][0]["pledges"]
    done = home("commons", "leave", commons, "--delete")
    assert done.err.index("that ends with it") < done.err.index("deleted from this machine")
    assert "others may still see it" in done.err


def test_a_pledge_ends_with_a_commons_that_was_left_before_it_was_deleted(home: Any) -> None:
    commons = home.json("commons", "list")["items"][0]["id"]
    home.json("pledge", commons, "--keep")
    left = home("commons", "leave", commons)
    assert "others still see your pledge" in left.err
    gone = home.json("commons", "leave", commons, "--delete")
    assert (gone["pledge_ended"], gone["pledge_told"]) == (True, False)


def test_a_pledge_of_words_alone_is_named_and_stands(home: Any) -> None:
    commons = home.json("commons", "list")["items"][0]["id"]
    home.json("pledge", commons, "I answer on Sundays")
    done = home("commons", "leave", commons, "--delete", "--json")
    assert done.json["pledge_ended"] is False
    assert "others still see your pledge" in done.err


def test_the_fields_are_documented(home: Any) -> None:
    from tests.cli.test_documented import fields_of, sections

    commons = home.json("commons", "list")["items"][0]["id"]
    answer = home.json("pledge", commons, "I weed")
    assert set(answer) == fields_of(sections()["pledge"])
    (item,) = home.json("pledges")["items"]
    who = home.json("whoami")
    assert (item["author"], item["name"]) == (who["author"], who["name"])
    assert set(item) | {"items"} == fields_of(sections()["pledges"]) | {"items"}
