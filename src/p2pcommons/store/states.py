"""The first two passes of folding, written down as bits of each row.

Both are kept up by difference: the functions take the rows that changed, update the bits of every
row that this concerns, and return those rows, since their slots have to be folded again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from p2pcommons.model.kinds import DEVICE_REVOKE, NOT_WITHDRAWABLE, WITHDRAW, parse_body
from p2pcommons.store.rows import STORED_COLUMNS, Stored, select_in
from p2pcommons.store.schema import DISOWNED, WITHDRAWN
from p2pcommons.views.held import Held
from p2pcommons.views.passes import is_disowned, revocations

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence

    from p2pcommons.model.kinds import Body

_REVOKES = """
SELECT c.id, c.commons, c.author, c.target, c.body FROM contribution c
JOIN device_grant g ON g.rowid = c.device JOIN author a ON a.rowid = c.author
WHERE c.target IN ({}) AND c.kind = 'device-revoke' AND g.device = a.key
"""

_SIGNED = f"""
SELECT {STORED_COLUMNS}, g.device FROM contribution c JOIN device_grant g ON g.rowid = c.device
"""  # noqa: S608

_WITHDRAWS = f"""
SELECT target, commons, author, min(received_at) FROM contribution
WHERE target IN ({{}}) AND kind = 'withdraw' AND state & {DISOWNED} = 0
GROUP BY target, commons, author
"""  # noqa: S608


class _Revoked(NamedTuple):
    commons: int
    author: int
    device: bytes


def update_disowned(
    connection: sqlite3.Connection, changed: Sequence[Stored], devices: Iterable[bytes]
) -> list[Stored]:
    """Set the disowned bit of the rows in `changed` and of what new revocations concern.

    `devices` are the keys that signed `changed`. Returns the rows whose bit changed, with their
    new state.
    """
    revoking = [row for row in changed if row.kind == DEVICE_REVOKE]
    named = {row.target for row in revoking if row.target is not None}
    kept = _kept(connection, named.union(devices))
    if not kept:
        return []
    signed = select_in(
        connection, f"{_SIGNED} WHERE c.rowid IN ({{}})", (row.rowid for row in changed)
    )
    rows = {row[0]: (Stored(*row[:7]), bytes(row[7])) for row in signed}
    for row in revoking:
        # A new revocation reaches back to everything that the device has signed.
        reached = connection.execute(
            f"{_SIGNED} WHERE c.author = ? AND c.commons = ? AND g.device = ?",
            (row.author, row.commons, row.target),
        )
        rows.update({found[0]: (Stored(*found[:7]), bytes(found[7])) for found in reached})
    return _set_bit(
        connection,
        DISOWNED,
        ((row, _disowned(row, device, kept)) for row, device in rows.values()),
    )


def update_withdrawn(
    connection: sqlite3.Connection,
    changed: Sequence[Stored],
    *,
    new: Sequence[Stored] = (),
    named: Collection[bytes] = (),
) -> tuple[list[Stored], list[Stored]]:
    """Set the withdrawn bit of the rows in `changed` and of what withdrawals among them name.

    Of the rows in `new` it is known that only those in `named` are the target of anything.
    Returns the rows that became withdrawn and those that are no longer, with their new state.
    """
    unnamed = {row.id for row in new}.difference(named)
    names = {row.id for row in changed if row.kind not in NOT_WITHDRAWABLE}
    names -= unnamed
    names.update(row.target for row in changed if row.kind == WITHDRAW and row.target is not None)
    gone = {
        (target, commons, author): received_at
        for target, commons, author, received_at in select_in(connection, _WITHDRAWS, names)
    }
    withdrawing = any(row.kind == WITHDRAW for row in changed)
    if not gone and not withdrawing and not any(row.state & WITHDRAWN for row in changed):
        return [], []
    found = select_in(
        connection,
        f"SELECT {STORED_COLUMNS} FROM contribution c WHERE c.id IN ({{}})",  # noqa: S608
        names,
    )
    rows = [Stored(*row) for row in found]
    moved = _set_bit(
        connection,
        WITHDRAWN,
        (
            (row, (row.id, row.commons, row.author) in gone and row.kind not in NOT_WITHDRAWABLE)
            for row in rows
        ),
    )
    hidden = [row for row in moved if row.state & WITHDRAWN]
    shown = [row for row in moved if not row.state & WITHDRAWN]
    connection.executemany(
        "INSERT OR REPLACE INTO withdrawal(contribution, hidden_at) VALUES(?, ?)",
        [(row.rowid, gone[row.id, row.commons, row.author]) for row in hidden],
    )
    connection.executemany(
        "DELETE FROM withdrawal WHERE contribution = ?", [(row.rowid,) for row in shown]
    )
    return hidden, shown


def _kept(connection: sqlite3.Connection, devices: Iterable[bytes]) -> dict[_Revoked, set[bytes]]:
    """Return what stays of each revoked device, by commons."""
    by_commons: dict[tuple[int, int], tuple[list[Held], dict[bytes, Body | None]]] = {}
    for identifier, commons, author, target, body in select_in(connection, _REVOKES, devices):
        items, bodies = by_commons.setdefault((commons, author), ([], {}))
        items.append(Held(identifier, DEVICE_REVOKE, b"", b"", 0, target, ()))
        if body is not None:
            bodies[identifier] = parse_body(DEVICE_REVOKE, body)
    return {
        _Revoked(commons, author, device): keep
        for (commons, author), (items, bodies) in by_commons.items()
        for (_, device), keep in revocations(items, bodies).items()
    }


def _disowned(row: Stored, device: bytes, kept: dict[_Revoked, set[bytes]]) -> bool:
    keep = kept.get(_Revoked(row.commons, row.author, device))
    if keep is None:
        return False
    return is_disowned(Held(row.id, row.kind, b"", device, 0, None, ()), {(b"", device): keep})


def _set_bit(
    connection: sqlite3.Connection, bit: int, wanted: Iterable[tuple[Stored, bool]]
) -> list[Stored]:
    moved = [
        row._replace(state=row.state ^ bit) for row, on in wanted if bool(row.state & bit) is not on
    ]
    connection.executemany(
        "UPDATE contribution SET state = ? WHERE rowid = ?",
        [(row.state, row.rowid) for row in moved],
    )
    return moved
