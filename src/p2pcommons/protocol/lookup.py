"""One search through the directory: whom to ask next, and what has been found. Pure.

Ask the nearest known to a place; each answers with those it knows nearer. The search is over when
the twenty nearest that answer have been asked, or a limit is reached.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from p2pcommons.errors import UserError
from p2pcommons.protocol.kademlia import networks_of, place_of_peer
from p2pcommons.protocol.kademlia_messages import CONTACTS_MAX, Contact

if TYPE_CHECKING:
    from collections.abc import Iterable

ALPHA = 3
"""Questions under way at the same time."""
ASKED_MAX = 40
"""Peers asked in one search: twice the number that has to answer."""
ASKED_PER_NETWORK_MAX = 8
"""Of them in one network of the internet: answers cannot send a crowd to one victim."""
CANDIDATES_MAX = 256
"""Peers heard of and not asked yet; the nearest are kept."""
PROVIDERS_MAX = 20
"""Holders taken from all answers together."""


@dataclass(slots=True)
class Named:
    """A peer that others say holds what is looked for."""

    contact: Contact
    by: int = 1
    """How many named it."""


class Lookup:
    """The state of one search for a place; the caller asks and tells how it went."""

    def __init__(
        self,
        place: int,
        own_peer_id: str,
        seeds: Iterable[Contact],
        *,
        first: Iterable[str] = (),
        asked_max: int = ASKED_MAX,
        nearest: int = CONTACTS_MAX,
    ) -> None:
        self._place = place
        self._nearest = nearest
        self._asked_max = asked_max
        self._waiting: dict[str, tuple[int, Contact]] = {}
        self._asked: set[str] = {own_peer_id}
        self._under_way: dict[str, tuple[int, Contact]] = {}
        self._answered: dict[str, tuple[int, Contact]] = {}
        self._by_network: Counter[str] = Counter()
        self.failures: list[str] = []
        """Who did not answer."""
        self.providers: dict[str, Named] = {}
        """Who is said to hold it, in the order of being named."""
        self._own_peer_id = own_peer_id
        self._first = list(first)
        """Who is asked in any case, however far: who is connected costs no dialling."""
        self._take(seeds)

    @property
    def asked(self) -> int:
        """How many were asked."""
        return len(self._asked) - 1

    @property
    def answered(self) -> int:
        """How many answered."""
        return len(self._answered)

    @property
    def is_over(self) -> bool:
        """Whether there is nobody left to ask and nothing under way."""
        return not self._under_way and self._choose() is None

    def next(self) -> Contact | None:
        """Return whom to ask now, and count it as asked; None when nobody is to be asked yet."""
        if len(self._under_way) >= ALPHA:
            return None
        chosen = self._choose()
        if chosen is None:
            return None
        found = self._waiting.pop(chosen)
        self._asked.add(chosen)
        self._under_way[chosen] = found
        self._by_network.update(networks_of(found[1]))
        return found[1]

    def heard(
        self, peer_id: str, closer: Iterable[Contact], providers: Iterable[Contact] = ()
    ) -> list[Contact]:
        """Take an answer; returns the holders that nobody named before."""
        found = self._under_way.pop(peer_id, None)
        if found is None:
            return []
        self._answered[peer_id] = found
        self._take(closer)
        news: list[Contact] = []
        for contact in providers:
            known = self.providers.get(contact.peer_id)
            if known is not None:
                known.by += 1
                added = [*known.contact.addresses, *contact.addresses]
                known.contact = Contact(contact.peer_id, tuple(dict.fromkeys(added)))
            elif contact.peer_id != self._own_peer_id and len(self.providers) < PROVIDERS_MAX:
                self.providers[contact.peer_id] = Named(contact)
                news.append(contact)
        return news

    def failed(self, peer_id: str) -> None:
        """Note that no answer came."""
        if self._under_way.pop(peer_id, None) is not None:
            self.failures.append(peer_id)

    def closest(self) -> list[Contact]:
        """Return the nearest that answered, the nearest first."""
        return [contact for _, contact in sorted(self._answered.values(), key=_distance)][
            : self._nearest
        ]

    def _choose(self) -> str | None:
        """Return who is the nearest that may still be asked, if it can be among the nearest."""
        if self.asked >= self._asked_max:
            return None
        while self._first:
            if self._first[0] in self._waiting:
                return self._first[0]
            del self._first[0]
        allowed = [
            (distance, peer_id)
            for peer_id, (distance, contact) in self._waiting.items()
            if all(self._by_network[each] < ASKED_PER_NETWORK_MAX for each in networks_of(contact))
        ]
        if not allowed:
            return None
        distance, peer_id = min(allowed)
        better = sum(each[0] < distance for each in self._answered.values())
        return peer_id if better < self._nearest else None

    def _take(self, contacts: Iterable[Contact]) -> None:
        for contact in contacts:
            if contact.peer_id in self._asked or contact.peer_id in self._waiting:
                continue
            try:
                place = place_of_peer(contact.peer_id)
            except UserError:
                continue
            self._waiting[contact.peer_id] = (place ^ self._place, contact)
        if len(self._waiting) > CANDIDATES_MAX:
            nearest = sorted(self._waiting.items(), key=lambda item: item[1][0])
            self._waiting = dict(nearest[:CANDIDATES_MAX])


def _distance(found: tuple[int, Contact]) -> int:
    return found[0]
