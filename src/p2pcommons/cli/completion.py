"""`completion`: scripts with which a shell completes the command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from p2pcommons.cli.invocation import Invocation
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command
from p2pcommons.errors import ErrorCode, UserError

SHELLS = ("bash", "zsh", "fish")


@command(
    "completion",
    examples=[
        ("completion bash > ~/.local/share/bash-completion/completions/p2pcommons", "for bash"),
        ("completion fish > ~/.config/fish/completions/p2pcommons.fish", "for fish"),
    ],
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> Reply:
    """Print the script for completion in a shell."""
    ctx.ensure_object(Invocation)
    root = ctx.find_root()
    program = root.info_name or "p2pcommons"
    found = get_completion_class(shell)
    if found is None:
        raise UserError(f"no completion for {shell}", ErrorCode.NOT_FOUND)
    complete = found(root.command, {}, program, f"_{program}_COMPLETE".upper())
    # `source()` of the class asks the shell for its version; the template needs no shell.
    script = complete.source_template % complete.source_vars()
    return Reply({"shell": shell, "script": script}, [script])
