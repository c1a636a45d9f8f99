"""`add`, `edit`, `tag`, `withdraw`: what a person contributes to entries."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pcommons.cli.choosing import choose_commons, title_of
from p2pcommons.cli.entries import hashes
from p2pcommons.cli.keeping import kept_as_draft
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import WordsCommand, command
from p2pcommons.cli.terminal import is_tty
from p2pcommons.cli.times import count
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model.addresses import is_address
from p2pcommons.model.ids import short

if TYPE_CHECKING:
    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica import Draft, Replica
    from p2pcommons.store import Found

STDIN = "-"
_TEXT_BYTES_MAX = 16_777_216
"""Read of a file or stdin before the limit of a contribution is looked at."""


@command(
    "add",
    examples=[
        ("add https://example.org/oven --title Oven --tag solar", "publish a link"),
        ('add --title "Focal line" --text "Mark it first."', "publish a note"),
        ("add --title Notes --file notes.md", "publish a text from a file"),
        ("add - --title Notes", "publish a text from stdin"),
    ],
)
@click.argument("words", metavar="[URL] [-]", nargs=-1)
@click.option("--title", metavar="T", help="Title; else host and path, or the first line.")
@click.option("--text", metavar="T", help="Text, in Markdown; - reads it from stdin.")
@click.option("--file", "path", metavar="F", help="Read the text from F; - reads stdin.")
@click.option("--tag", "tags", metavar="T", multiple=True, help="Tag it; may repeat.")
@click.option("--commons", metavar="C", help="Publish it there.")
@click.option("--form", metavar="F", help="article, link, note, practice, question, or another.")
@click.option("--language", metavar="L", help="Language of the text, as in en or pt-BR.")
@click.option("--licence", metavar="L", help="Terms, where they differ from the commons.")
@click.pass_obj
def add(
    invocation: Invocation,
    words: tuple[str, ...],
    title: str | None,
    text: str | None,
    path: str | None,
    tags: tuple[str, ...],
    commons: str | None,
    form: str | None,
    language: str | None,
    licence: str | None,
) -> Reply:
    """Publish an entry: a link, a note, a text.

    Publishing signs it in your name. Copies at other nodes stay; you can publish a new version
    or withdraw it at any time.
    """
    url = _address(words)
    with invocation.open_as_person() as replica:
        # First of all, so that it is kept also where the store cannot even be opened.
        typed = _text(invocation, words, text, path) or ""
        place = b""

        def draft() -> Draft:
            return _draft(place, title=title, url=url, text=typed, form=form, tags=tags)

        with kept_as_draft(invocation, replica, draft):
            row = choose_commons(invocation, replica, commons)
            place = row.id
            added = replica.add_entry(
                row.id,
                title=title,
                url=url,
                text=typed,
                form=form,
                tags=tags,
                language=language,
                licence=licence,
            )
    if added.same_url:
        there = ", ".join(short(each) for each in added.same_url)
        invocation.out.say(f"the address was there already: {there}")
    fields = {
        "id": added.id.hex(),
        "commons": row.id.hex(),
        "title": added.title,
        "same_url": [each.hex() for each in added.same_url],
    }
    return Reply(fields, [short(added.id)], (f"published in {title_of(row)}: {added.title}",))


def _draft(
    commons: bytes,
    entry: bytes = b"",
    *,
    title: str | None,
    url: str | None,
    text: str | None,
    form: str | None,
    tags: tuple[str, ...] = (),
) -> Draft:
    """Return what a person has typed so far, as the screens keep it."""
    from p2pcommons.replica import Draft

    return Draft(
        "", commons.hex(), entry.hex(), form or "", title or "", url or "", text or "", tags
    )


@command(
    "edit",
    examples=[
        ('edit 3f92a1c0de --title "A better title"', "publish a new version"),
        ("edit 3f92a1c0de --file oven.md", "with the text of a file"),
        ("edit 3f92a1c0de --merge --file oven.md", "join all versions that stand side by side"),
    ],
)
@click.argument("ref", metavar="ID")
@click.argument("words", metavar="[-]", nargs=-1)
@click.option("--title", metavar="T", help="New title.")
@click.option("--text", metavar="T", help="New text; - reads it from stdin.")
@click.option("--file", "path", metavar="F", help="Read the new text from F; - reads stdin.")
@click.option("--url", metavar="URL", help='New address; "" removes it.')
@click.option("--form", metavar="F", help="New form.")
@click.option("--language", metavar="L", help="New language.")
@click.option("--licence", metavar="L", help="New terms.")
@click.option("--note", metavar="N", help="Say what changed and why.")
@click.option("--merge", is_flag=True, help="Replace all versions that stand side by side.")
@click.pass_obj
def edit(
    invocation: Invocation,
    ref: str,
    words: tuple[str, ...],
    title: str | None,
    text: str | None,
    path: str | None,
    url: str | None,
    form: str | None,
    language: str | None,
    licence: str | None,
    note: str | None,
    merge: bool,
) -> Reply:
    """Publish a new version of an entry, whoever wrote it.

    It replaces the version shown to you: your own, else the newest. What is not given stays as
    it is there. With --merge it replaces every version that stands beside it as well.
    """
    if url:
        _check_address(url)
    if any(word != STDIN for word in words):
        raise UserError(f"only - for stdin may stand behind the id, not {words[0]!r}")
    with invocation.open_as_person() as replica:
        found = _entry(replica, ref)
        new_text = _text(invocation, words, text, path)
        given = (title, new_text, url, form, language, licence)
        if not merge and all(value is None for value in given):
            raise UserError("nothing to change: give --title, --text, --file, --url or another")
        entry = found.entry or found.id

        def draft() -> Draft:
            shown = replica.entry(found.commons, entry)
            return _draft(
                found.commons,
                entry,
                title=shown.row.title if title is None else title,
                url=shown.row.url if url is None else url,
                text=shown.text if new_text is None else new_text,
                form=form or shown.row.form,
                tags=replica.my_tags(found.commons, entry),
            )

        with kept_as_draft(invocation, replica, draft):
            edited = replica.edit_entry(
                entry,
                commons=found.commons,
                title=title,
                text=new_text,
                url=url,
                form=form,
                language=language,
                licence=licence,
                edit_note=note,
                merge=merge,
            )
        heads = replica.entry(found.commons, edited.id).row.heads
    fields = {
        "id": edited.id.hex(),
        "version": edited.version.hex(),
        "parents": [parent.hex() for parent in edited.parents],
        "heads": heads,
    }
    earlier = ", ".join(short(parent) for parent in edited.parents)
    said = (f"version {short(edited.version)} follows {earlier}",)
    if heads > 1:
        rule = "a version is replaced by its author, or by whoever began the entry"
        said += (f"{heads} versions stand side by side: {rule}",)
    return Reply(fields, [short(edited.id)], said)


@command(
    "tag",
    cls=WordsCommand,
    examples=[
        ("tag 3f92a1c0de +winter +bread", "add two tags of yours"),
        ("tag 3f92a1c0de +winter -solar", "add one, take one back"),
        ("tag 3f92a1c0de", "your tags on it"),
    ],
)
@click.argument("ref", metavar="ID")
@click.argument("words", metavar="[+TAG] [-TAG]", nargs=-1)
@click.pass_obj
def tag(invocation: Invocation, ref: str, words: tuple[str, ...]) -> Reply:
    """Tag an entry, whoever wrote it.

    +a adds a tag of yours, -b takes yours back; tags of others stay theirs.
    """
    for word in words:
        if word[:1] not in ("+", "-"):
            raise UserError(f"{word!r}: +{word} adds a tag, -{word} takes yours back")
    with invocation.open_as_person() as replica:
        found = _entry(replica, ref)
        entry = found.entry or found.id
        mine = replica.tag_entry(
            found.commons,
            entry,
            add=[word[1:] for word in words if word.startswith("+")],
            remove=[word[1:] for word in words if word.startswith("-")],
        )
    said = "these are your tags on it" if mine else "you have no tags on it"
    lines = [hashes(mine)] if mine else []
    return Reply({"id": entry.hex(), "tags": list(mine)}, lines, (said,))


@command(
    "withdraw",
    examples=[
        ("withdraw 3f92a1c0de", "everything of yours in this entry"),
        ("withdraw 3f92a1c0de --reason 'not mine to share'", "and say why"),
    ],
)
@click.argument("ref", metavar="ID")
@click.option("--reason", metavar="R", help="Say why, for everybody to read.")
@click.pass_obj
def withdraw(invocation: Invocation, ref: str, reason: str | None) -> Reply:
    """Ask every node to drop what you wrote.

    For an entry's id that is every version of yours, for a version's id that one. Nodes that
    follow the rules stop showing and passing on the text at once and erase it after 72 hours.
    Nobody can take back what somebody has copied.
    """
    with invocation.open_as_person() as replica:
        gone = replica.withdraw(replica.resolve_entry(ref), reason)
    said = f"withdrew {count(len(gone), 'version')}; other nodes follow when they hear of it"
    lines = [short(each) for each in gone]
    return Reply({"withdrawn": [each.hex() for each in gone]}, lines, (said,))


def _entry(replica: Replica, ref: str) -> Found:
    found = replica.resolve_entry(ref)
    if found.entry is None:
        raise UserError(f"{short(found.id)} is a {found.kind}, not an entry")
    return found


def _address(words: tuple[str, ...]) -> str | None:
    """Return the address among the words of `add`, of which the other may be - for stdin."""
    addresses = [word for word in words if word != STDIN]
    if len(addresses) > 1 or len(words) - len(addresses) > 1:
        raise UserError(f"one address at a time: {' '.join(words)!r} (a title goes to --title)")
    if not addresses:
        return None
    _check_address(addresses[0])
    return addresses[0]


def _check_address(url: str) -> None:
    if not is_address(url):
        raise UserError(
            f"{url!r} is not an address, which begins as in https://…; a title goes to --title"
        )


def _text(
    invocation: Invocation, words: tuple[str, ...], text: str | None, path: str | None
) -> str | None:
    """Return the text from wherever the person says it is, None where nothing is said."""
    given = [source for source in (text, path, STDIN if STDIN in words else None) if source]
    if len(given) > 1:
        raise UserError("the text comes from one place: --text, --file or - for stdin")
    if given == [STDIN]:
        return _read_stdin(invocation)
    if path is None:
        return text
    try:
        with Path(path).open("rb") as file:
            return _decode(file.read(_TEXT_BYTES_MAX), path)
    except OSError as error:
        code = ErrorCode.NOT_FOUND if isinstance(error, FileNotFoundError) else ErrorCode.FAILED
        raise UserError(f"{path} cannot be read: {error.strerror}", code) from error


def _read_stdin(invocation: Invocation) -> str:
    if is_tty(sys.stdin):
        if not invocation.asks:
            raise UserError("the text is to come from stdin, which is a terminal")
        invocation.out.say("type the text and end it with Ctrl-D on a line of its own")
    return _decode(sys.stdin.buffer.read(_TEXT_BYTES_MAX), "stdin")


def _decode(data: bytes, origin: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{origin} is not text in UTF-8") from error
