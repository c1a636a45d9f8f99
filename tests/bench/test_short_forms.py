"""The benches in short: each runs the installed program, and fails when its claim does not hold.

Their long forms are run by hand; docs/performance.md says how.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench"
BOOKMARKS = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
<DL><p>
""" + "\n".join(
    f'<DT><A HREF="http://a.example/{number}" ADD_DATE="1381475089" TAGS="t{number % 3}">Link</A>'
    for number in range(60)
)


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCH / script), *arguments],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_printed_id_survives_the_kill_of_its_writer():
    assert "none missing; integrity ok, views equal" in run(
        "kill_writer.py", "--rounds", "2", "--nodes", "1"
    )


def test_bookmarks_imported_twice_and_tagged_apart_are_equal_on_both_nodes(tmp_path):
    source = tmp_path / "bookmarks.html"
    source.write_text(BOOKMARKS, encoding="utf-8")
    out = run("import_bookmarks.py", str(source), "--tags", "2")
    assert "'added': 60" in out
    assert "'added': 0" in out
    assert "4 on the first node, 4 on the second" in out


def test_a_ring_goes_on_when_one_of_it_is_killed():
    out = run("five_nodes.py", "--nodes", "3", "--rounds", "1", "ring")
    assert "ring round 1: node" in out


def test_a_history_is_replayed_with_an_identity_for_each_contributor(tmp_path):
    page = "pages/linux/free.md"
    events = [
        (1, "c1", "publish", page, "# free\n\n> Memory."),
        (2, "c2", "revise", page, "# free\n\n> Memory, used and free."),
        (3, "c1", "revise", page, "# free\n\n> Both."),
        (4, "c1", "withdraw", page, None),
        (5, "c2", "revise", page, "# free\n\n> Again."),
        (6, "c3", "withdraw", page, None),
    ]
    names = ("time", "contributor", "action", "path", "markdown")
    lines = [json.dumps(dict(zip(names, event, strict=True))) for event in events]
    source = tmp_path / "history.jsonl"
    source.write_text("\n".join(lines), encoding="utf-8")
    out = run("replay_tldr.py", str(source), "--no-sync")
    for count in (
        "3 contributors",
        "'first version': 1",
        "'first version by a revise': 1",
        "'revision': 2",
        "'withdrawals by a writer': 1",
        "'empty version': 1",
    ):
        assert count in out
