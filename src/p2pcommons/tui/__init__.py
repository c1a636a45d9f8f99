"""The terminal interface: the only package that knows Textual."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.paths import Paths, find_paths
from p2pcommons.tui.context import DemoNote

if TYPE_CHECKING:
    import os

__all__ = ["DemoNote", "run"]


def run(home: Paths | str | os.PathLike[str] | None, *, demo: DemoNote | None = None) -> int:
    """Run the interface on the profile in `home` until the person leaves; return an exit code.

    Raises UserError or StoreError before anything is drawn when the profile cannot be opened.
    """
    from p2pcommons.replica import open_replica
    from p2pcommons.tui.app import CommonsApp

    paths = home if isinstance(home, Paths) else find_paths(home)
    with open_replica(paths) as replica:
        replica.data_version()
    app = CommonsApp(paths, demo=demo)
    try:
        ended = app.run()
    finally:
        app.context.desk.close()
    return app.return_code or ended or 0
