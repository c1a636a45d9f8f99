"""What holds for all tests: Ctrl-C reaches the programs under test."""

from __future__ import annotations

import signal

# A shell that starts this run in the background lets it ignore SIGINT, and every program that a
# test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
