"""Settings: a few names with a type, a default and a meaning; flag, then environment, then file.

Unknown settings in the file are kept when it is rewritten and reported by `doctor`; a value of
the wrong type, range or shape is an error that names the file, the setting and what would be right.
`network.bootstrap` is the one list whose wrong entries are left out instead: whoever uses it does.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, cast

from p2pcommons.errors import UserError
from p2pcommons.model.limits import NAME_CHARS_MAX
from p2pcommons.paths import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


PORT_MAX: Final = 65_535
_DAY_SECONDS: Final = 86_400


class Mode(StrEnum):
    """How far the node goes to meet others; see the user guide for the table."""

    OFF = "off"
    FRIENDS = "friends"
    LAN = "lan"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its dotted name, default, what it means, and the variable that overrides it."""

    name: str
    default: object
    meaning: str
    variable: str
    least: int = 0
    most: int = 0
    """What a number may be, both included."""


SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("name", "", "how you want to be called", "P2PCOMMONS_NAME"),
    Setting("commons.default", "", "id of the commons that commands use", "P2PCOMMONS_COMMONS"),
    Setting("network.mode", "lan", "off, friends, lan or open", "P2PCOMMONS_MODE"),
    Setting(
        "network.port",
        0,
        "TCP port, drawn once at the first start",
        "P2PCOMMONS_PORT",
        most=PORT_MAX,
    ),
    Setting("network.listen", [], "listen addresses instead of all interfaces", ""),
    Setting("network.bootstrap", [], "peers to begin with, each /ip4/…/tcp/…/p2p/ID", ""),
    Setting("network.upnp", True, "ask the router to pass connections on", "P2PCOMMONS_UPNP"),
    Setting("network.relay", False, "pass on what others behind routers say", "P2PCOMMONS_RELAY"),
    Setting(
        "network.relay_circuits",
        16,
        "pairs of others it relays for at a time",
        "",
        least=1,
        most=1_000,
    ),
    Setting(
        "network.relay_megabytes",
        128,
        "most that one pair may move; 0: no limit",
        "",
        most=1_000_000,
    ),
    Setting(
        "network.relay_seconds",
        7_200,
        "how long a pair may stay before it asks anew; 0: no limit",
        "",
        most=30 * _DAY_SECONDS,
    ),
    Setting(
        "network.reconcile_seconds",
        300,
        "pause between reconciliations with a peer",
        "",
        least=1,
        most=_DAY_SECONDS,
    ),
    Setting(
        "network.kilobytes_per_second",
        0,
        "most that is moved in and out; 0: no limit",
        "",
        most=10_000_000,
    ),
    Setting(
        "network.megabytes_per_day",
        0,
        "the same for a day of this machine; 0: no limit",
        "",
        most=1_000_000_000,
    ),
    Setting(
        "strangers.megabytes",
        0,
        "room for strangers in a commons; 0: by the disk",
        "",
        most=100_000_000,
    ),
    Setting(
        "strangers.contributions",
        2_000_000,
        "what strangers may contribute in a commons",
        "",
        most=1_000_000_000,
    ),
    Setting("node.keep_running", False, "leave the node running when the screen closes", ""),
    Setting("look.theme", "", "colours of the screen, kept when chosen there", "TEXTUAL_THEME"),
    Setting("look.ascii", False, "draw with plain ASCII characters", "P2PCOMMONS_ASCII"),
)

_BY_NAME: Final[Mapping[str, Setting]] = {setting.name: setting for setting in SETTINGS}
LISTEN_SHAPE: Final = "/ip4/0.0.0.0/tcp/4001 or /ip6/::/tcp/4001"
_YES: Final = frozenset(("1", "true", "yes", "on"))
_NO: Final = frozenset(("0", "false", "no", "off"))
_SHOWN_CHARS_MAX: Final = 80
_KEYS = "keys."
"""Table of the settings that gives actions of the screen other keys; any name may stand in it."""
_TABLES: Final = frozenset(name.partition(".")[0] for name in (*_BY_NAME, _KEYS) if "." in name)
_WORDS_FOR_TYPES: Final[Mapping[str, str]] = {
    "str": "a text",
    "int": "a number",
    "bool": "true or false",
    "list": "a list of texts",
}


class Config:
    """The settings of one profile, read once; `set` and `save` write the file back."""

    def __init__(self, path: Path, values: dict[str, object]) -> None:
        self.path = path
        self._values = values

    @classmethod
    def load(cls, path: Path) -> Config:
        """Read `path`; a missing file means defaults. Raises UserError for a broken one."""
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            values = {}
        except (ValueError, RecursionError) as error:  # also numbers of thousands of digits
            raise UserError(f"{path} is not valid TOML: {error}") from error
        except OSError as error:
            raise UserError(
                f"{path} cannot be read ({error.strerror}); name a folder of yours with --home"
            ) from error
        for name, value in values.items():
            if name in _TABLES and not isinstance(value, dict):
                raise UserError(f"{name} in {path} must be a table, [{name}], not {shown(value)}")
        config = cls(path, _flat(values))
        config._check_all()
        return config

    def _check_all(self) -> None:
        """Raise UserError that names everything that is wrong: it is corrected in one go."""
        wrong: list[str] = []
        for setting in SETTINGS:
            try:
                self.get(setting.name)
            except UserError as error:
                wrong.append(error.message)
        if wrong:
            raise UserError("; ".join(wrong))

    def get(self, name: str) -> object:
        """Return a setting's value. Raises UserError when the value in force is unusable."""
        setting = _BY_NAME[name]
        raw = os.environ.get(setting.variable) if setting.variable else None
        if raw is not None and raw != "":
            return _checked(setting, _from_text(setting, raw), setting.variable)
        if name not in self._values:
            return setting.default
        return _checked(setting, self._values[name], str(self.path))

    def text(self, name: str) -> str:
        """Return a setting that is a string."""
        return cast("str", self.get(name))

    def number(self, name: str) -> int:
        """Return a setting that is an integer."""
        return cast("int", self.get(name))

    def flag(self, name: str) -> bool:
        """Return a setting that is true or false."""
        return cast("bool", self.get(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a setting that is a list of strings."""
        return tuple(cast("list[str]", self.get(name)))

    @property
    def mode(self) -> Mode:
        """The network mode in force."""
        return Mode(self.text("network.mode"))

    def unknown(self) -> tuple[str, ...]:
        """Return the names in the file that mean nothing to this version."""
        unknown = set(self._values) - set(_BY_NAME)
        return tuple(sorted(name for name in unknown if not name.startswith(_KEYS)))

    def keys(self) -> dict[str, str]:
        """Return the keys that the person wants, by the name of what they do.

        Raises UserError where one is no text.
        """
        found: dict[str, str] = {}
        for name, value in self._values.items():
            if name.startswith(_KEYS):
                if not isinstance(value, str):
                    raise UserError(f"{name} in {self.path} must be a text, not {value!r}")
                found[name.removeprefix(_KEYS)] = value
        return found

    def set(self, name: str, value: object) -> None:
        """Change a setting and save the file. Raises UserError for a value that does not fit."""
        _checked(_BY_NAME[name], value, str(self.path))
        # Another process may have saved since: a node that draws its port must not undo a name.
        saved = Config.load(self.path)
        self._values = {**saved._values, name: value}  # noqa: SLF001  of this class
        self.save()

    def save(self) -> None:
        """Write the file back, unknown settings included."""
        import tomli_w

        nested: dict[str, object] = {}
        for dotted, value in sorted(self._values.items()):
            table = nested
            *tables, last = dotted.split(".")
            for part in tables:
                table = cast("dict[str, object]", table.setdefault(part, {}))
            table[last] = value
        write_private(self.path, tomli_w.dumps(nested).encode())


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(cast("dict[str, object]", value), f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _from_text(setting: Setting, raw: str) -> object:
    """Return what the environment says; what cannot be read stays a text, which is refused."""
    word = raw.strip().lower()
    if isinstance(setting.default, bool):
        return True if word in _YES else False if word in _NO else raw
    if isinstance(setting.default, int):
        # More digits are out of every range, and Python refuses to read thousands of them.
        return int(word) if re.fullmatch(r"-?[0-9]{1,18}", word) else raw
    return raw


def _checked(setting: Setting, value: object, origin: str) -> object:
    """Return `value` if it fits the setting, else raise UserError saying what would."""
    where = f"{setting.name} in {origin}"
    if type(value) is not type(setting.default):
        right = _WORDS_FOR_TYPES[type(setting.default).__name__]
        raise UserError(f"{where} must be {right}, not {shown(value)}")
    if setting.name == "name" and value:
        _check_name(cast("str", value), where)
    if setting.name == "network.mode" and value not in list(Mode):
        raise UserError(f"{where} is {shown(value)}; it is one of {', '.join(Mode)}")
    if type(value) is int and not setting.least <= value <= setting.most:
        said = f"{setting.least:,} to {setting.most:,}"
        if "0: no limit" in setting.meaning:
            said += " (0: no limit)"
        raise UserError(f"{where} must be {said}, not {shown(value)}")
    if isinstance(value, list):
        _check_list(setting, cast("list[object]", value), where)
    return cast("object", value)


def _check_name(name: str, where: str) -> None:
    from p2pcommons.model.kinds import check_line

    try:
        check_line("name", name, NAME_CHARS_MAX)
    except UserError as error:
        raise UserError(f"{where}: {error.message}") from error


def _check_list(setting: Setting, items: list[object], where: str) -> None:
    for item in items:
        if not isinstance(item, str):
            raise UserError(f"{where} must be a list of texts; {shown(item)} is none")
        if setting.name == "network.listen" and not is_listen_address(item):
            raise UserError(f"{where} has {shown(item)}, which is not of the form {LISTEN_SHAPE}")


def shown(value: object) -> str:
    """Return a wrong value as a message repeats it: short, whatever a file holds."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS_MAX else f"{text[: _SHOWN_CHARS_MAX - 1]}…"


def is_listen_address(text: str) -> bool:
    """Tell whether a node can be told to listen at `text`: an IP address and a TCP port."""
    import ipaddress

    found = re.fullmatch(r"/ip([46])/([0-9A-Fa-f.:]+)/tcp/([0-9]{1,5})", text)
    if found is None or int(found[3]) > PORT_MAX:
        return False
    try:
        (ipaddress.IPv4Address if found[1] == "4" else ipaddress.IPv6Address)(found[2])
    except ipaddress.AddressValueError:
        return False
    return True
