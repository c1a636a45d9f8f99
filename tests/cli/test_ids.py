"""How a person names entries, versions, authors and commons."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from p2pcommons.model.contribution import sign
from p2pcommons.model.kinds import EntryBody, encode_body
from p2pcommons.replica import open_replica

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.model.contribution import Contribution
    from p2pcommons.model.keys import Signer


def twins(signer: Signer, commons: bytes) -> tuple[Contribution, Contribution]:
    """Return two entries whose ids begin with the same six hex digits."""
    body = encode_body(EntryBody("note", "Twin"), os.urandom(16))
    seen: dict[str, Contribution] = {}
    for claimed_at in range(1_700_000_000, 1_700_100_000):
        made = sign(signer, "entry", commons=commons, body=body, claimed_at=claimed_at)
        other = seen.setdefault(made.id.hex()[:6], made)
        if other is not made:
            return other, made
    raise AssertionError("no two alike")


def test_ids_are_whole_in_json_and_ten_digits_elsewhere(garden: Any) -> None:
    newest = garden.json("list", "--limit", "1")["items"][0]
    assert len(newest["id"]) == len(newest["commons"]) == 64
    assert garden("list", "--limit", "1").out.split()[0] == newest["id"][:10]


def test_any_unique_prefix_of_six_or_more_digits_names_an_entry(garden: Any) -> None:
    whole = garden.json("list")["items"][-1]["id"]
    for prefix in (whole[:6], whole[:10].upper(), whole):
        assert garden.json("show", prefix)["id"] == whole
    assert garden.error("show", whole[:5])[0] == 2
    assert garden.error("show", "0123456789")[0] == 3


def test_an_ambiguous_prefix_is_a_mistake_that_names_the_candidates(ana: Any) -> None:
    with open_replica(ana.path) as replica:
        signer = replica.require_signer()
        pair = twins(signer, replica.commons()[0].id)
        replica.store.ingest(pair, received_at=replica.now(), own=True)
    prefix = pair[0].id.hex()[:6]
    done = ana("show", prefix, "--json")
    assert done.code == 2
    candidates = " ".join(done.json["error"]["candidates"])
    said = ana("show", prefix).err
    for twin in pair:
        assert twin.id.hex() in candidates
        assert twin.id.hex()[:10] in said
    assert ana.json("show", pair[0].id.hex())["id"] == pair[0].id.hex()


def test_the_id_of_a_later_version_finds_its_entry(ana: Any) -> None:
    entry = ana.add("One")
    version = ana.json("edit", entry, "--title", "Two")["version"]
    assert version != entry
    assert ana.json("show", version[:8])["id"] == entry


def test_the_id_of_something_else_than_an_entry_is_a_mistake(ana: Any) -> None:
    commons = ana.json("commons", "list")["items"][0]["id"]
    code, _, message = ana.error("show", commons)
    assert code == 2
    assert "commons" in message


def test_authors_go_by_did_name_suffixed_name_or_the_beginning_of_the_key(garden: Any) -> None:
    did = garden.json("whoami")["author"]
    for ref in (did, "Ana", f"Ana~{did[-6:]}", did[len("did:key:z6Mk") :][:6]):
        assert len(garden.json("list", "--author", ref)["items"]) == 4, ref
    assert garden.error("list", "--author", "Nobody")[0] == 3


def test_a_name_that_two_people_have_needs_the_suffix(ana: Any) -> None:
    from p2pcommons.model import keys
    from p2pcommons.model.kinds import ProfileBody

    with open_replica(ana.path) as replica:
        commons = replica.commons()[0].id
        other = keys.grant_device(os.urandom(32), os.urandom(32))
        replica.contribute(ProfileBody("Ana"), commons=commons, identity=other)
        replica.add_entry(commons, title="By the other Ana", identity=other)
    ana.add("By Ana")
    done = ana("list", "--author", "Ana", "--json")
    assert done.code == 2
    assert len(done.json["error"]["candidates"]) == 2
    for shown in done.json["error"]["candidates"]:
        assert len(ana.json("list", "--author", shown)["items"]) == 1


def test_a_commons_goes_by_id_prefix_or_exact_title(garden: Any) -> None:
    whole = garden.json("commons", "list")["items"][0]["id"]
    for ref in (whole, whole[:6], "Sun kitchen"):
        assert garden.json("digest", ref)["commons"] == whole
    assert garden.error("digest", "Sun")[0] == 3


@pytest.fixture
def two(ana: Any) -> Any:
    """A home with two commons."""
    ana.json("commons", "create", "Reading group")
    return ana


def test_with_several_commons_a_script_must_say_which(two: Any) -> None:
    done = two("add", "--title", "One", "--json")
    assert done.code == 2
    assert len(done.json["error"]["candidates"]) == 2
    assert "Reading group" in two("add", "--title", "One").err
    assert two.json("add", "--title", "One", "--commons", "Reading group")


def test_the_default_of_the_settings_is_used(two: Any) -> None:
    commons = two.json("commons", "list")["items"][1]
    with (two.path / "config.toml").open("a") as file:
        file.write(f'\n[commons]\ndefault = "{commons["id"]}"\n')
    assert two.json("add", "--title", "One")["commons"] == commons["id"]


def test_with_several_commons_a_person_is_asked(two: Any, terminal: Callable[..., Any]) -> None:
    shown = terminal("--home", str(two.path), "add", "--title", "Asked")
    shown.expect("Reading group")
    shown.expect("1 to 2: ")
    shown.type("nine")
    shown.expect("1 to 2: ")
    shown.type("2")
    shown.end()
    assert shown.code == 0
    listed = two.json("list", "--commons", "Reading group")["items"]
    assert [entry["title"] for entry in listed] == ["Asked"]


def test_without_a_commons_the_two_commands_that_help_are_named(empty: Any) -> None:
    empty.json("init", "--name", "Ana")
    code, _, message = empty.error("add", "--title", "One")
    assert code == 3
    assert "commons create" in message
    assert "join" in message


def test_lists_without_a_commons_look_at_all(two: Any) -> None:
    two.add("One", "--commons", "Reading group", "--tag", "a")
    two.add("Two", "--commons", "Sun kitchen", "--tag", "a")
    assert len(two.json("list")["items"]) == 2
    assert len(two.json("search", "tag:a")["items"]) == 2
    assert two.json("tags")["items"] == [{"tag": "a", "count": 2}]
    assert len(two.json("list", "--commons", "Reading group")["items"]) == 1
    assert two.json("tags", "--commons", "Reading group")["items"] == [{"tag": "a", "count": 1}]


def test_create_has_defaults_and_says_what_was_made(empty: Any) -> None:
    empty.json("init", "--name", "Ana")
    made = empty.json("commons", "create", "Garden")
    assert (made["title"], made["purpose"], made["licence"]) == ("Garden", "", "CC-BY-SA-4.0")
    assert (made["visibility"], made["rules"]) == ("public", [])
    assert made["count"] == 2  # the founding contribution and the profile it carries
    (listed,) = empty.json("commons", "list")["items"]
    assert listed.pop("bytes") > 0
    assert (listed.pop("offered"), listed.pop("pledges")) == (False, [])
    assert listed == made


def test_leaving_hides_and_joining_again_brings_it_back(ana: Any) -> None:
    ana.add("One")
    invite = ana.json("invite")["invite"]
    assert ana.json("commons", "leave", "Sun kitchen")["deleted"] is False
    assert ana.json("commons", "list")["items"] == []
    assert ana.json("list")["items"] == []
    assert ana.json("commons", "list", "--left")["items"][0]["left"] is True
    assert ana.json("join", invite)["already"] is False
    assert len(ana.json("list")["items"]) == 1


def test_leaving_with_delete_removes_the_data(ana: Any) -> None:
    ana.add("One")
    invite = ana.json("invite")["invite"]
    ana.json("commons", "leave", "Sun kitchen")
    assert ana.json("commons", "leave", "Sun kitchen", "--delete")["deleted"] is True
    ana.json("join", invite)
    assert ana.json("list")["items"] == []
