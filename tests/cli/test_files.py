"""`import` and `export`."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

BOOKMARKS = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
<DL><p>
<DT><A HREF="https://example.org/one" ADD_DATE="1600000000" TAGS="solar,diy">One</A>
<DT><A HREF="https://Example.ORG:443/one" TAGS="oven">One again</A>
<DT><A HREF="https://example.org/two?a=1&amp;b=2">Two</A>
<DT><A HREF="javascript:alert(1)">A bookmarklet</A>
</DL>
"""


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_import_says_what_became_of_each_link_and_again_adds_nothing(
    ana: Any, tmp_path: Path
) -> None:
    path = write(tmp_path, "bookmarks.html", BOOKMARKS)
    first = ana("import", path, "--json")
    made = first.json
    assert made["links"] == made["added"] + made["merged"] + made["skipped"] + made["failed"]
    assert (made["added"], made["merged"]) == (2, 1)
    entries = ana.json("list")["items"]
    assert [entry["title"] for entry in entries] == ["Two", "One"]
    assert entries[0]["claimed_at"] == entries[1]["claimed_at"] + 1
    assert set(entries[1]["tags"]) == {"solar", "diy", "oven"}
    assert ana.json("show", entries[1]["id"])["dated"] == 1_600_000_000
    again = ana.json("import", path)
    assert (again["added"], again["merged"]) == (0, 0)
    assert len(ana.json("list")["items"]) == 2


def test_an_address_of_somebody_else_gets_ones_tags_and_no_second_entry(
    ana: Any, begun: Any, tmp_path: Path
) -> None:
    ana.json("add", "https://example.org/one", "--title", "By Ana", "--tag", "solar")
    export = str(tmp_path / "commons.jsonl")
    ana.json("export", "--format", "jsonl", "--out", export)
    rui = type(ana)(tmp_path / "rui")
    rui.json("init", "--name", "Rui")
    rui.json("import", export)
    made = rui.json("import", write(tmp_path, "bookmarks.html", BOOKMARKS))
    assert (made["added"], made["merged"]) == (1, 2)
    shown = rui.json("show", rui.json("search", "by:Ana")["items"][0]["id"])
    by = {each["tag"]: each["authors"] for each in shown["taggers"]}
    author = {name: home.json("whoami")["author"] for name, home in (("ana", ana), ("rui", rui))}
    assert by["diy"] == [author["rui"]]
    assert sorted(by["solar"]) == sorted(author.values())


def test_lines_with_a_title_become_entries_of_ones_own(ana: Any, tmp_path: Path) -> None:
    lines = [
        {"title": "One", "url": "https://example.org/1", "tags": ["a"], "dated": 1_500_000_000},
        {"title": "Two", "text": "some text"},
        {"url": "https://example.org/no-title"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines) + "not json\n"
    done = ana("import", write(tmp_path, "lines.jsonl", text), "--json")
    assert (done.json["links"], done.json["added"], done.json["failed"]) == (4, 2, 2)
    assert [each["line"] for each in done.json["failures"]] == [3, 4]
    assert "lines.jsonl:4:" in done.err
    assert done.code == 0


def test_a_file_of_which_nothing_can_be_taken_fails(ana: Any, tmp_path: Path) -> None:
    path = write(tmp_path, "lines.jsonl", "not json\n")
    assert ana("import", path, "--format", "jsonl", "--json").code == 1


def test_export_of_jsonl_into_an_empty_home_gives_the_same_replica(
    garden: Any, tmp_path: Path
) -> None:
    out = tmp_path / "commons.jsonl"
    said = garden.json("export", "--format", "jsonl", "--out", str(out))
    assert said["bytes"] == out.stat().st_size
    for line in out.read_text().splitlines():
        value = json.loads(line)
        assert set(value) == {"v", "id", "kind", "envelope"}
        assert value["v"] == 1
        base64.b64decode(value["envelope"], validate=True)
    rui = type(garden)(tmp_path / "rui")
    rui.json("init", "--name", "Rui")
    made = rui.json("import", str(out))
    before = garden.json("digest", "Sun kitchen")
    assert made["joined"] == [before["commons"]]
    assert made["added"] == before["count"]
    assert rui.json("digest", "Sun kitchen") == before
    assert rui.json("import", str(out))["added"] == 0


def test_without_out_the_export_goes_to_stdout_and_nothing_else(garden: Any) -> None:
    done = garden("export", "--format", "jsonl")
    assert done.code == 0
    assert len(done.out.splitlines()) == garden.json("digest", "Sun kitchen")["count"]
    code, _, message = garden.error("export", "--format", "jsonl")
    assert code == 2
    assert "--out" in message


def test_bookmarks_and_markdown_are_for_other_programs(garden: Any, tmp_path: Path) -> None:
    assert "https://example.org/glass" in garden("export", "--format", "bookmarks").out
    folder = tmp_path / "notes"
    assert garden.json("export", "--format", "markdown", "--out", str(folder))["files"] == 4
    assert any("Mark the focal line." in path.read_text() for path in folder.iterdir())
    assert garden.error("export", "--format", "markdown")[0] == 2


def test_an_export_that_cannot_be_written_leaves_nothing(garden: Any, tmp_path: Path) -> None:
    out = tmp_path / "no-folder" / "commons.jsonl"
    assert garden.error("export", "--format", "jsonl", "--out", str(out))[:2] == (1, "failed")


def test_a_person_with_several_commons_is_asked_where_to_import(
    ana: Any, tmp_path: Path, terminal: Callable[..., Any]
) -> None:
    ana.json("commons", "create", "Reading group")
    path = write(tmp_path, "bookmarks.html", BOOKMARKS)
    assert ana.error("import", path)[0] == 2
    shown = terminal("--home", str(ana.path), "import", path)
    shown.expect("1 to 2: ")
    shown.type("2")
    shown.end()
    assert shown.code == 0
    assert len(ana.json("list", "--commons", "Reading group")["items"]) == 2


def test_a_killed_import_goes_on_when_it_is_run_again(ana: Any, tmp_path: Path) -> None:
    import signal
    import subprocess

    lines = "".join(
        json.dumps({"title": f"Entry {number}", "url": f"https://example.org/{number}"}) + "\n"
        for number in range(3_000)
    )
    path = write(tmp_path, "many.jsonl", lines)
    program = Path(__import__("sys").executable).with_name("p2pcommons")
    running = subprocess.Popen([program, "--home", ana.path, "import", path], stderr=-3, stdout=-3)
    from p2pcommons.replica import open_replica

    with open_replica(ana.path) as replica:
        while not replica.entries(limit=1) and running.poll() is None:
            pass
    running.send_signal(signal.SIGKILL)
    running.wait()
    made = ana.json("import", path)
    assert made["links"] == 3_000
    assert made["added"] + made["skipped"] == 3_000
    assert made["skipped"] > 0
    assert len(ana.json("list")["items"]) == 3_000


def test_private_links_are_left_out_unless_asked_for(ana: Any, tmp_path: Path) -> None:
    source = tmp_path / "private.html"
    source.write_text(
        "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n"
        '<DT><A HREF="https://a.example/1" PRIVATE="1">One</A>\n'
        '<DT><A HREF="https://a.example/2" PRIVATE="0">Two</A>\n'
    )
    report = ana.json("import", str(source))
    assert (report["added"], report["skipped"], report["failed"]) == (1, 1, 0)
    assert [each["line"] for each in report["left_out"]] == [2]
    assert ana.json("import", str(source), "--with-private")["added"] == 1
