"""The files of an entry: what there is, what is here, fetch one, save a copy, attach one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from p2pcommons import control
from p2pcommons.errors import P2PCommonsError
from p2pcommons.replica import size_said
from p2pcommons.tui import wording
from p2pcommons.tui.command import command
from p2pcommons.tui.messages import NodeWanted, Wrote
from p2pcommons.tui.screens.dialog import Dialog, words
from p2pcommons.tui.widgets.choice_list import Choice, ChoiceList
from p2pcommons.tui.widgets.field import Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from p2pcommons.replica import Attachment
    from p2pcommons.tui.context import Context
    from p2pcommons.tui.records import EntryLine

POLL_SECONDS = 0.5
_Answer = dict[str, object]


class Files(Dialog[None]):
    """Files that go with one entry."""

    HELP_TITLE = "Files"
    HELP_TEXT = (
        "Files that people attached to this entry. Everybody knows that they are there; their "
        "bytes come to those who fetch them, from several people at once, and a cut fetch goes "
        "on where it stopped. Enter fetches one, and saves a copy once it is here. The program "
        "never opens a file: it is what a stranger sent. F9 attaches a file of yours, signed."
    )
    HELP_COMMANDS = (
        "p2pcommons attachments ID",
        "p2pcommons fetch ATTACHMENT --out F",
        "p2pcommons attach ID FILE",
    )

    AUTO_FOCUS = "ChoiceList"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f9", "attach", "Attach, signed", id="files.attach"),
    ]
    KEY_ORDER = ("choice.choose", "files.attach", "dialog.leave")

    DEFAULT_CSS = """
    Files ChoiceList { height: auto; max-height: 12; margin-top: 1; }
    """

    def __init__(self, context: Context, row: EntryLine) -> None:
        super().__init__()
        self.context = context
        self._row = row
        self._files: dict[str, Attachment] = {}
        self._fetching: dict[str, _Answer] = {}

    def title_words(self) -> str:
        """What stands in the frame."""
        return "Files"

    def content(self) -> Iterable[Widget]:
        """The list, and a field for one more."""
        yield words(self._row.title)
        yield ChoiceList(glyphs=self.context.glyphs, widget_id="files")
        yield words("", "quiet", "about")
        yield words("Attach a file of yours (its path)", "label")
        yield Field(id="path", compact=True)
        yield words("", "wrong", "wrong")

    def on_mount(self) -> None:
        """Read what there is, and look now and then what has come."""
        self._read()
        self.set_interval(POLL_SECONDS, self._look)

    @command("files")
    async def _read(self) -> None:
        row = self._row
        listed = await self.context.desk.read.run(
            lambda replica: replica.attachments(row.commons, row.entry)
        )
        if not listed:
            self.query_one("#path", Input).focus()
        elif len(listed) != len(self._files):
            self.query_one("#files", ChoiceList).focus()
        self._files = {each.id.hex(): each for each in listed}
        self._show()

    def _show(self) -> None:
        choices = [self._choice(key, each) for key, each in self._files.items()]
        self.query_one("#files", ChoiceList).set_choices(choices)
        told = "" if choices else "None yet."
        if self._fetching:
            told = "; ".join(_progress_words(each) for each in self._fetching.values())
        self.query_one("#about", Static).update(told)

    def _choice(self, key: str, file: Attachment) -> Choice:
        going = self._fetching.get(key)
        about = f"{file.name}  {file.note}".rstrip()
        note = f"{size_said(file.size)}  {file.who}  {'here' if file.is_here else 'not here'}"
        if going is None:
            return Choice(key, about, note, "good" if file.is_here else "plain")
        share = cast("int", going.get("have") or 0) / max(1, file.size)
        return Choice(key, about, note, bar=share)

    @on(ChoiceList.Chosen, "#files")
    @command("dialog")
    async def file_chosen(self, event: ChoiceList.Chosen) -> None:
        """Fetch what is not here, save what is."""
        file = self._files[event.choice.key]
        if file.is_here:
            await self._save(file)
        elif not self.context.news.status.running:
            self.app.post_message(NodeWanted(asked=True))
            self.notify("Starting the node, which fetches it; press Enter again.", markup=False)
        else:
            self._fetching[event.choice.key] = {}
            await self._ask(event.choice.key)

    async def _save(self, file: Attachment) -> None:
        downloads = Path.home() / "Downloads"
        folder = downloads if downloads.is_dir() else Path.home()
        try:
            saved = await self.context.desk.slow.run(
                lambda replica: replica.save_attachment(file, folder)
            )
        except P2PCommonsError as error:
            self.query_one("#wrong", Static).update(str(error))
            return
        self.notify(f"A copy is at {saved}", markup=False)

    @command("files-look")
    async def _look(self) -> None:
        for key in list(self._fetching):
            await self._ask(key)

    async def _ask(self, key: str) -> None:
        paths, asked = self.context.desk.paths, {"op": "fetch", "id": key}
        try:
            answer = await self.context.desk.node.run(lambda _: control.request(paths, asked))
        except P2PCommonsError as error:
            answer = _Answer(trouble=str(error))
        if answer.get("trouble"):
            del self._fetching[key]
            self.query_one("#wrong", Static).update(str(answer["trouble"]))
        elif answer.get("whole"):
            del self._fetching[key]
            self.notify(f"{self._files[key].name} is here.", markup=False)
            self._read()
        else:
            self._fetching[key] = answer
        self._show()

    @command("dialog")
    async def action_attach(self) -> None:
        """Publish the file at the path that was typed."""
        field, row = self.query_one("#path", Input), self._row
        wrong = self.query_one("#wrong", Static)
        typed = field.value.strip()
        if not typed:
            wrong.update("Type the path of a file first.")
            return
        wrong.update("Copying it in…")
        try:
            made = await self.context.desk.write.run(
                lambda replica: replica.attach(row.commons, row.entry, Path(typed).expanduser())
            )
        except P2PCommonsError as error:
            wrong.update(str(error))
            return
        wrong.update("")
        field.value = ""
        said = "was attached already; nothing was added" if made.already else "is attached"
        self.notify(f"{made.name} {said}.", markup=False)
        self.app.post_message(Wrote())
        self._read()


def _progress_words(answer: _Answer) -> str:
    have, of = cast("int", answer.get("have") or 0), cast("int", answer.get("of") or 0)
    holders = cast("int", answer.get("holders") or 0)
    if not holders:
        return f"{size_said(have)} of {size_said(of)}, waiting for somebody who has it"
    return f"{size_said(have)} of {size_said(of)} from {wording.count(holders, 'peer')}"
