"""Watches of an attack while it lasts: what the victim has open, what the attacker says."""

from __future__ import annotations

import subprocess
import threading
from typing import TYPE_CHECKING

from crowd import figures

if TYPE_CHECKING:
    from harness import Home


class Most:
    """The most handles that a node had open, looked at ten times a second."""

    def __init__(self, victim: Home) -> None:
        self.handles = 0
        self._victim = victim
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._is_over.wait(0.1):
            found = figures(self._victim)
            self.handles = max(self.handles, 0 if found is None else found.handles)

    def stop(self) -> None:
        """Look no more."""
        self._is_over.set()
        self._thread.join()


class Words:
    """What an attacker prints: that it has begun, what it wants done, what it counted."""

    def __init__(self, attacker: subprocess.Popen[str], victim: Home) -> None:
        self.begun = threading.Event()
        self.counted: list[str] = []
        self.broken: list[str] = []
        self._attacker = attacker
        self._victim = victim
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._attacker.stdout is not None
        for line in self._attacker.stdout:
            kind, _, rest = line.strip().partition(" ")
            if kind == "begun":
                self.begun.set()
            elif kind == "tell":
                self._victim.run(*rest.split(), accept=(0, 2))
            elif kind == "counted":
                self.counted.append(rest)
            elif kind == "broken":
                self.broken.append(rest)

    def end(self) -> None:
        """Wait until the attacker has ended and told what it counted; end it if it does not."""
        try:
            self._attacker.wait(15)
        except subprocess.TimeoutExpired:
            self._attacker.kill()
            self._attacker.wait()
        self._thread.join()
