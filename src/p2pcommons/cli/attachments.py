"""`attach`, `attachments`, `fetch`: files that go with entries."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from p2pcommons.cli.choosing import entry_named
from p2pcommons.cli.columns import table
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command
from p2pcommons.cli.times import count, day
from p2pcommons.errors import EXIT_CODES, ErrorCode, UserError
from p2pcommons.model.ids import short, to_did
from p2pcommons.replica.sizes import size_said

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.paths import Paths
    from p2pcommons.replica import Attachment

WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.1

Json = dict[str, object]


@command(
    "attach",
    examples=[
        ("attach 3f92a1c0de plan.pdf", "publish a file with an entry"),
        ('attach 3f92a1c0de scan.png --note "page 3"', "and say what it is"),
    ],
)
@click.argument("entry")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--name", metavar="N", default="", help="Call it so, instead of by its file's name.")
@click.option("--note", metavar="T", help="Say in a line what it is.")
@click.pass_obj
def attach(invocation: Invocation, entry: str, path: Path, name: str, note: str | None) -> Reply:
    """Publish a file with an entry: up to 256 MiB.

    The description, with a hash for every piece, is signed and goes to everybody; the bytes go to
    whoever asks for them. Withdrawing it works as with everything else. Attached again under its
    name a file adds nothing.
    """
    with invocation.open_as_person() as replica:
        commons, identifier = entry_named(replica, entry)
        made = replica.attach(commons, identifier, path, name=name, note=note)
    was_there = ", attached already; nothing was added" if made.already else ""
    steps = (
        f"{made.name}: {size_said(made.size)}{was_there}",
        f"others get it with: p2pcommons fetch {short(made.id)}",
    )
    fields = {**attachment_fields(made), "already": made.already}
    return Reply(fields, [made.id.hex()[:10]], steps)


@command(
    "attachments",
    examples=[("attachments 3f92a1c0de", "the files of an entry, and which of them are here")],
)
@click.argument("entry")
@click.pass_obj
def attachments(invocation: Invocation, entry: str) -> Reply:
    """List the files of an entry."""
    with invocation.open_as_person() as replica:
        listed = replica.attachments(*entry_named(replica, entry))
    lines = attachment_lines(listed)
    steps = () if listed else ("no files: p2pcommons attach ENTRY FILE",)
    return Reply({"items": [attachment_fields(each) for each in listed]}, lines, steps)


@command(
    "fetch",
    examples=[
        ("fetch 8a11bc07d2", "get a file from whoever has it, and keep it for others"),
        ("fetch 8a11bc07d2 --out ~/plan.pdf", "and write a copy there"),
        ("fetch 8a11bc07d2 --wait 0", "let the node go on by itself"),
    ],
)
@click.argument("attachment")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write a copy there: a file or folder."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option(
    "--wait",
    metavar="S",
    type=click.FloatRange(min=0),
    default=WAIT_SECONDS,
    show_default=True,
    help="Give up waiting when nothing has come for S seconds; the node goes on.",
)
@click.pass_obj
def fetch(
    invocation: Invocation, attachment: str, out: Path | None, force: bool, wait: float
) -> Reply:
    """Get the bytes of an attachment from peers, several at once, from where it stopped.

    Nothing is opened: the file is what a stranger sent. Exit code 6 when it is not whole in time.
    """
    with invocation.open_as_person() as replica:
        wanted = replica.attachment(attachment)
        whole = wanted.is_here or _wait_for(invocation, replica.paths, wanted, wait)
        if not whole:
            code = EXIT_CODES[ErrorCode.UNREACHABLE]
            return Reply(attachment_fields(wanted), exit_code=code)
        got = replica.attachment(attachment)
        target = replica.save_attachment(got, out, replace=force) if out is not None else None
        kept = replica.blobs.path(got.sha256)
    fields = {**attachment_fields(got), "path": str(target or kept)}
    return Reply(fields, [str(target or kept)], (f"{got.name}: {size_said(got.size)}, whole",))


def attachment_fields(attachment: Attachment) -> Json:
    """Return an attachment as JSON; see docs/cli.md."""
    return {
        "id": attachment.id.hex(),
        "commons": attachment.commons.hex(),
        "entry": attachment.entry.hex(),
        "author": to_did(attachment.author),
        "author_name": attachment.author_name,
        "claimed_at": attachment.claimed_at,
        "name": attachment.name,
        "size": attachment.size,
        "sha256": attachment.sha256.hex(),
        "cid": attachment.cid,
        "media_type": attachment.media_type,
        "note": attachment.note,
        "here": attachment.is_here,
    }


def _wait_for(invocation: Invocation, paths: Paths, wanted: Attachment, seconds: float) -> bool:
    """Watch the node fetch it; False when nothing has come for so many seconds."""
    from p2pcommons import control

    request: Json = {"op": "fetch", "id": wanted.id.hex()}
    have, since = -1, time.monotonic()
    while True:
        answer = control.request(paths, request)
        if answer.get("trouble"):
            raise UserError(str(answer["trouble"]), ErrorCode.FAILED)
        if answer.get("whole"):
            invocation.out.end_progress()
            return True
        now_have = cast("int", answer.get("have") or 0)
        if now_have > have:
            have, since = now_have, time.monotonic()
        holders = cast("int", answer.get("holders") or 0)
        invocation.out.progress(
            f"{size_said(have)} of {size_said(wanted.size)} from {count(holders, 'peer')}"
        )
        if time.monotonic() - since >= seconds:
            invocation.out.end_progress()
            invocation.out.say(
                "nobody who is connected has given more of it; the node goes on when somebody does"
            )
            return False
        time.sleep(_POLL_SECONDS)


def attachment_lines(listed: list[Attachment]) -> list[str]:
    """Return files for a person: id, whether here, size, when and by whom, name and note."""
    return table([_line(each) for each in listed], right=(2,))


def _line(attachment: Attachment) -> tuple[str, ...]:
    here = "here" if attachment.is_here else "not here"
    about = f"{attachment.name}  {attachment.note}".rstrip()
    when = f"{day(attachment.claimed_at)}  {attachment.who}"
    return short(attachment.id), here, size_said(attachment.size), when, about
