"""Remote kill attempts: does a node live, go on serving, and keep its memory, whatever it is sent?

    python bench/remote_kill_hosts.py [--plain] [attack …]

A raw peer sends each attack of `attacks_*.py` to a victim process that meanwhile echoes frames for
a friend. After each the victim must live, serve the friend over the old connection and a newcomer
over a new one. `--plain` shows what the same does to the library without our workarounds: there a
dead victim is the expected result. Loopback only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import trio

import attacks_connections
import attacks_streams
from p2pcommons.errors import NetworkError, RejectedError
from p2pcommons.net.host import Host, open_host
from raw_peer import ATTACKS, RECONCILE, peer_of

if TYPE_CHECKING:
    from collections.abc import Generator

run: Any = cast(Any, trio).run
SECONDS_MAX = 5.0
GROWTH_MIB_MAX = 100
MODULES = (attacks_connections, attacks_streams)


@dataclass
class Victim:
    """A node in a process of its own."""

    process: subprocess.Popen[str]
    address: str

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def memory_mib(self) -> float:
        """Resident memory; 0 when dead."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0.0
        lines = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(lines[0].split()[1]) / 1024 if lines else 0.0


@contextmanager
def victim(*options: str) -> Generator[Victim]:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("echo_node.py")), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield Victim(process, process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()


async def echo_works(host: Host, peer_id: str) -> bool:
    with trio.move_on_after(SECONDS_MAX):
        try:
            async with await host.open_stream(peer_id, RECONCILE) as stream:
                await stream.write_frame(b"hello" * 1000)
                return await stream.read_frame(1 << 20) == b"hello" * 1000
        except (NetworkError, RejectedError):
            return False
    return False


async def newcomer_is_served(target: Victim) -> bool:
    async with open_host(os.urandom(32), []) as newcomer:
        report = await newcomer.dial(peer_of(target.address), [target.address], SECONDS_MAX)
        return report.connected and await echo_works(newcomer, peer_of(target.address))


async def try_attack(name: str, target: Victim) -> bool:
    peer_id = peer_of(target.address)
    peak = before = target.memory_mib()
    async with open_host(os.urandom(32), []) as friend:
        assert (await friend.dial(peer_id, [target.address])).connected
        assert await echo_works(friend, peer_id)
        began, served, asked, came, tried = time.monotonic(), 0, 0, 0, 0
        finished = trio.Event()

        async def attack() -> None:
            await ATTACKS[name].run(target.address)
            finished.set()

        tasks: Any
        async with trio.open_nursery() as tasks:
            tasks.start_soon(attack)
            while not finished.is_set() and target.is_alive:
                asked += 1
                served += await echo_works(friend, peer_id)
                if asked % 10 == 1:
                    tried += 1
                    came += await newcomer_is_served(target)
                peak = max(peak, target.memory_mib())
                await trio.sleep(0.05)
            tasks.cancel_scope.cancel()
        seconds = time.monotonic() - began
        await trio.sleep(0.2)
        alive = target.is_alive
        old = alive and await echo_works(friend, peer_id)
        new = alive and await newcomer_is_served(target)
    growth = peak - before
    good = alive and old and new and served == asked and came == tried and growth < GROWTH_MIB_MAX
    print(
        f"{'ok  ' if good else 'FAIL'} {name:32} {seconds:5.1f} s  "
        f"{'lives' if alive else 'DEAD '}  friend served {served}/{asked}, after {_yes(old)}, "
        f"newcomers {came}/{tried}, after {_yes(new)}, memory +{growth:.0f} MiB",
        flush=True,
    )
    return good


def _yes(value: bool) -> str:
    return "yes" if value else "NO"


def main(arguments: list[str]) -> int:
    options = [each for each in arguments if each.startswith("--")]
    names = [each for each in arguments if not each.startswith("--")] or list(ATTACKS)
    failed: list[str] = []
    with victim(*options) as shared:
        # All against one process, so that what one attack leaves behind meets the next; a process
        # that died is replaced.
        for name in names:
            if shared.is_alive and not options:
                good = run(try_attack, name, shared)
            else:
                with victim(*options) as fresh:
                    good = run(try_attack, name, fresh)
            if not good:
                failed.append(name)
    print(f"{len(names) - len(failed)} of {len(names)} survived; failed: {failed or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
