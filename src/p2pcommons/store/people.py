"""People: their names in each commons, and whom somebody means by what they type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.model.ids import DID_PREFIX, SUFFIX_CHARS, suffix
from p2pcommons.model.kinds import PROFILE, ProfileBody, parse_body
from p2pcommons.store.base import StorePart
from p2pcommons.store.records import AuthorRow, ProfileRow
from p2pcommons.store.slots import profile_statements
from p2pcommons.views.statements import statement_heads

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY_CHARS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""base58btc, in which keys are written."""

KEY_START = "6Mk"
"""How every Ed25519 did:key goes on after `did:key:z`."""

_DID_CHARS = 47
_LOWEST = 0xED01 << 256
"""The number that base58 writes for the key of 32 zero bytes."""

_NAMED = """
SELECT a.key, p.name FROM profile p JOIN author a ON a.rowid = p.author
JOIN commons m ON m.rowid = p.commons WHERE p.name = ? COLLATE NOCASE
"""


class PeoplePart(StorePart):
    """Reading profiles and finding authors."""

    def name_of(self, commons: bytes, author: bytes) -> str | None:
        """Return the name somebody goes by in a commons."""
        row = self._database.read_one(
            "SELECT p.name FROM profile p JOIN author a ON a.rowid = p.author "
            "JOIN commons m ON m.rowid = p.commons WHERE m.id = ? AND a.key = ?",
            (commons, author),
        )
        return None if row is None else row[0]

    def names(self, author: bytes) -> dict[bytes, str]:
        """Return the names somebody goes by, by commons."""
        rows = self._database.read(
            "SELECT m.id, p.name FROM profile p JOIN author a ON a.rowid = p.author "
            "JOIN commons m ON m.rowid = p.commons WHERE a.key = ? AND p.name NOTNULL",
            (author,),
        )
        return {row[0]: row[1] for row in rows}

    def recent_authors(self, limit: int) -> list[bytes]:
        """Return the keys of the authors met last in this store, newest first."""
        rows = self._database.read("SELECT key FROM author ORDER BY rowid DESC LIMIT ?", (limit,))
        return [row[0] for row in rows]

    def profile(self, commons: bytes, author: bytes) -> ProfileRow | None:
        """Return a person's profile in a commons, or None if they never wrote one there."""
        number = self._commons_number(commons)
        row = self._database.read_one(
            "SELECT a.rowid, c.body FROM author a LEFT JOIN profile p ON p.author = a.rowid "
            "AND p.commons = ? LEFT JOIN contribution c ON c.rowid = p.head WHERE a.key = ?",
            (number, author),
        )
        if row is None or number is None:
            return None
        with self._database.connected() as connection:
            members = profile_statements(connection, number, row[0])
        if not members:
            return None
        said = parse_body(PROFILE, row[1]) if row[1] is not None else None
        body = said if isinstance(said, ProfileBody) else None
        heads = tuple(item.id for item in statement_heads([member.held for member in members]))
        if body is None:
            return ProfileRow(author, None, None, (), (), heads)
        return ProfileRow(author, body.name, body.about, body.languages, body.links, heads)

    def find_authors(self, text: str) -> list[AuthorRow]:
        """Return whom `text` can mean, several if it is ambiguous.

        A DID, the beginning of one (6 characters or more after `did:key:z6Mk`, with or without
        that), a name, or `name~suffix`.
        """
        text = text.strip()
        if not text:
            return []
        name, tilde, ending = text.rpartition("~")
        if tilde and len(ending) == SUFFIX_CHARS:
            people = self._named(name) if name else self._unnamed()
            return [person for person in people if suffix(person.author) == ending]
        return self._named(text) or self._by_key(text)

    def _named(self, name: str) -> list[AuthorRow]:
        rows = self._database.read(_NAMED, (name,))
        exactly = {row[0]: row[1] for row in rows if row[1] == name}
        # Those who write the name in just this way, else those who write it with other capitals.
        return _author_rows((exactly or {row[0]: row[1] for row in rows}).items())

    def _unnamed(self) -> list[AuthorRow]:
        rows = self._database.read(
            "SELECT key, NULL FROM author WHERE rowid NOT IN "
            "(SELECT author FROM profile WHERE name NOTNULL)"
        )
        return _author_rows((row[0], row[1]) for row in rows)

    def _by_key(self, text: str) -> list[AuthorRow]:
        bounds = _key_range(text)
        if bounds is None:
            return []
        rows = self._database.read(
            "SELECT a.key, (SELECT p.name FROM profile p WHERE p.author = a.rowid) FROM author a "
            "WHERE a.key BETWEEN ? AND ? ORDER BY a.key LIMIT 20",
            bounds,
        )
        return _author_rows((row[0], row[1]) for row in rows)

    def _author_numbers(self, keys: Iterable[bytes]) -> list[int]:
        numbers = [
            self._database.read_one("SELECT rowid FROM author WHERE key = ?", (key,))
            for key in sorted(keys)
        ]
        return [row[0] for row in numbers if row is not None]


def _author_rows(people: Iterable[tuple[bytes, str | None]]) -> list[AuthorRow]:
    return [AuthorRow(key, name) for key, name in people]


def _key_range(text: str) -> tuple[bytes, bytes] | None:
    """Return the smallest and largest key whose DID begins as `text` does.

    All DIDs of Ed25519 keys have the same length, so a beginning is a range of numbers.
    """
    start = text.removeprefix(DID_PREFIX)
    if text.startswith(DID_PREFIX) or start.startswith(KEY_START):
        start = start.removeprefix(KEY_START)
    if len(start) < SUFFIX_CHARS or any(char not in KEY_CHARS for char in start):
        return None
    start = KEY_START + start
    if len(start) > _DID_CHARS:
        return None
    low = max(_number(start.ljust(_DID_CHARS, KEY_CHARS[0])), _LOWEST)
    high = min(_number(start.ljust(_DID_CHARS, KEY_CHARS[-1])), _LOWEST + 2**256 - 1)
    if low > high:
        return None
    return (low - _LOWEST).to_bytes(32, "big"), (high - _LOWEST).to_bytes(32, "big")


def _number(text: str) -> int:
    number = 0
    for char in text:
        number = number * len(KEY_CHARS) + KEY_CHARS.index(char)
    return number
