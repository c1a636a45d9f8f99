"""The composition root: the table of commands, and the border where every error becomes words.

`run` never raises; it returns the exit code. What a command needs is imported when it runs.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING

import click
from click.shell_completion import shell_complete

from p2pcommons import __version__
from p2pcommons.cli.failures import (
    EXIT_BROKEN_PIPE,
    TerminatedError,
    bug_of,
    failure_of,
)
from p2pcommons.cli.invocation import Invocation
from p2pcommons.cli.output import Reply, abandon_stdout
from p2pcommons.cli.parsing import (
    WIDTH_COLUMNS,
    Group,
    HelpWantedError,
    ShownError,
)
from p2pcommons.errors import EXIT_CODES, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.cli.failures import Failure

PROGRAM = "p2pcommons"
ALIAS = "p2pc"
_HERE = "p2pcommons.cli"

SECTIONS = {
    "You": {
        "init": (f"{_HERE}.identity", "init"),
        "words": (f"{_HERE}.identity", "words"),
        "whoami": (f"{_HERE}.identity", "whoami"),
    },
    "Commons": {
        "commons": (f"{_HERE}.commons", "commons"),
        "invite": (f"{_HERE}.invites", "invite"),
        "join": (f"{_HERE}.invites", "join"),
        "pledge": (f"{_HERE}.pledge", "pledge"),
        "pledges": (f"{_HERE}.pledge", "pledges"),
    },
    "Read": {
        "list": (f"{_HERE}.reading", "list_entries"),
        "search": (f"{_HERE}.reading", "search"),
        "show": (f"{_HERE}.showing", "show"),
        "tags": (f"{_HERE}.reading", "tags"),
    },
    "Write": {
        "add": (f"{_HERE}.writing", "add"),
        "edit": (f"{_HERE}.writing", "edit"),
        "tag": (f"{_HERE}.writing", "tag"),
        "withdraw": (f"{_HERE}.writing", "withdraw"),
        "attach": (f"{_HERE}.attachments", "attach"),
    },
    "Files": {
        "attachments": (f"{_HERE}.attachments", "attachments"),
        "fetch": (f"{_HERE}.attachments", "fetch"),
        "import": (f"{_HERE}.exchange", "import_file"),
        "export": (f"{_HERE}.exchange", "export"),
    },
    "Network": {
        "node": (f"{_HERE}.node", "node"),
        "service": (f"{_HERE}.service", "service"),
        "peers": (f"{_HERE}.peers", "peers"),
        "nearby": (f"{_HERE}.nearby", "nearby"),
        "pause": (f"{_HERE}.pausing", "pause"),
        "resume": (f"{_HERE}.pausing", "resume"),
        "sync": (f"{_HERE}.syncing", "sync"),
        "digest": (f"{_HERE}.syncing", "digest"),
    },
    "Room": {
        "budget": (f"{_HERE}.space", "budget"),
        "pin": (f"{_HERE}.space", "pin"),
        "unpin": (f"{_HERE}.space", "unpin"),
        "remove": (f"{_HERE}.space", "remove"),
        "restore": (f"{_HERE}.space", "restore"),
        "people": (f"{_HERE}.people", "people"),
        "compact": (f"{_HERE}.compacting", "compact"),
    },
    "Look after it": {
        "doctor": (f"{_HERE}.doctor", "doctor"),
        "paths": (f"{_HERE}.places", "paths"),
        "demo": (f"{_HERE}.demo", "demo"),
        "completion": (f"{_HERE}.completion", "completion"),
    },
}

EXAMPLES = (
    ("", "open the product in this terminal; the first time it asks for a name"),
    ("init --name Ana", "begin on the command line instead"),
    ('commons create "Sun kitchen"', "start a commons"),
    ("add https://example.org --title Parabola --tag solar", "publish an entry"),
    ("search '#solar \"focal line\" -glass'", "find it again"),
    ("invite", "one string that brings somebody else in"),
    ("demo", "see two nodes meet on this machine"),
)


def _show_version(ctx: click.Context, param: click.Parameter, value: object) -> None:
    del param
    if value and not ctx.resilient_parsing:
        raise ShownError(Reply({"version": __version__}, [f"{PROGRAM} {__version__}"]))


@click.group(
    PROGRAM,
    cls=Group,
    sections=SECTIONS,
    examples=EXAMPLES,
    context_settings={"max_content_width": WIDTH_COLUMNS},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
@click.pass_context
def root(ctx: click.Context) -> Reply | None:
    """Shared knowledge that nobody owns, in your terminal.

    Without a command the product opens in this terminal. Everything works without a network;
    exit codes and the JSON that commands answer with are described in docs/cli.md.
    """
    if ctx.invoked_subcommand is not None or ctx.resilient_parsing:
        return None
    invocation = ctx.ensure_object(Invocation)
    if invocation.json or not invocation.asks:
        raise HelpWantedError("a command is missing; the screen opens on a terminal alone", ctx)
    return _open_screens(invocation)


def _open_screens(invocation: Invocation) -> Reply:
    from p2pcommons.tui import run as run_screens

    invocation.bring_up_to_date()
    return Reply({}, exit_code=run_screens(invocation.paths()))


def run(arguments: Sequence[str] | None = None, program: str | None = None) -> int:
    """Run one command line and return the exit code; writes everything there is to say."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    name = program or _program_name(sys.argv[0])
    invocation = Invocation()
    try:
        code = _run(invocation, args, name)
        invocation.out.flush()
    except BrokenPipeError:
        abandon_stdout()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        abandon_stdout()
        invocation.out.say(f"{PROGRAM}: the output cannot be written: {error.strerror}")
        return EXIT_CODES[ErrorCode.FAILED]
    return code


def _run(invocation: Invocation, args: list[str], name: str) -> int:
    if _complete(invocation, name):
        return 0
    for name_of_signal in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name_of_signal, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminate)
    try:
        with root.make_context(name, list(args), obj=invocation) as context:
            reply = root.invoke(context)
        invocation.out.finish(reply)
    except ShownError as shown:
        invocation.out.json |= _names_json(args)
        reply = shown.reply
        invocation.out.finish(reply)
    except BrokenPipeError:
        raise
    except click.UsageError as error:
        # The line was not read to its end; --json may stand in the part that was not.
        invocation.out.json |= _names_json(args)
        if isinstance(error, HelpWantedError):
            return _want_help(invocation, error)
        return _report(invocation, error)
    except BaseException as error:  # noqa: BLE001 - the border where errors become words
        return _report(invocation, error)
    return reply.exit_code


def _names_json(args: list[str]) -> bool:
    """Tell whether --json stands in a line that was not read to its end."""
    return "--json" in (args[: args.index("--")] if "--" in args else args)


def _want_help(invocation: Invocation, wanted: HelpWantedError) -> int:
    failure = failure_of(wanted)
    assert failure is not None
    if invocation.json:
        invocation.out.write_object(failure.fields())
    elif wanted.ctx is not None:
        invocation.out.say(wanted.ctx.get_help())
        invocation.out.say(f"\n{PROGRAM}: {failure.message}")
    return failure.exit_code


def _report(invocation: Invocation, error: BaseException) -> int:
    """Say what went wrong, in the form the caller asked for, and return the exit code."""
    failure = failure_of(error)
    if failure is None:
        import traceback

        trace = "".join(traceback.format_exception(error))
        failure = bug_of(error, _write_down(invocation, trace))
        if invocation.verbose:
            invocation.out.say(trace.rstrip())
    _say(invocation, failure)
    return failure.exit_code


def _say(invocation: Invocation, failure: Failure) -> None:
    out = invocation.out
    out.end_progress()
    if invocation.json and out.write_object(failure.fields()):
        return
    out.say(f"{PROGRAM}: {failure.message}")
    for candidate in failure.candidates:
        out.say(f"  {candidate}")
    if failure.hint:
        out.say(out.dim(failure.hint))


def _write_down(invocation: Invocation, trace: str) -> str:
    """Append a trace to the log of this profile and return the log's path, "" without one."""
    try:
        log = invocation.paths().node_log
        if not log.parent.is_dir():
            return ""
        with log.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{trace}\n")
    except OSError:
        return ""
    return str(log)


def _terminate(signum: int, frame: object) -> None:
    del signum, frame
    raise TerminatedError


def _program_name(path: str) -> str:
    return ALIAS if PurePath(path).name in (ALIAS, f"{ALIAS}.exe") else PROGRAM


def _complete(invocation: Invocation, name: str) -> bool:
    """Answer a shell that completes a line; tell whether one asked."""
    variable = f"_{name}_COMPLETE".upper()
    instruction = os.environ.get(variable)
    if not instruction:
        return False
    shell_complete(root, {"obj": invocation}, name, variable, instruction)
    return True
