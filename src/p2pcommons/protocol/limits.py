"""Every limit of the exchange between nodes, with its unit and its reason.

Limits of the data itself (header, body, gossip message) stand in `model.limits`.
"""

from __future__ import annotations

from dataclasses import dataclass

from p2pcommons.model.limits import BODY_BYTES_MAX

RECONCILE_PROTOCOL = "/p2pcommons/reconcile/1.0.0"
"""The libp2p protocol id of a session's stream."""

FRAME_BYTES_MAX = 256 * 1024
"""One frame of a session: a quarter of the usual receive window, 450 envelopes of usual size."""

NEGENTROPY_BYTES_MAX = FRAME_BYTES_MAX - 64
"""One Negentropy message: a frame less the name, the channel and the length around it."""

RANGES_MAX = 32 * 1024
"""Ranges in one Negentropy message: 13,800 fingerprints fill a frame, with skips between them.
Empty ranges of three bytes would cost half a second of work a frame."""

NEGENTROPY_INLINE_BYTES_MAX = 4 * 1024
"""Negentropy messages up to this size are answered where they arrive, within some milliseconds;
larger ones beside the event loop."""

SETS_BYTES_MAX = 128 * 1024 * 1024
"""Memory for the ids of all commons together, 37 bytes an id: three million and a half. Beyond
it, those that no session uses are let go, the longest unused first, and read again on demand."""

NONCE_BYTES = 32
"""Of either side's `hello`: nobody can prepare blinded hashes, or look them up afterwards."""

BLINDED_BYTES = 16
"""What stands for a commons in `commons`: too long to meet by chance."""

GREETING_MS_MAX = 10_000
"""Silence before both sides have said what they share: greetings cost a node next to nothing."""

COMMONS_MAX = 256
"""Commons named by one session; a node that shares more with one peer puts the busiest first."""

CHANNELS_OPEN_MAX = 4
"""Commons reconciled side by side in one session: hides the round trips of many small ones."""

WANTS_IN_FLIGHT_MAX = 4
"""Unanswered wants of either side; the credit comes back after the commit."""

WANT_IDS_MAX = 900
"""Ids in one want: what is fastest. It decides nothing about transactions, which are kept short
where they are written."""

WANT_IDS_SERVED_MAX = 900
"""Ids in one want of the other side: what is fastest when nobody is writing there."""

WANT_IDS_FIRST = 64
"""Ids in the first want, before it is known how large the contributions are."""

WANT_BYTES_TARGET = 1024 * 1024
"""What one want should bring: four of them in flight bound the memory of a session."""

WANT_IDS_MIN = 8
"""Ids in one want even where every body is as large as may be: half a megabyte."""

IDS_PER_FRAME_MAX = 4_096
"""Ids in one `have` or `absent`: half a frame."""

HAVES_AHEAD_MAX = 16_384
"""Ids announced by `have` that the other side has not taken up yet: half a megabyte."""

NEEDS_AHEAD_MAX = 16_384
"""Ids waiting to be wanted before the opener sends its next Negentropy message."""

FRUITLESS_ROUNDS_MAX = 8
"""Rounds in a row that bring no new id: four levels of 16 already tell 10^6 items apart."""

FRUITLESS_ROUNDS_SERVED_MAX = 64
"""The same as seen by the other side, which cannot tell a fruitless round for certain."""

CHANNEL_INBOX_MAX = 64
"""Messages kept for a commons whose snapshot is still being loaded."""

BUDGET_GRACE_BYTES = 32 * 1024 * 1024
"""Beyond its budget the opener pauses and takes what is in flight; then either side gives up."""

BUDGET_GRACE_MS = 120_000
"""The same in time."""

WORK_S_PER_S = 0.3
"""Processor seconds a second that answering one peer's messages may take, of all its sessions:
four times what giving a newcomer everything at full speed takes. Beyond it answers wait."""

WORK_S_BURST = 4.0
"""The same at once: the first comparison of large sets."""

SERVED_TIMES = 1.5
"""How often one peer may be given all that is held, at full speed: once is a first sync, and half
of it may have been lost on the way."""

SERVED_BYTES_MIN = 16 * 1024 * 1024
"""What a peer may be given at once where little is held."""

SERVED_BYTES_PER_S = 256 * 1024
"""What a peer is given after that: enough to follow whatever is written live."""

SERVED_AGAIN_SECONDS = 6 * 3_600
"""Or as much as gives everything again in this time, where that is more."""

PAUSE_SECONDS_MAX = 20.0
"""A peer over its budget waits no longer at a time: it would take it for silence."""

METERED_PEERS_MAX = 1_024
"""Peers whose use is remembered, about 500 bytes each, also while they are away."""

INVENTED_IDS_MAX = 4_096
"""Ids a peer announces in one session and then does not have, beyond what it did bring: one that
leaves a commons in the middle of a session leaves 1,800 wants unanswered."""

SPLIT_JITTER_FRACTION = 4
"""A split point moves by up to a quarter of its bucket: sums of chosen ids need fixed buckets."""

GOSSIP_COALESCED_BYTES = 64 * 1024
"""Envelopes are gathered into one gossip message up to this size; a single larger one may stand."""

GOSSIP_COALESCE_MS = 50
"""How long own contributions may wait for company under load; when idle they leave at once."""

INVITE_CHARS_MAX = 180
"""The QR code of an invite still fits a terminal of 80 columns."""

INVITE_TITLE_BYTES_MAX = 20
"""Enough of a title to recognise it."""

INVITE_ADDRESSES_MAX = 3
"""One for the LAN, one for the internet, one to spare."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one session may cost; a node may be stricter on a small machine."""

    bytes_max: int = 256 * 1024 * 1024
    """Received and sent; beyond it the session pauses and goes on next time."""

    duration_ms_max: int = 15 * 60 * 1000
    """Then it pauses, so that one slow peer does not hold a place for ever."""

    idle_ms_max: int = 60 * 1000
    """Silence of the other side while it is its turn; a laptop may sleep for a while and go on."""

    want_ids_max: int = WANT_IDS_MAX
    """Ids in one want of ours."""

    body_bytes_max: int = BODY_BYTES_MAX
    """Longer bodies are sent as headers only."""


@dataclass(frozen=True, slots=True)
class GossipBudget:
    """What gossip may cost before anything is verified, and what an author may add."""

    neighbour_bytes_per_s: int = 2 * 1024 * 1024
    """Bytes a second of one neighbour: thirty full messages. Over it, it is read more slowly."""

    neighbour_bytes_burst: int = 8 * 1024 * 1024
    """A neighbour that comes back from a pause."""

    neighbour_judging_s_per_s: float = 0.25
    """Processor seconds a second that judging the messages of one neighbour may take: 2,500
    signatures on a laptop, fewer on less. Over it, it is read more slowly."""

    neighbour_judging_burst_s: float = 2.0
    """The same at once."""

    new_units_per_s: int = 1_200
    """New contributions a second, each counted by its started kibibytes, of all authors together:
    1.2 MB a second is all that gossip adds to the disk, and a fifth of a core stores it. What is
    over it is shed, and reconciliation brings it."""

    new_units_burst: int = 6_000
    """The same at once: an import of a thousand links passes."""

    share_window_s: float = 10.0
    """An author's use counts against its share for about so long."""

    newcomers_per_s: float = 10.0
    """Authors met for the first time, a second: keys cost nothing, so many new ones at once are
    one person more often than a crowd. Their contributions come by reconciliation."""

    newcomers_burst: int = 300
    """The same at once: a commons of three hundred that speaks at once after a start."""

    authors_met_max: int = 20_000
    """Authors remembered as met, 150 bytes each; the longest unheard of are forgotten first."""

    keys_max: int = 4_096
    """Authors whose use is remembered; the longest idle are forgotten first."""
