"""A repair that is refused, cut short or done twice takes nothing away."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from histories import NOW

from p2pcommons.errors import StoreError
from tests.crash.damaging import (
    Kept,
    check_equal_after_sync,
    mend,
    page_of,
    smash,
)
from tests.crash.session import DB

HOLD_OPEN = """
import sys
from pathlib import Path
from p2pcommons.store import Store
with Store.open(Path(sys.argv[1])) as store:
    store.digest(bytes(32))
    print("open", flush=True)
    sys.stdin.readline()
"""


def test_repair_is_refused_while_another_process_has_the_store_open(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_OPEN, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"
    smash(path, [page_of(path, "contribution")], Random(1))
    before = path.read_bytes()
    expected = f"open in process {holder.pid}" if sys.platform == "linux" else "open in"
    with pytest.raises(StoreError, match=expected):
        mend(path)
    assert path.read_bytes() == before
    holder.communicate(b"\n")
    assert mend(path).kept_as is not None


def test_repair_that_was_cut_short_is_finished(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    smash(path, [page_of(path, "contribution")], Random(1))
    damaged = path.read_bytes()
    mend(path)
    # As if it had stopped just before the new file took its place.
    path.rename(folder / f"{DB}.repaired")
    path.write_bytes(damaged)
    os.utime(path, (NOW, NOW))
    done = mend(path)
    assert done.kept_as is not None
    assert done.kept_as.read_bytes() == damaged
    check_equal_after_sync(kept, path)


def test_repair_begins_anew_when_the_store_was_written_to_since_one_was_cut_short(
    kept: Kept, folder: Path
):
    path = kept.copied_to(folder)
    smash(path, [page_of(path, "contribution")], Random(1))
    (folder / f"{DB}.repaired").write_bytes(b"of an earlier day")
    os.utime(folder / f"{DB}.repaired", (NOW, NOW))
    done = mend(path)
    assert done.salvaged is not None
    check_equal_after_sync(kept, path)


def test_two_repairs_on_one_day_keep_both_damaged_files(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    names = set[Path | None]()
    for seed in range(2):
        smash(path, [page_of(path, "contribution")], Random(seed))
        names.add(mend(path).kept_as)
    assert len(names) == 2


def _other_program(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE things(x)")
    connection.commit()
    connection.close()


NO_STORES: dict[str, Callable[[Path], object]] = {
    "a diary": lambda path: path.write_bytes(b"nothing secret in it\n" * 1_000),
    "something else's": _other_program,
}


@pytest.mark.parametrize("what", NO_STORES)
def test_what_is_no_store_is_left_alone(folder: Path, what: str):
    path = folder / DB
    NO_STORES[what](path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=DB):
        mend(path)
    assert path.read_bytes() == before
    assert [file.name for file in folder.iterdir()] == [DB]


def test_store_of_a_newer_version_is_left_alone(kept: Kept, folder: Path):
    path = kept.copied_to(folder)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="newer"):
        mend(path)
