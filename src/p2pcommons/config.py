"""Settings: a few names with a type, a default and a meaning; flag, then environment, then file.

Unknown settings in the file are kept when it is rewritten and reported by `doctor`; a value of
the wrong type is an error that names the line's setting and what would be right.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, cast

from p2pcommons.errors import UserError
from p2pcommons.paths import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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


SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("name", "", "how you want to be called", "P2PCOMMONS_NAME"),
    Setting("commons.default", "", "id of the commons that commands use", "P2PCOMMONS_COMMONS"),
    Setting("network.mode", "lan", "off, friends, lan or open", "P2PCOMMONS_MODE"),
    Setting("network.port", 0, "TCP port, drawn once at the first start", "P2PCOMMONS_PORT"),
    Setting("network.listen", [], "listen addresses instead of all interfaces", ""),
    Setting("network.bootstrap", [], "peers to begin with, each /ip4/…/tcp/…/p2p/ID", ""),
    Setting("network.upnp", True, "ask the router to pass connections on", "P2PCOMMONS_UPNP"),
    Setting("network.relay", False, "pass on what others behind routers say", "P2PCOMMONS_RELAY"),
    Setting("network.relay_circuits", 16, "pairs of others it relays for at a time", ""),
    Setting("network.relay_megabytes", 128, "most that one pair may move; 0: no limit", ""),
    Setting(
        "network.relay_seconds",
        7_200,
        "how long a pair may stay before it asks anew; 0: no limit",
        "",
    ),
    Setting("network.reconcile_seconds", 300, "pause between reconciliations with a peer", ""),
    Setting("network.kilobytes_per_second", 0, "most that is moved in and out; 0: no limit", ""),
    Setting("network.megabytes_per_day", 0, "the same for a day of this machine; 0: no limit", ""),
    Setting("strangers.megabytes", 0, "room for strangers in a commons; 0: by the disk", ""),
    Setting("strangers.contributions", 2_000_000, "what strangers may contribute in a commons", ""),
    Setting("node.keep_running", False, "leave the node running when the screen closes", ""),
    Setting("look.theme", "", "colours of the screen, kept when chosen there", "TEXTUAL_THEME"),
    Setting("look.ascii", False, "draw with plain ASCII characters", "P2PCOMMONS_ASCII"),
)

_BY_NAME: Final[Mapping[str, Setting]] = {setting.name: setting for setting in SETTINGS}
_PORT_MAX = 65_535
_LIMITS = ("network.kilobytes_per_second", "network.megabytes_per_day")
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
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{path} is not valid TOML: {error}") from error
        except OSError as error:
            raise UserError(
                f"{path} cannot be read ({error.strerror}); name a folder of yours with --home"
            ) from error
        for name, value in values.items():
            if name in _TABLES and not isinstance(value, dict):
                raise UserError(f"{name} in {path} must be a table, [{name}], not {value!r}")
        config = cls(path, _flat(values))
        for setting in SETTINGS:
            config.get(setting.name)
        return config

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
        """Change a setting and save the file. Raises UserError for a value of a wrong type."""
        _checked(_BY_NAME[name], value, name)
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
    if isinstance(setting.default, bool):
        return raw.strip().lower() in ("1", "true", "yes", "on")
    if isinstance(setting.default, int):
        return int(raw) if raw.strip().isdecimal() else raw
    return raw


def _checked(setting: Setting, value: object, origin: str) -> object:
    """Return `value` if it fits the setting, else raise UserError saying what would."""
    if type(value) is not type(setting.default):
        right = _WORDS_FOR_TYPES[type(setting.default).__name__]
        raise UserError(f"{setting.name} in {origin} must be {right}, not {value!r}")
    if setting.name == "network.mode" and value not in list(Mode):
        raise UserError(f"{setting.name} in {origin} is {value!r}; it is one of {', '.join(Mode)}")
    if setting.name == "network.port" and not 0 <= cast("int", value) <= _PORT_MAX:
        raise UserError(f"{setting.name} in {origin} must be 0 to {_PORT_MAX}")
    if setting.name in _LIMITS and cast("int", value) < 0:
        raise UserError(f"{setting.name} in {origin} must be 0 (no limit) or more")
    if isinstance(value, list) and not all(
        isinstance(item, str) for item in cast("list[object]", value)
    ):
        raise UserError(f"{setting.name} in {origin} must be a list of texts")
    return cast("object", value)
