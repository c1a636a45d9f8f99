"""Public commons that peers offer: which, under what title, and what this node offers itself.

A session names the ids; what they mean is asked on a stream of its own, once for each id, and
only what is signed by the founder counts. Nothing is joined or stored by it.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

import trio

from p2pcommons.errors import NetworkError, RejectedError, StoreError
from p2pcommons.model.contribution import encode_envelope
from p2pcommons.protocol.budget import TokenBucket
from p2pcommons.protocol.offers import (
    OFFER_BYTES_MAX,
    OFFERS_ASKED_MAX,
    OFFERS_PROTOCOL,
    QUESTION_BYTES_MAX,
    decode_question,
    encode_question,
    read_offer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import HostPort, StreamPort

log = logging.getLogger(__name__)

ANSWER_SECONDS_MAX = 30.0
"""For one question with its answers: a megabyte at most."""
ASK_AGAIN_SECONDS = 600.0
"""A peer that did not say what it offers is asked again after this time."""
QUESTIONS_PER_SECOND = 0.1
QUESTIONS_BURST = 8
"""Of one peer; each is answered from the store. Whoever asks more often gets no answer."""
TITLES_MAX = 1_024
"""Titles remembered, some 200 bytes each; the longest unused are forgotten first."""
ASKERS_MAX = 512
"""Peers whose questions are counted, and whose answers are waited for before asking again."""


class Nearby:
    """Tells and learns what is offered."""

    def __init__(
        self, context: NodeContext, host: HostPort, blame: Callable[[str, str], None]
    ) -> None:
        self._context = context
        self._host = host
        self._blame = blame
        self._titles: OrderedDict[bytes, str] = OrderedDict()
        self._asked: OrderedDict[str, tuple[float, frozenset[bytes]]] = OrderedDict()
        self._askers: OrderedDict[str, TokenBucket] = OrderedDict()

    def serve(self) -> None:
        """Answer others."""
        self._host.set_stream_handler(OFFERS_PROTOCOL, self._answer)

    async def learn(self, peer_id: str) -> None:
        """Find out what the ids mean that a peer named, as far as that is not known."""
        peer = self._context.state.peer(peer_id)
        lacking: list[bytes] = []
        for commons in sorted(peer.offers):
            if commons in self._titles:
                self._titles.move_to_end(commons)
                peer.offers[commons] = self._titles[commons]
            elif commons not in self._context.joined:
                lacking.append(commons)
        if not lacking or not self._may_be_asked(peer_id, frozenset(lacking)):
            return
        try:
            for first in range(0, len(lacking), OFFERS_ASKED_MAX):
                await self._ask(peer_id, lacking[first : first + OFFERS_ASKED_MAX])
        except (NetworkError, trio.TooSlowError) as error:
            log.debug("%s does not say what it offers: %s", peer_id, error)
        except RejectedError as error:
            self._blame(peer_id, str(error))

    def _may_be_asked(self, peer_id: str, lacking: frozenset[bytes]) -> bool:
        """Whether these were not asked of this peer just now."""
        now = trio.current_time()
        at, before = self._asked.get(peer_id, (0.0, frozenset[bytes]()))
        if lacking <= before and now - at < ASK_AGAIN_SECONDS:
            return False
        self._asked[peer_id] = (now, lacking)
        self._asked.move_to_end(peer_id)
        if len(self._asked) > ASKERS_MAX:
            self._asked.popitem(last=False)
        return True

    async def _ask(self, peer_id: str, ids: list[bytes]) -> None:
        stream = await self._host.open_stream(peer_id, OFFERS_PROTOCOL)
        try:
            with trio.fail_after(ANSWER_SECONDS_MAX):
                await stream.write_frame(encode_question(ids))
                for commons in ids:
                    frame = await stream.read_frame(OFFER_BYTES_MAX)
                    if frame is None:
                        raise NetworkError("the stream ended before the answers")
                    self._note(peer_id, commons, read_offer(commons, frame))
                    await trio.lowlevel.checkpoint()
                await stream.close()
        except BaseException:
            await stream.reset()
            raise

    def _note(self, peer_id: str, commons: bytes, title: str | None) -> None:
        peer = self._context.state.peer(peer_id)
        if title is None:
            # It is not for everybody, or made by a later version: nothing that could be joined.
            peer.offers.pop(commons, None)
            return
        self._titles[commons] = title
        if len(self._titles) > TITLES_MAX:
            self._titles.popitem(last=False)
        if commons in peer.offers:
            peer.offers[commons] = title

    async def _answer(self, stream: StreamPort) -> None:
        if not self._may_ask(stream.peer_id):
            peer = self._context.state.peer(stream.peer_id)
            peer.slow("asks again and again what is offered: not answered", self._context.now())
            await stream.reset()
            return
        try:
            with trio.fail_after(ANSWER_SECONDS_MAX):
                frame = await stream.read_frame(QUESTION_BYTES_MAX)
                for commons in () if frame is None else decode_question(frame):
                    await stream.write_frame(await self._founding(commons))
                await stream.close()
        except (NetworkError, trio.TooSlowError) as error:
            log.debug("%s did not hear what is offered: %s", stream.peer_id, error)
            await stream.reset()
        except RejectedError as error:
            await stream.reset()
            self._blame(stream.peer_id, str(error))
        except StoreError as error:
            self._context.note_trouble(error)
            await stream.reset()

    async def _founding(self, commons: bytes) -> bytes:
        """Return the founding envelope of what is offered; nothing of anything else."""
        if commons not in self._context.offered:
            return b""
        found = await self._context.storage.read(lambda store: store.envelopes(commons, [commons]))
        envelope = found.get(commons)
        return b"" if envelope is None or envelope.body is None else encode_envelope(envelope)

    def _may_ask(self, peer_id: str) -> bool:
        bucket = self._askers.get(peer_id)
        if bucket is None:
            bucket = self._askers[peer_id] = TokenBucket(QUESTIONS_PER_SECOND, QUESTIONS_BURST)
            if len(self._askers) > ASKERS_MAX:
                self._askers.popitem(last=False)
        self._askers.move_to_end(peer_id)
        return bucket.take(1, trio.current_time())
