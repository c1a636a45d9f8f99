"""What holds for all tests: Ctrl-C reaches the programs under test, and no router is asked."""

from __future__ import annotations

import os
import signal

# A shell that starts this run in the background lets it ignore SIGINT, and every program that a
# test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nodes under test listen on loopback; one that does not still asks no router for a port.
os.environ.setdefault("P2PCOMMONS_UPNP", "false")
