"""Draws docs/figures/method.png: views, levels, pooling and weights of HD-NCE."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch

SPATIAL, TEMPORAL, NEUTRAL = "#0072b2", "#d55e00", "#555555"


def box(axes, x, y, text, *, color=NEUTRAL, width=2.0, height=0.8, filled=False):
    """A rounded box with its text, its left edge at x and its middle at y."""
    patch = FancyBboxPatch(
        (x, y - height / 2), width, height, boxstyle="round,pad=0.05", edgecolor=color,
        facecolor=color if filled else "white", linewidth=1.5,
    )  # fmt: skip
    axes.add_patch(patch)
    axes.text(
        x + width / 2, y, text, ha="center", va="center", fontsize=9,
        color="white" if filled else color,
    )  # fmt: skip


def arrow(axes, start, end, *, color=NEUTRAL):
    """An arrow from one point to another."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": color, "linewidth": 1.2})


def draw() -> plt.Figure:
    """The whole figure."""
    figure, axes = plt.subplots(figsize=(11, 4.8), layout="constrained")
    axes.set(xlim=(0, 15.4), ylim=(0.2, 6.8))
    axes.set_axis_off()
    box(axes, 0.2, 3.5, "video", width=1.3)
    box(axes, 2.2, 4.5, "crop 1", width=1.3)
    box(axes, 2.2, 2.0, "crop 2", width=1.3)
    for y in (4.5, 2.0):
        arrow(axes, (1.55, 3.5), (2.15, y))
    for name, y, crop in (("a", 5.2, 4.5), ("b", 3.9, 4.5), ("c", 2.0, 2.0)):
        box(axes, 4.2, y, f"augment: view {name}", width=2.0)
        arrow(axes, (3.55, crop), (4.15, y))
        arrow(axes, (6.25, y), (6.85, y))
    box(axes, 6.9, 3.6, "encoder\n(one pass\nover all views)", width=1.8, height=4.2)
    for level, y, weight in (("last", 5.6, "1"), ("middle", 3.6, "1/2"), ("lowest", 1.6, "1/4")):
        arrow(axes, (8.75, y), (9.15, y))
        axes.text(8.95, y + 0.82, f"{level} level", fontsize=9, ha="left", color=NEUTRAL)
        for shift, color, pooled, term in (
            (0.35, SPATIAL, "mean over space", "SC: a with b, at each time"),
            (-0.4, TEMPORAL, "mean over space, time", "TC: a with c"),
        ):
            box(axes, 9.2, y + shift, pooled, color=color, width=2.4, height=0.45)
            arrow(axes, (11.65, y + shift), (11.95, y + shift), color=color)
            box(axes, 12.0, y + shift, term, color=color, width=2.6, height=0.45, filled=True)
        axes.text(14.75, y, f"x {weight}", fontsize=10, va="center", color=NEUTRAL)
    axes.text(14.7, 0.55, "weighted mean = loss", fontsize=9, ha="right", color=NEUTRAL)
    return figure


if __name__ == "__main__":
    path = Path(__file__).parent / "figures" / "method.png"
    draw().savefig(path, dpi=110, metadata={"Software": None})
