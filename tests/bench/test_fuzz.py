"""The short form of bench/fuzz: every target for a moment, without coverage feedback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).resolve().parents[2] / "bench" / "fuzz"


def test_nothing_but_the_declared_rejection_leaves_what_takes_bytes_of_strangers() -> None:
    done = subprocess.run(
        [sys.executable, str(FUZZ), "--quick", "400", "--seed", "20"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if "cases" in line]
    assert len(rows) == 10
