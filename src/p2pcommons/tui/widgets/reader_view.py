"""A Markdown text of any length: laid out in a worker, drawn line by line.

The first screens of a long text are laid out alone and shown at once. The place is
kept as a source offset, so it survives another width; links carry letters and
nothing is opened by looking at it.
"""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from p2pcommons.tui.look import FULL, Glyphs
from p2pcommons.tui.reading.blocks import first_part, lay_out
from p2pcommons.tui.reading.inline import link_label
from p2pcommons.tui.reading.page import CODE, EM, LABEL, LINK, STRIKE, STRONG, Page, Span

MEASURE_CELLS_MAX = 86
"""Longer lines are hard to read: the eye loses its way back."""

MARGIN_CELLS = 2

_ROLES = (
    "text",
    "heading-1",
    "heading-2",
    "heading-3",
    "quote-mark",
    "bullet",
    "rule",
    "code",
    "table-head",
    "label",
    "link",
    "inline-code",
)


class ReaderView(ScrollView, can_focus=True):
    """Shows one text; `show` may be called at any time, the newest call wins."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"reader-view--{role}" for role in _ROLES}

    DEFAULT_CSS = """
    ReaderView {
        scrollbar-size-vertical: 1;
        overflow-x: hidden;
        & > .reader-view--text { color: $foreground; }
        & > .reader-view--heading-1 { color: $primary; text-style: bold; }
        & > .reader-view--heading-2 { color: $primary; text-style: bold; }
        & > .reader-view--heading-3 { color: $foreground; text-style: bold; }
        & > .reader-view--quote-mark { color: $share; }
        & > .reader-view--bullet { color: $accent; }
        & > .reader-view--rule { color: $line; }
        & > .reader-view--code { color: $foreground; background: $panel; }
        & > .reader-view--inline-code { color: $accent; }
        & > .reader-view--table-head { color: $foreground; text-style: bold; }
        & > .reader-view--link { color: $link; text-style: underline; }
        & > .reader-view--label { color: $faint; }
        &.-labels > .reader-view--label { color: $background; background: $accent; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", "Down", id="text.down", show=False),
        Binding("up,k", "scroll_up", "Up", id="text.up", show=False),
        Binding("pagedown,space", "page_down", "Page down", id="text.page-down", show=False),
        Binding("pageup", "page_up", "Page up", id="text.page-up", show=False),
        Binding("home", "scroll_home", "Top", id="text.top", show=False),
        Binding("end", "scroll_end", "End", id="text.end", show=False),
    ]

    class LaidOut(Message):
        """A text, or the first part of it, stands on the screen."""

        def __init__(self, view: ReaderView, page: Page, *, whole: bool) -> None:
            super().__init__()
            self.view = view
            self.page = page
            self.whole = whole

        @property
        def control(self) -> ReaderView:
            """The view that was laid out."""
            return self.view

    class _Ready(Message):
        """A worker finished a page; `ticket` says for which call of `show`."""

        def __init__(self, ticket: int, page: Page, *, whole: bool) -> None:
            super().__init__()
            self.ticket = ticket
            self.page = page
            self.whole = whole

    def __init__(self, glyphs: Glyphs = FULL, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self.page = Page(0, ())
        self._glyphs = glyphs
        self._source = ""
        self._ticket = 0
        self._keep = 0
        self._styles: dict[tuple[str, int], Style] = {}

    @property
    def links(self) -> tuple[str, ...]:
        """Addresses in the order of their labels."""
        return self.page.links

    def show(self, source: str) -> None:
        """Show a cleaned Markdown text from its beginning; the one that is shown stays as it is."""
        if source == self._source and self.page.width:
            return
        self._source = source
        self._keep = 0
        self._begin()

    def link_named(self, label: str) -> str | None:
        """The address of the link with this letter, if there is one."""
        for index, address in enumerate(self.page.links):
            if link_label(index) == label:
                return address
        return None

    def on_resize(self) -> None:
        """Lay the text out again for another width and stay at the same words."""
        if self._text_width() != self.page.width:
            top = self.page.lines[self.scroll_offset.y :]
            self._keep = next((line.source for line in top if line.source >= 0), 0)
            self._begin()

    def notify_style_update(self) -> None:
        """Take the colours of a new theme."""
        super().notify_style_update()
        self._styles.clear()

    def show_labels(self, bright: bool) -> None:
        """Make the letters of links stand out while one is awaited."""
        self.set_class(bright, "-labels")
        self._styles.clear()
        self.refresh()

    def _begin(self) -> None:
        self._ticket += 1
        if self.size.width:
            self._lay_out(self._ticket, self._source, self._text_width())

    @work(thread=True, exclusive=True, group="lay-out")
    def _lay_out(self, ticket: int, source: str, width: int) -> None:
        marks = self._glyphs.reading
        beginning = first_part(source)
        if beginning is not source:
            page = lay_out(beginning, width, marks)
            self.post_message(self._Ready(ticket, page, whole=False))
        if ticket == self._ticket:
            page = lay_out(source, width, marks)
            self.post_message(self._Ready(ticket, page, whole=True))

    def on_reader_view__ready(self, message: _Ready) -> None:
        """Put a finished page on the screen unless another text is wanted by now."""
        message.stop()
        if message.ticket != self._ticket:
            return
        first = message.page.width != self.page.width or not message.whole
        self.page = message.page
        self.virtual_size = Size(self.size.width, len(self.page.lines))
        if self._keep or first:
            self.scroll_to(y=self.page.line_of(self._keep) if self._keep else 0, animate=False)
        self.refresh()
        self.post_message(self.LaidOut(self, message.page, whole=message.whole))

    def _text_width(self) -> int:
        return max(8, min(MEASURE_CELLS_MAX, self.size.width - 2 * MARGIN_CELLS))

    def render_line(self, y: int) -> Strip:
        """One line of the text with its margin."""
        index = y + self.scroll_offset.y
        width = self.size.width
        base = self.rich_style
        if index >= len(self.page.lines):
            return Strip.blank(width, base)
        line = self.page.lines[index]
        segments = [Segment(" " * MARGIN_CELLS, base)]
        segments.extend(Segment(span.text, base + self._style(span)) for span in line.spans)
        strip = Strip(segments)
        if line.fill:
            fill = base + self._style(Span("", line.fill))
            strip = strip.extend_cell_length(self.page.width + MARGIN_CELLS, fill)
        return strip.adjust_cell_length(width, base)

    def _style(self, span: Span) -> Style:
        key = (span.role, span.flags)
        if key not in self._styles:
            self._styles[key] = self._make_style(span.role, span.flags)
        return self._styles[key]

    def _make_style(self, role: str, flags: int) -> Style:
        style = self._component(role)
        if flags & CODE:
            style += self._component("inline-code")
        if flags & LINK:
            style += self._component("link")
        if flags & LABEL:
            style += self._component("label")
        return style + Style(
            bold=True if flags & STRONG else None,
            italic=True if flags & EM else None,
            strike=True if flags & STRIKE else None,
        )

    def _component(self, role: str) -> Style:
        return self.get_component_rich_style(f"reader-view--{role}", partial=True)
