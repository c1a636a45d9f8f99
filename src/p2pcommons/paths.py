"""Where the files of one profile lie: all under one home, or in the platform's folders.

Folders are made 0700 and keys 0600 when they are missing; nothing here reads or writes content.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from p2pcommons.errors import ErrorCode, UserError

HOME_VARIABLE = "P2PCOMMONS_HOME"
SOCKET_PATH_BYTES_MAX = 100
"""A Unix socket's path is limited to 104 or 108 bytes, by system."""

_APP = "p2pcommons"
_FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Paths:
    """Every file of a profile."""

    config_dir: Path
    data_dir: Path
    state_dir: Path

    @property
    def home(self) -> Path:
        """The folder that names this profile; with --home, the one that holds everything."""
        return self.data_dir

    @property
    def config_file(self) -> Path:
        """Settings a person may edit."""
        return self.config_dir / "config.toml"

    @property
    def device_key(self) -> Path:
        """The key that signs on this machine."""
        return self.data_dir / "device.key"

    @property
    def root_key(self) -> Path:
        """The root seed, kept only until its words have been confirmed."""
        return self.data_dir / "root.key"

    @property
    def peer_key(self) -> Path:
        """The node's libp2p identity, unrelated to any person."""
        return self.data_dir / "peer.key"

    @property
    def replica_db(self) -> Path:
        """The store."""
        return self.data_dir / "replica.db"

    @property
    def drafts_dir(self) -> Path:
        """What is being written and is not published yet."""
        return self.data_dir / "drafts"

    @property
    def blobs_dir(self) -> Path:
        """The bytes of attachments."""
        return self.data_dir / "blobs"

    @property
    def node_lock(self) -> Path:
        """Held by the one node of this profile; its content is the node's process id."""
        return self.state_dir / "node.lock"

    @property
    def node_log(self) -> Path:
        """The node's log."""
        return self.state_dir / "node.log"

    def socket(self) -> Path:
        """Return the control socket's path, short enough for every system.

        Raises UserError if the runtime folder it would lie in is not ours alone.
        """
        beside = self.state_dir / "node.sock"
        if len(os.fsencode(beside)) <= SOCKET_PATH_BYTES_MAX:
            return beside
        digest = hashlib.sha256(os.fsencode(os.path.realpath(self.home))).hexdigest()
        return runtime_dir() / f"{digest[:16]}.sock"

    def turn_socket(self) -> Path:
        """Return where a person's writer asks the node for its turn. Raises as `socket`."""
        return self.socket().with_suffix(".turn")

    def make(self) -> None:
        """Make the folders, 0700. Raises UserError naming --home where that is not possible."""
        for folder in (self.config_dir, self.data_dir, self.state_dir):
            make_private(folder)


def find_paths(home: str | os.PathLike[str] | None = None) -> Paths:
    """Return the paths of a profile: of `home`, else of P2PCOMMONS_HOME, else the platform's.

    Makes nothing.
    """
    chosen = home or os.environ.get(HOME_VARIABLE)
    if chosen:
        folder = Path(os.path.abspath(os.path.expanduser(chosen)))  # noqa: PTH100, PTH111
        return Paths(folder, folder, folder)
    from platformdirs import PlatformDirs

    folders = PlatformDirs(_APP, appauthor=False)
    return Paths(folders.user_config_path, folders.user_data_path, folders.user_state_path)


def make_private(folder: Path) -> None:
    """Make `folder` and its parents; the folder itself is for its owner only.

    Raises UserError naming --home.
    """
    try:
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        if stat.S_IMODE(folder.stat().st_mode) & 0o077 and _is_ours(folder):
            folder.chmod(_FOLDER_MODE)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"{folder} cannot be used ({reason}); name a folder you can write to with --home"
        ) from error


def write_private(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 so that a crash leaves either nothing or all of it.

    Raises UserError when the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"{path} cannot be written: {error.strerror}", ErrorCode.FAILED) from error


def runtime_dir() -> Path:
    """Return a folder for sockets that is ours and 0700, made when missing.

    XDG_RUNTIME_DIR where the session set it, else a folder of our own under the temporary one.
    Raises UserError when somebody else owns it or may enter it.
    """
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given and Path(given).is_dir() and os.access(given, os.W_OK):
        folder = Path(given) / _APP
    else:
        owner = os.getuid() if sys.platform != "win32" else "user"
        folder = Path(tempfile.gettempdir()) / f"{_APP}-{owner}"
    # Looked at first: a link laid in the shared folder must not change the mode of where it leads.
    if not folder.is_symlink():
        make_private(folder)
    if folder.is_symlink() or not _is_ours(folder):
        raise UserError(
            f"{folder} belongs to somebody else; use a shorter --home, or set XDG_RUNTIME_DIR",
            ErrorCode.REFUSED,
        )
    if sys.platform != "win32" and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        raise UserError(f"{folder} is open to others; its mode must be 0700", ErrorCode.REFUSED)
    return folder


def _is_ours(folder: Path) -> bool:
    return sys.platform == "win32" or folder.stat().st_uid == os.getuid()
