"""`node run`, `node start`, `node stop`, `node status`: the node of this profile."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, cast

import click

from p2pcommons.cli.columns import GAP, named, table
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import group, need_command
from p2pcommons.cli.times import ago, count, until
from p2pcommons.config import LISTEN_SHAPE, Mode, is_listen_address
from p2pcommons.errors import EXIT_CODES, ErrorCode, P2PCommonsError
from p2pcommons.model.glance import four_words, key_words
from p2pcommons.model.words import clean_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from p2pcommons.cli.invocation import Invocation

Json = dict[str, object]
_NO_COMMONS = "next: p2pcommons commons create TITLE, or p2pcommons join INVITE"


def _say_nothing_more() -> None:
    """Point stderr nowhere: whoever started this node does not listen any longer."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _how_to_listen(function: Callable[..., Reply]) -> Callable[..., Reply]:
    """Add the options that `run` and `start` share."""
    listen = click.option(
        "--listen",
        metavar="MULTIADDR",
        multiple=True,
        callback=_check_listen,
        help="Listen there in this run, as in /ip4/0.0.0.0/tcp/4001; may repeat.",
    )
    mode = click.option(
        "--mode",
        type=click.Choice([mode.value for mode in Mode]),
        help="How far to go to meet others in this run.",
    )
    relay = click.option(
        "--relay",
        is_flag=True,
        help="Pass on what peers behind routers say to each other, in this run.",
    )
    return listen(mode(relay(function)))


def _check_listen(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    for address in value:
        if not is_listen_address(address):
            raise click.BadParameter(
                f"{address!r} is not of the form {LISTEN_SHAPE}",
                ctx,
                param,
            )
    return value


@group(
    "node",
    examples=[
        ("node start", "exchange in the background, also when this terminal is closed"),
        ("node status", "is it running, and with whom"),
        ("node stop", "stop exchanging"),
    ],
)
@click.pass_context
def node(ctx: click.Context) -> None:
    """Run the node, which exchanges commons with peers."""
    need_command(ctx)


@node.command(
    "run",
    examples=[
        ("node run", "the node in this terminal, until Ctrl-C"),
        ("node run --mode friends --listen /ip4/127.0.0.1/tcp/0", "on this machine alone"),
    ],
)
@_how_to_listen
@click.option("--background", is_flag=True, hidden=True)
@click.option("--watch-fd", type=int, hidden=True)
@click.pass_obj
def run(
    invocation: Invocation,
    listen: tuple[str, ...],
    mode: str | None,
    relay: bool,
    background: bool,
    watch_fd: int | None,
) -> Reply:
    """Run the node in this terminal until it is stopped.

    With --json the object that `node status` gives is written once it listens.
    """
    from p2pcommons.node import run_node

    def ready(status: Json) -> None:
        if background:
            _say_nothing_more()
        if invocation.json:
            invocation.out.write_object(status)
        elif not background:
            for line in status_lines(status):
                invocation.out.say(line)

    try:
        run_node(
            invocation.paths(),
            listen=listen,
            mode=mode,
            relay=relay,
            watch_fd=watch_fd,
            verbose=invocation.verbose,
            ready=ready,
        )
    except P2PCommonsError as error:
        if background:
            # `node start` shows the log's last line: it must be the reason and not an older one.
            logging.getLogger(__name__).error("%s", error)
        raise
    return Reply({"running": False})


@node.command(
    "start",
    examples=[
        ("node start", "returns when the node listens"),
        ("node start --mode friends", "announce nothing on the LAN"),
    ],
)
@_how_to_listen
@click.pass_obj
def start(invocation: Invocation, listen: tuple[str, ...], mode: str | None, relay: bool) -> Reply:
    """Start the node in the background.

    Returns when it listens and answers. One that runs already is left as it is.
    """
    from p2pcommons import nodeprocess

    invocation.bring_up_to_date()
    paths = invocation.paths()
    ran_already = bool(nodeprocess.status(paths)["running"])
    if not ran_already:
        invocation.out.progress("the node is starting")
    status = nodeprocess.start(paths, listen=listen, mode=mode, relay=relay)
    invocation.out.end_progress()
    steps = ("next: p2pcommons invite" if _rows(status, "commons") else _NO_COMMONS,)
    if ran_already and (listen or mode or relay):
        steps = ("it runs already, as it was started: p2pcommons node stop, then start it so",)
    return Reply(status, status_lines(status), steps)


@node.command("stop", examples=[("node stop", "returns when the process is gone")])
@click.pass_obj
def stop(invocation: Invocation) -> Reply:
    """Stop the node; returns when its process is gone."""
    from p2pcommons import nodeprocess

    invocation.out.progress("stopping the node")
    stopped = nodeprocess.stop(invocation.paths())
    invocation.out.end_progress()
    said = "the node is stopped" if stopped else "no node was running"
    return Reply({"running": False, "stopped": stopped}, next_steps=(said,))


@node.command("status", examples=[("node status", "exit code 5 when no node runs")])
@click.pass_obj
def status(invocation: Invocation) -> Reply:
    """Say whether the node runs, where it listens, and how it stands with its peers."""
    from p2pcommons import nodeprocess

    found = nodeprocess.status(invocation.paths())
    if found["running"]:
        return Reply(found, status_lines(found))
    code = EXIT_CODES[ErrorCode.NOT_RUNNING]
    steps = ("start it with: p2pcommons node start",)
    return Reply(found, ["no node is running"], steps, exit_code=code)


def status_lines(status: Json) -> list[str]:
    """Return a running node's status for a person."""
    return list(_status_lines(status))


def peer_line(peer: Json, now: int) -> tuple[str, str, str]:
    """Return a peer's id, how the connection stands, and where: what was tried, else where it is.

    Of several addresses the first; why it did not answer says more than the others.
    """
    addresses = cast("list[object]", peer.get("addresses") or [""])
    where = _words(addresses[0])
    tried = _rows(peer, "tried")
    if tried and not peer.get("connected"):
        where = f"{_words(tried[0].get('address'))}: {_words(tried[0].get('outcome'))}"
    return _words(peer.get("peer_id")), _standing(peer, now), where


def _status_lines(status: Json) -> Iterator[str]:
    peers = _rows(status, "peers")
    connected = sum(bool(peer.get("connected")) for peer in peers)
    facts = [
        ("running", f"process {status.get('pid')}, mode {_words(status.get('mode'))}"),
        ("peer id", _words(status.get("peer_id"))),
        ("key words", " ".join(key_words(str(status.get("peer_id"))))),
    ]
    addresses = cast("list[object]", status.get("addresses") or ["nowhere"])
    facts += [("listens at", _words(address)) for address in addresses]
    facts.append(("peers", f"{connected} connected, {len(peers)} known"))
    reach = cast("Json", status.get("reachability") or {})
    if reach.get("words") and not status.get("paused"):
        facts.append(("from outside", _words(reach["words"])))
    relay = cast("Json", status.get("relay") or {})
    if relay.get("serving"):
        facts.append(("relays", _relays(relay)))
    finding = cast("Json", status.get("finding") or {})
    if status.get("mode") == "open":
        facts.append(("directory", _directory(finding)))
    facts.append(("today", _today(cast("Json", status.get("traffic") or {}))))
    if status.get("activity"):
        facts.append(("now", _words(status["activity"])))
    yield from named(facts)
    yield from table([_commons_line(row) for row in _rows(status, "commons")])


def _today(traffic: Json) -> str:
    from p2pcommons.replica import size_said

    def size(name: str) -> str:
        return size_said(cast("int", traffic.get(name) or 0))

    said = f"{size('day_in')} in, {size('day_out')} out"
    return f"{said}, of {size('per_day_max')} allowed" if traffic.get("per_day_max") else said


def _relays(relay: Json) -> str:
    from p2pcommons.replica.sizes import size_said

    places = count(cast("int", relay.get("reservations") or 0), "place taken", "places taken")
    pairs = count(cast("int", relay.get("circuits") or 0), "pair connected", "pairs connected")
    return f"{places}, {pairs}, {size_said(cast('int', relay.get('bytes') or 0))} passed on"


def _directory(finding: Json) -> str:
    nodes = count(cast("int", finding.get("dht_peers") or 0), "node")
    words = _words(finding.get("words"))
    return f"{nodes} known; {words}" if words else f"{nodes} known"


def _commons_line(row: Json) -> tuple[str, str, str, str]:
    fingerprint = bytes.fromhex(str(row.get("fingerprint") or "00"))
    words = " ".join(four_words(fingerprint)) if row.get("count") else ""
    peers = _rows(row, "peers")
    here = [peer for peer in peers if peer.get("connected")]
    equal = sum(bool(peer.get("equal")) for peer in here)
    # Of who left it is not claimed that it still holds the same.
    alone = "no peer now" if peers else "no peer yet"
    with_peers = f"equal with {equal} of {len(here)}" if here else alone
    title = _words(row.get("title")) or "(not received yet)"
    return title, count(cast("int", row.get("count") or 0), "contribution"), with_peers, words


def _standing(peer: Json, now: int) -> str:
    if peer.get("connected"):
        relay = str(peer.get("relay") or "")
        return f"connected over …{_words(relay[-6:])}" if relay else "connected"
    if peer.get("reason"):
        return _words(peer["reason"])
    parts: list[str] = []
    last = cast("int | None", peer.get("last_seen"))
    unmet = "came here" if peer.get("source") == "came" else "not met yet"
    parts.append(f"met {ago(last, now)}" if last else unmet)
    next_try = cast("int | None", peer.get("next_try"))
    if next_try:
        parts.append(f"next try {until(next_try, now)}")
    return f",{GAP[0]}".join(parts)


def _rows(fields: Json, name: str) -> list[Json]:
    return cast("list[Json]", fields.get(name) or [])


def _words(value: object) -> str:
    return clean_line(str(value)) if value is not None else ""
