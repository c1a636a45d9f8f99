"""`invite` and `join` without a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from p2pcommons.paths import find_paths
from p2pcommons.peerkey import load_peer_seed, peer_id_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def newcomer(ana: Any, tmp_path: Path) -> Any:
    rui = type(ana)(tmp_path / "rui")
    rui.json("init", "--name", "Rui")
    return rui


def test_an_invite_needs_no_node_and_says_that_its_addresses_are_not_in_use(ana: Any) -> None:
    done = ana("invite", "--json")
    made = done.json
    assert made["invite"] == made["invite"].upper()
    assert len(made["invite"]) <= 180
    assert made["stale"] is True
    assert made["note"] in done.err
    assert ana("invite").out == made["invite"] + "\n"


def test_join_keeps_commons_and_addresses_and_says_what_comes_next(
    ana: Any, tmp_path: Path
) -> None:
    invite = ana.json("invite", "Sun kitchen")
    rui = newcomer(ana, tmp_path)
    done = rui("join", invite["invite"])
    assert done.code == 0
    assert "node start" in done.err
    assert rui.json("commons", "list")["items"][0]["title"] == "Sun kitchen"
    again = rui.json("join", invite["invite"])
    assert again["already"] is True
    assert again["commons"] == invite["commons"]
    assert rui.json("peers")["items"][0]["peer_id"] == again["inviter"]
    assert len(rui.json("commons", "list")["items"]) == 1


def test_case_spaces_dashes_and_line_breaks_do_not_matter(ana: Any, tmp_path: Path) -> None:
    invite = ana.json("invite")
    text = invite["invite"]
    rui = newcomer(ana, tmp_path)
    pieces = [text[start : start + 7].lower() for start in range(0, len(text), 7)]
    for line in (pieces, ["-".join(pieces)], [" ".join(pieces) + "\n"], ["\n".join(pieces)]):
        assert rui.json("join", *line)["commons"] == invite["commons"]
    assert rui.json("join", "-", stdin="\n".join(pieces))["already"] is True
    kept = tmp_path / "invite.txt"
    kept.write_text(f"{text}\n")
    assert rui.json("join", str(kept))["already"] is True


def test_a_wrong_invite_is_a_mistake(ana: Any) -> None:
    text = ana.json("invite")["invite"]
    for wrong in ("hello", text[:-4], ("A" if text[5] != "A" else "B").join((text[:5], text[6:]))):
        assert ana.error("join", wrong)[:2] == (2, "usage"), wrong
    assert ana.error("join")[0] == 2


def test_an_invite_pasted_twice_is_not_taken_for_the_name_of_a_file(ana: Any) -> None:
    said = ana("join", ana.json("invite")["invite"] * 2).err
    assert "too long for an invite" in said


def test_join_that_waits_in_vain_ends_with_6_and_the_object(ana: Any, tmp_path: Path) -> None:
    invite = ana.json("invite")
    rui = newcomer(ana, tmp_path)
    done = rui("join", "--wait", "0.2", invite["invite"], "--json")
    assert done.code == 6
    assert done.json["equal"] is False
    assert done.json["commons"] == invite["commons"]
    assert "no node is running" in done.err


def test_loopback_is_named_only_when_there_is_nothing_else() -> None:
    from p2pcommons.replica.commons import choose_addresses

    local = ["/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001"]
    elsewhere = "/ip4/192.0.2.7/tcp/4001"
    assert set(choose_addresses(local)) == set(local)
    assert choose_addresses([*local, elsewhere]) == (elsewhere,)


def test_addresses_that_most_can_use_come_first_in_an_invite() -> None:
    from p2pcommons.replica.commons import choose_addresses

    lan, wan, wan6 = "/ip4/192.168.1.7/tcp/1", "/ip4/8.8.4.4/tcp/1", "/ip6/2a00::1/tcp/1"
    assert choose_addresses([lan, "/ip6/fd00::1/tcp/1", wan6, wan]) == (wan, wan6, lan)


def test_an_invite_names_the_relay_by_which_a_node_is_reached_and_joining_knows_both(
    ana: Any, tmp_path: Path
) -> None:
    from p2pcommons.replica import open_replica

    relay = "/ip4/198.51.100.4/tcp/4001/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
    commons = bytes.fromhex(ana.json("commons", "list")["items"][0]["id"])
    with open_replica(ana.path) as replica:
        made = replica.make_invite(
            commons, addresses=["/ip4/192.168.1.7/tcp/1", f"{relay}/p2p-circuit"]
        )
    assert made.addresses == (f"{relay}/p2p-circuit",)
    assert "relay" in made.note
    rui = newcomer(ana, tmp_path)
    joined = rui.json("join", "p2pcommons:" + made.text.lower())
    assert joined["addresses"] == [f"{relay}/p2p-circuit"]
    book = {item["peer_id"]: item["addresses"] for item in rui.json("peers")["items"]}
    assert book == {
        joined["inviter"]: [f"{relay}/p2p-circuit"],
        relay.rpartition("/")[2]: [relay.partition("/p2p/")[0]],
    }


def test_a_terminal_shows_the_invite_as_a_qr_code(ana: Any, terminal: Callable[..., Any]) -> None:
    shown = terminal("--home", str(ana.path), "invite")
    seen = shown.end()
    assert shown.code == 0
    assert "█" in seen
    assert ana.json("invite")["invite"] in seen.replace("\r\n", "\n")
    assert "█" not in ana("invite").err


def test_peers_are_noted_and_forgotten_without_a_node(ana: Any) -> None:
    peer = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
    added = ana.json("peers", "add", f"/ip4/192.0.2.7/tcp/4001/p2p/{peer}")
    assert added["peer_id"] == peer
    known = ana.json("peers")["items"]
    assert [each["peer_id"] for each in known] == [peer]
    assert known[0]["connected"] is False
    assert known[0]["addresses"] == ["/ip4/192.0.2.7/tcp/4001"]
    assert ana.error("peers", "add", "/ip4/192.0.2.7/tcp/4001")[0] == 2
    own = peer_id_of(load_peer_seed(find_paths(ana.path)))
    code, _, said = ana.error("peers", "add", f"/ip4/192.0.2.7/tcp/4001/p2p/{own}")
    assert (code, said.split(";")[0]) == (2, "that is this node")
    assert ana.error("peers", "remove", "nobody-here")[0] == 3
    assert known[0]["name"] == ""
    named = ana.json("peers", "name", peer[-8:], "Rui, at home")
    assert named["words"] == ana.json("peers")["items"][0]["words"]
    assert "Rui, at home" in ana("peers").out
    assert ana.json("peers", "name", "Rui, at home", "Rui")["peer_id"] == peer, "as it is listed"
    assert ana.json("peers", "name", " ".join(named["words"][:2]), "Rui")["peer_id"] == peer
    assert ana.error("peers", "name", "nobody-here", "Rui")[0] == 3
    assert ana.error("peers", "name", "", "Rui")[0] == 3
    assert ana.error("peers", "name", peer, "x" * 81)[0] == 2
    assert ana.json("peers", "remove", peer[-8:])["peer_id"] == peer
    assert ana.json("peers")["items"] == []


def test_peers_to_begin_with_are_kept_in_the_settings_and_wrong_ones_are_told(ana: Any) -> None:
    peer = "/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
    assert ana.error("peers", "add", "--bootstrap", "/ip4/192.0.2.7/tcp/4001")[:2] == (2, "usage")
    added = ana.json("peers", "add", "--bootstrap", peer)["peer_id"]
    ana.json("peers", "add", "--bootstrap", f" {peer}")
    config = ana.path / "config.toml"
    assert config.read_text().count(peer) == 1
    settings = {item["check"]: item for item in ana.json("doctor")["items"]}["settings"]
    assert settings["ok"]
    ana.json("peers", "remove", added[-8:])
    assert peer not in config.read_text()
    config.write_text('[network]\nbootstrap = ["192.0.2.7:4001"]\n')
    done = ana("doctor", "--json")
    wrong = [item for item in done.json["items"] if not item["ok"]]
    assert [item["check"] for item in wrong] == ["settings"]
    assert "'192.0.2.7:4001' does not end in /p2p/" in wrong[0]["text"]
    assert "config.toml is well" not in done.out
    local = ("--mode", "friends", "--listen", "/ip4/127.0.0.1/tcp/0")
    assert ana.json("node", "start", *local)["running"]
    ana.json("node", "stop")


def test_join_that_waits_in_vain_says_what_was_tried(ana: Any, tmp_path: Path) -> None:
    from p2pcommons.replica import open_replica

    commons = bytes.fromhex(ana.json("commons", "list")["items"][0]["id"])
    with open_replica(ana.path) as replica:
        invite = replica.make_invite(commons, addresses=["/ip4/127.0.0.1/tcp/1"]).text
    rui = newcomer(ana, tmp_path)
    rui.json("node", "start", "--mode", "friends", "--listen", "/ip4/127.0.0.1/tcp/0")
    try:
        done = rui("join", "--wait", "2", invite, "--json")
        listed = rui("peers").out
    finally:
        rui.json("node", "stop")
    assert done.code == 6
    assert done.json["tried"] == [
        "/ip4/127.0.0.1/tcp/1: nobody listens there",
        "others are asked who holds it in mode open alone: node start --mode open",
    ]
    assert "nobody listens there" in done.err
    assert "/ip4/127.0.0.1/tcp/1: nobody listens there" in listed


def test_the_status_of_a_node_in_mode_open_says_what_it_knows_of_the_directory(ana: Any) -> None:
    ana.json("node", "start", "--mode", "open", "--listen", "/ip4/127.0.0.1/tcp/0")
    try:
        assert "0 nodes known" in ana("node", "status").out
    finally:
        ana.json("node", "stop")
