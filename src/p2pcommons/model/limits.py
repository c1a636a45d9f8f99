"""Every limit of the data model, with its unit and its reason; no number stands anywhere else."""

from __future__ import annotations

HEADER_BYTES_MAX = 1_024
"""Sixteen parents still fit: such a header has about 730 bytes."""

BODY_BYTES_MAX = 65_536
"""One gossip message with headroom; anything longer is an attachment."""

TITLE_CHARS_MAX = 300
"""Fits a screen."""

TAG_CHARS_MAX = 64
"""Enough for a compound word in any language."""

RULE_CHARS_MAX = 500
"""Enough for a sentence or two."""

NAME_CHARS_MAX = 80
"""Fits beside a title."""

PLEDGE_CHARS_MAX = 500
"""A promise that can be kept fits in a sentence or two."""

KIND_CHARS_MAX = 24
"""Kinds are words of a-z and '-'."""

PARENTS_MAX = 16
"""Merges of more heads happen in steps."""

TAGS_MAX = 32
"""The full list of one person on one target."""

RULES_MAX = 7
"""A charter that can be remembered."""

KEEP_IDS_MAX = 2_000
"""Ids in one device-revoke; several of them add up."""

DEPTH_MAX = 8
"""Nested containers in a body, the outermost map counted."""

SALT_BYTES = 16
"""So that a withdrawn body cannot be guessed from its hash."""

ATTACHMENT_BYTES_MAX = 256 * 1_024 * 1_024
"""A scanned book; the hashes of its chunks still fit one body."""

CHUNK_BYTES = 256 * 1_024
"""Of an attachment: what is fetched, checked and written at a time."""

FILE_NAME_BYTES_MAX = 255
"""What every file system takes, in UTF-8."""

CLAIMED_AT_MAX = 2**32 - 1
"""Seconds since 1970 UTC; reconciliation orders by the complement and must stay under 2^32."""

AHEAD_SECONDS_MAX = 600
"""A wrong clock must not own the top of the list: what claims more waits until it is due."""

GOSSIP_BYTES_MAX = 72 * 1_024
"""A full body and its header fit."""

GOSSIP_ENVELOPES_MAX = 128
"""One verification burst of at most 20 ms."""

ERASE_AFTER_SECONDS = 72 * 3_600
"""A withdrawn body is hidden at once and erased then: time for a stolen device to be revoked."""
