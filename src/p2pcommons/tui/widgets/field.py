"""Fields that clean what is pasted into them: it may have been copied from a peer's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input, TextArea

from p2pcommons.model.limits import BODY_BYTES_MAX
from p2pcommons.model.words import clean_line, clean_text

if TYPE_CHECKING:
    from textual import events


class Field(Input):
    """One line, without a frame; pasted line breaks become spaces, so an invite may have them."""

    def _on_paste(self, event: events.Paste) -> None:
        # Only the text is changed: the handler of Input itself runs next and inserts it.
        event.text = clean_line(event.text, BODY_BYTES_MAX)


class TextField(TextArea):
    """Several lines; what is pasted keeps its line breaks and loses what is invisible."""

    async def _on_paste(self, event: events.Paste) -> None:
        event.text = clean_text(event.text)
