"""`invite` and `join`: one string that brings somebody else into a commons."""

from __future__ import annotations

import errno
import io
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from p2pcommons.cli.choosing import choose_commons, title_of
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command
from p2pcommons.cli.terminal import is_terminal, width_columns
from p2pcommons.errors import EXIT_CODES, ErrorCode, UserError

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.paths import Paths
    from p2pcommons.replica import JoinResult, Replica

_POLL_SECONDS = 0.1
_QR_BORDER = 1
_INVITE_CHARS_MAX = 10_000
_INVITE_CHARS_MIN = 100
"""What is shorter was not meant to be one."""
_PART_OF_AN_INVITE = re.compile(r"[pP][a-zA-Z2-7-]{31,}")
"""One word of such letters is an invite that was not copied whole."""
_OFFER_CHARS_MAX = 300
"""Longer is no title and no id."""


@command(
    "invite",
    examples=[
        ("invite", "an invite to the only commons, with a QR code in a terminal"),
        ('invite "Sun kitchen"', "an invite to this one"),
    ],
)
@click.argument("ref", metavar="[C]", required=False)
@click.option("--commons", metavar="C", help="The same as the argument.")
@click.pass_obj
def invite(invocation: Invocation, ref: str | None, commons: str | None) -> Reply:
    """Make an invite: one string to join a commons by.

    It names the commons and where to find you. It gives no rights and cannot be
    revoked: whoever has it can meet you and read a public commons.
    """
    with invocation.open_as_person() as replica:
        row = choose_commons(invocation, replica, ref or commons)
        made = replica.make_invite(row.id)
    if made.note:
        invocation.out.say(made.note)
    if is_terminal() and not invocation.json:
        _show_qr(invocation, made.text)
    fields = {
        "invite": made.text,
        "commons": made.commons.id.hex(),
        "title": title_of(made.commons),
        "addresses": list(made.addresses),
        "stale": made.stale,
        "note": made.note,
    }
    return Reply(fields, [made.text], ("the other person runs: p2pcommons join INVITE",))


@command(
    "join",
    examples=[
        ("join P2PC-…", "join; case, spaces, dashes and line breaks do not matter"),
        ("join --wait 30 P2PC-…", "and wait until both hold the same"),
        ("join -", "read the invite from stdin"),
        ("join invite.txt", "or from a file"),
        ('join "Sun kitchen"', "what somebody nearby offers: by title or id"),
    ],
)
@click.argument("words", metavar="INVITE", nargs=-1, required=True)
@click.option(
    "--wait",
    metavar="S",
    type=click.FloatRange(min=0),
    help="Wait at most S seconds for the first reconciliation to end equal.",
)
@click.pass_obj
def join(invocation: Invocation, words: tuple[str, ...], wait: float | None) -> Reply:
    """Join a commons by invite, or one that somebody nearby offers by its title or id.

    Needs no node and no network: the commons and its addresses are kept, and a running node
    begins at once.
    """
    text = _invite_text(words)
    with invocation.open_as_person() as replica:
        joined = _join(replica, text)
        paths = replica.paths
    fields: dict[str, object] = {
        "commons": joined.commons.id.hex(),
        "title": title_of(joined.commons),
        "already": joined.already,
        "inviter": joined.inviter,
        "addresses": list(joined.addresses),
    }
    title = title_of(joined.commons)
    said = f"{title}: joined before, nothing changed" if joined.already else f"joined {title}"
    if wait is None:
        return Reply(fields, [joined.commons.id.hex()[:10]], (said, _next_step(paths)))
    invocation.out.say(said)
    equal = _wait_until_equal(invocation, paths, joined.commons.id, wait)
    fields["equal"] = equal is not None
    if equal is not None:
        return Reply(fields, [joined.commons.id.hex()[:10]], (equal,))
    invocation.out.say(f"not equal with any peer after {wait:g} s: p2pcommons node status")
    fields["tried"] = tried = _what_was_tried(paths, joined.inviter)
    for line in tried:
        invocation.out.say(line)
    code = EXIT_CODES[ErrorCode.UNREACHABLE]
    return Reply(fields, [joined.commons.id.hex()[:10]], exit_code=code)


def _invite_text(words: tuple[str, ...]) -> str:
    """Return the invite: from stdin for `-`, from the file of that name, else the words."""
    if words == ("-",):
        return sys.stdin.read(_INVITE_CHARS_MAX)
    if len(words) == 1:
        path = Path(words[0])
        try:
            if path.is_file():
                with path.open(encoding="utf-8", errors="replace") as file:
                    return file.read(_INVITE_CHARS_MAX)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return words[0]  # an invite with more behind it: what is wrong with it is said
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
    return " ".join(words)


def _join(replica: Replica, text: str) -> JoinResult:
    """Join by invite, or what somebody nearby offers under this id or title."""
    try:
        return replica.join(text)
    except UserError as no_invite:
        if len(text) > _OFFER_CHARS_MAX or not text.strip():
            raise
        try:
            return replica.join_offered(text)
        except UserError as no_offer:
            if no_offer.code is ErrorCode.USAGE:
                raise
            joined = _joined_before(replica, text)
            if joined is not None:
                return joined
            if len(text) >= _INVITE_CHARS_MIN or _PART_OF_AN_INVITE.fullmatch(text.strip()):
                raise no_invite from None
            if no_offer.code is ErrorCode.NOT_FOUND:
                raise
            raise UserError(
                "this is not an invite; what people nearby offer is seen while a node runs: "
                "p2pcommons node start"
            ) from None


def _joined_before(replica: Replica, ref: str) -> JoinResult | None:
    """Return the commons that is joined already under this id or title."""
    from p2pcommons.replica import JoinResult

    try:
        return JoinResult(replica.resolve_commons(ref), already=True, inviter="", addresses=())
    except UserError:
        return None


def _next_step(paths: Paths) -> str:
    from p2pcommons import control

    if control.is_running(paths):
        return "the node looks for its peers now: p2pcommons node status"
    return "next: p2pcommons node start   fetches it from its peers"


def _wait_until_equal(
    invocation: Invocation, paths: Paths, commons: bytes, seconds: float
) -> str | None:
    """Watch the node until a reconciliation of this commons ended equal with some peer.

    Returns what to say of that, or None when there was none in time.
    """
    from p2pcommons import nodeprocess

    deadline = time.monotonic() + seconds
    told = False
    while True:
        status = nodeprocess.status(paths)
        if not status["running"] and not told:
            told = True
            invocation.out.say("no node is running; waiting for one: p2pcommons node start")
        rows = cast("list[dict[str, object]]", status.get("commons", []))
        for row in rows:
            said = _equal_said(invocation, row) if row.get("id") == commons.hex() else None
            if said is not None:
                return said
        if time.monotonic() >= deadline:
            return None
        time.sleep(_POLL_SECONDS)


def _what_was_tried(paths: Paths, inviter: str) -> list[str]:
    """Return how dialling the inviter went, and asking others; nothing where no node runs."""
    from p2pcommons import nodeprocess

    status = nodeprocess.status(paths)
    if not status["running"]:
        return []
    peers = cast("list[dict[str, object]]", status.get("peers", []))
    tried = [
        f"{each['address']}: {each['outcome']}"
        for peer in peers
        if peer.get("peer_id") == inviter
        for each in cast("list[dict[str, str]]", peer.get("tried", []))
    ]
    words = cast("dict[str, str]", status.get("finding", {})).get("words", "")
    if words:
        tried.append(f"others: {words}")
    elif status.get("mode") != "open":
        tried.append("others are asked who holds it in mode open alone: node start --mode open")
    return tried


def _equal_said(invocation: Invocation, row: dict[str, object]) -> str | None:
    gone: str | None = None
    for peer in cast("list[dict[str, object]]", row.get("peers", [])):
        progress = cast("dict[str, int] | None", peer.get("progress"))
        if progress:
            invocation.out.progress(f"received {progress['have']:,} of {progress['of']:,}")
        if peer.get("equal") and row.get("count"):
            if peer.get("connected"):
                return "both hold the same now"
            gone = "both held the same when they were compared last; nobody is connected now"
    return gone


def _show_qr(invocation: Invocation, text: str) -> None:
    """Draw the invite as a QR code, where the terminal is wide enough for it."""
    import segno

    code = segno.make_qr(text, error="l")
    columns, _rows = code.symbol_size(border=_QR_BORDER)
    if columns <= width_columns():
        drawn = io.StringIO()
        code.terminal(drawn, border=_QR_BORDER, compact=True)
        invocation.out.say(drawn.getvalue().rstrip("\n"))
