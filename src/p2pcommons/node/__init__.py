"""The running node: meets peers, exchanges contributions, answers on the control socket.

Never opens the author's keys. The store is where it meets the screens and the command line.
"""

from __future__ import annotations

from p2pcommons.node.runtime import run_node

__all__ = ["run_node"]
