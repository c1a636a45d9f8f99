"""`service install`, `service status`, `service remove`: the node of an always-on machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from p2pcommons.cli.columns import named
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import group, need_command
from p2pcommons.errors import EXIT_CODES, ErrorCode

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.service import Service


@group(
    "service",
    examples=[
        ("service install", "start the node at log-in, and again after a crash"),
        ("service status", "is it installed, does it run"),
        ("service remove", "stop it and take it away again"),
    ],
)
@click.pass_context
def service(ctx: click.Context) -> None:
    """Let the system run the node: a systemd user unit or a launchd agent, without root."""
    need_command(ctx)


@service.command("install", examples=[("service install", "may be said again after an update")])
@click.pass_obj
def install(invocation: Invocation) -> Reply:
    """Write the unit for this profile and start it.

    A node that was started by hand is stopped first: there is one node a profile.
    """
    from p2pcommons import nodeprocess
    from p2pcommons import service as system
    from p2pcommons.config import Config

    paths = invocation.paths()
    Config.load(paths.config_file)
    paths.make()
    if not system.status(paths).is_running and nodeprocess.stop(paths):
        invocation.out.say("the node that was running is stopped; the service takes over")
    found, said = system.install(paths)
    steps = ["to run it while nobody is logged in: loginctl enable-linger"]
    if found.kind == "launchd":
        steps = ["it runs while you are logged in"]
    if said:
        steps.insert(0, "the file is written, but it was not started; it begins at the next log-in")
    code = EXIT_CODES[ErrorCode.FAILED] if said else 0
    return Reply(
        _fields(found) | {"said": said},
        named(_lines(found, said)),
        tuple(steps),
        exit_code=code,
    )


@service.command("status", examples=[("service status", "exit code 5 when it does not run")])
@click.pass_obj
def status(invocation: Invocation) -> Reply:
    """Say whether the service is installed and whether it runs."""
    from p2pcommons import service as system

    found = system.status(invocation.paths())
    steps = () if found.is_installed else ("install it with: p2pcommons service install",)
    code = 0 if found.is_running else EXIT_CODES[ErrorCode.NOT_RUNNING]
    return Reply(_fields(found), named(_lines(found)), steps, exit_code=code)


@service.command("remove", examples=[("service remove", "the home and its node stay usable")])
@click.pass_obj
def remove(invocation: Invocation) -> Reply:
    """Stop the service and take its file away; nothing of the profile is touched."""
    from p2pcommons import service as system

    removed = system.remove(invocation.paths())
    said = "the service is removed" if removed else "there was no service"
    return Reply({"removed": removed}, next_steps=(said,))


def _fields(found: Service) -> dict[str, object]:
    return {
        "kind": found.kind,
        "name": found.name,
        "file": str(found.file),
        "installed": found.is_installed,
        "running": found.is_running,
        "state": found.state,
    }


def _lines(found: Service, said: str = "") -> list[tuple[str, str]]:
    state = found.state if found.is_installed else "not installed"
    lines = [("service", f"{found.name} ({found.kind})"), ("file", str(found.file))]
    return [*lines, ("state", state), *([("said", said)] if said else [])]
