"""Who holds a commons, asked of strangers: 20 node processes, then with 7 of them killed.

    python bench/finding.py [--nodes 20] [--killed 7] [--searches 10]

All nodes run in mode `open` on loopback and know one address to begin with. Three of them hold a
commons. A newcomer, whose invite leads to a dead address, must find a holder: first while all
live, then after SIGKILL of seven, among them the node by which all came in and two of the holders.
Beside that, searches by bare hosts with new names: how long, how many were asked, how many of the
named holders are dead. Fails when a newcomer finds nobody, or a search misses the living holder.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import trio

from crowd import STARTS_AT_ONCE, start, status_of
from harness import Home, free_address, homes, items, say, wait_equal, wait_until
from p2pcommons.net.host import open_host
from p2pcommons.node.directory import LINGER_SECONDS, Directory
from p2pcommons.node.state import NodeState
from p2pcommons.protocol.addresses import split_peer_address
from p2pcommons.protocol.invite import decode_invite, encode_invite
from p2pcommons.protocol.kademlia import provider_key
from p2pcommons.protocol.kademlia_messages import Contact, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.node.context import NodeContext

HOLDERS = 3
NOWHERE = "/ip4/127.0.0.1/tcp/1"
FOUND_SECONDS = 600.0
"""For each step, on a machine that may be busy with something else."""


@dataclass
class Node:
    """A home, its peer id and the address under which it is met."""

    home: Home
    peer_id: str = ""
    address: str = ""


@dataclass
class Search:
    """What one search brought."""

    seconds: float
    asked: int
    answered: int
    named: set[str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--killed", type=int, default=7)
    parser.add_argument("--searches", type=int, default=10)
    chosen = parser.parse_args()
    if chosen.killed + HOLDERS >= chosen.nodes:
        parser.error("too few would be left")
    with homes(chosen.nodes + 2) as found:
        nodes, newcomers = [Node(home) for home in found[:-2]], found[-2:]
        say(f"starting {chosen.nodes} nodes")
        begin(nodes)
        commons = hold(nodes)
        print("| nodes alive | newcomer: to the first answer s | join to equal s | asked | named |")
        print("| --- | --- | --- | --- | --- |")
        everybody = join_and_find(newcomers[0], nodes, nodes[-1], commons)
        before = searches(nodes[-1], commons, chosen.searches)
        # The first, by which all came in, two of three holders, and some more.
        doomed = [nodes[0], nodes[1], nodes[2], *nodes[4 : 1 + chosen.killed]]
        # By now the first newcomer holds it too; it goes with the others.
        dead = {str((status_of(newcomers[0]) or {})["peer_id"]), *(node.peer_id for node in doomed)}
        newcomers[0].kill()
        for node in doomed:
            node.home.kill()
        say(f"killed {len(doomed)} nodes, {HOLDERS - 1} of {HOLDERS} holders among them")
        left = join_and_find(newcomers[1], nodes, nodes[-1], commons)
        after = searches(nodes[-1], commons, chosen.searches)
        print()
        print(
            "| nodes alive | searches | found the living | s median | s longest | asked | answered"
            " | named | of them dead |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        living = {node.peer_id for node in nodes[1 : 1 + HOLDERS]}
        complete = report(chosen.nodes, before, living, set())
        complete &= report(chosen.nodes - len(doomed), after, living - dead, dead)
    return 0 if everybody and left and complete else 1


def begin(nodes: Sequence[Node]) -> None:
    """Start all nodes; each knows the first to begin with."""
    for node in nodes:
        node.home.run("init", "--name", node.home.path.name)
    begin_one(nodes[0], [])
    with ThreadPoolExecutor(STARTS_AT_ONCE) as pool:
        list(pool.map(partial(begin_one, bootstrap=[nodes[0].address]), nodes[1:]))
    seconds = wait_until(
        "all know half of all",
        lambda: all(_finding(node.home)["dht_peers"] >= len(nodes) // 2 for node in nodes),
        FOUND_SECONDS,
    )
    say(f"each knows at least half of all {seconds:.1f} s after the last start")


def begin_one(node: Node, bootstrap: list[str]) -> None:
    """Start a node that knows these addresses to begin with."""
    node.home.configure({"network": {"reconcile_seconds": 3600, "bootstrap": bootstrap}})
    start(node.home, free_address(), "open")
    status = status_of(node.home) or {}
    node.address = cast("list[str]", status["addresses"])[0]
    node.peer_id = str(status["peer_id"])


def hold(nodes: Sequence[Node]) -> str:
    """Let three nodes hold a commons, and wait until they have said so."""
    holders = nodes[1 : 1 + HOLDERS]
    founder, *others = holders
    commons = str(founder.home.run("commons", "create", "Found")["id"])
    for number in range(20):
        founder.home.run("add", f"https://example.org/{number}", "--commons", commons)
    for other in others:
        other.home.run("join", str(founder.home.run("invite", commons)["invite"]))
    seconds, _, _ = wait_equal([node.home for node in holders], commons, FOUND_SECONDS)
    say(f"{HOLDERS} nodes hold the commons, equal {seconds:.1f} s after the last has joined")
    wanted = {node.peer_id for node in holders}
    seconds = wait_until(
        "a search names all of them",
        lambda: wanted <= searches(nodes[-1], commons, 1)[0].named,
        FOUND_SECONDS,
    )
    say(f"a search names all of them {seconds:.1f} s later")
    return commons


def join_and_find(home: Home, nodes: Sequence[Node], known: Node, commons: str) -> bool:
    """Let somebody join by an invite that leads nowhere, knowing one node; a row of the table."""
    invite = decode_invite(str(nodes[3].home.run("invite", commons)["invite"]))
    nowhere = encode_invite(type(invite)(invite.commons, invite.title, invite.peer_id, (NOWHERE,)))
    home.run("init", "--name", "newcomer")
    begin_one(Node(home), [known.address])
    joining = wait_until("the first answer", lambda: _finding(home)["dht_peers"] > 0, FOUND_SECONDS)
    # Whom it asked for its own place it is still connected with; that would be a short cut.
    time.sleep(LINGER_SECONDS + 5)
    holders = {node.peer_id for node in nodes[1 : 1 + HOLDERS]}
    with suppress(TimeoutError):
        wait_until("it let the holders go", lambda: not holders & _connected(home), 60)
    home.run("join", nowhere)
    try:
        seconds, _, _ = wait_equal([home, nodes[3].home], commons, FOUND_SECONDS)
    except TimeoutError as error:
        say(str(error))
        return False
    with suppress(TimeoutError):
        wait_until("the search ended", lambda: _finding(home)["looked_up"] > 0, 60)
    found = _finding(home)
    if not found["looked_up"]:
        say("it was connected with a holder by chance, and searched for none")
    alive = sum(node.home.node is not None for node in nodes)
    print(f"| {alive} | {joining:.1f} | {seconds:.1f} | {found['asked']} | {found['named']} |")
    return True


def searches(known: Node, commons: str, count: int) -> list[Search]:
    """Search with bare hosts of new names, each knowing one node."""
    return [
        trio.run(_search, known.address, provider_key(bytes.fromhex(commons))) for _ in range(count)
    ]


async def _search(address: str, key: bytes) -> Search:
    where, peer_id = split_peer_address(address)
    context = SimpleNamespace(state=NodeState(), now=lambda: 0, chance=Random())
    async with open_host(os.urandom(32), ["/ip4/127.0.0.1/tcp/0"]) as host:
        directory = Directory(cast("NodeContext", context), host, lambda _peer, _why: None)
        directory.remembered = [Contact(peer_id, (where,))]
        began = time.perf_counter()
        lookup = await directory.walk(Kind.GET_PROVIDERS, key)
        seconds = time.perf_counter() - began
    return Search(seconds, lookup.asked, lookup.answered, set(lookup.providers))


def report(alive: int, found: Sequence[Search], living: set[str], dead: set[str]) -> bool:
    """Print a row of the table of searches; whether each found every living holder."""
    seconds = [each.seconds for each in found]
    complete = sum(living <= each.named for each in found)
    print(
        f"| {alive} | {len(found)} | {complete} | {statistics.median(seconds):.2f} "
        f"| {max(seconds):.2f} | {statistics.mean(each.asked for each in found):.1f} "
        f"| {statistics.mean(each.answered for each in found):.1f} "
        f"| {statistics.mean(len(each.named) for each in found):.1f} "
        f"| {statistics.mean(len(each.named & dead) for each in found):.1f} |"
    )
    return complete == len(found)


def _finding(home: Home) -> dict[str, int]:
    status = status_of(home) or {}
    # A busy node may not answer in time; then it is asked again.
    none = dict.fromkeys(("dht_peers", "looked_up", "asked", "named"), 0)
    return cast("dict[str, int]", status.get("finding", none))


def _connected(home: Home) -> set[str]:
    peers = items(status_of(home) or {}, "peers")
    return {str(peer["peer_id"]) for peer in peers if peer["connected"]}


if __name__ == "__main__":
    sys.exit(main())
