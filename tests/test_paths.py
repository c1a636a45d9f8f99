"""The folders of a profile are its person's alone."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest

from p2pcommons.errors import UserError
from p2pcommons.paths import runtime_dir


def test_link_in_the_place_of_the_runtime_folder_is_refused_and_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = runtime_dir()
    own.rmdir()
    shown = tmp_path / "website"
    shown.mkdir()
    shown.chmod(0o755)
    own.symlink_to(shown)
    with pytest.raises(UserError):
        runtime_dir()
    assert stat.S_IMODE(shown.stat().st_mode) == 0o755
