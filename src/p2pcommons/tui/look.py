"""Colours and drawing characters: everything about looks that is not a layout.

Two themes of our own beside Textual's; plain ASCII marks when the person asked for
them. No state is told by colour or glyph alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.theme import Theme

from p2pcommons.tui.reading.blocks import FULL_MARKS, PLAIN_MARKS, Marks

DARK = Theme(
    name="commons-dark",
    primary="#8fbf7f",
    secondary="#7fb5c8",
    accent="#e0b060",
    warning="#e0a050",
    error="#e07a6a",
    success="#8fbf7f",
    foreground="#d9dcd6",
    background="#14171a",
    surface="#1a1e22",
    panel="#22272c",
    dark=True,
    variables={
        "line": "#343b42",
        "muted": "#8b949b",
        "faint": "#656e76",
        "cursor": "#2b3a2e",
        "cursor-idle": "#22282b",
        "link": "#7fb5c8",
        "share": "#4f6b4a",
        "block-cursor-background": "#2b3a2e",
        "block-cursor-foreground": "#eef2ea",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#22282b",
        "input-cursor-background": "#8fbf7f",
        "input-selection-background": "#8fbf7f 30%",
        "border": "#4d5a4c",
        "border-blurred": "#343b42",
        "footer-key-foreground": "#e0b060",
        "scrollbar": "#3a4248",
        "scrollbar-hover": "#56616a",
        "scrollbar-active": "#8fbf7f",
        "scrollbar-background": "#1a1e22",
        "scrollbar-background-hover": "#1a1e22",
        "scrollbar-background-active": "#1a1e22",
        "scrollbar-corner-color": "#1a1e22",
        "button-foreground": "#d9dcd6",
        "button-color-foreground": "#14171a",
    },
)

LIGHT = Theme(
    name="commons-light",
    primary="#3b6e3a",
    secondary="#2c6480",
    accent="#8a5a00",
    warning="#8a5a00",
    error="#a8352a",
    success="#3b6e3a",
    foreground="#23282c",
    background="#f4f3ee",
    surface="#fbfaf7",
    panel="#e9e7df",
    dark=False,
    variables={
        "line": "#cfccc0",
        "muted": "#5c646a",
        "faint": "#878d91",
        "cursor": "#d9e6d2",
        "cursor-idle": "#e9e9e0",
        "link": "#2c6480",
        "share": "#b5c9ae",
        "block-cursor-background": "#d9e6d2",
        "block-cursor-foreground": "#23282c",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#e9e9e0",
        "input-cursor-background": "#3b6e3a",
        "input-selection-background": "#3b6e3a 25%",
        "border": "#8fa58a",
        "border-blurred": "#cfccc0",
        "footer-key-foreground": "#8a5a00",
        "scrollbar": "#c4c1b4",
        "scrollbar-hover": "#a9a698",
        "scrollbar-active": "#3b6e3a",
        "scrollbar-background": "#f0eee7",
        "scrollbar-background-hover": "#f0eee7",
        "scrollbar-background-active": "#f0eee7",
        "scrollbar-corner-color": "#f0eee7",
        "button-foreground": "#23282c",
        "button-color-foreground": "#fbfaf7",
    },
)

FALLBACK_VARIABLES = {
    "line": "#4a4f55",
    "muted": "#8b949b",
    "faint": "#656e76",
    "cursor": "#3a4048",
    "cursor-idle": "#2a2e34",
    "link": "#7fb5c8",
    "share": "#5a6a70",
}
"""Our variables under a theme that does not know them."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The drawing characters of the screens; every one takes one cell."""

    bar: str = "▌"
    mark: str = "✓"
    here: str = "▸"
    on: str = "●"
    half: str = "◐"
    off: str = "○"
    dot: str = "·"
    rule: str = "─"
    upright: str = "│"
    block: str = "▇"
    warn: str = "!"
    ellipsis: str = "…"
    arrow: str = "→"
    reading: Marks = FULL_MARKS
    ramp: str = "▁▂▃▄▅▆▇█"
    """From nothing to the most, for small plots."""

    def spelled(self, text: str) -> str:
        """`text` of ours with its marks of omission as these glyphs have them."""
        return text if self.ellipsis == "…" else text.replace("…", "..")


FULL = Glyphs()
ASCII = Glyphs(
    ">", "v", ">", "*", "o", ".", "-", "-", "|", "=", "!", "~", ">", PLAIN_MARKS, "_.:-=+*#"
)
