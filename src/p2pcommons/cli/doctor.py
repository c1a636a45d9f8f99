"""`doctor`: what is wrong with this profile, what to do about it, and mending its store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from p2pcommons.cli.columns import named
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command
from p2pcommons.cli.terminal import ask
from p2pcommons.cli.times import count
from p2pcommons.errors import ErrorCode, UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica import Check
    from p2pcommons.replica.repairing import Repaired


@command(
    "doctor",
    examples=[
        ("doctor", "look at everything that can be wrong"),
        ("doctor --full", "every contribution and every view, which takes longer"),
        ("doctor --repair --dry-run", "what can be read of a damaged store, changing nothing"),
        ("doctor --repair", "mend the store; peers send again what is lost"),
        ("doctor --json", "items of check, ok, text and fix"),
    ],
)
@click.option("--full", is_flag=True, help="Check all of a large store and not a sample of it.")
@click.option("--repair", is_flag=True, help="Mend the store if it is damaged.")
@click.option("--dry-run", is_flag=True, help="With --repair: say what would be done.")
@click.pass_obj
def doctor(invocation: Invocation, full: bool, repair: bool, dry_run: bool) -> Reply:
    """Look for what is wrong and say what to do.

    Exit code 1 when something is. With --repair a damaged store is replaced by what can be read
    of it; the damaged file is kept beside it, and keys are not touched.
    """
    if dry_run and not repair:
        raise UserError("--dry-run belongs to --repair")
    if repair:
        return _repair(invocation, dry_run=dry_run)
    checks = _checks(invocation, full=full)
    lines: list[str] = []
    for check, line in zip(
        checks, named((check.name, check.text) for check in checks), strict=True
    ):
        lines.append(f"{'ok   ' if check.ok else 'WRONG'}  {line}")
        if check.fix and not check.ok:
            lines.append(f"       do: {check.fix}")
    items = [
        {"check": check.name, "ok": check.ok, "text": check.text, "fix": check.fix}
        for check in checks
    ]
    wrong = sum(not check.ok for check in checks)
    return Reply({"items": items}, lines, exit_code=1 if wrong else 0)


def _checks(invocation: Invocation, *, full: bool) -> list[Check]:
    """Examine the profile; settings that are broken are a finding and no failure."""
    from p2pcommons.replica import examine_unopened
    from p2pcommons.replica.checks import examine

    try:
        replica = invocation.open()
    except UserError as error:
        return examine_unopened(error)
    with replica:
        return examine(replica, full=full, progress=_progress(invocation))


def _progress(invocation: Invocation) -> Callable[[str, int, int], None]:
    def show(what: str, done: int, total: int) -> None:
        of = f" of {total:,}" if total else ""
        invocation.out.progress(f"{what}: {done:,}{of}" if done or total else f"{what} ...")

    return show


def _repair(invocation: Invocation, *, dry_run: bool) -> Reply:
    from p2pcommons import nodeprocess
    from p2pcommons.replica.repairing import repair_store

    paths = invocation.paths()
    stopped = False
    if not dry_run and nodeprocess.status(paths)["running"]:
        _ask_to_stop(invocation)
        stopped = nodeprocess.stop(paths)
    try:
        with invocation.open() as replica:
            done = repair_store(replica, dry_run=dry_run, progress=_progress(invocation))
            joined = [] if dry_run else replica.commons()
    finally:
        if stopped:
            nodeprocess.start(paths)
    titles = [row.title or row.title_hint or row.id.hex() for row in joined]
    steps = _steps(done, stopped, dry_run)
    return Reply(_fields(done, dry_run), _lines(done, titles, dry_run), steps)


def _ask_to_stop(invocation: Invocation) -> None:
    if invocation.asks and ask("the node has to stop meanwhile. Stop it? [y/N] ") in ("y", "yes"):
        return
    raise UserError(
        "a node uses this store; stop it first: p2pcommons node stop", ErrorCode.CONFLICT
    )


def _fields(done: Repaired, dry_run: bool) -> dict[str, object]:
    found = done.salvaged
    fields: dict[str, object] = {
        "faults": list(done.faults),
        "dry_run": dry_run,
        "rebuilt": done.rebuilt,
        "kept_as": None if done.kept_as is None else str(done.kept_as),
        "salvaged": None,
    }
    if found is not None:
        fields["salvaged"] = {
            "pages": found.pages,
            "damaged_pages": found.bad_pages,
            "contributions": found.kept,
            "own": found.own,
            "without_body": found.without_body,
            "set_aside": found.refused,
            "missing": found.missing,
            "own_missing": found.own_missing,
            "commons": [each.hex() for each in found.joined],
            "rejoined": [each.hex() for each in found.rejoined],
        }
    return fields


def _lines(done: Repaired, titles: list[str], dry_run: bool) -> list[str]:
    if not done.faults:
        return ["nothing is wrong with the store"]
    would = "would be " if dry_run else ""
    lines = [f"wrong: {fault}" for fault in done.faults[:5]]
    if done.rebuilt:
        return [
            *lines,
            f"views {would}computed anew from {'the' if dry_run else 'all'} contributions",
        ]
    found = done.salvaged
    if found is None:
        return [*lines, f"the repaired file was put in place; the damaged one is {done.kept_as}"]
    if found.bad_pages:
        lines.append(
            f"{found.bad_pages} of {count(found.pages, 'page')} of the file are unreadable"
        )
    lines.append(
        f"{count(found.kept, 'contribution')} {would}saved, {found.own:,} of them written here"
    )
    lost = max(found.missing, found.refused)
    if lost or found.without_body:
        lines.append(
            f"{count(lost, 'contribution')} and {count(found.without_body, 'text')} are lost here, "
            f"{found.own_missing:,} of them written here"
        )
    if found.rejoined:
        lines.append(
            f"{count(len(found.rejoined), 'commons', 'commons')} known by id alone: joined"
        )
    if titles:
        lines.append(f"joined: {', '.join(titles)}")
    if done.kept_as is not None:
        lines.append(f"the damaged file is kept as {done.kept_as}")
    return lines


def _steps(done: Repaired, stopped: bool, dry_run: bool) -> tuple[str, ...]:
    if dry_run:
        return ("nothing was changed; to do it: p2pcommons doctor --repair",) if done.faults else ()
    if done.salvaged is None:
        return ()
    node = "the node runs again" if stopped else "start a node: p2pcommons node start"
    return (f"what is lost is sent again by peers who have it; {node}",)
