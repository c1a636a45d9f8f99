"""What a person can do with an entry, the same keys wherever one is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from p2pcommons.errors import P2PCommonsError
from p2pcommons.tui import shaping
from p2pcommons.tui.command import command
from p2pcommons.tui.messages import Wrote
from p2pcommons.tui.screens.open_link import OpenLink, openable_host
from p2pcommons.tui.screens.page import Page
from p2pcommons.tui.widgets.choice_list import ChoiceList

if TYPE_CHECKING:
    from p2pcommons.tui.records import EntryLine


class EntryActions(Page):
    """Base of the pages that show entries."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "tag", "Tag", id="entry.tag"),
        Binding("n", "new", "New", id="entry.new"),
        Binding("e", "edit", "Edit", id="entry.edit"),
        Binding("o", "link", "Open link", id="entry.link"),
        Binding("y", "copy", "Copy link", id="entry.copy", show=False),
        Binding("Y", "copy_id", "Copy id", id="entry.copy-id", show=False),
        Binding("p", "pin", "Pin or unpin", id="entry.pin", show=False),
        Binding("G", "fetch", "Fetch its text", id="entry.fetch", show=False),
        Binding("D", "remove", "Remove from here", id="entry.remove", show=False),
        Binding("F", "files", "Files", id="entry.files", show=False),
        Binding("i", "invite", "Invite", id="commons.invite", show=False),
        Binding("R", "room", "Room on this machine", id="commons.room", show=False),
        Binding("C", "commons", "Start or join a commons", id="commons.more", show=False),
    ]

    def current(self) -> EntryLine | None:
        """The entry the keys act on."""
        return None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """What needs an entry is offered only where there is one."""
        if action in ("tag", "edit", "link", "copy", "copy_id", "pin", "fetch", "remove", "files"):
            return self.is_mounted and self.current() is not None
        return True

    def chosen(self) -> tuple[int, ...]:
        """Row ids of the entries that a tag goes to."""
        row = self.current()
        return () if row is None else (row.rowid,)

    def chosen_done(self) -> None:
        """The chosen entries have been acted on."""

    def open_reader(self, row: EntryLine) -> None:
        """Read an entry on the whole screen."""
        from p2pcommons.tui.screens.reader import Reader

        self.app.push_screen(Reader(self.context, row, self.step))

    def step(self, by: int) -> int | None:  # noqa: ARG002
        """The row id of the next (1) or previous (-1) entry of the list, if there is one."""
        return None

    @command("dialog")
    async def action_tag(self) -> None:
        """Edit one's own tags on the chosen entries."""
        from p2pcommons.tui.screens.tag_editor import TagEditor

        rowids = self.chosen()
        if not rowids:
            self.notify("No entry is chosen.", markup=False)
            return
        rows = await self.context.desk.read.run(
            lambda replica: shaping.entry_lines(replica, rowids)
        )
        if rows and await self.app.push_screen_wait(TagEditor(self.context, rows)):
            self.chosen_done()
            self.app.post_message(Wrote())

    @command("dialog")
    async def action_new(self) -> None:
        """Write a new entry."""
        from p2pcommons.tui.screens.open_compose import open_compose

        if not self.context.news.overview.commons:
            await self._begin()
        if self.context.news.overview.commons:
            await open_compose(self, self.context)

    @command("dialog")
    async def action_edit(self) -> None:
        """Write a new version of the entry."""
        from p2pcommons.tui.screens.open_compose import open_compose

        row = self.current()
        if row is not None:
            await open_compose(self, self.context, row)

    @command("dialog")
    async def action_link(self) -> None:
        """Open the address of the entry, asking once per host."""
        row = self.current()
        if row is None:
            return
        try:
            page = await self.context.desk.read.run(
                lambda replica: shaping.entry_page(replica, row.commons, row.entry)
            )
        except P2PCommonsError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        address = page.heads[0].url if page.heads else ""
        if not address:
            self.notify("This entry has no address.", markup=False)
            return
        await self.open_address(address)

    async def open_address(self, address: str) -> None:
        """Open an address in the browser, asking the first time a host is met."""
        if openable_host(address) in self.context.hosts_allowed:
            self.app.open_url(address)
        else:
            await self.app.push_screen_wait(OpenLink(self.context, address))

    @command("dialog")
    async def action_copy(self) -> None:
        """Copy the address, or the id of an entry that has none."""
        row = self.current()
        if row is None:
            return
        page = await self.context.desk.read.run(
            lambda replica: shaping.entry_page(replica, row.commons, row.entry)
        )
        address = page.heads[0].url if page.heads else ""
        self.app.copy_to_clipboard(address or row.entry.hex())
        self.notify("Copied the address." if address else "Copied the id.", markup=False)

    def action_copy_id(self) -> None:
        """Copy the id of the entry."""
        row = self.current()
        if row is not None:
            self.app.copy_to_clipboard(row.entry.hex())
            self.notify("Copied the id.", markup=False)

    @command("dialog")
    async def action_pin(self) -> None:
        """Keep the texts of the entry whatever the budget says, or no longer."""
        from p2pcommons.tui.screens.room import toggle_pin

        row = self.current()
        if row is not None:
            await toggle_pin(self, self.context, row)

    @command("dialog")
    async def action_fetch(self) -> None:
        """Fetch the texts of the entry that are not here."""
        from p2pcommons.tui.screens.room import fetch_texts

        row = self.current()
        if row is not None:
            await fetch_texts(self, self.context, row)

    @command("dialog")
    async def action_remove(self) -> None:
        """Drop the entry from this machine."""
        from p2pcommons.tui.screens.room import remove

        row = self.current()
        if row is not None and await remove(self, self.context, row):
            self.removed()

    @command("dialog")
    async def action_files(self) -> None:
        """Show the files that go with the entry."""
        from p2pcommons.tui.screens.files import Files

        row = self.current()
        if row is not None:
            await self.app.push_screen_wait(Files(self.context, row))

    def removed(self) -> None:
        """The entry is not here any more."""

    @command("dialog")
    async def action_room(self) -> None:
        """Show what a commons takes on this machine, and set how much it may."""
        from p2pcommons.tui.screens.room import show_room

        await show_room(self, self.context)

    @command("dialog")
    async def action_invite(self) -> None:
        """Show an invite to the commons in view."""
        from p2pcommons.tui.screens.invite_card import show_invite

        await show_invite(self, self.context)

    @command("dialog")
    async def action_commons(self) -> None:
        """Start a commons, paste an invite, or open the handbook."""
        from p2pcommons.tui.screens.commons_dialogs import more_commons

        await more_commons(self, self.context)

    @on(ChoiceList.Chosen, "#offers")
    @command("dialog")
    async def offer_chosen(self, event: ChoiceList.Chosen) -> None:
        """Do what was offered where there is nothing to list."""
        from p2pcommons.tui.screens import commons_dialogs
        from p2pcommons.tui.screens.nearby import join_offered
        from p2pcommons.tui.screens.welcome import OFFERED

        match event.choice.key:
            case "begin":
                await self._begin()
            case "join":
                await commons_dialogs.join(self, self.context)
            case "handbook":
                await commons_dialogs.open_handbook(self, self.context)
            case "write":
                self.action_new()
            case "invite":
                self.action_invite()
            case "network":
                self.app.switch_mode("network")
            case "nearby":
                await commons_dialogs.look_around(self)
            case key if key.startswith(OFFERED):
                await join_offered(self, self.context, key.removeprefix(OFFERED))
            case _:
                await self.run_action("back")

    async def _begin(self) -> None:
        from p2pcommons.tui.screens import commons_dialogs

        await commons_dialogs.begin(self, self.context)
