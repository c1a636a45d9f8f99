"""`budget`, `pin`, `unpin`, `remove`, `restore`: room on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from p2pcommons.cli.choosing import choose_commons, title_of
from p2pcommons.cli.columns import named, table
from p2pcommons.cli.entries import title_line
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command
from p2pcommons.cli.terminal import ask, width_columns
from p2pcommons.cli.times import count, day
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model.ids import display_name, short, to_did

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica import Replica
    from p2pcommons.store import BudgetPlan, Found, GoingText, SpaceUse

KEPT = "what it needs: you pledged to keep it"
SHOWN_MAX = 20
"""Texts that a preview names to a person; scripts get all."""


@command(
    "budget",
    examples=[
        ("budget", "what each commons takes, and what it may take"),
        ('budget "Sun kitchen" 200MB --preview', "what would go; nothing goes"),
        ('budget "Sun kitchen" 200MB', "keep to it from now on"),
        ('budget "Sun kitchen" none', "no limit"),
    ],
)
@click.argument("ref", metavar="[C]", required=False)
@click.argument("size", metavar="[SIZE]", required=False)
@click.option("--preview", is_flag=True, help="Say what would go and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before texts go.")
@click.pass_obj
def budget(
    invocation: Invocation, ref: str | None, size: str | None, preview: bool, yes: bool
) -> Reply:
    """Show or set how much disk a commons may take.

    When it takes more, old texts of others go, oldest first, and come back when you ask for
    them. Never goes: what is yours, pinned, or of an entry that you have tagged or changed. The
    set of contributions stays the same, so you stay equal with everybody.
    """
    from p2pcommons.replica import parse_size

    wanted = None if size is None else parse_size(size)
    with invocation.open_as_person() as replica:
        if ref is None and not preview:
            return _all_spaces(replica)
        row = choose_commons(invocation, replica, ref)
        if preview:
            plan = replica.budget_plan(row.id, wanted)
            return _preview(invocation, replica, row.id, plan)
        is_kept = row.id in replica.kept_here()
        if size is None:
            use = replica.space(row.id)
            fields = _space_fields(row.id, use, is_kept=is_kept)
            return Reply(fields, named(_space_lines(use, is_kept=is_kept)))
        if wanted is not None and not is_kept:
            _agree(invocation, replica.budget_plan(row.id, wanted), title_of(row), yes=yes)
        plan = replica.set_budget(row.id, wanted)
        use = replica.space(row.id)
    return Reply(
        {
            **_space_fields(row.id, use, is_kept=is_kept),
            "dropped": len(plan.going),
            "freed": plan.freed,
        },
        named(_space_lines(use, is_kept=is_kept)),
        _after_budget(plan, title_of(row)),
    )


@command(
    "pin",
    examples=[
        ("pin 3f92a1c0de", "keep an entry's texts whatever the budget says"),
        ("pin", "list what is pinned"),
    ],
)
@click.argument("ref", metavar="[ID]", required=False)
@click.option("--commons", metavar="C", help="List only what is pinned of this commons.")
@click.pass_obj
def pin(invocation: Invocation, ref: str | None, commons: str | None) -> Reply:
    """Keep the texts of an entry here, all versions, whatever happens; or list what is pinned.

    Texts that are not here are fetched from whoever has them.
    """
    with invocation.open_as_person() as replica:
        if ref is None:
            where = None if commons is None else replica.resolve_commons(commons).id
            return _pins(replica, where)
        found = _entry(replica, ref)
        assert found.entry is not None
        lacking = replica.pin(found.commons, found.entry)
    said = f"; {count(lacking, 'text')} will be fetched from a peer" if lacking else ""
    return Reply(
        {"id": found.entry.hex(), "pinned": True, "lacking": lacking},
        [short(found.entry)],
        (f"pinned{said}",),
    )


@command("unpin", examples=[("unpin 3f92a1c0de", "treat it like any other entry again")])
@click.argument("ref", metavar="ID")
@click.pass_obj
def unpin(invocation: Invocation, ref: str) -> Reply:
    """Treat a pinned entry like any other again."""
    with invocation.open_as_person() as replica:
        found = _entry(replica, ref)
        assert found.entry is not None
        if not replica.unpin(found.entry):
            raise UserError(f"{short(found.entry)} is not pinned", ErrorCode.NOT_FOUND)
    return Reply({"id": found.entry.hex(), "pinned": False}, [short(found.entry)], ("unpinned",))


@command(
    "remove",
    examples=[
        ("remove 3f92a1c0de", "drop an entry of others from this machine"),
        ("remove", "list what was removed"),
        ("restore 3f92a1c0de", "and have it back from a peer"),
    ],
)
@click.argument("ref", metavar="[ID]", required=False)
@click.pass_obj
def remove(invocation: Invocation, ref: str | None) -> Reply:
    """Drop an entry of others from this machine, with what was said of it.

    Others keep it. Only its ids stay known here, so that it does not come back by itself and
    you stay equal with everybody. Your own words are never removed: withdraw them.
    """
    with invocation.open_as_person() as replica:
        if ref is None:
            return _removed(replica)
        found = _entry(replica, ref)
        assert found.entry is not None
        gone = replica.remove_entry(found.commons, found.entry)
    return Reply(
        {"id": found.entry.hex(), "removed": gone},
        [found.entry.hex()],
        (f"removed; to have it back: p2pcommons restore {short(found.entry)}",),
    )


@command(
    "restore",
    examples=[
        ("restore 3f92a1c0de", "fetch a text that is not kept here, or a removed entry"),
        ("restore 3f92a1c0de --wait 60", "and wait until it is here"),
    ],
)
@click.argument("ref", metavar="ID")
@click.option(
    "--wait", metavar="S", type=click.FloatRange(min=0), help="Wait at most S seconds for it."
)
@click.pass_obj
def restore(invocation: Invocation, ref: str, wait: float | None) -> Reply:
    """Fetch what is not kept here: the texts of an entry, or an entry that was removed.

    It takes effect when a peer that has it is reached. Exit code 6 when --wait ends before.
    """
    from p2pcommons.cli.awaiting import await_entry

    with invocation.open_as_person() as replica:
        removed = replica.find_removed(ref)
        if removed is not None:
            entry, lacking = removed, replica.restore_removed(removed)
        else:
            found = _entry(replica, ref)
            assert found.entry is not None
            entry, lacking = found.entry, replica.fetch_texts(found.commons, found.entry)
        here = lacking == 0 or (wait is not None and await_entry(replica, entry, wait))
    said = "it is here" if here else "asked for; it comes when a peer has it"
    code = 0 if here or wait is None else _unreachable()
    return Reply({"id": entry.hex(), "asked": lacking, "here": here}, [short(entry)], (said,), code)


# --- words ------------------------------------------------------------------------------------


def _all_spaces(replica: Replica) -> Reply:
    from p2pcommons.replica import size_said

    items: list[dict[str, object]] = []
    rows: list[tuple[str, str, str, str]] = []
    kept = replica.kept_here()
    for row in replica.commons():
        use = replica.space(row.id)
        fields = _space_fields(row.id, use, is_kept=row.id in kept)
        items.append({"title": title_of(row), **fields})
        limit = "no limit" if use.budget is None else f"of {size_said(use.budget)}"
        limit = KEPT if row.id in kept else limit
        rows.append((short(row.id), size_said(use.bytes), limit, title_of(row)))
    return Reply({"items": items}, table(rows, width=width_columns(), right=(1,)))


def _space_fields(commons: bytes, use: SpaceUse, *, is_kept: bool) -> dict[str, object]:
    return {
        "commons": commons.hex(),
        "kept": is_kept,
        "bytes": use.bytes,
        "budget": use.budget,
        "contributions": use.contributions,
        "own_bytes": use.own_bytes,
        "strangers": use.strangers,
        "strangers_bytes": use.strangers_bytes,
        "strangers_contributions": use.strangers_contributions,
        "not_kept": use.not_kept,
        "pinned": use.pinned,
        "removed": use.removed,
        "let_go": use.let_go,
        "declined": use.declined,
    }


def _space_lines(use: SpaceUse, *, is_kept: bool) -> list[tuple[str, str]]:
    from p2pcommons.replica import size_said

    limit = "no limit" if use.budget is None else size_said(use.budget)
    limit = KEPT if is_kept else limit
    lines = [
        ("takes", f"{size_said(use.bytes)}, {count(use.contributions, 'contribution')}"),
        ("budget", limit),
        ("yours", size_said(use.own_bytes)),
        ("strangers", f"{size_said(use.strangers_bytes)}, {count(use.strangers, 'author')}"),
        ("pinned", count(use.pinned, "entry", "entries")),
        ("not kept", count(use.not_kept, "text")),
    ]
    if use.removed:
        lines.append(("removed", count(use.removed, "contribution")))
    if use.let_go:
        lines.append(("let go", count(use.let_go, "contribution") + " of strangers"))
    if use.declined:
        lines.append(("declined", count(use.declined, "contribution") + " of strangers"))
    return lines


def _preview(invocation: Invocation, replica: Replica, commons: bytes, plan: BudgetPlan) -> Reply:
    from p2pcommons.replica import size_said

    shown = plan.going if invocation.json else plan.going[:SHOWN_MAX]
    titles = _titles(replica, commons, shown)
    fields = {
        "commons": commons.hex(),
        "bytes": plan.bytes,
        "budget": plan.budget,
        "dropped": len(plan.going),
        "freed": plan.freed,
        "over": plan.over,
        "items": [
            {
                "id": each.entry.hex(),
                "version": each.id.hex(),
                "author": to_did(each.author),
                "claimed_at": each.claimed_at,
                "bytes": each.bytes,
                "title": titles.get(each.entry),
            }
            for each in shown
        ],
    }
    lines = table(
        [
            (
                short(each.entry),
                day(each.claimed_at),
                size_said(each.bytes),
                titles.get(each.entry) or display_name(None, each.author),
            )
            for each in shown
        ],
        width=width_columns(),
        right=(2,),
    )
    if len(shown) < len(plan.going):
        lines.append(f"… and {count(len(plan.going) - len(shown), 'newer text')}")
    return Reply(fields, lines, _plan_said(plan))


def _titles(
    replica: Replica, commons: bytes, going: tuple[GoingText, ...]
) -> dict[bytes, str | None]:
    from p2pcommons.model.words import clean_line

    titles: dict[bytes, str | None] = {}
    for entry in dict.fromkeys(each.entry for each in going):
        row = replica.store.entry_row(commons, entry)
        titles[entry] = None if row is None or row.title is None else clean_line(row.title)
    return titles


def _plan_said(plan: BudgetPlan) -> tuple[str, ...]:
    from p2pcommons.replica import size_said

    if not plan.going:
        said = f"it takes {size_said(plan.bytes)}: nothing would go"
    else:
        said = f"{count(len(plan.going), 'text')} would go and give back {size_said(plan.freed)}"
    return (said, _over_said(plan)) if plan.over else (said,)


def _after_budget(plan: BudgetPlan, title: str) -> tuple[str, ...]:
    from p2pcommons.replica import size_said

    if plan.budget is None:
        return (f"{title} may take what it needs",)
    said = [f"{title} is kept under {size_said(plan.budget)} from now on"]
    if plan.going:
        said.append(
            f"{count(len(plan.going), 'text')} went, {size_said(plan.freed)}; "
            "the disk gets it back with: p2pcommons compact"
        )
    return (*said, _over_said(plan)) if plan.over else tuple(said)


def _over_said(plan: BudgetPlan) -> str:
    from p2pcommons.replica import size_said

    return (
        f"{size_said(plan.over)} stay over the budget: "
        "records, your own words, and what you pinned, tagged or changed"
    )


def _agree(invocation: Invocation, plan: BudgetPlan, title: str, *, yes: bool) -> None:
    """Ask before texts go, where somebody can be asked."""
    if not plan.going or yes or not invocation.asks:
        return
    for line in _plan_said(plan):
        invocation.out.say(f"{title}: {line}")
    if ask("Type yes to go on (--preview names them): ").lower() != "yes":
        raise UserError("nothing was changed", ErrorCode.REFUSED)


def _pins(replica: Replica, commons: bytes | None) -> Reply:
    pins = replica.pins(commons)
    items = [
        {
            "id": each.entry.hex(),
            "commons": each.commons.hex(),
            "title": None if row is None else row.title,
            "pinned_at": each.pinned_at,
            "lacking": each.lacking,
        }
        for each, row in pins
    ]
    lines = table(
        [
            (short(each.entry), "(not here)" if row is None else title_line(row))
            for each, row in pins
        ],
        width=width_columns(),
    )
    return Reply({"items": items}, lines, () if items else ("nothing is pinned",))


def _removed(replica: Replica) -> Reply:
    rows = replica.removed()
    items = [
        {"id": entry.hex(), "commons": commons.hex(), "removed": number}
        for entry, commons, number in rows
    ]
    lines = [f"{entry.hex()}  {count(number, 'contribution')}" for entry, _, number in rows]
    return Reply({"items": items}, lines, () if items else ("nothing was removed",))


def _entry(replica: Replica, ref: str) -> Found:
    found = replica.resolve_entry(ref)
    if found.entry is None:
        raise UserError(f"{short(found.id)} is a {found.kind}, not an entry")
    return found


def _unreachable() -> int:
    from p2pcommons.errors import EXIT_CODES

    return EXIT_CODES[ErrorCode.UNREACHABLE]
