"""`add`, `edit`, `withdraw`, `tag`, `list`, `search`, `show`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from p2pcommons.model.codec import encode
from p2pcommons.model.contribution import sign
from p2pcommons.model.limits import BODY_BYTES_MAX, TITLE_CHARS_MAX
from p2pcommons.replica import open_replica

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = {
    "id", "commons", "title", "url", "form", "author", "name", "tags", "claimed_at",
    "received_at", "versions", "heads", "withdrawn", "not_kept",
}  # fmt: skip
SHOWN = ENTRY | {"text", "language", "licence", "excerpt", "dated", "taggers", "holders"}
SHOWN |= {"withdrawals", "attachments"}


def titles(answer: Any) -> list[str]:
    return [entry["title"] for entry in answer["items"]]


def test_list_search_and_show_share_one_entry_object(garden: Any) -> None:
    (listed,) = garden.json("search", "glass")["items"]
    assert set(listed) == ENTRY
    assert listed in garden.json("list")["items"]
    shown = garden.json("show", listed["id"])
    assert set(shown) == SHOWN
    versions = shown.pop("versions")
    assert {name: shown[name] for name in ENTRY - {"versions"}} == {
        name: listed[name] for name in ENTRY - {"versions"}
    }
    assert len(versions) == listed["versions"] == 1
    assert {"id", "author", "device", "claimed_at", "parents"} <= set(versions[0])
    assert shown["taggers"] == [{"tag": "solar", "authors": [listed["author"]]}]
    assert shown["holders"] == 0


def test_list_shows_the_newest_first_and_filters_by_tag(garden: Any) -> None:
    everything = titles(garden.json("list"))
    assert len(everything) == 4
    assert titles(garden.json("list", "--limit", "2")) == everything[:2]
    assert len(garden.json("list", "--limit", "0")["items"]) == 4
    assert titles(garden.json("list", "--tag", "solar", "--tag", "#DIY")) == ["Build a solar oven"]


def test_a_list_for_people_names_id_age_author_title_and_tags(garden: Any) -> None:
    line = garden("list", "--tag", "diy").out
    assert re.fullmatch(
        r"[0-9a-f]{10}  .*(just now|min ago)  Ana~\w{6}  Build a solar oven  #\w+ #\w+\n", line
    )


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["focal"], {"Build a solar oven", "Parabola"}),
        (["focal", "line"], {"Build a solar oven", "Parabola"}),
        (['"focal line"'], {"Build a solar oven"}),
        (["focal", '-"focal line"'], {"Parabola"}),
        (["#solar", "-#diy", "-glass"], {"Parabola"}),
        (["tag:solar", "-glass", "-oven"], {"Parabola"}),
        (["-solar", "-focal", "-glass"], {"Sprouts on a window sill"}),
        (["by:Ana", "sprouts"], {"Sprouts on a window sill"}),
        (["-v"], {"Build a solar oven", "Sprouts on a window sill", "Parabola", "Glass or foil"}),
    ],
)
def test_all_words_of_a_search_are_one_query(garden: Any, words: list[str], found: Any) -> None:
    assert set(titles(garden.json("search", *words))) == found
    assert set(titles(garden.json("search", " ".join(words)))) == found


def test_search_takes_its_options_among_the_words(garden: Any) -> None:
    answer = garden.json("search", "focal", "--limit", "1", "-parabola", "--commons=Sun kitchen")
    assert titles(answer) == ["Build a solar oven"]
    assert garden.error("search", "focal", "--limt", "1")[0] == 2
    assert len(titles(garden.json("search", "focal", "--json", "--", "--limt"))) == 2


def test_searches_and_lists_know_dates(garden: Any) -> None:
    assert len(titles(garden.json("search", "after:2020-05"))) == 4
    assert titles(garden.json("search", "focal", "on:2020", "-by:Zed")) == []
    assert titles(garden.json("list", "--before", "2020-01-31")) == []
    assert len(titles(garden.json("list", "--after", "2020", "--tag", "solar"))) == 3


@pytest.mark.parametrize(
    "line",
    [["search", "oven", "after:tomorrow"], ["list", "--after", "tomorrow"]],
)
def test_what_is_no_date_in_a_line_is_named(garden: Any, line: list[str]) -> None:
    done = garden(*line)
    assert done.code == 2
    assert "tomorrow is no date: write 2024, 2024-03 or 2024-03-05" in done.err


def test_a_search_says_who_is_meant_by_nobody(garden: Any) -> None:
    done = garden("search", "oven", "by:Zed")
    assert (done.code, done.out) == (0, "")
    assert "by:Zed means nobody here" in done.err


def test_a_search_can_put_the_best_first(garden: Any) -> None:
    assert titles(
        garden.json("search", "focal", "--sort", "relevance", "parabola", "--limit=1")
    ) == ["Parabola"]
    assert garden.error("search", "focal", "--sort", "best")[0] == 2


def test_tags_are_counted_most_used_first(garden: Any) -> None:
    assert garden.json("tags")["items"] == [
        {"tag": "solar", "count": 3},
        {"tag": "diy", "count": 1},
        {"tag": "food", "count": 1},
    ]
    assert garden.json("tags", "--prefix", "#S")["items"] == [{"tag": "solar", "count": 3}]
    assert garden.json("tags", "--limit", "1")["items"] == [{"tag": "solar", "count": 3}]


def test_an_entry_takes_its_title_from_the_address_or_the_first_line(ana: Any) -> None:
    assert ana.json("add", "https://example.org/a/b?c=d")["title"] == "example.org/a/b"
    assert ana.json("add", "--text", "\n# First line\nsecond")["title"] == "First line"
    assert ana.error("add")[0] == 2


def test_the_text_comes_from_an_option_a_file_or_stdin(ana: Any, tmp_path: Path) -> None:
    text = "First line\n\n- second, mit Käse\n"
    (tmp_path / "text.md").write_text(text)
    ids = [
        ana.json("add", "--title", "One", "--text", text)["id"],
        ana.json("add", "--title", "One", "--file", str(tmp_path / "text.md"))["id"],
        ana.json("add", "--title", "One", "--file", "-", stdin=text)["id"],
        ana.json("add", "-", "--title", "One", stdin=text)["id"],
        ana.json("add", "https://example.org", "-", "--title", "One", stdin=text)["id"],
    ]
    assert {ana.json("show", each)["text"] for each in ids} == {text}
    assert ana.error("add", "--title", "One", "--text", "a", "--file", "b")[0] == 2
    assert ana.error("add", "--title", "One", "--file", str(tmp_path / "none"))[0] == 3
    assert ana.error("add", "-", "--title", "One", stdin=b"\xff\xfe\x00")[0] == 2


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        (["--title", "t" * (TITLE_CHARS_MAX + 1)], "300"),
        (["--title", "One", "--tag", "t" * 65], "64"),
        (["--title", "One", *[f"--tag=t{number}" for number in range(33)]], "32"),
        (["--title", "One", "--file", "-"], f"{BODY_BYTES_MAX:,}"),
    ],
)
def test_over_a_limit_nothing_is_cut_and_the_limit_is_named(
    ana: Any, line: list[str], limit: str
) -> None:
    code, word, message = ana.error("add", *line, stdin="x" * (BODY_BYTES_MAX + 1))
    assert (code, word) == (2, "usage")
    assert limit in message
    assert ana.json("list")["items"] == []


def test_a_first_line_too_long_for_a_title_asks_for_a_title(ana: Any) -> None:
    for line in (["--text", "x" * 301], ["https://example.org/" + "x" * 301]):
        code, _, message = ana.error("add", *line)
        assert code == 2
        assert "300" in message
        assert "give a title" in message
    assert ana.json("add", "--text", "x" * 301, "--title", "One")["title"] == "One"


def test_what_is_no_address_is_a_mistake(ana: Any) -> None:
    code, _, message = ana.error("add", "A title")
    assert code == 2
    assert "--title" in message
    assert ana.error("add", "https://a.example", "https://b.example")[0] == 2


def test_an_address_that_is_there_is_published_all_the_same_and_said(ana: Any) -> None:
    first = ana.json("add", "https://Example.org:443/")
    assert first["same_url"] == []
    done = ana("add", "HTTPS://example.org", "--json")
    assert done.json["same_url"] == [first["id"]]
    assert first["id"][:10] in done.err
    assert len(ana.json("list")["items"]) == 2


def test_edit_replaces_the_head_and_keeps_what_is_not_given(ana: Any) -> None:
    entry = ana.add("One", "--text", "text", "--form", "practice")
    edited = ana.json("edit", entry, "--title", "Two", "--note", "a better title")
    assert edited["id"] == entry
    assert edited["parents"] == [entry]
    shown = ana.json("show", entry)
    assert (shown["title"], shown["text"], shown["form"]) == ("Two", "text", "practice")
    assert [version["id"] for version in shown["versions"]] == [entry, edited["version"]]
    assert shown["heads"] == 1
    assert "a better title" in ana("show", entry).out
    assert ana.error("edit", entry)[0] == 2
    assert ana.error("edit", "00000000", "--title", "Three")[0] == 3
    text = ana.json("edit", entry, "-", stdin="from stdin")["version"]
    assert ana.json("show", text)["text"] == "from stdin"


def test_withdraw_takes_back_a_version_or_all_of_ones_own(ana: Any) -> None:
    entry = ana.add("One")
    version = ana.json("edit", entry, "--title", "Two")["version"]
    assert ana.json("withdraw", version)["withdrawn"] == [version]
    assert ana.json("show", entry)["withdrawn"] in (True, False)
    assert ana.json("withdraw", entry, "--reason", "a mistake")["withdrawn"] == [entry]
    assert ana.json("list")["items"] == []
    shown = ana.json("show", entry)
    assert shown["withdrawn"] is True
    assert {each["target"] for each in shown["withdrawals"]} == {entry, version}
    assert "withdrew" in ana("show", entry).out
    assert ana.error("withdraw", entry)[0] == 4


def test_what_somebody_else_wrote_cannot_be_withdrawn(ana: Any) -> None:
    commons = ana.json("commons", "list")["items"][0]["id"]
    assert ana.error("withdraw", commons)[:2] == (4, "refused")


def test_tag_adds_with_plus_and_takes_back_with_minus(ana: Any) -> None:
    entry = ana.add("One", "--tag", "solar")
    assert ana.json("tag", entry, "+Winter Days", "-solar", "+v")["tags"] == ["winter-days", "v"]
    assert ana.json("tag", entry[:8], "-v")["tags"] == ["winter-days"]
    assert ana.json("tag", entry)["tags"] == ["winter-days"]
    assert ana.json("list")["items"][0]["tags"] == ["winter-days"]
    assert ana.error("tag", entry, "solar")[0] == 2
    assert ana.error("tag", entry, "+")[0] == 2


def test_control_characters_of_others_never_reach_the_terminal(ana: Any) -> None:
    evil = "\x1b[2J\x1b]0;x\x07 \u202e[/red]\u200b\x00 " + "w" * 250
    with open_replica(ana.path) as replica:
        commons = replica.commons()[0].id
        values = {
            "form": evil, "title": evil, "text": evil + "\nsecond\tline", "url": evil,
            "tags": ["a\u202e\u200bb", "\u202e"], "licence": evil, "language": evil,
            "edit_note": evil, "salt": bytes(16),
        }  # fmt: skip
        entry = sign(
            replica.require_signer(),
            "entry",
            commons=commons,
            body=encode(values),
            claimed_at=replica.now(),
        )
        replica.store.ingest([entry], received_at=replica.now())
    for line in (["list"], ["search", "second"], ["show", entry.id.hex()], ["tags"]):
        done = ana(*line)
        assert done.code == 0, done
        shown = done.out + done.err
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\u200b]", shown), repr(shown)
    assert ana.json("tags")["items"] == [{"tag": "ab", "count": 1}]
    assert ana.json("show", entry.id.hex())["tags"] == ["ab"]


def test_show_is_in_words_with_who_said_what(garden: Any) -> None:
    entry = garden.json("search", "oven")["items"][0]["id"]
    shown = garden("show", entry).out
    assert shown.startswith("Build a solar oven\n")
    assert "Mark the focal line." in shown
    assert re.search(r"by +Ana~\w{6}, \d+ \w+ \d{4} \d\d:\d\d UTC", shown)
    assert re.search(r"tag +#diy by Ana~", shown)
    assert "no other node" in shown
    assert not re.search("[0-9a-f]{11}", shown)
