"""The entry point of `p2pcommons`, `p2pc` and `python -m p2pcommons`, which are one program."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the program on `sys.argv` and return its exit code."""
    if _asks_for_version(sys.argv[1:]):
        # Asked often by other programs: nothing but the interpreter is started for it.
        from p2pcommons import __version__

        sys.stdout.write(f"p2pcommons {__version__}\n")
        return 0
    from p2pcommons.cli.root import run

    return run()


def _asks_for_version(arguments: list[str]) -> bool:
    """Tell whether the version is all that is asked for, whatever home is named beside it."""
    beside = iter(arguments)
    rest: list[str] = []
    for argument in beside:
        if argument == "--home":
            next(beside, None)
        elif not argument.startswith("--home=") and argument not in ("--no-input", "-v"):
            rest.append(argument)
    return rest == ["--version"]


if __name__ == "__main__":
    sys.exit(main())
