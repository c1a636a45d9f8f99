"""The network: libp2p and nothing else. Knows frames and topics, never the store."""

from __future__ import annotations
