"""Write an entry or a new version of one. What is typed is never lost.

The draft is saved two seconds after something was typed, when the screen is left, and
before publishing is tried; it goes only when publishing has succeeded or it is empty.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static, TextArea

from p2pcommons.errors import P2PCommonsError
from p2pcommons.model.limits import BODY_BYTES_MAX
from p2pcommons.model.words import clean_text
from p2pcommons.tui import wording
from p2pcommons.tui.command import command
from p2pcommons.tui.drafting import FORMS, has_words, join_tags, split_tags
from p2pcommons.tui.external_editor import edit_outside, editor_command
from p2pcommons.tui.messages import NodeWanted, Wrote
from p2pcommons.tui.screens.dialog import Confirm, words
from p2pcommons.tui.screens.page import Page
from p2pcommons.tui.screens.publish import Publish
from p2pcommons.tui.widgets.cycle import Cycle
from p2pcommons.tui.widgets.field import Field, TextField
from p2pcommons.tui.widgets.reader_view import ReaderView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.timer import Timer
    from textual.widget import Widget

    from p2pcommons.replica import Draft
    from p2pcommons.tui.context import Context
    from p2pcommons.tui.drafting import Writing

SAVE_PAUSE_SECONDS = 2.0
PREVIEW_PAUSE_SECONDS = 0.3


class Compose(Page):
    """The editor."""

    AUTO_FOCUS = "#title"

    HELP_TITLE = "Write"
    HELP_TEXT = (
        "Title, address and text are all optional, but one of them is needed. The text is "
        "Markdown. Licence and language (F3) may stay empty: the terms of the commons hold then. "
        "Drafts are saved by themselves and stay on this machine; F9 shows what would "
        "leave it, and signs. Escape leaves; the draft waits for you."
    )
    HELP_COMMANDS = (
        "p2pcommons add URL --title T --text T --tag t",
        "p2pcommons edit ID --file F",
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f9", "publish", "Publish…", id="compose.publish"),
        Binding("ctrl+s", "save", "Save", id="compose.save"),
        Binding("f8", "preview", "Preview", id="compose.preview"),
        Binding("ctrl+g", "editor", "$EDITOR", id="compose.editor"),
        Binding("escape", "leave", "Leave, draft kept", id="compose.leave"),
        Binding("ctrl+t", "tags", "Tags", id="compose.tags", show=False),
        Binding("f3", "terms", "Licence, language", id="compose.terms", show=False),
        Binding("f2", "drop", "Throw the draft away…", id="compose.drop", show=False),
    ]
    KEY_ORDER = (
        "compose.publish",
        "compose.save",
        "compose.leave",
        "compose.preview",
        "compose.editor",
        "cycle.next",
    )

    DEFAULT_CSS = """
    Compose #editing { width: 3fr; padding: 1 0 0 1; }
    Compose .row { height: 1; margin-bottom: 1; }
    Compose .row .name { width: 9; color: $muted; }
    Compose .row Input { width: 1fr; }
    Compose .terms #language { width: 12; }
    Compose .terms .name { width: auto; min-width: 9; padding-right: 1; }
    Compose.-narrow .terms { display: none; }
    Compose.-narrow.-terms .terms { display: block; }
    Compose #what { height: 1; color: $primary; text-style: bold; margin-bottom: 1; }
    Compose TextArea { height: 1fr; border: none; background: $surface; padding: 0 1; }
    Compose TextArea:focus { border: none; background: $surface; }
    Compose #state { height: 1; color: $muted; }
    Compose #beside { width: 2fr; border-left: solid $line; padding-top: 1; margin-left: 1; }
    Compose #beside .heading { padding: 0 2; margin-bottom: 1; }
    Compose.-narrow #beside { display: none; border-left: none; margin: 0; }
    Compose.-narrow.-preview #beside { display: block; width: 1fr; }
    Compose.-narrow.-preview #editing { display: none; }
    Compose.-wide.-preview #beside { display: none; }
    Compose.-narrow #what { margin: 0; }
    Compose.-narrow .row { margin: 0; }
    Compose.-narrow #editing { padding: 0 1; }
    Compose.-narrow TextArea { margin-top: 1; }
    """

    def __init__(self, context: Context, writing: Writing) -> None:
        super().__init__(context)
        self._writing = writing
        self._saved = writing.draft
        self._save_timer: Timer | None = None
        self._preview_timer: Timer | None = None

    def body(self) -> Iterable[Widget]:
        """Fields at the left, preview at the right."""
        draft = self._writing.draft
        joined = self.context.news.overview.commons
        commons = [(line.commons.hex(), line.title) for line in joined]
        if not self._writing.is_new:
            commons = [pair for pair in commons if pair[0] == draft.commons]
        forms = [*FORMS, *([draft.form] if draft.form and draft.form not in FORMS else [])]
        title = Field(draft.title, id="title", compact=True, select_on_focus=False)
        area = TextField(draft.text, id="text", show_line_numbers=False, soft_wrap=True)
        area.indent_type = "spaces"
        yield Horizontal(
            Vertical(
                words(self._what(), widget_id="what"),
                _row("Title", title),
                _row("Link", Field(draft.url, id="url", compact=True, select_on_focus=False)),
                _row(
                    "Tags",
                    Field(join_tags(draft.tags), id="tags", compact=True, select_on_focus=False),
                ),
                _row(
                    "In",
                    Cycle(commons, draft.commons, widget_id="commons"),
                    words("  as", "name"),
                    Cycle([(form, form) for form in forms], draft.form or "note", widget_id="form"),
                ),
                self._terms(draft),
                area,
                words("", widget_id="state"),
                id="editing",
            ),
            Vertical(
                words(self._beside_title(), "heading"), ReaderView(self.context.glyphs), id="beside"
            ),
        )

    def _terms(self, draft: Draft) -> Horizontal:
        """Licence and language: on a narrow screen behind a key, unless something is in them."""
        usual = self._usual_licence(draft.commons)
        licence = Field(draft.licence, id="licence", compact=True, placeholder=usual)
        language = Field(draft.language, id="language", compact=True, placeholder="en, pt-BR")
        row = _row("Licence", licence, words("  Language", "name"), language)
        row.add_class("terms")
        self.set_class(bool(draft.licence or draft.language), "-terms")
        return row

    def _usual_licence(self, commons: str) -> str:
        line = self.context.news.overview.find(bytes.fromhex(commons))
        return f"{line.licence}, as the commons" if line and line.licence else "as the commons"

    @on(Cycle.Turned, "#commons")
    def commons_turned(self, event: Cycle.Turned) -> None:
        """Another commons has other terms."""
        self.query_one("#licence", Input).placeholder = self._usual_licence(event.value)

    def on_mount(self) -> None:
        """Show what is there already."""
        self._preview()
        self._show_state("saved" if self._writing.draft.name else "")

    def _what(self) -> str:
        if self._writing.merge:
            return "One version in place of all that stand side by side"
        return "New entry" if self._writing.is_new else "New version"

    def _beside_title(self) -> str:
        return "THE OTHER VERSIONS" if self._writing.merge else "PREVIEW"

    # What is typed

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(Cycle.Turned)
    def typed(self) -> None:
        """Save soon, and preview when the fingers rest."""
        if self._save_timer is None:
            # Not put off by further keys: who writes without a pause is saved too.
            self._save_timer = self.set_timer(SAVE_PAUSE_SECONDS, self.action_save)
        if self._preview_timer is not None:
            self._preview_timer.stop()
        self._preview_timer = self.set_timer(PREVIEW_PAUSE_SECONDS, self._preview)
        unsaved = self.typed_draft() != self._saved
        self._show_state("not saved yet" if unsaved else "saved" if self._saved.name else "")

    @on(Input.Submitted)
    def field_done(self) -> None:
        """Enter goes to the next field."""
        self.focus_next()

    def typed_draft(self) -> Draft:
        """The draft as it stands in the fields."""
        return replace(
            self._saved,
            title=self.query_one("#title", Input).value,
            url=self.query_one("#url", Input).value.strip(),
            tags=split_tags(self.query_one("#tags", Input).value),
            text=self.query_one("#text", TextArea).text,
            commons=self.query_one("#commons", Cycle).value,
            form=self._typed_form(),
            licence=self.query_one("#licence", Input).value.strip(),
            language=self.query_one("#language", Input).value.strip(),
        )

    def _typed_form(self) -> str:
        form = self.query_one("#form", Cycle).value
        # Nothing was chosen: an entry with an address is a link, one without a note.
        untouched = not self._writing.draft.form and form == "note"
        return "" if untouched else form

    def _preview(self) -> None:
        view = self.query_one(ReaderView)
        if self._writing.merge:
            view.show(
                "\n\n---\n\n".join(
                    f"**{head.who}**, {wording.ago(head.when, self.context.now())}\n\n{head.text}"
                    for head in self._writing.others
                )
            )
        else:
            view.show(clean_text(self.query_one("#text", TextArea).text))

    def _show_state(self, saved: str) -> None:
        text = self.query_one("#text", TextArea).text
        octets = len(text.encode("utf-8", "surrogatepass"))
        parts = [wording.count(len(text.split()), "word"), wording.size(octets)]
        if octets > BODY_BYTES_MAX * 9 // 10:
            parts.append(f"the limit is {wording.size(BODY_BYTES_MAX)}")
        if saved:
            parts.append(f"draft {saved}")
        dot = f" {self.context.glyphs.dot} "
        self.query_one("#state", Static).update(dot.join(parts))

    # Saving

    def action_save(self) -> None:
        """Save the draft now."""
        if self._save_timer is not None:
            self._save_timer.stop()
            self._save_timer = None
        self._save_draft()

    @command("save-draft", exclusive=False)
    async def _save_draft(self) -> None:
        await self.save_now()

    async def save_now(self) -> bool:
        """Save the draft and say so; False when it could not be saved."""
        draft = self.typed_draft()
        if draft == self._saved or not (draft.name or has_words(draft, self._writing.base)):
            return True
        try:
            saved = await self.context.desk.write.run(lambda replica: replica.save_draft(draft))
        except P2PCommonsError as error:
            self._show_state("NOT saved")
            self.notify(f"The draft is not saved: {error}", severity="error", markup=False)
            return False
        # Only what belongs to the file: the person may have typed on meanwhile.
        self._saved = replace(saved)
        self._show_state("saved" if self.typed_draft() == saved else "not saved yet")
        return True

    async def before_leaving(self) -> None:
        """The program ends: what was typed in the last two seconds is saved too."""
        await self.save_now()

    # What the person does

    def action_preview(self) -> None:
        """Show or hide the preview."""
        self.toggle_class("-preview")
        if not self.is_wide and not self.has_class("-preview"):
            self.query_one("#text", TextArea).focus()

    def action_terms(self) -> None:
        """Go to licence and language; a second time puts empty ones away, to save room."""
        field, draft = self.query_one("#licence", Input), self.typed_draft()
        if self.has_class("-terms") and field.has_focus and not (draft.licence or draft.language):
            self.remove_class("-terms")
            self.query_one("#text", TextArea).focus()
            return
        self.add_class("-terms")
        field.focus()

    def action_tags(self) -> None:
        """Go to the tags."""
        self.query_one("#tags", Input).focus()

    def action_editor(self) -> None:
        """Write the text in the person's own editor."""
        command = editor_command()
        if not command or not self.app._driver or not self.app._driver.can_suspend:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            self.notify("No editor: set VISUAL or EDITOR.", markup=False)
            return
        area = self.query_one("#text", TextArea)
        with self.app.suspend():
            text = edit_outside(command, area.text)
        if text is None:
            self.notify("The editor did not end well; the text is as it was.", markup=False)
        elif text != area.text:
            area.text = text
        self.refresh()

    @command("leave")
    async def action_leave(self) -> None:
        """Go back; the draft stays, and an empty one goes."""
        if await self.save_now():
            draft = self.typed_draft()
            if draft.name and not has_words(draft, self._writing.base):
                await self._forget_draft()
            elif draft.name:
                self.app.notify("The draft is kept; n or e goes on with it.", markup=False)
            self.dismiss()

    @command("leave")
    async def action_drop(self) -> None:
        """Throw the draft away and go back, once that was asked."""
        sure = await self.app.push_screen_wait(
            Confirm("Throw the draft away?", "What you typed here is nowhere else, and gone then.")
        )
        if sure:
            await self._forget_draft()
            self.dismiss()

    @command("leave")
    async def action_publish(self) -> None:
        """Show what would leave the machine, sign, and go back."""
        draft = self.typed_draft()
        await self.save_now()
        published = await self.app.push_screen_wait(
            Publish(self.context, replace(self._writing, draft=draft))
        )
        if published:
            await self._forget_draft()
            self.app.post_message(Wrote())
            self.app.post_message(NodeWanted())
            self.dismiss()

    async def _forget_draft(self) -> None:
        if self._save_timer is not None:
            self._save_timer.stop()
        name = self._saved.name
        if name:
            await self.context.desk.write.run(lambda replica: replica.delete_draft(name))


def _row(name: str, *fields: Widget) -> Horizontal:
    return Horizontal(words(name, "name"), *fields, classes="row")
