"""The one door to libp2p: what we use of it, typed as far as it is typed.

Importing it takes seconds, writes to the process-wide logging and creates a lot of garbage-tracked
objects; `hardening.py` sees to all three before anything else happens.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import libp2p.identity.identify.identify as identify_protocol
import trio
from libp2p import new_swarm
from libp2p.abc import INotifee
from libp2p.connection_types import ConnectionType
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_new_x25519_key_pair
from libp2p.exceptions import BaseLibp2pError
from libp2p.host.basic_host import BasicHost
from libp2p.host.ping import ID as PING_PROTOCOL
from libp2p.host.ping import handle_ping
from libp2p.identity.identify.identify import ID as IDENTIFY_PROTOCOL
from libp2p.identity.identify_push.identify_push import ID_PUSH as IDENTIFY_PUSH_PROTOCOL
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.exceptions import SwarmException
from libp2p.network.stream.net_stream import NetStream, StreamState
from libp2p.peer.id import ID as PeerId  # pyright: ignore[reportMissingTypeStubs]  # noqa: N811
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_PROTOCOL
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_PROTOCOL
from libp2p.tools.anyio_service import background_trio_service
from libp2p.transport.tcp.tcp import TCP
from multiaddr import Multiaddr  # pyright: ignore[reportMissingTypeStubs]

from p2pcommons import __version__
from p2pcommons.net.muxer import GuardedYamux

if TYPE_CHECKING:
    from p2pcommons.net.limits import HostLimits

identify_protocol.AGENT_VERSION = f"p2pcommons/{__version__}"
identify_protocol.PROTOCOL_VERSION = "p2pcommons/1"

LIBRARY_ERRORS = (
    BaseLibp2pError,
    OSError,
    ValueError,
    KeyError,
    trio.ClosedResourceError,
    trio.BrokenResourceError,
)
"""What comes out of the library when the other side or the network fails."""

PEER_IDS_KEPT = 1_024
"""Peer ids of which it is remembered what they read as: those of connected peers, and some."""

__all__ = [
    "IDENTIFY_PROTOCOL",
    "LIBRARY_ERRORS",
    "ConnectionClosedError",
    "ConnectionType",
    "INotifee",
    "Multiaddr",
    "MultiselectClient",
    "MultiselectCommunicator",
    "NetStream",
    "PeerId",
    "RawConnection",
    "ReadWriteCloser",
    "StreamState",
    "SwarmException",
    "background_trio_service",
    "make_host",
    "peer_id_of_seed",
    "read_peer_id",
]


def peer_id_of_seed(key_seed: bytes) -> str:
    """The peer id of a 32-byte Ed25519 seed."""
    return str(PeerId.from_pubkey(create_new_key_pair(key_seed).public_key))


@lru_cache(PEER_IDS_KEPT)
def read_peer_id(text: str) -> PeerId:
    """Read a peer id from text. Those of connected peers are read all the time: they are kept.

    Raises:
        ValueError: it is not one.
    """
    try:
        peer_id = PeerId.from_string(text)
        key = peer_id.extract_public_key()
    except Exception as error:  # the library raises many kinds here
        raise ValueError(f"not a peer id: {text[:80]!r}") from error
    if key is None or str(peer_id) != text:
        raise ValueError(f"not a peer id: {text[:80]!r}")
    return peer_id


def make_host(key_seed: bytes, limits: HostLimits) -> tuple[Any, Any]:
    """Build a host and its swarm, not yet running: TCP, Noise and Yamux only.

    The library's defaults also accept `/plaintext/2.0.0`, which lets anyone claim any peer id, and
    three more transports and muxers that nobody here speaks.
    """
    key_pair = create_new_key_pair(key_seed)
    noise = NoiseTransport(key_pair, noise_privkey=create_new_x25519_key_pair().private_key)
    roomy = limits.connections_max * 2  # our own gate refuses earlier and says why
    swarm: Any = new_swarm(
        key_pair=key_pair,
        sec_opt={NOISE_PROTOCOL: noise},
        muxer_opt={cast(Any, YAMUX_PROTOCOL): GuardedYamux},
        transports=[TCP()],
        retry_config=RetryConfig(max_retries=0),
        connection_config=ConnectionConfig(
            max_connections=roomy,
            min_connections=0,
            low_watermark=0,
            high_watermark=roomy,
            max_connections_per_peer=roomy,
            inbound_upgrade_timeout=limits.handshake_seconds_max,
            outbound_upgrade_timeout=limits.handshake_seconds_max,
            inbound_stream_protocol_negotiation_timeout=limits.negotiate_seconds_max,
            outbound_stream_protocol_negotiation_timeout=limits.negotiate_seconds_max,
            auto_connect_interval=86_400.0,
        ),
    )
    swarm.set_resource_manager(None)  # it leaks slots when it denies; our gate counts instead
    host: Any = BasicHost(swarm, disable_identify_address_discovery=True)
    # Nothing is asked of a peer that is not used: no automatic Identify towards every peer that
    # connects, no pushed records taken in. Others may still ask us.
    swarm.notifees.clear()
    host.multiselect.remove_handler(IDENTIFY_PUSH_PROTOCOL)
    host.multiselect.add_handler(PING_PROTOCOL, handle_ping)  # the service keeps every peer
    return host, swarm
