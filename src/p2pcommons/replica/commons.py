"""Commons of this replica: create, join, leave, invite, and finding the one a person means."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, cast

from p2pcommons import control
from p2pcommons.config import Mode
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model import keys
from p2pcommons.model.ids import PREFIX_HEX_CHARS_MIN, ZERO_ID, hex_prefix, short
from p2pcommons.model.kinds import DEFAULT_LICENCE, CommonsBody
from p2pcommons.peerkey import load_peer_seed, peer_id_of
from p2pcommons.protocol.addresses import (
    CIRCUIT,
    Scope,
    is_circuit,
    relay_in,
    scope_of,
    split_peer_address,
    without_peer,
)
from p2pcommons.protocol.invite import Invite, decode_invite, encode_invite, relay_fits
from p2pcommons.protocol.limits import INVITE_ADDRESSES_MAX
from p2pcommons.replica import cleaning
from p2pcommons.replica.records import InviteMade, JoinResult
from p2pcommons.replica.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.store import CommonsRow

HANDBOOK_META = "handbook.commons"
_LOOPBACK = ("/ip4/127.", "/ip6/::1/", "/dns4/localhost/")


class CommonsOfReplica(Writing):
    """Commons as a person handles them."""

    def commons(self, *, left: bool = False) -> list[CommonsRow]:
        """Return the joined commons in the order of joining; `left` adds those left."""
        return [cleaning.commons_row(row) for row in self.store.commons_rows(left=left)]

    def commons_row(self, commons: bytes) -> CommonsRow:
        """Return one commons. Raises UserError(NOT_FOUND)."""
        row = self.store.commons_row(commons)
        if row is None:
            raise UserError(f"no commons {short(commons)} here", ErrorCode.NOT_FOUND)
        return cleaning.commons_row(row)

    def create_commons(
        self, title: str, purpose: str = "", licence: str = DEFAULT_LICENCE
    ) -> CommonsRow:
        """Found a commons, public and without rules, and join it."""
        self.require_signer()
        body = CommonsBody(title.strip(), purpose.strip(), licence.strip())
        founded = self.contribute(body, commons=ZERO_ID)
        return self.commons_row(founded)

    def leave_commons(self, commons: bytes, *, delete: bool = False) -> None:
        """Stop exchanging a commons and hide it; its data stay unless `delete`."""
        if delete:
            self.store.leave_commons(commons, now=self.now())
            self.store.delete_commons(commons)
        else:
            self.store.leave_commons(commons, now=self.now())
        if self.config.text("commons.default") == commons.hex():
            self.config.set("commons.default", "")
        self.nudge()

    def resolve_commons(self, ref: str, *, left: bool = False) -> CommonsRow:
        """Return the commons that an id, a prefix of 6 or more digits, or an exact title names.

        Raises UserError: NOT_FOUND, or USAGE with the candidates when several fit.
        """
        rows = self.commons(left=left)
        prefix = hex_prefix(ref)
        fitting = [row for row in rows if row.title is not None and row.title == ref.strip()]
        if not fitting and prefix is not None:
            fitting = [row for row in rows if row.id.hex().startswith(prefix)]
        if len(fitting) == 1:
            return fitting[0]
        if not fitting:
            raise UserError(f"no commons {ref!r} here", ErrorCode.NOT_FOUND)
        raise UserError(
            f"{ref!r} names {len(fitting)} commons; give one of their ids",
            ErrorCode.USAGE,
            [commons_line(row) for row in fitting],
        )

    def which_commons(self, ref: str | None = None) -> CommonsRow:
        """Return the named commons, else the default one, else the only one.

        Raises UserError: USAGE with the list where several are joined, NOT_FOUND with the two
        commands that help where none is.
        """
        if ref:
            return self.resolve_commons(ref)
        default = self.config.text("commons.default")
        if default:
            try:
                return self.resolve_commons(default)
            except UserError as error:
                said = f"{error.message}: the setting commons.default names it"
                raise UserError(said, error.code, error.candidates) from error
        rows = self.commons()
        if len(rows) == 1:
            return rows[0]
        if not rows:
            raise UserError(
                "no commons yet; start one with `p2pcommons commons create TITLE`, "
                "or join one with `p2pcommons join INVITE`",
                ErrorCode.NOT_FOUND,
            )
        raise UserError(
            "several commons are joined; say which with --commons",
            ErrorCode.USAGE,
            [commons_line(row) for row in rows],
        )

    def open_handbook(self) -> CommonsRow:
        """Copy the handbook into a commons of this machine, or return the copy made before.

        Its entries are signed by a name of their own made for the purpose and forgotten, so
        that nobody's name stands under words they did not write.
        """
        made = self.store.meta(HANDBOOK_META)
        if made is not None and self.store.commons_row(bytes.fromhex(made)) is not None:
            commons = bytes.fromhex(made)
            self.store.join_commons(commons, now=self.now())
            return self.commons_row(commons)
        from p2pcommons.handbook import PURPOSE, TITLE, entries

        writer = keys.grant_device(os.urandom(32), os.urandom(32))
        chapters = tuple(entries())
        with self.batch():
            founding = CommonsBody(TITLE, PURPOSE)
            now = self.now()
            commons = self.contribute(founding, commons=ZERO_ID, identity=writer)
            self.name_writer(commons, writer, "Handbook")
            for place, body in enumerate(reversed(chapters)):
                claimed_at = now - len(chapters) + place
                self.contribute(body, commons=commons, identity=writer, claimed_at=claimed_at)
        self.store.set_meta(HANDBOOK_META, commons.hex())
        return self.commons_row(commons)

    def make_invite(self, commons: bytes, *, addresses: Sequence[str] | None = None) -> InviteMade:
        """Return an invite with the addresses in use now, else the last known ones.

        It gives no rights and cannot be revoked; it helps to find a peer. Loopback addresses
        are named only when there is nothing else.
        """
        self.require_identity()
        row = self.commons_row(commons)
        known, in_use = (tuple(addresses), True) if addresses is not None else self._addresses()
        peer_id = peer_id_of(load_peer_seed(self.paths))
        bare = [without_peer(address, peer_id) for address in known]
        title = row.title or row.title_hint or ""
        text = encode_invite(
            Invite(commons, title, peer_id, choose_addresses(bare), choose_relay(bare))
        )
        named = addresses_in(decode_invite(text))
        return InviteMade(text, row, named, not in_use, self._invite_note(named, in_use))

    def join(self, text: str) -> JoinResult:
        """Keep what an invite says and start meeting its peers; needs no node and no network.

        Raises UserError for an invite that is not one. Joining twice changes nothing.
        """
        self.require_identity()
        invite = decode_invite(text)
        now = self.now()
        before = self.store.commons_row(invite.commons)
        already = before is not None and before.joined_at is not None and before.left_at is None
        self.store.join_commons(
            invite.commons, now=now, title_hint=invite.title or None, inviter=invite.peer_id
        )
        addresses = addresses_in(invite)
        own = peer_id_of(load_peer_seed(self.paths))
        if invite.peer_id != own:
            self.store.upsert_peer(invite.peer_id, addresses, source="invite", now=now)
        if invite.relay is not None:
            # A member relays for members, so most likely it holds the commons too.
            relay, relay_id = split_peer_address(invite.relay)
            if relay_id != own:
                self.store.upsert_peer(relay_id, (relay,), source="invite", now=now)
        self.nudge()
        return JoinResult(self.commons_row(invite.commons), already, invite.peer_id, addresses)

    def _invite_note(self, addresses: Sequence[str], in_use: bool) -> str:
        if not addresses and in_use:
            return (
                "the invite names no address, since the node that runs listens nowhere: "
                "p2pcommons node status"
            )
        if not addresses:
            on_lan = self.config.mode in (Mode.LAN, Mode.OPEN)
            return "the invite names no address, since no node has run here yet; " + (
                "it works on one LAN; for elsewhere, make it after: p2pcommons node start"
                if on_lan
                else "make it again after: p2pcommons node start"
            )
        if all(address.startswith(_LOOPBACK) for address in addresses):
            return "the invite names this machine only; it works for homes on this machine"
        if all(is_circuit(address) for address in addresses):
            return "the invite names the relay by which this machine is reached, and no title"
        if not in_use:
            return "no node is running: the invite names the addresses used last"
        return ""

    def _addresses(self) -> tuple[tuple[str, ...], bool]:
        """Return this node's addresses and whether they are in use now."""
        try:
            status = control.request(self.paths, {"op": "status"})
        except UserError:
            noted = self.store.meta(control.ADDRESSES_META)
            return tuple(cast("list[str]", json.loads(noted))) if noted else (), False
        return tuple(cast("list[str]", status.get("addresses", []))), True


def commons_line(row: CommonsRow) -> str:
    """Return a commons as a line to choose from."""
    return f"{short(row.id)}  {row.title or row.title_hint or '(not received yet)'}"


def choose_addresses(known: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses an invite names: three at most, those first that most can use.

    Loopback is named only when all else lacks; what leads through a relay has its own place.
    """
    direct = [address for address in known if not is_circuit(address)]
    elsewhere = [address for address in direct if not address.startswith(_LOOPBACK)]
    # Link-local IPv6 needs an interface's name to be dialled, which differs between machines.
    elsewhere = [address for address in elsewhere if not address.startswith("/ip6/fe80")]
    ordered = sorted(
        elsewhere or direct, key=lambda each: (scope_of(each), each.startswith("/ip6/"))
    )
    return tuple(ordered[:INVITE_ADDRESSES_MAX])


def choose_relay(known: Sequence[str]) -> str | None:
    """Return the relay an invite names, with its /p2p/ID: the first that fits; None without one.

    A node asks for a relay when nobody reaches it otherwise, so where there is one it is named,
    though nothing else fits beside it.
    """
    relays = [relay_in(address) for address in known if is_circuit(address)]
    usable = [each for each in relays if scope_of(each) < Scope.LOOPBACK] or relays
    return next((relay for relay in usable if relay_fits(relay)), None)


def addresses_in(invite: Invite) -> tuple[str, ...]:
    """Return where the inviter can be met, through a relay as well."""
    through = () if invite.relay is None else (invite.relay + CIRCUIT,)
    return (*invite.addresses, *through)


__all__ = ["PREFIX_HEX_CHARS_MIN", "CommonsOfReplica", "choose_addresses", "commons_line"]
