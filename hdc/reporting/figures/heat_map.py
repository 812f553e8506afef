"""A table of shares as colors, from light (none) to dark (all), which also works in gray."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

COLORS = mpl.colormaps["Blues"].resampled(20)  # steps that can be found again in the bar
DARK = 0.62  # from this share on, text on a cell is white


def heat_map(
    panel: Axes,
    shares: Float[np.ndarray, "row column"],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    points: float,
    texts: Sequence[Sequence[str]] | None = None,
) -> AxesImage:
    """Draw shares from 0 to 1; NaN stays white. Names and `texts` of cells in `points`."""
    image = panel.imshow(
        shares, cmap=COLORS, vmin=0, vmax=1, aspect="auto", interpolation="nearest"
    )
    panel.grid(False)
    panel.tick_params(length=0, labelsize=points)
    panel.set_xticks(range(len(columns)), columns, rotation=90)
    panel.set_yticks(range(len(rows)), rows)
    for spine in panel.spines.values():
        spine.set(visible=True, color="0.6", linewidth=0.6)
    for row, across in enumerate(texts or ()):
        for column, text in enumerate(across):
            color = "white" if shares[row, column] > DARK else "black"
            panel.text(column, row, text, ha="center", va="center", color=color, fontsize=points)
    return image


def color_bar(figure: Figure, image: AxesImage, panels: Sequence[Axes], title: str) -> None:
    """One bar for all panels, below them, with what the colors mean."""
    bar = figure.colorbar(
        image, ax=list(panels), location="bottom", shrink=0.5, aspect=18, pad=0.02, label=title
    )
    bar.set_ticks([0, 0.5, 1], labels=["0", "50", "100 %"])
    bar.outline.set_linewidth(0.6)
