"""Before anything is signed: what leaves this machine, to whom, and what cannot be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Static

from p2pcommons.errors import P2PCommonsError, UserError
from p2pcommons.model.addresses import is_address
from p2pcommons.model.words import clean_line
from p2pcommons.tui import shaping, wording
from p2pcommons.tui.command import command
from p2pcommons.tui.drafting import join_tags
from p2pcommons.tui.screens.dialog import Dialog, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from p2pcommons.replica import Draft, Replica
    from p2pcommons.tui.context import Context
    from p2pcommons.tui.drafting import Writing


class Publish(Dialog[bool]):
    """Asks once more; F9 signs. True when it was published."""

    HELP_TITLE = "Publish"
    HELP_TEXT = (
        "Your entry is signed with your key, kept on this machine, and passed on to every node "
        "of the commons that is met. You can publish a new version or withdraw it; copies that "
        "others made stay."
    )
    HELP_COMMANDS = ("p2pcommons add …", "p2pcommons withdraw ID")

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f9", "publish", "Sign and publish", id="publish.confirm"),
        Binding("escape", "leave", "Back to the text", id="dialog.leave"),
    ]
    KEY_ORDER = ("publish.confirm", "dialog.leave")

    DEFAULT_CSS = """
    Publish .name { color: $primary; text-style: bold; height: auto; }
    Publish #found { color: $warning; height: auto; }
    """

    def __init__(self, context: Context, writing: Writing) -> None:
        super().__init__()
        self.context = context
        self._writing = writing

    def title_words(self) -> str:
        """What stands in the frame."""
        return "Publish?"

    def content(self) -> Iterable[Widget]:
        """Title, where to, what leaves."""
        draft = self._writing.draft
        overview = self.context.news.overview
        commons = overview.find(bytes.fromhex(draft.commons))
        me = overview.me.shown if overview.me else ""
        yield words(clean_line(draft.title) or clean_line(draft.url) or "(its first line)", "name")
        yield words(f"to {commons.title if commons else ''}, signed as {me}")
        yield words("")
        yield words(
            f"What leaves this machine: {_leaving(draft)}. Everybody in the commons can read it, "
            "keep it and pass it on."
        )
        yield words("")
        yield words(
            "It cannot be called back: you can publish a new version or withdraw it, and honest "
            "nodes obey, but copies may stay.",
            "quiet",
        )
        yield words("", widget_id="found")
        yield words("", "wrong", "wrong")

    def on_mount(self) -> None:
        """Look for the same address, and for versions that came meanwhile."""
        self._look()

    @command("look")
    async def _look(self) -> None:
        writing = self._writing
        found = await self.context.desk.search.run(lambda replica: _found(replica, writing))
        self.query_one("#found", Static).update(f"\n{found}" if found else "")

    @command("publish")
    async def action_publish(self) -> None:
        """Sign and store; what fails is said, and the text stays in the editor."""
        writing = self._writing
        try:
            said = await self.context.desk.write.run(lambda replica: _write(replica, writing))
        except P2PCommonsError as error:
            self.query_one("#wrong", Static).update(f"\nNot published: {error}")
            return
        self.app.notify(said, markup=False)
        self.dismiss(True)


def _write(replica: Replica, writing: Writing) -> str:
    draft = writing.draft
    commons = bytes.fromhex(draft.commons)
    if draft.url and draft.url != writing.base.url and not is_address(draft.url):
        raise UserError("the link is not an address, which begins as in https://…")
    if writing.is_new:
        replica.add_entry(
            commons,
            title=draft.title.strip() or None,
            url=draft.url or None,
            text=draft.text,
            form=draft.form or None,
            tags=draft.tags,
            language=draft.language or None,
            licence=draft.licence or None,
        )
        return "Published."
    entry = bytes.fromhex(draft.entry)
    replica.edit_entry(
        entry,
        commons=commons,
        title=draft.title,
        text=draft.text,
        url=draft.url,
        form=draft.form or None,
        # None leaves what the version before says; an emptied field says nothing any more.
        language=None if draft.language == writing.base.language else draft.language,
        licence=None if draft.licence == writing.base.licence else draft.licence,
        merge=writing.merge,
    )
    before, after = set(writing.base.tags), set(draft.tags)
    if before != after:
        replica.tag_entry(commons, entry, add=sorted(after - before), remove=sorted(before - after))
    return "Published as a new version."


def _found(replica: Replica, writing: Writing) -> str:
    """What the person should know first, empty when there is nothing."""
    draft = writing.draft
    commons = bytes.fromhex(draft.commons)
    if writing.is_new:
        same = replica.store.same_url(commons, draft.url) if draft.url else []
        if same:
            line = shaping.entry_page(replica, commons, same[0]).line
            return f"This address is here already: “{line.title}” by {line.who}."
        return ""
    page = shaping.entry_page(replica, commons, bytes.fromhex(draft.entry))
    came = [head for head in page.heads if head.version not in writing.heads]
    if came:
        who = wording.listed([head.who for head in came])
        return f"Changed meanwhile by {who}. Both versions will stand side by side."
    return ""


def _leaving(draft: Draft) -> str:
    octets = len(draft.text.encode("utf-8", "surrogatepass"))
    parts = [
        "the title" if draft.title.strip() else "",
        "the address" if draft.url else "",
        f"{wording.size(octets)} of text" if octets else "",
        f"the tags {join_tags(draft.tags)}" if draft.tags else "",
        f"the licence {clean_line(draft.licence)}" if draft.licence else "",
        f"the language {clean_line(draft.language)}" if draft.language else "",
        "the time",
        "your name",
    ]
    return wording.listed([part for part in parts if part])
