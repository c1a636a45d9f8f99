"""A QR code as rows of half blocks. The one place that knows segno, imported when first needed."""

from __future__ import annotations

from typing import cast

QUIET_MODULES = 2
"""White modules around the code; scanners want some, small screens have few."""

_BLOCKS = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}


def half_blocks(text: str) -> tuple[str, ...]:
    """The code of `text` as rows of equal width, two modules high each.

    Upper-case text of at most 180 characters gives at most 45 columns and 23 rows.
    """
    import segno

    code = segno.make_qr(text, error="L", boost_error=False)  # pyright: ignore[reportUnknownMemberType]
    raw = cast("tuple[bytes, ...]", code.matrix)  # pyright: ignore[reportUnknownMemberType]
    width = len(raw[0]) + 2 * QUIET_MODULES
    blank = [[0] * width]
    rows = [
        [*([0] * QUIET_MODULES), *(1 if module else 0 for module in row), *([0] * QUIET_MODULES)]
        for row in raw
    ]
    modules = blank + rows + blank
    if len(modules) % 2:
        modules.append(blank[0])
    return tuple(
        "".join(_BLOCKS[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip(modules[::2], modules[1::2], strict=True)
    )
