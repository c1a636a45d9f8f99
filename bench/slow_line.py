"""A first sync where one side may move so many bytes a second and no more.

    python bench/slow_line.py
    python bench/slow_line.py --rate 5 --megabytes 0.3

Two nodes on loopback, the limit on the one that gives, then on the one that takes. Both must end
equal over one connection that is never given up, without a fault, and what moved must keep to the
limit: over the whole time no more than the rate allows, the burst, and the window of 256 KiB that
every stream has from its first byte.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import cast

from harness import Home, free_address, homes, items, join, new_commons
from p2pcommons.replica import open_replica

BURST_BYTES = 400_000
"""The window of every stream's first bytes, and half a second of quiet made up for."""
TEXT_BYTES = 5_000


def main() -> int:
    """Run both cases and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=20, help="kilobytes a second (default 20)")
    parser.add_argument("--megabytes", type=float, default=1.0, help="of text (default 1)")
    chosen = parser.parse_args()
    print("| limit on | kB/s | MB moved | seconds | at the rate alone | connections | kept |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    kept = [_case(side, chosen.rate, chosen.megabytes) for side in ("giver", "taker")]
    return 0 if all(kept) else 1


def _case(side: str, rate: int, megabytes: float) -> bool:
    with homes(2) as (giver, taker):
        slow = giver if side == "giver" else taker
        slow.configure({"network": {"kilobytes_per_second": rate}})
        for home in (giver, taker):
            home.run("init", "--name", home.path.name)
        commons = new_commons(giver, "Slow line")
        _fill(giver, megabytes)
        for home in (giver, taker):
            home.start(listen=free_address())
        began = time.monotonic()
        join(taker, giver, commons)
        deadline = began + 60 + 3 * megabytes * 1_000 / rate
        connections: set[object] = set()
        equal = False
        while not equal and time.monotonic() < deadline:
            time.sleep(0.5)
            status = taker.status()
            connections |= {peer["since"] for peer in items(status, "peers")}
            (row,) = items(status, "commons")
            equal = any(peer["equal"] for peer in items(row, "peers"))
        return _told(slow, side, rate, time.monotonic() - began, equal, connections - {None})


def _fill(home: Home, megabytes: float) -> None:
    """Add so much text that cannot be made smaller."""
    with open_replica(home.path) as replica, replica.batch():
        (row,) = replica.commons()
        for number in range(int(megabytes * 1_000_000 / TEXT_BYTES)):
            text = os.urandom(TEXT_BYTES // 2).hex()
            replica.add_entry(row.id, title=f"Text {number}", text=text)


def _told(
    slow: Home, side: str, rate: int, seconds: float, equal: bool, connections: set[object]
) -> bool:
    status = slow.status()
    traffic = cast("dict[str, int]", status["traffic"])
    moved = traffic["bytes_in"] + traffic["bytes_out"]
    allowed = rate * 1_000 * (seconds + 2) + BURST_BYTES
    peers = items(status, "peers")
    faultless = not any(peer["reason"] for peer in peers)
    kept = equal and len(connections) == 1 and moved <= allowed and faultless
    print(
        f"| {side} | {rate} | {moved / 1e6:.2f} | {seconds:.0f} | {moved / rate / 1e3:.0f} "
        f"| {len(connections)} | {'yes' if kept else 'NO'} |",
        flush=True,
    )
    if not kept:
        print(f"equal: {equal}; {moved} bytes of {allowed:.0f}; {peers}")
    return kept


if __name__ == "__main__":
    sys.exit(main())
