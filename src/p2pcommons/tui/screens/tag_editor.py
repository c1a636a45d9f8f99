"""One's own tags on one entry or on several: suggestions of the commons while typing.

Suggestions come from the store by prefix, twenty at most. Nothing is signed before
Save; others' tags stay theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from p2pcommons.errors import P2PCommonsError, UserError
from p2pcommons.model.tags import normalise
from p2pcommons.tui import shaping, wording
from p2pcommons.tui.command import command
from p2pcommons.tui.screens.dialog import Dialog, words
from p2pcommons.tui.widgets.choice_list import Choice, ChoiceList
from p2pcommons.tui.widgets.field import Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.widget import Widget

    from p2pcommons.replica import Replica
    from p2pcommons.store import TagCount
    from p2pcommons.tui.context import Context
    from p2pcommons.tui.records import EntryLine

SUGGESTIONS_MAX = 20
NAMES_SHOWN_MAX = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """Tags on the chosen entries: tag, who, and whether I am among them on all of them."""

    tag: str
    people: tuple[str, ...]
    mine: bool


class TagEditor(Dialog[bool]):
    """Add and take back one's own tags; True when something was written."""

    HELP_TITLE = "Tags"
    HELP_TEXT = (
        "Anybody may tag anything; a tag is your signed word about an entry, and you can take it "
        "back. Type to find a tag that is in use already, Enter adds it. In the list below, "
        "Enter agrees with somebody's tag or takes yours back. Nothing is sent before you save."
    )
    HELP_COMMANDS = ("p2pcommons tag ID +winter -cook", "p2pcommons tags --prefix wi")

    DEFAULT_CSS = """
    TagEditor > .frame { width: 84; }
    TagEditor #suggestions { height: 6; margin-top: 0; background: $panel; }
    TagEditor #standing { height: auto; max-height: 7; }
    TagEditor #changes { color: $accent; height: auto; margin-top: 1; }
    TagEditor .label { height: 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", id="tags.save"),
        Binding("escape", "leave", "Cancel", id="dialog.leave"),
        Binding("down", "down", "Choose", id="tags.down", show=False),
    ]
    KEY_ORDER = ("tags.save", "dialog.leave", "choice.choose")

    def __init__(self, context: Context, rows: Sequence[EntryLine]) -> None:
        super().__init__()
        self.context = context
        self._rows = tuple(rows)
        self._standing: tuple[Standing, ...] = ()
        self._add: list[str] = []
        self._remove: list[str] = []

    def title_words(self) -> str:
        """What stands in the frame."""
        if len(self._rows) == 1:
            return f"Tags: {self._rows[0].title[:64]}"
        return f"Tags: {len(self._rows)} entries"

    def content(self) -> Iterable[Widget]:
        """Field, suggestions, what is there, what will change."""
        glyphs = self.context.glyphs
        yield Field(id="tag", compact=True, placeholder="type a tag, Enter adds it")
        yield ChoiceList(glyphs=glyphs, widget_id="suggestions")
        yield words("ON THIS ENTRY" if len(self._rows) == 1 else "ON THESE ENTRIES", "label")
        yield ChoiceList(glyphs=glyphs, widget_id="standing")
        yield words("", widget_id="changes")
        yield words("", "wrong", "wrong")

    def on_mount(self) -> None:
        """Read what is there."""
        self._read()
        self._suggest("")

    @command("standing")
    async def _read(self) -> None:
        rows = self._rows
        self._standing = await self.context.desk.read.run(
            lambda replica: standing_tags(replica, rows)
        )
        self._show()

    @command("suggest")
    async def _suggest(self, prefix: str) -> None:
        scope = tuple({row.commons for row in self._rows})
        found = await self.context.desk.search.run(
            lambda replica: replica.tag_counts(scope, prefix, SUGGESTIONS_MAX)
        )
        self._show_suggestions(prefix, found)

    def _show_suggestions(self, prefix: str, found: Sequence[TagCount]) -> None:
        mine = {*self._add, *(each.tag for each in self._standing if each.mine)}
        choices = [
            Choice(row.tag, f"#{row.tag}", wording.count(row.count, "entry", "entries"))
            for row in found
            if row.tag not in mine
        ]
        if prefix and prefix not in mine and prefix not in {row.tag for row in found}:
            choices.insert(0, Choice(prefix, f"#{prefix}", "new here", look="good"))
        self.query_one("#suggestions", ChoiceList).set_choices(choices)

    def _show(self) -> None:
        you = "you"
        choices: list[Choice] = []
        for each in self._standing:
            mine = (each.mine or each.tag in self._add) and each.tag not in self._remove
            names = [you, *each.people] if mine else list(each.people)
            shown = wording.listed(names[:NAMES_SHOWN_MAX], max(0, len(names) - NAMES_SHOWN_MAX))
            choices.append(Choice(each.tag, f"#{each.tag}", shown or "nobody then", chosen=mine))
        known = {each.tag for each in self._standing}
        choices += [
            Choice(tag, f"#{tag}", you, chosen=True) for tag in self._add if tag not in known
        ]
        none = [Choice("", "no tags yet", look="quiet")]
        self.query_one("#standing", ChoiceList).set_choices(choices or none)
        self.query_one("#changes", Static).update(self._changes())

    def _changes(self) -> str:
        if not self._add and not self._remove:
            return "Your tags are signed with your name and go to everybody in the commons."
        signs = [f"+{tag}" for tag in self._add] + [f"-{tag}" for tag in self._remove]
        return f"{'  '.join(signs)}    ^s signs and saves"

    @on(Input.Changed, "#tag")
    def tag_typed(self, event: Input.Changed) -> None:
        """Look for tags that begin like this."""
        self.query_one("#wrong", Static).update("")
        self._suggest(_prefix(event.value))

    @on(Input.Submitted, "#tag")
    def tag_entered(self, event: Input.Submitted) -> None:
        """Add what was typed; an empty field saves."""
        if event.value.strip():
            self._put(event.value)
        elif self._add or self._remove:
            self.action_save()

    @on(ChoiceList.Chosen, "#suggestions")
    def suggestion_chosen(self, event: ChoiceList.Chosen) -> None:
        """Add a tag that is in use."""
        self._put(event.choice.key)
        self.query_one("#tag", Input).focus()

    @on(ChoiceList.Chosen, "#standing")
    def standing_chosen(self, event: ChoiceList.Chosen) -> None:
        """Agree with a tag, or take one's own back."""
        tag = event.choice.key
        if not tag:
            return
        was_mine = any(each.tag == tag and each.mine for each in self._standing)
        if event.choice.chosen:
            self._add = [each for each in self._add if each != tag]
            self._remove += [tag] if was_mine else []
        else:
            self._remove = [each for each in self._remove if each != tag]
            self._add += [] if was_mine else [tag]
        self._show()

    def action_down(self) -> None:
        """From the field into the suggestions."""
        self.query_one("#suggestions", ChoiceList).focus()

    def _put(self, text: str) -> None:
        try:
            tag = normalise(text)
        except UserError as error:
            self.query_one("#wrong", Static).update(str(error))
            return
        mine = any(each.tag == tag and each.mine for each in self._standing)
        if tag in self._remove:
            self._remove.remove(tag)
        elif tag not in self._add and not mine:
            self._add.append(tag)
        self.query_one("#tag", Input).value = ""
        self._show()

    def action_save(self) -> None:
        """Write the changes; what is still in the field counts."""
        if self.query_one("#tag", Input).value.strip():
            self._put(self.query_one("#tag", Input).value)
        if self._add or self._remove:
            self._save(tuple(self._add), tuple(self._remove))
        else:
            self.dismiss(False)

    @command("save")
    async def _save(self, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
        rows = self._rows

        def write(replica: Replica) -> None:
            with replica.batch():
                for row in rows:
                    replica.tag_entry(row.commons, row.entry, add=add, remove=remove)

        try:
            await self.context.desk.write.run(write)
        except P2PCommonsError as error:
            # The dialog stays, so nothing that was typed is lost.
            self.query_one("#wrong", Static).update(str(error))
            return
        self.dismiss(True)


def standing_tags(replica: Replica, rows: Sequence[EntryLine]) -> tuple[Standing, ...]:
    """The tags on some entries with the people behind them, most people first."""
    people: dict[str, dict[str, None]] = {}
    mine: dict[str, int] = {}
    for row in rows:
        for tagger in shaping.entry_page(replica, row.commons, row.entry).taggers:
            names = people.setdefault(tagger.tag, {})
            names.update(dict.fromkeys(tagger.others))
            mine[tagger.tag] = mine.get(tagger.tag, 0) + tagger.mine
    return tuple(
        Standing(tag, tuple(names), mine.get(tag, 0) == len(rows))
        for tag, names in sorted(people.items(), key=lambda item: (-len(item[1]), item[0]))
    )


def _prefix(text: str) -> str:
    """What is typed, as far as it can be the beginning of a tag."""
    try:
        return normalise(text)
    except UserError:
        return ""
