"""docs/cli.md and the program say the same: commands, options, fields, examples."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from p2pcommons.cli.invocation import Invocation
from p2pcommons.cli.parsing import GLOBAL_NAMES, Group
from p2pcommons.cli.root import root
from p2pcommons.errors import EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
LOCAL = ("--mode", "friends", "--listen", "/ip4/127.0.0.1/tcp/0")


@cache
def sections() -> dict[str, str]:
    """Return the text of each command's section."""
    parts = re.split(r"^### `([^`]+)`\n", DOCUMENT.read_text(), flags=re.MULTILINE)
    texts = (re.split(r"^#", text, flags=re.MULTILINE)[0] for text in parts[2::2])
    return dict(zip(parts[1::2], texts, strict=True))


def commands(group: Group = root, above: str = "") -> Iterator[tuple[str, click.Command]]:  # type: ignore[assignment]
    """Yield every command that can be run, by its whole name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if not isinstance(found, Group) or name == "peers":
            yield above + name, found
        if isinstance(found, Group):
            yield from commands(found, f"{above}{name} ")


def own_options(found: click.Command) -> set[str]:
    return {
        name
        for param in found.params
        if isinstance(param, click.Option) and not param.hidden
        for name in param.opts
        if not GLOBAL_NAMES & set(param.opts)
    }


def fields_of(section: str) -> set[str]:
    """Return the field names in the paragraph that begins with JSON."""
    paragraph = re.search(r"^JSON: (.+)$", section, re.MULTILINE)
    assert paragraph is not None, section
    text = re.sub(r"\([^)]*\)|\[.*?\]\(.*?\)", "", paragraph[1]).partition("Each of")[0]
    return set(re.findall(r"`([a-z_]+)`", text))


def object_of(heading: str) -> set[str]:
    text = DOCUMENT.read_text().partition(f"### {heading}\n")[2].partition("\n#")[0]
    listed = text.partition(".\n")[0].partition("share it:")[2]
    cells = listed or " ".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE))
    return set(re.findall(r"`([a-z_]+)`", cells))


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert set(sections()) == {name for name, _ in commands()}


@pytest.mark.parametrize(("name", "found"), commands(), ids=str)
def test_the_section_names_every_option_and_no_other(name: str, found: click.Command) -> None:
    text = sections()[name].replace("`--json`", "").replace("`--`", "")
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", text)) - GLOBAL_NAMES
    aside = {
        "init": {"--words"},
        "join": {"--out"},
        "digest": {"--commons"},
    }.get(name, set())
    assert own_options(found) <= named
    assert named - own_options(found) - aside == set()


@pytest.mark.parametrize(("name", "found"), commands(), ids=str)
def test_the_arguments_have_names_for_people(name: str, found: click.Command) -> None:
    assert found.help, name
    for param in found.params:
        if isinstance(param, click.Option) and not param.hidden:
            assert param.help, (name, param.opts)
            assert param.help.endswith("."), (name, param.opts)


def examples() -> Iterator[str]:
    for found in (root, *(each for _, each in commands())):
        yield from (line for line, _ in found.examples)  # type: ignore[attr-defined]
    yield from re.findall(r"^(?:    )?p2pcommons (.+)$", DOCUMENT.read_text(), re.MULTILINE)


@pytest.mark.parametrize("line", sorted(set(examples())))
def test_every_example_is_a_line_that_can_be_run(line: str) -> None:
    words = shlex.split(re.split(r" [|>] ?", line)[0])
    command: click.Command = root
    context = click.Context(root, obj=Invocation())
    while isinstance(command, Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, line
        command = found
    command.make_context(command.name, words, obj=Invocation())


def test_exit_codes_and_their_words_are_documented() -> None:
    rows = re.findall(r"^\| (\d) \| `([a-z-]+)` \|", DOCUMENT.read_text(), re.MULTILINE)
    assert {word: int(code) for code, word in rows} == {
        code.value: number for code, number in EXIT_CODES.items()
    }


def test_the_fields_of_every_answer_are_documented(empty: Any, tmp_path: Path) -> None:
    def check(command: str, answer: dict[str, Any], *more: str) -> None:
        seen = set(answer) | {name for item in answer.get("items", [])[:1] for name in item}
        assert seen | set(more) == fields_of(sections()[command]), command

    check("init", empty.json("init", "--name", "Ana"))
    check("whoami", empty.json("whoami"))
    commons = empty.json("commons", "create", "Garden")
    check("commons create", commons)
    check("commons list", empty.json("commons", "list"))
    entry = empty.json("add", "https://example.org/a", "--tag", "a")
    check("add", entry)
    check("edit", empty.json("edit", entry["id"], "--title", "Two"))
    check("tag", empty.json("tag", entry["id"], "+b"))
    check("tags", empty.json("tags"))
    check("digest", empty.json("digest"))
    check("paths", empty.json("paths"))
    check("doctor", empty.json("doctor"))
    check("completion", empty.json("completion", "bash"))
    invite = empty.json("invite")
    check("invite", invite)
    check("join", empty.json("join", invite["invite"]), "equal", "tried")
    peer = "/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
    check("peers add", empty.json("peers", "add", peer))
    check("peers name", empty.json("peers", "name", "12D3KooWD3eck", "Rui"))
    check("peers", empty.json("peers"))
    check("peers remove", empty.json("peers", "remove", "12D3KooWD3eck"))
    out = tmp_path / "a.jsonl"
    check("export", empty.json("export", "--format", "jsonl", "--out", str(out)), "files")
    check("import", empty.json("import", str(out)))
    assert set(empty.json("list")["items"][0]) == object_of("Entry")
    shown = empty.json("show", entry["id"])
    assert set(shown) == object_of("Entry") | fields_of(sections()["show"])
    text = sections()["show"]
    for name in (*shown["versions"][0], *shown["taggers"][0]):
        assert f"`{name}`" in text, name
    withdrawn = empty.json("withdraw", entry["id"])
    check("withdraw", withdrawn)
    for name in empty.json("show", entry["id"])["withdrawals"][0]:
        assert f"`{name}`" in text, name
    check("commons leave", empty.json("commons", "leave", "Garden"))


def test_the_fields_of_the_status_are_documented(begun: Any, tmp_path: Path) -> None:
    home = begun.copy(tmp_path / "home")
    peer = "/ip4/127.0.0.1/tcp/9/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
    home.json("peers", "add", peer)
    status = home.json("node", "start", *LOCAL)
    try:
        assert set(status) == object_of("Status")
        text = DOCUMENT.read_text().partition("### Status\n")[2].partition("\n#")[0]
        for name in (*status["peers"][0], *status["commons"][0]):
            assert f"`{name}`" in text, name
    finally:
        stopped = home.json("node", "stop")
    assert set(stopped) == fields_of(sections()["node stop"])
