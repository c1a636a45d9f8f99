"""What the soak measures: samples of nodes over time, lines through them, and their picture."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any

from harness import say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PANELS = (
    ("resident memory", "MiB", "rss_mib"),
    ("open handles", "handles", "handles"),
    ("threads", "threads", "threads"),
    ("contributions held", "contributions", "contributions"),
)


@dataclass(frozen=True)
class Sample:
    """One look at one node."""

    second: float
    node: int
    rss_mib: float
    handles: int
    threads: int
    cpu_s: float
    log_bytes: int
    contributions: int
    peers: int


@dataclass(frozen=True)
class Slope:
    """A line through figures over time, per hour, with the standard error of the fit."""

    per_hour: float
    error: float


def median_of(samples: Sequence[Sample], name: str) -> float:
    """Median of one figure; 0 where there are no samples."""
    return median([getattr(sample, name) for sample in samples] or [0.0])


def line_through(points: Sequence[tuple[float, float]]) -> Slope:
    """Least squares through (seconds, value)."""
    count = len(points)
    if count < 3:
        return Slope(0.0, 0.0)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    left = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return Slope(slope * 3_600, (left / (count - 2) / spread) ** 0.5 * 3_600)


def draw(samples: Sequence[Sample], nodes: int, path: Path) -> None:
    """Draw memory, handles, threads and contributions of every node over time."""
    try:
        # Imported by name: it is no dependency of the program, and partly without types.
        import_module("matplotlib").use("agg")
        drawing: Any = import_module("matplotlib.pyplot")
    except ImportError:
        say("no picture: matplotlib is not installed (pip install --group bench)")
        return
    # A background of its own, so that it reads the same on white and on dark pages.
    figure, axes = drawing.subplots(2, 2, figsize=(11, 6.2), facecolor="#ffffff")
    for panel, (title, unit, name) in zip(axes.flat, PANELS, strict=True):
        for number in range(nodes):
            mine = [sample for sample in samples if sample.node == number]
            panel.plot(
                [sample.second / 60 for sample in mine],
                [getattr(sample, name) for sample in mine],
                # The node that is stopped and started again stands out.
                color="#c96b2c" if number == nodes - 1 else "#1f6f6b",
                linewidth=1.2,
                alpha=0.8,
            )
        panel.set_title(title, fontsize=11, color="#222222")
        panel.set_ylabel(unit, color="#222222")
        panel.set_xlabel("minutes", color="#222222")
        panel.set_ylim(bottom=0)
        panel.grid(visible=True, color="#dddddd")
        panel.tick_params(colors="#222222")
    figure.suptitle(
        f"{nodes} nodes under load; orange: stopped and started again",
        fontsize=13,
        color="#222222",
    )
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    drawing.close(figure)
    say(f"drawn: {path}")
