"""`init`, `words`, `whoami`: the person on this machine, and the 24 words behind that person."""

from __future__ import annotations

import re
import secrets
import sys
from typing import TYPE_CHECKING

import click

from p2pcommons.cli.columns import named
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command
from p2pcommons.cli.terminal import ask, ask_secret, is_tty, read_line
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model.ids import display_name, to_did

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica import Identity, Replica

_COLUMNS = 4
_CHECKED = 2
_TRIES = 2
_NEXT = (
    'next: p2pcommons commons create "TITLE"   start a commons',
    "      p2pcommons join INVITE              or join one",
)


@command(
    "init",
    examples=[
        ("init --name Ana", "begin: a new identity, with 24 words to write down"),
        ("init --words", "be the same author on one more machine"),
        ("init --name Ana --json", "for scripts: the words come in the field `words`"),
    ],
)
@click.option("--name", metavar="N", help="How you want to be called.")
@click.option("--words", is_flag=True, help="Type the 24 words of an identity you have.")
@click.pass_obj
def init(invocation: Invocation, name: str | None, words: bool) -> Reply:
    """Make the identity of this machine.

    A new identity has 24 words, which are shown once. They are the only way to be the same
    author on another machine or after a loss. With --words they are read from the terminal
    without being shown, or from one line of stdin.
    """
    with invocation.open() as replica:
        _refuse_second(replica)
        if words:
            return _restore(invocation, replica, name)
        return _create(invocation, replica, name)


@command(
    "words",
    examples=[
        ("words", "show the 24 words again and type two of them back"),
        ("words --forget", "they are on paper: remove them from this machine"),
    ],
)
@click.option("--forget", is_flag=True, help="Remove the words from this machine for good.")
@click.pass_obj
def words(invocation: Invocation, forget: bool) -> Reply:
    """Show the 24 words again, while they wait to be confirmed.

    They stay in root.key until two of them have been typed back, and are gone from this machine
    for good after that.
    """
    with invocation.open_as_person() as replica:
        identity = replica.require_identity()
        waiting = replica.unconfirmed_words()
        if waiting is None:
            raise UserError(
                "the words are not on this machine: they were confirmed, or typed in here",
                ErrorCode.NOT_FOUND,
            )
        if forget:
            replica.confirm_words()
            said = ["the words are gone from this machine"]
            return Reply({**_fields(replica.require_identity())}, said)
        if invocation.asks and not invocation.json:
            _show_card(invocation, waiting)
            _confirm(invocation, replica, waiting)
            return Reply({})
        return Reply({**_fields(identity), "words": list(waiting)}, card(waiting))


@command("whoami", examples=[("whoami", "your name, author id and device on this machine")])
@click.pass_obj
def whoami(invocation: Invocation) -> Reply:
    """Say who writes on this machine."""
    with invocation.open_as_person() as replica:
        identity = replica.require_identity()
    lines = named(
        [
            ("name", _shown(identity)),
            ("author", to_did(identity.author)),
            ("device", identity.device.hex()),
        ]
    )
    waiting = "the 24 words wait to be confirmed: p2pcommons words"
    return Reply(_fields(identity), lines, (waiting,) if identity.words_unconfirmed else ())


def card(words: Sequence[str]) -> list[str]:
    """Return the words as numbered columns, read downwards."""
    rows = len(words) // _COLUMNS
    return [
        "   ".join(
            f"{index + 1:2} {words[index]:<8}" for index in range(row, len(words), rows)
        ).rstrip()
        for row in range(rows)
    ]


def _refuse_second(replica: Replica) -> None:
    """Say that there is an identity before anything is asked."""
    identity = replica.identity
    if identity is not None:
        raise UserError(
            f"this machine has an identity already: {_shown(identity)}; nothing was changed. "
            "Another one needs a folder of its own: --home DIR",
            ErrorCode.CONFLICT,
        )


def _create(invocation: Invocation, replica: Replica, name: str | None) -> Reply:
    if name is None and not (invocation.asks and not invocation.json):
        raise UserError("give a name: p2pcommons init --name YOUR-NAME")
    chosen = name if name is not None else ask("How do you want to be called? ")
    identity, made = replica.create_identity(chosen)
    if invocation.json:
        # The caller has the words now and answers for them.
        invocation.out.write_object(
            {**_fields(identity), "words_unconfirmed": False, "words": list(made)}
        )
        replica.confirm_words()
        return Reply({})
    if invocation.asks:
        invocation.out.say(f"you are {_shown(identity)}")
        _show_card(invocation, made)
        _confirm(invocation, replica, made)
        return Reply({}, next_steps=_NEXT)
    invocation.out.say(
        f"you are {_shown(identity)}; write the 24 words down. They wait in "
        f"{replica.paths.root_key} until they are confirmed: p2pcommons words"
    )
    return Reply({}, card(made), _NEXT)


def _restore(invocation: Invocation, replica: Replica, name: str | None) -> Reply:
    typed = _read_words(invocation)
    identity = replica.restore_identity(re.findall(r"[a-z]+", typed.lower()), name or "")
    said = [f"you are {_shown(identity)} again, with a new device key on this machine"]
    return Reply(_fields(identity), said, _NEXT)


def _read_words(invocation: Invocation) -> str:
    if not is_tty(sys.stdin):
        return read_line()
    if invocation.no_input:
        raise UserError("the words come from the terminal or from one line of stdin")
    return ask_secret("The 24 words, in one line (they are not shown): ")


def _show_card(invocation: Invocation, made: Sequence[str]) -> None:
    out = invocation.out
    out.say("\nThese 24 words are your identity. Write them on paper, in this order:\n")
    for line in card(made):
        out.write_line(f"  {line}")
    out.flush()
    out.say("\nWhoever has them is you, for ever; without them a lost machine is a lost author.")


def _confirm(invocation: Invocation, replica: Replica, made: Sequence[str]) -> None:
    """Ask for two of the words; right ones remove root.key, anything else keeps it."""
    out = invocation.out
    out.say("When they are on paper, type two of them back (an empty line does it later).")
    for _try in range(_TRIES):
        asked = sorted(secrets.SystemRandom().sample(range(len(made)), _CHECKED))
        answers: list[str] = []
        for index in asked:
            answers.append(ask(f"word {index + 1}: ").lower())
            if not answers[-1]:
                break
        if len(answers) == _CHECKED and answers == [made[index] for index in asked]:
            replica.confirm_words()
            out.say("right; the words are gone from this machine, the paper is the only copy")
            return
        if not answers[-1]:
            break
        out.say("that is not what the card says")
    out.say(f"the words wait in {replica.paths.root_key}; come back with: p2pcommons words")


def _fields(identity: Identity) -> Mapping[str, object]:
    return {
        "author": to_did(identity.author),
        "device": identity.device.hex(),
        "name": identity.name,
        "shown": _shown(identity),
        "words_unconfirmed": identity.words_unconfirmed,
    }


def _shown(identity: Identity) -> str:
    return display_name(identity.name, identity.author)
