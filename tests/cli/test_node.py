"""`node`, `sync`, `join --wait` and `peers` with real nodes on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from p2pcommons.nodeprocess import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = Path(sys.executable).with_name("p2pcommons")
LOCAL = ("--mode", "friends", "--listen", "/ip4/127.0.0.1/tcp/0")


@pytest.fixture(scope="module")
def pair(begun: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """Two homes with a running node each; the second one has joined and holds the same."""
    ana = begun.copy(tmp_path_factory.mktemp("pair") / "ana")
    rui = type(ana)(ana.path.parent / "rui")
    try:
        ana.add("Build a solar oven", "--tag", "solar")
        ana.json("node", "start", *LOCAL)
        rui.json("init", "--name", "Rui")
        rui.json("node", "start", *LOCAL)
        rui.json("join", "--wait", "30", ana.json("invite")["invite"])
        yield ana, rui
    finally:
        for home in (ana, rui):
            home("node", "stop")


def test_join_waits_until_both_hold_the_same(pair: Any) -> None:
    ana, rui = pair
    wait_for(lambda: rui.json("digest", "Sun kitchen") == ana.json("digest", "Sun kitchen"))
    found = [home.json("search", "oven")["items"][0]["id"] for home in pair]
    assert found[0] == found[1]


def test_joining_again_beside_a_node_returns_at_once(pair: Any) -> None:
    ana, rui = pair
    again = rui.json("join", "--wait", "30", ana.json("invite")["invite"])
    assert (again["already"], again["equal"]) == (True, True)


def test_status_names_the_node_its_real_addresses_peers_and_commons(pair: Any) -> None:
    ana, rui = pair
    status = ana.json("node", "status")
    assert status["running"] is True
    assert status["mode"] == "friends"
    assert Path(f"/proc/{status['pid']}").exists()
    for address in status["addresses"]:
        assert address.endswith(f"/p2p/{status['peer_id']}")
        assert "/tcp/0" not in address
    theirs = rui.json("node", "status")["peer_id"]
    assert theirs in [peer["peer_id"] for peer in status["peers"] if peer["connected"]]
    commons = status["commons"][0]
    digest = ana.json("digest", commons["id"])
    assert (commons["count"], commons["fingerprint"]) == (digest["count"], digest["fingerprint"])
    words = ana("node", "status").out
    assert " ".join(digest["words"]) in words
    assert theirs[:10] not in words or "connected" in words


def test_start_beside_a_running_node_is_the_same_and_no_failure(pair: Any) -> None:
    ana, _ = pair
    before = ana.json("node", "status")
    again = ana.json("node", "start", *LOCAL)
    assert (again["pid"], again["peer_id"]) == (before["pid"], before["peer_id"])


def test_start_with_other_flags_beside_a_running_node_says_that_they_wait(pair: Any) -> None:
    ana, _ = pair
    done = ana("node", "start", "--relay")
    assert (done.code, "relays" in done.out) == (0, False)
    assert "it runs already" in done.err
    assert "it runs already" not in ana("node", "start").err


def test_run_beside_a_running_node_ends_with_5(pair: Any) -> None:
    assert pair[0].error("node", "run", *LOCAL)[:2] == (5, "not-running")


def test_an_invite_carries_the_addresses_in_use(pair: Any) -> None:
    ana, _ = pair
    made = ana.json("invite")
    assert made["stale"] is False
    assert made["addresses"][0] in ana.json("node", "status")["addresses"][0]


def test_sync_says_what_went_each_way_and_that_all_are_equal(pair: Any) -> None:
    ana, rui = pair
    ana.add("Sprouts")
    rui.add("Parabola")
    done = rui("sync", "--json")
    assert done.code == 0
    answer = done.json
    assert answer["equal"] is True
    item = answer["items"][0]
    assert {"commons", "peer", "sent", "received", "count", "fingerprint", "equal"} <= set(item)
    digest = rui.json("digest", "Sun kitchen")
    assert (item["count"], item["fingerprint"]) == (digest["count"], digest["fingerprint"])
    assert ana.json("digest", "Sun kitchen") == digest
    assert "equal" in rui("sync").out


def test_a_tag_reaches_the_other_replica_with_its_author(pair: Any) -> None:
    ana, rui = pair
    entry = ana.add("Tagged by Rui")
    wait_for(lambda: rui("show", entry).code == 0)
    rui.json("tag", entry, "+winter")
    author = rui.json("whoami")["author"]
    wait_for(lambda: {"tag": "winter", "authors": [author]} in ana.json("show", entry)["taggers"])
    assert rui("sync").code == 0
    wait_for(lambda: ana.json("show", entry)["holders"] == 1)


def test_two_people_edit_at_once_and_one_joins_both_versions(pair: Any) -> None:
    ana, rui = pair
    entry = ana.json("search", "oven")["items"][0]["id"]
    addresses = [home.json("node", "status")["addresses"][0].split("/p2p/")[0] for home in pair]
    for home in pair:
        home.json("node", "stop")
    ana.json("edit", entry, "--text", "Mark the focal line.")
    rui.json("edit", entry, "--text", "Paint it black.")
    for home, address in zip(pair, addresses, strict=True):
        home.json("node", "start", "--mode", "friends", "--listen", address)
    wait_for(lambda: ana.json("show", entry)["heads"] == rui.json("show", entry)["heads"] == 2)
    shown = ana("show", entry).out
    assert "[1]" in shown
    assert "[2]" in shown
    assert "Mark the focal line." in shown
    assert "Paint it black." in shown
    # Rui did not begin it: what Rui joins stands beside what Ana wrote, until Ana takes it up.
    beside = rui("edit", entry, "--merge", "--text", "Line, then paint.")
    assert "2 versions stand side by side" in beside.err
    known = len(rui.json("show", entry)["versions"])
    wait_for(lambda: len(ana.json("show", entry)["versions"]) == known)
    merged = ana.json("edit", entry, "--merge", "--text", "Mark the focal line, paint it black.")
    assert len(merged["parents"]) == 2
    assert merged["heads"] == 1
    wait_for(lambda: rui.json("show", entry)["heads"] == 1)


def test_peers_show_who_is_connected(pair: Any) -> None:
    ana, rui = pair
    wait_for(lambda: any(peer["connected"] for peer in rui.json("peers")["items"]))
    assert ana.json("node", "status")["peer_id"] in rui("peers").out


def test_nobody_is_said_to_be_equal_now_who_has_left(pair: Any) -> None:
    ana, rui = pair
    invite = ana.json("invite")["invite"]
    wait_for(lambda: "equal with 1 of 1" in rui("node", "status").out)
    ana.json("node", "stop")
    try:
        wait_for(lambda: not any(each["connected"] for each in rui.json("peers")["items"]))
        assert "equal with" not in rui("node", "status").out
        again = rui("join", "--wait", "30", invite)
        assert again.code == 0
        assert "compared last; nobody is connected now" in again.err
    finally:
        ana.json("node", "start", *LOCAL)


def test_doctor_says_what_the_node_is_doing(pair: Any) -> None:
    _, rui = pair
    rui.json("pause", "--for", "1h")
    assert ": paused until" in rui("doctor").out
    rui.json("resume")
    wait_for(lambda: ": connected with 1 peer" in rui("doctor").out)


def test_an_invite_of_a_node_that_listens_nowhere_says_so(ana: Any) -> None:
    ana.json("node", "start", "--mode", "off")
    try:
        assert "the node that runs listens nowhere" in ana("invite").err
    finally:
        ana("node", "stop")


def test_what_comes_after_a_start_can_be_done(ana: Any, tmp_path: Path) -> None:
    rui = type(ana)(tmp_path / "rui")
    rui.json("init", "--name", "Rui")
    for home, step in ((rui, "p2pcommons join INVITE"), (ana, "p2pcommons invite")):
        try:
            assert step in home("node", "start", *LOCAL).err
        finally:
            home("node", "stop")


def test_stop_returns_when_the_process_is_gone(ana: Any) -> None:
    started = ana.json("node", "start", *LOCAL)
    assert Path(f"/proc/{started['pid']}").exists()
    done = ana("sync", "--timeout", "1", "--json")
    assert done.code == 6
    assert (done.json["items"], done.json["equal"]) == ([], False)
    assert ana.json("node", "stop")["stopped"] is True
    assert not is_alive(started["pid"])
    assert ana.json("node", "stop")["stopped"] is False
    done = ana("node", "status", "--json")
    assert (done.code, done.json) == (5, {"running": False})
    assert ana.error("sync")[0] == 5
    assert ana.json("invite")["stale"] is True
    assert ana.json("invite")["addresses"] == ana.json("invite")["addresses"] != []


def test_a_started_node_keeps_no_descriptor_and_survives_its_terminal(
    ana: Any, terminal: Callable[..., Any]
) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    shown = terminal("--home", str(ana.path), "node", "start", *LOCAL)
    os.close(writing)
    shown.expect("the node is starting")
    shown.end()
    try:
        assert shown.code == 0
        assert os.read(reading, 1) == b""
        assert ana.json("node", "status")["running"] is True
    finally:
        os.close(reading)
        ana("node", "stop")


def test_the_port_is_drawn_once_and_listen_replaces_it_for_one_run(ana: Any) -> None:
    def ports(*options: str) -> set[str]:
        addresses = ana.json("node", "start", "--mode", "friends", *options)["addresses"]
        assert ana.json("node", "stop")["stopped"] is True
        return {address.split("/")[4] for address in addresses}

    drawn = ports()
    assert len(drawn) == 1
    assert f"port = {drawn.copy().pop()}" in (ana.path / "config.toml").read_text()
    assert len(ports("--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip4/127.0.0.2/tcp/0")) == 2
    assert ports() == drawn


def test_a_commons_that_was_left_is_not_exchanged_until_it_is_joined_again(pair: Any) -> None:
    ana, rui = pair
    aside = ana.json("commons", "create", "Aside")["id"]
    invite = ana.json("invite", aside)["invite"]
    rui.json("join", "--wait", "30", invite)
    rui.json("commons", "leave", aside)
    ana.add("While Rui was away", "--commons", aside)
    assert aside not in {item["commons"] for item in rui.json("sync")["items"]}
    assert rui.json("list", "--commons", "Sun kitchen", "--limit", "1")["items"]
    assert [row["count"] for row in rui.json("commons", "list", "--left")["items"]][-1] == 2
    rui.json("join", "--wait", "30", invite)
    wait_for(lambda: rui.json("digest", aside) == ana.json("digest", aside))
    for home in pair:
        home.json("commons", "leave", aside)


def test_a_node_that_cannot_listen_fails_with_the_path_of_its_log(ana: Any) -> None:
    code, word, message = ana.error(
        "node", "start", "--mode", "friends", "--listen", "/ip4/203.0.113.9/tcp/4001"
    )
    assert (code, word) == (1, "failed")
    assert str(ana.path / "node.log") in message
    assert "cannot listen on /ip4/203.0.113.9/tcp/4001" in message


def test_settings_that_are_wrong_are_named_before_a_node_starts(ana: Any) -> None:
    for variable, value in (("P2PCOMMONS_MODE", "everywhere"), ("P2PCOMMONS_PORT", "many")):
        ana.environment = {**ana.environment, variable: value}
        code, word, message = ana.error("node", "start")
        assert (code, word) == (2, "usage")
        assert variable in message
        del ana.environment[variable]


def test_a_mode_or_address_that_is_none_is_a_mistake(ana: Any) -> None:
    assert ana.error("node", "start", "--mode", "everywhere")[0] == 2
    for address in ("nowhere", "", "/ip4/127.0.0.1/tcp/70000", "/ip4/127.0.0.300/tcp/1"):
        for command in ("run", "start"):
            code, _, message = ana.error("node", command, "--mode", "off", "--listen", address)
            assert code == 2
            assert "/ip4/0.0.0.0/tcp/4001" in message


def test_run_in_a_terminal_says_how_it_stands_and_ends_with_ctrl_c(
    ana: Any, terminal: Callable[..., Any]
) -> None:
    shown = terminal("--home", str(ana.path), "node", "run", *LOCAL)
    shown.expect("listens at")
    shown.press(b"\x03")
    shown.end()
    assert shown.code == 0
    assert ana("node", "status").code == 5


def test_a_node_ends_when_the_pipe_it_watches_closes(ana: Any) -> None:
    reading, writing = os.pipe()
    running = subprocess.Popen(
        [PROGRAM, "--home", ana.path, "node", "run", *LOCAL, "--watch-fd", str(reading)],
        pass_fds=(reading,),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=ana.environment,
    )
    os.close(reading)
    wait_for(lambda: ana("node", "status").code == 0)
    os.close(writing)
    assert running.wait(30) == 0
    assert running.stderr is not None
    running.stderr.close()


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)
