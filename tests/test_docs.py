"""The documents say what the code does: commands, settings, limits, tests and files by name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from p2pcommons import handbook
from p2pcommons.cli.root import SECTIONS
from p2pcommons.config import SETTINGS
from p2pcommons.interchange.checks import URL_CHARS_MAX
from p2pcommons.model import limits

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
COMMANDS = {name for section in SECTIONS.values() for name in section}
GROUPS = {
    "commons": {"create", "list", "offer", "leave"},
    "node": {"run", "start", "stop", "status"},
    "peers": {"add", "name", "remove"},
    "people": {"list", "keep", "let"},
}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def all_texts() -> dict[str, str]:
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in DOCS}
    texts.update({f"handbook: {page.title}": page.text for page in handbook.entries()})
    return texts


def test_every_command_is_described() -> None:
    described = text_of("docs/cli.md")
    for command in COMMANDS:
        assert re.search(rf"`(p2pcommons )?{command}\b", described), command


def test_every_command_that_a_document_shows_exists() -> None:
    shown = 0
    for name, text in all_texts().items():
        for command, second in re.findall(r"\bp2pcommons ([a-z]+)(?: ([a-z]+))?", code_in(text)):
            if command not in COMMANDS:
                assert command in {"node", "peers"} | COMMANDS, (name, command)
            if command in GROUPS and second:
                assert second in GROUPS[command], (name, command, second)
            shown += 1
    assert shown > 50


def code_in(text: str) -> str:
    """What a document shows as code: indented or fenced blocks and words between backticks."""
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    indented = re.findall(r"^ {4}\S.*$", text, re.MULTILINE)
    words = re.findall(r"`([^`\n]+)`", text)
    return "\n".join([*blocks, *indented, *words])


def test_every_setting_is_described_with_its_default_and_variable() -> None:
    section = text_of("docs/user-guide.md").partition("## Settings")[2].partition("## ")[0]
    rows = [[cell.strip(" `") for cell in row.split("|")] for row in section.splitlines()]
    described = {row[1]: (row[2], row[4]) for row in rows if len(row) == 7 and row[1] != "setting"}
    allowed = {row[1]: row[3] for row in rows if len(row) == 7}
    described.pop("---")
    defaults = {
        setting.name: str(setting.default).lower()
        if isinstance(setting.default, bool)
        else str(setting.default)
        for setting in SETTINGS
    }
    assert described == {
        setting.name: (defaults[setting.name], setting.variable) for setting in SETTINGS
    }
    for setting in SETTINGS:
        if type(setting.default) is int:
            assert allowed[setting.name] == f"{setting.least:,} to {setting.most:,}"


def test_limits_in_the_guide_are_those_of_the_code() -> None:
    guide = text_of("docs/user-guide.md")
    for row in (
        f"| title | {limits.TITLE_CHARS_MAX} characters |",
        f"| entry, with everything in it | {limits.BODY_BYTES_MAX:,} bytes |",
        f"| tag | {limits.TAG_CHARS_MAX} characters |",
        f"| tags of one person on one entry | {limits.TAGS_MAX} |",
        f"| name | {limits.NAME_CHARS_MAX} characters |",
        f"| address, in an import | {URL_CHARS_MAX:,} characters |",
        f"| rules of a commons | {limits.RULES_MAX}, of {limits.RULE_CHARS_MAX} characters |",
    ):
        assert row in guide
    pages = " ".join(page.text for page in handbook.entries())
    assert f"{limits.TITLE_CHARS_MAX} characters" in pages
    assert f"{limits.BODY_BYTES_MAX:,} bytes" in pages
    assert f"{limits.ERASE_AFTER_SECONDS // 3600} hours" in pages


def test_every_test_that_a_document_names_exists() -> None:
    written = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    names = {name for text in all_texts().values() for name in re.findall(r"`(test_\w+)`", text)}
    assert len(names) > 10
    for name in names - {"test_withdrawn_body_is_not_accepted_again"}:
        assert f"def {name}(" in written, name


def test_every_file_that_a_document_links_or_names_exists() -> None:
    for path in DOCS:
        text = path.read_text("utf-8")
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
            assert (path.parent / target).exists(), (path.name, target)
        for script in re.findall(r"`(bench/\w+\.py)", text):
            assert (ROOT / script).exists(), (path.name, script)
        for module in re.findall(
            r"`((?:model|views|protocol|net|store|interchange)/\w+\.py)`", text
        ):
            assert (ROOT / "src/p2pcommons" / module).exists(), (path.name, module)


def test_every_package_is_on_the_map() -> None:
    listed = text_of("docs/contributing.md") + text_of("docs/architecture.md")
    for path in (ROOT / "src/p2pcommons").iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            assert f"`{path.name}`" in listed, path.name


@pytest.mark.parametrize("name", ["README.md", "handbook"])
def test_the_script_that_is_shown_runs(name: str, tmp_path: Path) -> None:
    if name == "handbook":
        (page,) = [page for page in handbook.entries() if "open_replica" in page.text]
        lines = re.findall(r"^(?: {4}(.*)|)$", page.text.partition("well:")[2], re.MULTILINE)
        script = "\n".join(lines)
        before = "from p2pcommons.replica import open_replica as o\nr = o()\n"
        before += "r.create_identity('ana')\nr.create_commons('Garden')\nr.close()\n"
        script = before + script
    else:
        (script,) = re.findall(r"^```python\n(.*?)^```", text_of(name), re.DOTALL | re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "P2PCOMMONS_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if name == "README.md":
        assert "Compost" in done.stdout
        assert "ana~" in done.stdout


def test_keys_in_the_guide_are_bound_to_something() -> None:
    section = text_of("docs/user-guide.md").partition("## Keys")[2].partition("## ")[0]
    source = "\n".join(
        path.read_text("utf-8") for path in (ROOT / "src/p2pcommons/tui").rglob("*.py")
    )
    bound = {
        key for keys in re.findall(r"Binding\(\s*\"([^\"]+)\"", source) for key in keys.split(",")
    }
    names = {"?": "question_mark", "/": "slash"}
    shown = re.findall(r"`([^`]+)`", section)
    assert len(shown) > 15
    for key in shown:
        spelled = names.get(key) or (key if len(key) == 1 else key.lower().replace("+", "_"))
        assert spelled.replace("ctrl_", "ctrl+") in bound, key


def test_the_layers_in_the_architecture_are_those_that_are_checked() -> None:
    contracts = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    drawn = re.findall(r"^([a-z_| ]+?)  ", text_of("docs/architecture.md"), re.MULTILINE)
    assert [layer for layer in drawn if layer in layers] == layers
