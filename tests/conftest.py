"""What holds for all tests: Ctrl-C reaches the programs under test, and no router is asked.

With `--numprocesses auto` one test more runs than there are cores: of the time of the tests that
talk over sockets or start nodes a third and more is waiting.
"""

from __future__ import annotations

import os
import signal

import pytest

# A shell that starts this run in the background lets it ignore SIGINT, and every program that a
# test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nodes under test listen on loopback; one that does not still asks no router for a port.
os.environ.setdefault("P2PCOMMONS_UPNP", "false")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many tests run at the same time."""
    able = getattr(os, "sched_getaffinity", None)
    return 1 + (len(able(0)) if able is not None else os.cpu_count() or 1)
