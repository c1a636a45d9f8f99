"""What holds for every command line: global options, names of the program, terminals, folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = Path(sys.executable).with_name("p2pcommons")


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("P2PCOMMONS_")}
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
        env={**kept, "P2PCOMMONS_UPNP": "false", **environment},
    )


@pytest.mark.parametrize(
    "line",
    [
        ["--home", "{home}", "--json", "--no-input", "-v", "commons", "list"],
        ["commons", "--home", "{home}", "--json", "list", "--no-input"],
        ["commons", "list", "--json", "-v", "--home={home}"],
    ],
)
def test_global_options_work_before_between_and_after_the_commands(
    line: list[str], begun: Any
) -> None:
    done = run(PROGRAM, *(part.format(home=begun.path) for part in line))
    assert done.returncode == 0, done.stderr
    assert '"title": "Sun kitchen"' in done.stdout


def test_the_option_that_stands_last_counts(begun: Any, tmp_path: Path) -> None:
    done = run(PROGRAM, "--home", tmp_path / "other", "whoami", "--home", begun.path)
    assert done.returncode == 0


def test_an_empty_home_is_a_mistake_and_never_ones_own_profile() -> None:
    done = run(PROGRAM, "--home", "", "whoami")
    assert done.returncode == 2
    assert "--home" in done.stderr


@pytest.mark.parametrize("name", ["p2pcommons", "p2pc"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_under_both_names(name: str, shell: str) -> None:
    program = PROGRAM.with_name(name)
    variable = f"_{name.upper()}_COMPLETE"
    script = run(program, "completion", shell)
    assert script.returncode == 0
    assert variable in script.stdout
    words = {"COMP_WORDS": f"{name} node st", "COMP_CWORD": "2" if shell != "fish" else "st"}
    completed = run(program, **{variable: f"{shell}_complete"}, **words).stdout
    assert "status" in completed
    assert "run" not in completed.split()


def test_p2pcommons_p2pc_and_the_module_are_one_program(begun: Any) -> None:
    lines = ["digest", "--json", "--home", begun.path]
    answers = {
        run(*program, *lines).stdout
        for program in (
            [PROGRAM],
            [PROGRAM.with_name("p2pc")],
            [sys.executable, "-m", "p2pcommons"],
        )
    }
    assert len(answers) == 1
    assert "fingerprint" in answers.pop()


def test_the_home_may_come_from_the_environment(begun: Any) -> None:
    assert run(PROGRAM, "whoami", P2PCOMMONS_HOME=str(begun.path)).returncode == 0


def test_no_arguments_and_no_terminal_give_the_help_and_exit_2() -> None:
    done = run(PROGRAM)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.index("Examples:") < done.stderr.index("Usage:")
    assert "the screen opens on a terminal alone" in done.stderr


def test_a_group_without_a_command_gives_its_help_and_exit_2(empty: Any) -> None:
    done = empty("node")
    assert done.code == 2
    assert "node start" in done.err
    assert empty("node", "--json").json["error"]["code"] == "usage"


def test_without_a_command_on_a_terminal_but_told_not_to_ask_the_help_comes(
    terminal: Callable[..., Any], empty: Any
) -> None:
    shown = terminal("--home", str(empty.path), "--no-input")
    shown.expect("Usage:")
    shown.end()
    assert shown.code == 2


def test_help_begins_with_what_the_command_does_and_examples() -> None:
    done = run(PROGRAM, "add", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Publish an entry")
    assert done.stdout.index("Examples:") < done.stdout.index("Usage:")
    assert done.stdout.index("--title") < done.stdout.index("Options of every command:")


def test_help_in_json_is_one_object(empty: Any) -> None:
    assert "Usage:" in empty("tag", "--help", "--json").json["help"]


def test_the_version_is_said_with_and_without_other_options() -> None:
    plain = run(PROGRAM, "--version").stdout
    assert plain.startswith("p2pcommons ")
    assert run(PROGRAM, "-v", "--version").stdout == plain
    assert run(PROGRAM, "--version", "--json").stdout.startswith('{"v": 1, "version": "')


def test_an_unknown_command_names_close_ones(empty: Any) -> None:
    code, word, message = empty.error("serach", "solar")
    assert (code, word) == (2, "usage")
    assert "search" in message


def test_home_unset_means_the_folder_of_the_account(tmp_path: Path) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "HOME" and not name.startswith(("XDG_", "P2PCOMMONS_"))
    }
    done = subprocess.run(
        [PROGRAM, "paths", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0
    import pwd

    assert f'"home": "{pwd.getpwuid(os.getuid()).pw_dir}' in done.stdout


@pytest.mark.parametrize("line", [["init", "--name", "Ana"], ["node", "start"]])
def test_a_folder_that_cannot_be_written_is_a_mistake_in_the_line(line: list[str]) -> None:
    done = run(PROGRAM, "--home", "/dev/null/home", *line, "--json")
    assert done.returncode == 2, done
    assert "--home" in done.stdout


def test_output_that_nobody_reads_is_no_noise(garden: Any) -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            f"set -o pipefail; {PROGRAM} --home {garden.path} export --format jsonl | true",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_a_full_disk_behind_stdout_is_a_failure_in_words(garden: Any) -> None:
    for more in ("", "--json"):
        done = subprocess.run(
            ["bash", "-c", f"{PROGRAM} --home {garden.path} list {more} > /dev/full"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "No space left" in done.stderr
        assert "Traceback" not in done.stderr


def test_closed_streams_are_no_crash(garden: Any) -> None:
    line = f"{PROGRAM} --home {garden.path} list"
    for closed in ("<&-", "2>&-", ">&-"):
        done = subprocess.run(
            ["bash", "-c", f"{line} {closed}"], capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == 0


def test_an_ascii_terminal_gets_question_marks_instead_of_a_crash(ana: Any) -> None:
    ana.add("Brot und Käse 面包")
    ana.environment |= {"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    done = ana("list")
    assert done.code == 0
    assert "Brot und K?se" in done.out
