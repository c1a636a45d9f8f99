"""The doctor: what could be wrong with this profile, what is, and what to do about it."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from p2pcommons import control
from p2pcommons.config import Mode
from p2pcommons.errors import ErrorCode, P2PCommonsError, StoreError, UserError
from p2pcommons.model.ids import short
from p2pcommons.model.words import clean_line
from p2pcommons.protocol.addresses import read_peer_addresses
from p2pcommons.replica import identity as identities
from p2pcommons.replica.records import Check
from p2pcommons.store.proof import (
    NONSENSE,
    damaged_contributions,
    sampled_views_differences,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from p2pcommons.replica.replica import Replica

PYTHON_MIN = (3, 11)
SPACE_BYTES_MIN = 50_000_000
ALL_ENTRIES_MAX = 20_000
"""Up to so many entries all views are checked, in about four seconds."""
SAMPLE_ENTRIES = 2_000
_REPAIR = "run: p2pcommons doctor --repair"
_OPEN_TO_OTHERS = 0o077
_CORRECT = "correct it or remove it: what is not set has a default"


def examine(
    replica: Replica, *, full: bool = False, progress: Progress | None = None
) -> list[Check]:
    """Return one line for each thing looked at; a check that cannot be made counts as failed.

    A large store is checked by a sample of it unless `full`. `progress` gets what is being looked
    at, how much is done, and of how many (0: not known).
    """
    told = progress or _untold
    looks: dict[str, Look] = {
        **_BEFORE,
        "store": lambda replica: _store(replica, told, full=full),
        **_AFTER,
    }
    checks: list[Check] = []
    for name, look in looks.items():
        try:
            checks += [Check(name, *found) for found in look(replica)]
        except StoreError as error:
            fix = _REPAIR if error.is_damage else "see the message"
            checks.append(Check(name, ok=False, text=error.message, fix=fix))
        except P2PCommonsError as error:
            checks.append(Check(name, ok=False, text=str(error), fix="see the message"))
    return checks


def _untold(_what: str, _done: int, _of: int) -> None:
    """Show no progress."""


def examine_unopened(error: UserError) -> list[Check]:
    """Return what can be said of a profile whose settings keep it from being opened."""
    python = [Check("python", *found) for found in _python()]
    return [*python, Check("settings", ok=False, text=error.message, fix=_CORRECT)]


Found = tuple[bool, str, str]
Progress = Callable[[str, int, int], None]
Look = Callable[["Replica"], "Iterator[Found]"]


def _python(_replica: Replica | None = None) -> Iterator[Found]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    enough = sys.version_info[:2] >= PYTHON_MIN
    yield enough, f"Python {version}", "" if enough else "install Python 3.11 or newer"


def _folders(replica: Replica) -> Iterator[Found]:
    paths = replica.paths
    paths.make()
    for folder in dict.fromkeys((paths.data_dir, paths.config_dir, paths.state_dir)):
        yield _mode_of(folder, "700")
    free = shutil.disk_usage(paths.data_dir).free
    yield (
        free >= SPACE_BYTES_MIN,
        f"{free // 1_000_000:,} MB free at {paths.data_dir}",
        "" if free >= SPACE_BYTES_MIN else "make room: nothing more can be written soon",
    )


def _settings(replica: Replica) -> Iterator[Found]:
    _, wrong = read_peer_addresses(replica.config.texts("network.bootstrap"))
    if wrong:
        yield (
            False,
            f"network.bootstrap in {replica.config.path}: {'; '.join(wrong)}",
            "correct the entry or remove it; the node runs without it",
        )
    unknown = replica.config.unknown()
    where = replica.config.path
    if unknown:
        yield (
            False,
            f"{where} has settings that mean nothing here: {', '.join(unknown)}",
            ("correct their spelling or remove them"),
        )
    elif not wrong:
        yield True, f"{where} is well", ""
    if replica.config.text("commons.default"):
        try:
            replica.which_commons()
        except UserError as error:
            yield False, error.message, _CORRECT


def _identity(replica: Replica) -> Iterator[Found]:
    found = replica.identity
    if found is None:
        yield False, "nobody writes on this machine yet", "run: p2pcommons init --name YOUR-NAME"
        return
    yield True, f"you are {found.shown}", ""
    yield _mode_of(replica.paths.device_key, "600")


def _words(replica: Replica) -> Iterator[Found]:
    if identities.unconfirmed_words(replica.paths) is None:
        yield True, "no recovery words lie on this machine", ""
    else:
        yield (
            False,
            "your 24 words are not confirmed; their seed lies in root.key",
            ("write them down and run: p2pcommons words"),
        )


def _store(replica: Replica, told: Progress, *, full: bool) -> Iterator[Found]:
    try:
        yield from _look_into_store(replica, told, full=full)
    except NONSENSE as error:
        path = replica.paths.replica_db
        said = f"{path} holds rows that make no sense ({type(error).__name__}: {error})"
        yield False, said, _REPAIR


def _look_into_store(replica: Replica, told: Progress, *, full: bool) -> Iterator[Found]:
    path = replica.paths.replica_db
    store = replica.store
    told("checking the file", 0, 0)
    faults = store.integrity_check()
    yield (
        not faults,
        f"{path}: {faults[0]}" if faults else f"{path} passes SQLite's own check",
        _REPAIR if faults else "",
    )
    wrong = damaged_contributions(
        path, full=full, progress=lambda done, of: told("checking contributions", done, of)
    )
    how = "signatures and hashes" if full else "hashes"
    yield (
        not wrong,
        f"{wrong:,} contributions are not as they were signed"
        if wrong
        else f"all contributions are as they were signed ({how} checked)",
        _REPAIR if wrong else "",
    )
    entries = sum(row.entries for row in store.commons_rows())
    told("checking views", 0, 0)
    if full or entries <= ALL_ENTRIES_MAX:
        differences, looked_at = store.views_differences(), "all checked"
    else:
        differences = sampled_views_differences(path, SAMPLE_ENTRIES)
        looked_at = f"{SAMPLE_ENTRIES:,} entries of each, taken at random; --full checks all"
    yield (
        not differences,
        f"views differ from their contributions: {differences[0]}"
        if differences
        else f"views are what the contributions say ({looked_at})",
        f"please report this with the text of this line; then {_REPAIR}" if differences else "",
    )
    yield _mode_of(path, "600")


def _node(replica: Replica) -> Iterator[Found]:
    mode = replica.config.mode
    try:
        status = control.request(replica.paths, {"op": "status"})
    except UserError as error:
        if error.code is not ErrorCode.NOT_RUNNING:
            raise
        yield True, f"no node is running (mode {mode})", ""
        return
    is_well = bool(status.get("addresses")) or status.get("mode") == "off"
    said = f"the node runs, mode {status.get('mode')}, process {status.get('pid')}"
    doing = clean_line(str(status.get("activity") or ""))
    yield (
        is_well,
        f"{said}: {doing}" if doing else said,
        "" if is_well else f"it listens nowhere; see {replica.paths.node_log}",
    )


def _only_here(replica: Replica) -> Iterator[Found]:
    count = replica.only_here()
    yield True, f"{count} of yours are only here" if count else "others hold all that is yours", ""


def _kept(replica: Replica) -> Iterator[Found]:
    for commons in replica.kept_here():
        row, kept = replica.commons_row(commons), replica.kept(commons)
        if kept is None:
            continue
        title = row.title or row.title_hint or short(commons)
        said = f"{title} is kept as you pledged"
        if replica.config.mode is Mode.OFF:
            yield False, f"{said}, and the network is off", "set network.mode, or take it back"
        elif kept.texts_lacking:
            yield True, f"{said}: {kept.texts_lacking:,} texts are still to come", ""
        else:
            yield True, f"{said}: all texts, {kept.files_here:,} of {kept.files:,} files", ""


def _mode_of(path: Path, wanted: str) -> Found:
    if sys.platform == "win32":
        return True, f"{path} exists", ""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OPEN_TO_OTHERS:
        return False, f"{path} is open to others (mode {mode:o})", f"run: chmod {wanted} {path}"
    return True, f"{path} is for you alone", ""


_BEFORE: dict[str, Look] = {
    "python": _python,
    "folders": _folders,
    "settings": _settings,
    "identity": _identity,
    "words": _words,
}
_AFTER: dict[str, Look] = {"node": _node, "held": _only_here, "kept": _kept}
