"""The node as a service of the person's own session: a systemd user unit or a launchd agent.

No root, no daemon of ours: the system's own supervisor starts the node at log-in and again after
a crash. One unit for each home, named after it, so that several profiles do not collide.
"""

from __future__ import annotations

import hashlib
import os
import plistlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from p2pcommons.errors import EXIT_CODES, ErrorCode, UserError
from p2pcommons.model.words import clean_line

if TYPE_CHECKING:
    from p2pcommons.paths import Paths

COMMAND_SECONDS = 30.0
RESTART_SECONDS = 5
STOP_SECONDS = 30
_LABEL = "org.p2pcommons.node"


@dataclass(frozen=True, slots=True)
class Service:
    """Where a profile's service stands: `state` is the supervisor's own word for it."""

    kind: str
    name: str
    file: Path
    is_installed: bool
    is_running: bool
    state: str


def install(paths: Paths) -> tuple[Service, str]:
    """Write the unit and start it; return it, and what the supervisor said where it failed.

    The file stays when no supervisor answers (no session bus over ssh or in a container): it is
    found at the next log-in. Raises UserError where there is no supervisor known to us, or the
    file cannot be written.
    """
    kind, name, file = _place(paths)
    content = launchd_agent(paths, name) if kind == "launchd" else systemd_unit(paths)
    _write(file, content)
    if kind == "launchd":
        _ask("launchctl", "bootout", f"{_domain()}/{name}")
        said = _ask("launchctl", "bootstrap", _domain(), str(file))
    else:
        said = _ask("systemctl", "--user", "daemon-reload")
        said = said or _ask("systemctl", "--user", "enable", name)
        said = said or _ask("systemctl", "--user", "restart", name)
    return status(paths), said


def remove(paths: Paths) -> bool:
    """Stop the service and take its file away; False when there was none.

    Raises UserError where there is no supervisor known to us, or the file cannot be removed.
    """
    kind, name, file = _place(paths)
    if not file.exists():
        return False
    if kind == "launchd":
        _ask("launchctl", "bootout", f"{_domain()}/{name}")
    else:
        _ask("systemctl", "--user", "disable", "--now", name)
    try:
        file.unlink()
    except OSError as error:
        raise _cannot_write(file, error) from error
    if kind == "systemd":
        _ask("systemctl", "--user", "daemon-reload")
    return True


def status(paths: Paths) -> Service:
    """Return how it stands. Raises UserError where there is no supervisor known to us."""
    kind, name, file = _place(paths)
    if not file.exists():
        return Service(kind, name, file, is_installed=False, is_running=False, state="")
    if kind == "launchd":
        said = _run("launchctl", "print", f"{_domain()}/{name}")
        running = said is not None and "state = running" in said.stdout
        state = "running" if running else "not running"
    else:
        said = _run("systemctl", "--user", "is-active", name)
        state = clean_line(said.stdout) if said is not None else ""
        running = state == "active"
        state = state or "no answer from systemd"
    return Service(kind, name, file, is_installed=True, is_running=running, state=state)


def systemd_unit(paths: Paths) -> str:
    """Return a user unit. A mistake of a person or a second node is no reason to start again."""
    final = " ".join(
        str(EXIT_CODES[code])
        for code in (ErrorCode.USAGE, ErrorCode.REFUSED, ErrorCode.NOT_RUNNING)
    )
    command = " ".join(_quoted(word) for word in _command(paths))
    return f"""\
[Unit]
Description=p2pcommons node of {_escaped(str(paths.home))}
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=exec
ExecStart={command}
Restart=on-failure
RestartSec={RESTART_SECONDS}
RestartPreventExitStatus={final}
TimeoutStopSec={STOP_SECONDS}
NoNewPrivileges=true
LockPersonality=true
RestrictRealtime=true
RestrictSUIDSGID=true
UMask=0077

[Install]
WantedBy=default.target
"""


def launchd_agent(paths: Paths, name: str) -> str:
    """Return a launch agent that is started at log-in and again after a crash."""
    content = {
        "Label": name,
        "ProgramArguments": _command(paths),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": RESTART_SECONDS,
        "ExitTimeOut": STOP_SECONDS,
        "ProcessType": "Background",
        "Umask": 0o077,
    }
    return plistlib.dumps(content).decode()


def _command(paths: Paths) -> list[str]:
    command = [sys.executable, "-m", "p2pcommons"]
    if paths.config_dir == paths.data_dir:
        command += ["--home", str(paths.home)]
    return [*command, "node", "run", "--background"]


def _place(paths: Paths) -> tuple[str, str, Path]:
    """Return the supervisor, the name of this home's service, and where its file belongs."""
    own_home = paths.config_dir == paths.data_dir
    digest = hashlib.sha256(os.fsencode(os.path.realpath(paths.home))).hexdigest()[:8]
    suffix = f"-{digest}" if own_home else ""
    if sys.platform == "darwin":
        name = f"{_LABEL}{suffix}"
        return "launchd", name, Path.home() / "Library" / "LaunchAgents" / f"{name}.plist"
    if sys.platform.startswith("linux") and shutil.which("systemctl"):
        configured = os.environ.get("XDG_CONFIG_HOME")
        base = Path(configured) if configured else Path.home() / ".config"
        name = f"p2pcommons{suffix}.service"
        return "systemd", name, base / "systemd" / "user" / name
    raise UserError(
        "there is neither systemd nor launchd here; let the supervisor you use run: "
        + " ".join(_quoted(word) for word in _command(paths)),
        ErrorCode.FAILED,
    )


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _write(file: Path, content: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.new")
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise _cannot_write(file, error) from error


def _cannot_write(file: Path, error: OSError) -> UserError:
    return UserError(f"{file} cannot be written: {error.strerror}", ErrorCode.FAILED)


def _ask(*command: str) -> str:
    """Run a command of the supervisor; return what it said where it failed, else nothing."""
    done = _run(*command)
    if done is None:
        return f"{command[0]} does not answer"
    if done.returncode == 0:
        return ""
    said = clean_line(done.stderr or done.stdout)
    return said or f"{' '.join(command)} ended with {done.returncode}"


def _run(*command: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _escaped(text: str) -> str:
    """Return text for a unit file, in which % begins a specifier and a line is a line."""
    return clean_line(text).replace("%", "%%")


def _quoted(word: str) -> str:
    """Return one argument of ExecStart: quotes, backslashes, % and $ mean themselves."""
    plain = _escaped(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{plain}"' if any(mark in plain for mark in " '\"\\;") else plain
