"""What all figures share: their files, their panels, how each run looks, their legend."""

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from hdc.analysis.results import BASE, Results
from hdc.reporting.figures.fonts import families, letters
from hdc.runtime.atomic_files import write_bytes

STYLE = Path(__file__).with_name("style.mplstyle")
MARKERS = "osD^vPX*"  # with 4 dashes: 32 lines that differ in black and white
DASHES = ("-", "--", "-.", ":")
COLUMNS = 4
PAGE = 10.0  # inches across, for several panels beside one another
LEGEND_ROW = 0.18  # inches
LONGEST = 28  # characters of a name at an axis
FEWEST_SEEDS = 3  # for an interval: of two, it says less than they themselves
ONE_SEED: dict[str, Any] = {
    "marker": "o",
    "markersize": 4,
    "markerfacecolor": "white",
    "color": "#555555",
    "zorder": 2.7,
}
CHANCE: dict[str, Any] = {"color": "black", "linestyle": (0, (1, 2)), "linewidth": 1.0}
# Without these a file would hold the time it was made.
UNDATED = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}


@contextmanager
def drawn_alike() -> Iterator[None]:
    """Draw in the style of all figures, with every font that is installed for names."""
    with mpl.style.context(STYLE), warnings.catch_warnings():
        mpl.rcParams["font.family"] = families()
        # Said once in the report instead.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        yield


@dataclass(frozen=True)
class Picture:
    """One figure and what it says."""

    name: str
    title: str
    caption: str
    figure: Figure
    drawn: bool = True  # otherwise the caption says all, and the page leaves the figure out

    @cached_property
    def png(self) -> bytes:
        """The figure as PNG, the same bytes each time."""
        return self._saved("png")

    @cached_property
    def pdf(self) -> bytes:
        """The figure as PDF, the same bytes each time."""
        return self._saved("pdf")

    def _saved(self, kind: str) -> bytes:
        file = io.BytesIO()
        with drawn_alike():
            self._lay_out()
            self.figure.savefig(file, format=kind, metadata=UNDATED[kind])
        return file.getvalue()

    def _lay_out(self) -> None:
        """Find where everything lies, once: to save a figure would find it, and draw it, twice."""
        engine = self.figure.get_layout_engine()
        if engine is not None:
            self.figure.set_dpi(mpl.rcParams["savefig.dpi"])
            engine.execute(self.figure)
            self.figure.set_layout_engine(None)

    @property
    def texts(self) -> list[str]:
        """Every text in the figure; those at ticks once it has been saved."""
        return [text.get_text() for text in self.figure.findobj(Text)]

    def write(self, folder: Path) -> None:
        """Write both forms."""
        write_bytes(folder / f"{self.name}.png", self.png)
        write_bytes(folder / f"{self.name}.pdf", self.pdf)


def small_multiples(
    count: int,
    *,
    width: float = 2.5,
    height: float = 2.1,
    columns: int = COLUMNS,
    none: str = "no records to draw",
) -> tuple[Figure, list[Axes]]:
    """A figure with at least `count` panels, in rows of `columns` or as many as a page holds.

    Sizes of a panel in inches. `none`: what it says instead of panels.
    """
    columns = max(1, min(columns, count, int(PAGE // width)))
    rows = max(1, math.ceil(count / columns))
    figure = Figure(figsize=(max(width * columns, 4.6), height * rows + 0.3), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in panels[count:]:
        panel.set_axis_off()
    if not count:
        panels[0].text(0.5, 0.5, none, ha="center", va="center")
    return figure, panels


def line_looks(results: Results) -> dict[str, dict[str, Any]]:
    """Color, marker and dash of every run, the same in all figures; `hdc` is bold and on top."""
    return {
        run: color_and_marker(place)
        | {
            "linestyle": DASHES[(place + place // len(MARKERS)) % len(DASHES)],
            "linewidth": 2.2 if run == BASE else 1.3,
            "zorder": 3 if run == BASE else 2,
        }
        for place, run in enumerate(results.evaluations["ablation"].cat.categories)
    }


def color_and_marker(place: int) -> dict[str, str]:
    """How the run or value at a place looks, each in a color of its own as far as they reach.

    Later ones, of the first 96, still have a marker or a color of their own.
    """
    colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    around = place // math.lcm(len(colors), len(MARKERS))
    return {
        "color": colors[place % len(colors)],
        "marker": MARKERS[(place + around) % len(MARKERS)],
    }


def finish(figure: Figure, panels: list[Axes], across: str, up: str) -> None:
    """Label the outer axes and put one legend for all panels below them."""
    entries = {}
    for place, panel in enumerate(panels):
        columns = panel.get_gridspec().ncols
        if place % columns == 0:
            panel.set_ylabel(up)
        if place + columns >= len(panels):  # no panel below
            panel.set_xlabel(across)
        handles, labels = panel.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    if entries:
        columns = max(1, int(figure.get_figwidth() // 2.2))
        rows = math.ceil(len(entries) / columns)
        figure.set_figheight(figure.get_figheight() + LEGEND_ROW * rows)
        legend = {"loc": "outside lower center", "ncols": columns, "handlelength": 3.5}
        figure.legend(list(entries.values()), list(entries), **legend)


def panel_title(results: Results, backbone: str, what: str, data: str | None = None) -> str:
    """A panel's title; backbone and data set only where the study has several."""
    parts = [what] if what else []
    if results.evaluations["backbone"].nunique() > 1:
        parts.insert(0, backbone)
    if data is not None and results.evaluations["data"].nunique() > 1:
        parts.append(data)
    return " · ".join(parts)


def title_width(titles: Sequence[str]) -> float:
    """Inches that a panel needs for the longest of some titles."""
    return text_width(titles, mpl.rcParams["axes.titlesize"]) + 0.3


def shortened(name: str, longest: int = LONGEST) -> str:
    """A name with its middle left out as far as it is too long for an axis."""
    if len(name) <= longest:
        return name
    kept = longest - 1
    return f"{name[: (kept + 1) // 2]}…{name[len(name) - kept // 2 :]}"


def text_width(names: Sequence[str], points: float) -> float:
    """About as many inches as the longest of some names takes in a font of that size."""
    return max(map(letters, names), default=0) * 0.62 * points / 72
