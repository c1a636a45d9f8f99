"""Tells when this machine got or lost an address, or a cable or a Wi-Fi that has one.

On Linux the kernel says so at once, on a netlink socket; elsewhere the addresses are looked at
every few seconds. Everybody is dialled anew each time, so what goes on and on is told seldom.
"""

from __future__ import annotations

import errno
import math
import socket
import struct
import sys
from typing import TYPE_CHECKING

import trio

from p2pcommons.net.interfaces import addressed_links, local_ips
from p2pcommons.net.journal import paced_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = paced_logger(__name__)

LOOK_SECONDS = 5.0
"""Between two looks where nobody tells."""
SETTLE_SECONDS = 0.3
"""Addresses come and go in groups; told once, when it is quiet for so long."""
SETTLE_SECONDS_MAX = 2.0
"""Told at the latest after this time, however much goes on."""
SELDOM_SECONDS = 10.0
"""Between two times it is told, in the long run: containers may come and go all day."""
AT_ONCE_MAX = 3
"""Told without that pause: a cable is put in, then an IPv4 and an IPv6 address come with it."""
_NOTICE_BYTES_MAX = 65_536

# linux/rtnetlink.h and linux/if.h
_NETLINK_ROUTE = 0
_GROUPS = 0x1 | 0x10 | 0x100  # links, IPv4 addresses, IPv6 addresses
_MESSAGE_HEADER = struct.Struct("=IHHII")
_LINK_HEADER = struct.Struct("=BxHiII")
_NEW_LINK, _DELETED_LINK, _GET_LINK = 16, 17, 18
_DUMP = 0x1 | 0x300  # a request, for all of them
_FIRST_PICTURE = 1
"""Sequence number of the request for how it is at the start; notices of changes have others."""
_RUNNING = 0x40
_UNKNOWN = 0
"""In place of the index of a link; the kernel's begin at 1."""

Picture = tuple[str, ...]


class Rate:
    """When it may be told again; a few times at once, then seldom."""

    def __init__(self) -> None:
        self._used_up_until = -math.inf

    def free_at(self) -> float:
        """The time of trio's clock from which on it may be told."""
        return self._used_up_until - (AT_ONCE_MAX - 1) * SELDOM_SECONDS

    def use(self) -> None:
        """It is told now."""
        self._used_up_until = max(self._used_up_until, trio.current_time()) + SELDOM_SECONDS


async def watch_interfaces(
    changed: Callable[[], Awaitable[None]],
    look: Callable[[], Picture] = local_ips,
    addressed: Callable[[], frozenset[int]] = addressed_links,
) -> None:
    """Call `changed` when addresses have changed, or links that have one; for ever."""
    rate = Rate()
    notices = open_notices()
    if notices is not None:
        with notices:
            try:
                await _follow(notices, changed, look, addressed, rate)
            except OSError as error:
                log.info("the kernel tells no longer about interfaces: %s", error)
    await _look_again_and_again(changed, look, rate)


def open_notices() -> trio.socket.SocketType | None:
    """Return a socket on which the kernel tells what changes; None where there is none."""
    if sys.platform != "linux":
        return None
    try:
        kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE)
    except OSError as error:
        log.info("the kernel does not tell about interfaces: %s", error)
        return None
    try:
        kernel.bind((0, _GROUPS))
        size = _MESSAGE_HEADER.size + _LINK_HEADER.size
        request = _MESSAGE_HEADER.pack(size, _GET_LINK, _DUMP, _FIRST_PICTURE, 0)
        kernel.send(request + _LINK_HEADER.pack(0, 0, 0, 0, 0))
    except OSError as error:
        kernel.close()
        log.info("the kernel does not tell about interfaces: %s", error)
        return None
    return trio.socket.from_stdlib_socket(kernel)


async def _follow(
    notices: trio.socket.SocketType,
    changed: Callable[[], Awaitable[None]],
    look: Callable[[], Picture],
    addressed: Callable[[], frozenset[int]],
    rate: Rate,
) -> None:
    links = Links()
    seen, ours = look(), addressed()
    while True:
        touched = await _settled(notices, links)
        now = look()
        if now == seen and not touched & (ours | {_UNKNOWN} | addressed()):
            continue
        with trio.move_on_at(rate.free_at()):
            while True:
                await _next(notices, links)
        seen, ours = look(), addressed()
        rate.use()
        await changed()


async def _settled(notices: trio.socket.SocketType, links: Links) -> frozenset[int]:
    """Wait for changes, and until it is quiet again; the links that were touched."""
    touched = await _next(notices, links)
    with trio.move_on_after(SETTLE_SECONDS_MAX):
        quiet = False
        while not quiet:
            with trio.move_on_after(SETTLE_SECONDS) as pause:
                touched |= await _next(notices, links)
            quiet = pause.cancelled_caught
    return touched


async def _next(notices: trio.socket.SocketType, links: Links) -> frozenset[int]:
    try:
        data = await notices.recv(_NOTICE_BYTES_MAX)
    except OSError as error:
        if error.errno != errno.ENOBUFS:
            raise
        return frozenset((_UNKNOWN,))  # more was told than we could read
    return links.take(data)


class Links:
    """Which links carry something, as far as the kernel has told; of those that went nothing."""

    def __init__(self) -> None:
        self._running: set[int] = set()

    def take(self, data: bytes) -> frozenset[int]:
        """Read one datagram of the kernel; return the links that went up, down or away.

        A Wi-Fi link is told about again and again with other details; those do not count.
        """
        changed: set[int] = set()
        position = 0
        while position + _MESSAGE_HEADER.size <= len(data):
            size, kind, _, sequence, _ = _MESSAGE_HEADER.unpack_from(data, position)
            if size < _MESSAGE_HEADER.size or position + size > len(data):
                break
            begin = position + _MESSAGE_HEADER.size
            if kind in (_NEW_LINK, _DELETED_LINK) and size >= begin - position + _LINK_HEADER.size:
                _, _, index, flags, _ = _LINK_HEADER.unpack_from(data, begin)
                is_up = kind == _NEW_LINK and bool(flags & _RUNNING)
                if self._note(index, is_up) and sequence != _FIRST_PICTURE:
                    changed.add(index)
            position += (size + 3) & ~3
        return frozenset(changed)

    def _note(self, index: int, running: bool) -> bool:
        before = index in self._running
        if running:
            self._running.add(index)
        else:
            self._running.discard(index)
        return running != before


async def _look_again_and_again(
    changed: Callable[[], Awaitable[None]], look: Callable[[], Picture], rate: Rate
) -> None:
    seen = look()
    while True:
        await trio.sleep(LOOK_SECONDS)
        if look() != seen:
            await trio.sleep_until(rate.free_at())
            seen = look()
            rate.use()
            await changed()
