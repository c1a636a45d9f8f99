"""What starting costs: the quick commands import nothing heavy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).with_name("p2pcommons")
HEAVY = {"textual", "rich", "trio", "libp2p", "numpy", "zeroconf", "segno", "asyncio"}


def imported_by(*line: str) -> set[str]:
    """Return the top names of everything that the installed program imports for a line."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, *line],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"\|\s+(\w+)", done.stderr))


@pytest.mark.parametrize(
    "line",
    [
        ["list", "--limit", "5"],
        ["add", "--title", "One"],
        ["search", "one"],
        ["show", "{entry}"],
        ["tag", "{entry}", "+quick"],
        ["digest"],
    ],
    ids=lambda line: line[0],
)
def test_quick_commands_import_nothing_heavy(line: list[str], ana: Any) -> None:
    entry = ana.add("Zero")
    names = imported_by("--home", str(ana.path), *(part.format(entry=entry) for part in line))
    assert "click" in names
    assert names & HEAVY == set()


def test_the_version_imports_nothing_but_itself() -> None:
    names = imported_by("--version")
    assert names & HEAVY == set()
    assert "click" not in names
    assert "p2pcommons" in names
