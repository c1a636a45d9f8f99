"""Dates as files write them: seconds, or a calendar date with or without a time of day."""

from __future__ import annotations

from datetime import UTC, datetime


def seconds_of(written: str) -> int | None:
    """Seconds since 1970 UTC of `2026-11-03`, an ISO 8601 time or plain seconds; None for others.

    Without a zone the time counts as UTC, so that a file gives the same date everywhere.
    """
    bare = written.strip()
    if bare.isascii() and bare.isdigit() and len(bare) <= 10:
        return int(bare) if len(bare) > 8 else _calendar(bare)
    return _calendar(bare)


def iso_of(seconds: int) -> str:
    """`seconds` since 1970 UTC as an ISO 8601 time with zone, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _calendar(written: str) -> int | None:
    try:
        moment = datetime.fromisoformat(written)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        seconds = int(aware.timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None
