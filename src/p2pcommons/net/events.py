"""Tells one reader who came and who went. Never blocks the teller, however slow the reader is."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import trio

EVENTS_MAX = 2048
"""Kept for a slow reader. A later event of a peer replaces an earlier one of the same kind."""


@dataclass(frozen=True, slots=True)
class PeerEvent:
    """The first connection with a peer was made, or the last one is gone."""

    peer_id: str
    connected: bool


class PeerEvents:
    """A queue in which the last event of each peer is always the true one."""

    def __init__(self) -> None:
        self._send, self.channel = trio.open_memory_channel[PeerEvent](0)
        self._waiting: OrderedDict[PeerEvent, None] = OrderedDict()
        self._wake = trio.Event()

    def put(self, event: PeerEvent) -> None:
        """Tell an event; the oldest is dropped when too many wait."""
        self._waiting.pop(event, None)
        self._waiting[event] = None
        if len(self._waiting) > EVENTS_MAX:
            self._waiting.popitem(last=False)
        self._wake.set()

    async def pump(self) -> None:
        """Hand the events to the reader, until there is none any more."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            while self._waiting:
                event, _ = self._waiting.popitem(last=False)
                try:
                    await self._send.send(event)
                except trio.BrokenResourceError:
                    return
