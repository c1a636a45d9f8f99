"""A person's own write goes before what the node takes in from peers."""

from __future__ import annotations

import threading

import pytest

from p2pcommons.control import WriteTurn
from p2pcommons.errors import StoreError
from p2pcommons.node.turns import ROWS_BESIDE_PERSON_MAX, ROWS_MAX, Turns
from p2pcommons.paths import Paths
from p2pcommons.store import Store


@pytest.fixture
def paths(tmp_path):
    made = Paths(tmp_path, tmp_path, tmp_path)
    made.make()
    return made


@pytest.fixture
def turns(paths):
    opened = Turns(paths.turn_socket())
    opened.open()
    yield opened
    opened.close()


def test_node_waits_until_the_person_who_asked_is_done(paths, turns):
    turn = WriteTurn(paths)
    order: list[str] = []
    turn.ask()
    writer = threading.Thread(target=lambda: (turns.give_way(), order.append("node")))
    writer.start()
    order.append("person")
    turn.done()
    writer.join()
    assert order == ["person", "node"]


def test_person_who_never_says_that_it_is_done_keeps_the_node_only_for_a_moment(paths, turns):
    WriteTurn(paths).ask()
    turns.give_way()
    turns.give_way()  # nothing is left of it


def test_two_persons_are_both_waited_for(paths, turns):
    turn = WriteTurn(paths)
    turn.ask()
    turn.ask()
    turn.done()
    turns._look()
    assert turns._asking == 1


def test_transactions_are_short_beside_a_person(paths, turns):
    assert turns.rows_max() == ROWS_MAX
    WriteTurn(paths).ask()
    WriteTurn(paths).done()
    turns.give_way()
    assert turns.rows_max() == ROWS_BESIDE_PERSON_MAX


def test_words_that_are_none_change_nothing(paths, turns):
    turn = WriteTurn(paths)
    for word in (b"", b"n", b"x" * 10_000, b"ww"):
        turn._send(word)
    turns._look()
    assert turns._asking == 0


def test_nobody_has_to_listen(paths):
    turn = WriteTurn(paths)
    turn.ask()
    turn.done()
    assert turn._send(b"w") is False


def test_socket_is_for_its_owner_and_goes_with_the_node(paths):
    turns = Turns(paths.turn_socket())
    turns.open()
    assert paths.turn_socket().stat().st_mode & 0o077 == 0
    turns.close()
    assert not paths.turn_socket().exists()


def test_socket_that_a_killed_node_left_is_no_obstacle(paths, turns):
    again = Turns(paths.turn_socket())
    again.open()
    WriteTurn(paths).ask()
    again._look()
    assert again._asking == 1
    again.close()


def test_writer_asks_only_when_the_store_is_locked_and_says_when_it_is_done(paths, turns):
    with (
        Store.open(paths.replica_db) as node,
        Store.open(paths.replica_db, turn=WriteTurn(paths)) as person,
    ):
        person.set_meta("colour", "green")
        turns._look()
        assert turns.rows_max() == ROWS_MAX, "nobody had to ask"
        writing = threading.Thread(target=lambda: person.set_meta("colour", "red"))
        with node._writing():
            writing.start()
            while not turns._asking:
                turns._look()
        writing.join()
        assert node.meta("colour") == "red"
        turns._look()
        assert turns._asking == 0


def test_writer_that_gives_up_says_so_and_names_who_holds_the_store(paths, turns):
    with (
        Store.open(paths.replica_db) as node,
        Store.open(paths.replica_db, turn=WriteTurn(paths)) as person,
    ):
        person._database.wait_seconds = 0
        with node._writing(), pytest.raises(StoreError, match="locked by"):
            person.set_meta("colour", "red")
        turns._look()
        assert turns._asking == 0
