"""One node for one home: an advisory lock on `node.lock`, which names the process that holds it.

The lock goes with the process however it ends; the file stays.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from p2pcommons.errors import ErrorCode, UserError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def single_node(path: Path) -> Generator[None]:
    """Hold the lock for as long as the node runs.

    Raises UserError(NOT_RUNNING), exit code 5, naming the process when another node holds it, and
    OSError with the path where it cannot be written.
    """
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise UserError(
                f"a node of this home runs already (process {holder or 'unknown'})",
                ErrorCode.NOT_RUNNING,
            ) from error
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            # What is done by descriptor does not name the file, which a person has to know.
            raise OSError(error.errno, error.strerror, str(path)) from error
        yield
    finally:
        os.close(descriptor)
