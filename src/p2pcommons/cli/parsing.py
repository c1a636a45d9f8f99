"""Commands and groups of this program: global options anywhere, help that begins with examples.

The global options are parameters of every command and group, so that they work wherever they
stand; what they say is collected in the `Invocation` that click carries along.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any, cast

import click

from p2pcommons.cli.invocation import Invocation
from p2pcommons.cli.output import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Example = tuple[str, str]
"""A command line without the program's name, and what it does."""

WIDTH_COLUMNS = 96


class ShownError(Exception):
    """The answer is known before the command ran: help, or the version."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class HelpWantedError(click.UsageError):
    """A group was called without a command: its help goes to stderr."""


class Command(click.Command):
    """A command with examples in its help and the global options among its own."""

    def __init__(self, *args: Any, examples: Sequence[Example] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, add_help_option=False)
        self.examples = tuple(examples)
        self.params = [*self.params, *global_options(short_names=self.short_names)]

    short_names = True

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help: what the command does, examples, then usage and options."""
        _format_help(self, self.examples, ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the global ones."""
        _format_options(self, ctx, formatter)


class WordsCommand(Command):
    """A command whose words may begin with `-` or `+`; only `--name` is an option there."""

    short_names = False
    ignore_unknown_options = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, refusing a mistyped `--option`, which would otherwise pass as a word."""
        known = {name for param in self.get_params(ctx) for name in param.opts}
        with_value = {
            name
            for param in self.get_params(ctx)
            if isinstance(param, click.Option) and not param.is_flag and not param.count
            for name in param.opts
        }
        is_value = False
        for word in args:
            name = word.partition("=")[0]
            if word == "--":
                break
            if not is_value and word.startswith("--") and name not in known:
                raise click.NoSuchOption(name, possibilities=_close(name, known), ctx=ctx)
            is_value = not is_value and word in with_value
        return super().parse_args(ctx, args)


class Group(click.Group):
    """A group of commands; each is imported when it is used.

    `sections` maps headings to names to (module, attribute).
    """

    command_class = Command

    def __init__(
        self,
        *args: Any,
        examples: Sequence[Example] = (),
        sections: Mapping[str, Mapping[str, tuple[str, str]]] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("invoke_without_command", True)
        kwargs.setdefault("subcommand_metavar", "COMMAND [ARGS]...")
        super().__init__(*args, **kwargs, add_help_option=False)
        self.examples = tuple(examples)
        self.sections = sections or {}
        self.params = [*self.params, *global_options()]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        del ctx
        deferred = [name for section in self.sections.values() for name in section]
        return [*deferred, *(name for name in self.commands if name not in deferred)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, importing its module."""
        for section in self.sections.values():
            if cmd_name in section:
                module, attribute = section[cmd_name]
                found = getattr(importlib.import_module(module), attribute)
                return cast("click.Command", found)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, naming close ones when there is none of this name."""
        name = args[0]
        if not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            close = _close(name, self.list_commands(ctx))
            maybe = f"; did you mean {' or '.join(close)}?" if close else ""
            raise click.UsageError(f"there is no command {name!r}{maybe}", ctx)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help: what the group is for, examples, usage, commands, options."""
        _format_help(self, self.examples, ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options."""
        sections = self.sections or {"Commands": dict.fromkeys(self.commands)}
        for heading, names in sections.items():
            rows: list[tuple[str, str]] = []
            for name in names:
                found = self.get_command(ctx, name)
                if found is not None and not found.hidden:
                    rows.append((name, summary(found)))
            with formatter.section(heading):
                formatter.write_dl(rows)
        _format_options(self, ctx, formatter)


def command(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a `Command` of a function."""
    attributes.setdefault("cls", Command)
    return cast("Callable[[Callable[..., Any]], click.Command]", click.command(name, **attributes))


def group(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], Group]:
    """Make a `Group` of a function, which is called before each of its commands."""
    return click.group(name, cls=Group, **attributes)


def need_command(ctx: click.Context) -> None:
    """Raise HelpWantedError unless a command of the group was named."""
    if ctx.invoked_subcommand is None and not ctx.resilient_parsing:
        raise HelpWantedError("a command is missing", ctx)


def summary(found: click.Command) -> str:
    """Return what a command does in a line: the first sentence of its help."""
    return inspect.cleandoc(found.help or "").partition("\n")[0].rstrip(".")


def global_options(*, short_names: bool = True) -> list[click.Parameter]:
    """Return the options that work anywhere in the line."""
    short = ["-v"] if short_names else []
    short_help = ["-h"] if short_names else []
    return [
        click.Option(
            ["--home"],
            metavar="DIR",
            expose_value=False,
            callback=_remember,
            help="Keep every file of this profile in DIR (or set P2PCOMMONS_HOME).",
        ),
        _flag(["--json"], "Answer with one JSON object on stdout."),
        _flag(["--no-input"], "Never ask anything."),
        _flag([*short, "--verbose"], "Say more on stderr."),
        click.Option(
            [*short_help, "--help"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_help,
            help="Show this help.",
        ),
    ]


GLOBAL_NAMES = frozenset({"--home", "--json", "--no-input", "--verbose", "--help"})


def _flag(names: list[str], meaning: str) -> click.Option:
    return click.Option(names, is_flag=True, expose_value=False, callback=_remember, help=meaning)


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Keep a global option where all commands see it; one that was not given says nothing."""
    if value == "":
        # An unset variable in a script must not fall back to the person's own profile.
        raise click.BadParameter("it names no folder", ctx, param)
    invocation = ctx.find_object(Invocation)
    if invocation is None or not value:
        return
    if param.name == "home":
        invocation.home = cast("str", value)
    elif param.name == "json":
        invocation.out.json = True
    elif param.name == "no_input":
        invocation.no_input = True
    else:
        invocation.verbose = True


def _show_help(ctx: click.Context, param: click.Parameter, value: object) -> None:
    del param
    if value and not ctx.resilient_parsing:
        text = ctx.get_help()
        raise ShownError(Reply({"help": text}, [text]))


def _format_help(
    shown: click.Command,
    examples: Sequence[Example],
    ctx: click.Context,
    formatter: click.HelpFormatter,
) -> None:
    first, _, more = inspect.cleandoc(shown.help or "").partition("\n\n")
    formatter.write_text(first.replace("\n", " "))
    program = ctx.find_root().info_name or "p2pcommons"
    if examples:
        with formatter.section("Examples"):
            for line, meaning in examples:
                formatter.write(f"  {program} {line}".rstrip() + f"\n      {meaning}\n")
    formatter.write_paragraph()
    shown.format_usage(ctx, formatter)
    for paragraph in more.split("\n\n"):
        if paragraph:
            formatter.write_paragraph()
            formatter.write_text(paragraph.replace("\n", " "))
    shown.format_options(ctx, formatter)


def _format_options(
    shown: click.Command, ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    own: list[tuple[str, str]] = []
    everywhere: list[tuple[str, str]] = []
    for param in shown.get_params(ctx):
        record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
        if record is not None:
            names = set(param.opts)
            (everywhere if names & GLOBAL_NAMES else own).append(record)
    for heading, records in (("Options", own), ("Options of every command", everywhere)):
        if records:
            with formatter.section(heading):
                formatter.write_dl(records)


def _close(name: str, known: Sequence[str] | set[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(name, sorted(known), n=3)
