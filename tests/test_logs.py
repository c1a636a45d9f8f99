"""The log of the node: bounded, for its owner alone, silent where it cannot be written."""

from __future__ import annotations

import errno
import logging
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

import pytest

from p2pcommons import logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger("p2pcommons.tests.logs")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where this process logs to until the test ends."""
    monkeypatch.setattr(logs, "LOG_BYTES_MAX", 1_000)
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        logs.log_to(tmp_path / "node.log")
        yield tmp_path / "node.log"
    finally:
        for handler in set(root.handlers) - set(before):
            root.removeHandler(handler)
            handler.close()
        for handler in before:
            root.addHandler(handler)
        root.setLevel(level)
        logging.captureWarnings(False)


def test_rotated_logs_are_for_their_owner_alone(path: Path) -> None:
    for number in range(100):
        log.info("line %d of many", number)
    kept = sorted(path.parent.iterdir())
    assert [file.name for file in kept] == ["node.log", "node.log.1", "node.log.2"]
    assert {file.stat().st_mode & 0o777 for file in kept} == {0o600}
    assert max(file.stat().st_size for file in kept) <= 1_000
    assert "line 99 of many" in logs.last_line(path)


def test_a_full_disk_brings_no_tracebacks_to_the_terminal(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = logging.getLogger().handlers
    (handler,) = [each for each in handlers if isinstance(each, RotatingFileHandler)]

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(handler, "flush", full)
        log.info("there is no room for this line")
    log.info("there is for this one")
    assert capsys.readouterr().err == ""
    assert "there is for this one" in logs.last_line(path)
