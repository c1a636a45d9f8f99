"""The network's lines in the log: at a bounded rate, because anyone who can connect causes them."""

from __future__ import annotations

import logging
import time

from p2pcommons.net import limits
from p2pcommons.protocol.budget import TokenBucket

LIBRARIES = ("libp2p", "trio", "zeroconf", "multiaddr")


class _Pace(logging.Filter):
    """Lets warnings and errors through, and of the rest a few a second."""

    def __init__(self) -> None:
        super().__init__()
        self._bucket = TokenBucket(limits.LOG_LINES_PER_SECOND, limits.LOG_LINES_BURST)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        return record.levelno >= logging.WARNING or self._bucket.take(1, time.monotonic())


def paced_logger(name: str) -> logging.Logger:
    """The logger of one module of this package."""
    logger = logging.getLogger(name)
    if not any(isinstance(each, _Pace) for each in logger.filters):
        logger.addFilter(_Pace())
    return logger


class LibraryLog(logging.Handler):
    """Hands what a library logs to our log, one level down and at a bounded rate."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._log = paced_logger("p2pcommons.libp2p")

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on: its first line, shortened, since peers choose much of the text."""
        text = record.getMessage().split("\n", 1)[0][:300]
        level = logging.INFO if record.levelno >= logging.ERROR else logging.DEBUG
        self._log.log(level, "%s: %s", record.name, text)


def catch_libraries() -> None:
    """Lead the libraries' logs here; left alone they write to the terminal."""
    for name in LIBRARIES:
        logger = logging.getLogger(name)
        logger.propagate = False
        if not any(isinstance(each, LibraryLog) for each in logger.handlers):
            logger.handlers[:] = [LibraryLog()]
