"""The entry point of `p2pcommons`, `p2pc` and `python -m p2pcommons`, which are one program."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the program on `sys.argv` and return its exit code."""
    if sys.argv[1:] == ["--version"]:
        # Asked often by other programs: nothing but the interpreter is started for it.
        from p2pcommons import __version__

        sys.stdout.write(f"p2pcommons {__version__}\n")
        return 0
    from p2pcommons.cli.root import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
