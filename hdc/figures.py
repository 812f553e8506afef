"""The figures of a study: training curves, retrieval, and what linear probes read by level."""

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hdc.atomic import write_bytes
from hdc.measures import ROWS, Measure
from hdc.quantities import RANKS, probes, recall
from hdc.results import BASE, Results, cells, levels_of, read_logs
from hdc.tables import with_levels
from hdc.wording import chances

STYLE = Path(__file__).with_name("style.mplstyle")
MARKERS = "osD^vPX*"  # with 4 dashes: 32 lines that differ in black and white
DASHES = ("-", "--", "-.", ":")
COLUMNS = 4
LEGEND_ROW = 0.18  # inches
LEAST_SPAN = (-0.1, 0.5)  # of R²: on a scale of its own, noise about 0 would look like a finding
# Without these a file would hold the time it was made.
METADATA = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}


@dataclass(frozen=True)
class Picture:
    """One figure and what it says."""

    name: str
    title: str
    caption: str
    figure: Figure

    def content(self, kind: str) -> bytes:
        """The figure as `png` or `pdf`, the same bytes each time."""
        file = io.BytesIO()
        with mpl.style.context(STYLE):
            self.figure.savefig(file, format=kind, metadata=METADATA[kind])
        return file.getvalue()

    def write(self, folder: Path) -> None:
        """Write both forms."""
        for kind in METADATA:
            write_bytes(folder / f"{self.name}.{kind}", self.content(kind))


def all_figures(results: Results) -> list[Picture]:
    """The figures of a study."""
    with mpl.style.context(STYLE):
        return [maker(results) for maker in (retrieval_curve, factors, training_curves)]


def training_curves(results: Results) -> Picture:
    """Loss against step, one panel a term and level, one line a run."""
    logs = read_logs(results)
    curves = {
        (backbone, term): {run: mean_curve(lines, term) for run, lines in by_run}
        for backbone, rows in _groups(logs, "backbone")
        for term in loss_terms(rows)
        for by_run in [_groups(rows.dropna(subset=term), "ablation")]
    }
    figure, panels = small_multiples(len(curves))
    looks = line_looks(results)
    for (where, lines), panel in zip(curves.items(), panels, strict=False):
        for place, (run, curve) in enumerate(lines.items()):
            every = max(1, len(curve) // 5)
            mark = (place * every // max(1, len(lines)), every)
            panel.plot(curve.index, curve, label=run, markevery=mark, **looks[run])
        panel.set_title(_title(results, *where))
    finish(figure, panels[: len(curves)], "step", "loss (nats)")
    caption = (
        "Loss terms and their weighted sum during pretraining: mean over seeds and training parts "
        "at the steps that all of them logged. " + untrained(results, logs)
    )
    return Picture("training_curves", "Training curves", caption.strip(), figure)


def retrieval_curve(results: Results) -> Picture:
    """R@k against k, one panel a backbone and data set, one line a run."""
    summaries = [recall(rank).summary(results, ROWS)["mean"] for rank in RANKS]
    values = 100 * pd.concat(summaries, axis=1, keys=RANKS).dropna(how="all")
    panel_rows = list(values.groupby(level=["backbone", "data"], observed=True))
    figure, panels = small_multiples(len(panel_rows), width=4.6, height=3.4)
    looks = line_looks(results)
    for ((backbone, data), rows), panel in zip(panel_rows, panels, strict=False):
        for (*_, run), curve in rows.iterrows():
            panel.plot(range(len(RANKS)), curve, label=run, **looks[run])
        for chance in chances(results, "R@1", data):
            panel.axhline(100 * chance, label="chance of R@1", **CHANCE)
        panel.set_xticks(range(len(RANKS)), RANKS)
        panel.set_title(f"{backbone}, {data}")
    finish(figure, panels[: len(panel_rows)], "k nearest videos", "R@k (%)")
    caption = (
        "Share of test videos with a video of their class among the k nearest of the gallery, at "
        "the last level, mean over seeds. The dotted line is the chance of k = 1."
    )
    return Picture("retrieval_curve", "Retrieval", caption, figure)


def factors(results: Results) -> Picture:
    """What a linear probe reads from each level: one panel a factor, one line a run."""
    rows = with_levels(results)
    drawn = [
        (backbone, data, measure, values)
        for measure in probes(results)
        for (backbone, data), values in _by_panel(measure, results, rows)
    ]
    figure, panels = small_multiples(len(drawn))
    looks = line_looks(results)
    for (backbone, data, measure, values), panel in zip(drawn, panels, strict=False):
        levels = levels_of(results, backbone, data)
        scale = 1 if measure.path[-1] == "r2" else 100
        for run, curve in values.groupby(level="ablation", observed=True):
            heights = scale * curve.droplevel(ROWS).reindex(levels)
            panel.plot(range(len(levels)), heights, label=run, **looks[run])
        for chance in chances(results, measure.name, data) if scale == 100 else [0.0]:
            panel.axhline(100 * chance, label="chance", **CHANCE)
        panel.set_xticks(range(len(levels)), levels)
        panel.margins(x=0.12)
        low, high = LEAST_SPAN if scale == 1 else (0, 0)
        panel.set_ylim(min(low, 1.08 * panel.dataLim.y0), max(high, 1.08 * panel.dataLim.y1))
        panel.set_title(_title(results, backbone, measure.title, data))
    finish(figure, panels[: len(drawn)], "", "")
    caption = (
        "Linear probes of the label and of the factors that the videos were made from, by level, "
        "mean over seeds. Factors on a scale are scored by R². Dotted: chance, which is 0 for R²."
    )
    return Picture("factors", "What each level knows", caption, figure)


CHANCE: dict[str, Any] = {"color": "black", "linestyle": (0, (1, 2)), "linewidth": 1.0}


def small_multiples(
    count: int, *, width: float = 2.5, height: float = 2.1
) -> tuple[Figure, list[Axes]]:
    """A figure with at least `count` panels, in rows of four; sizes of a panel in inches."""
    columns = max(1, min(COLUMNS, count))
    rows = max(1, math.ceil(count / columns))
    figure = Figure(figsize=(max(width * columns, 4.6), height * rows + 0.3), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in panels[count:]:
        panel.set_axis_off()
    if not count:
        panels[0].text(0.5, 0.5, "no records to draw", ha="center", va="center")
    return figure, panels


def line_looks(results: Results) -> dict[str, dict[str, Any]]:
    """Color, marker and dash of every run, the same in all figures; `hdc` is bold and on top."""
    colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    looks = {}
    for place, run in enumerate(results.evaluations["ablation"].cat.categories):
        looks[run] = {
            "color": colors[place % len(colors)],
            "marker": MARKERS[place % len(MARKERS)],
            "linestyle": DASHES[(place + place // len(MARKERS)) % len(DASHES)],
            "linewidth": 2.2 if run == BASE else 1.3,
            "zorder": 3 if run == BASE else 2,
        }
    return looks


def finish(figure: Figure, panels: list[Axes], across: str, up: str) -> None:
    """Label the outer axes and put one legend for all panels below them."""
    entries = {}
    for place, panel in enumerate(panels):
        if place % COLUMNS == 0:
            panel.set_ylabel(up)
        if place + COLUMNS >= len(panels):  # no panel below
            panel.set_xlabel(across)
        handles, labels = panel.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    if entries:
        columns = max(1, int(figure.get_figwidth() // 2.2))
        rows = math.ceil(len(entries) / columns)
        figure.set_figheight(figure.get_figheight() + LEGEND_ROW * rows)
        legend = {"loc": "outside lower center", "ncols": columns, "handlelength": 3.5}
        figure.legend(list(entries.values()), list(entries), **legend)


def loss_terms(logs: pd.DataFrame) -> list[str]:
    """Columns of the logs that are losses: their sum, then spatial and temporal by level."""
    terms = [name for name in logs if name.startswith(("spatial_", "temporal_"))]
    used = [name for name in ("loss", *sorted(terms)) if name in logs and logs[name].notna().any()]
    return used


def mean_curve(lines: pd.DataFrame, term: str) -> pd.Series:
    """A loss term by step: mean over the pretrainings of a run, where all of them have the step."""
    steps = lines.groupby("step")[term]
    return steps.mean()[steps.count() == lines["run_folder"].nunique()]


def untrained(results: Results, logs: pd.DataFrame) -> str:
    """Which runs have no curve, and why."""
    drawn = set(logs["run_folder"]) if len(logs) else set()
    rows = cells(results, "pretrain", ("metrics", "steps"))
    rows = rows[~rows["run_folder"].isin(drawn)]
    reasons = {
        run: "not trained" if (group["value"] == 0).all() else "no log"
        for run, group in _groups(rows, "ablation")
    }
    listed = ", ".join(f"{run} ({reason})" for run, reason in reasons.items())
    return f"Not drawn: {listed}." if listed else ""


def _by_panel(measure: Measure, results: Results, rows: pd.DataFrame) -> Iterable:
    """The means of a factor, one group a backbone and data set that has it."""
    means = measure.summary(results, [*ROWS, "level"], rows)["mean"].dropna()
    return means.groupby(level=["backbone", "data"], observed=True)


def _groups(frame: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame]]:
    """Rows by a column's value, in the order of its first rows."""
    if not len(frame):
        return []
    return list(frame.groupby(column, sort=False, observed=True))


def _title(results: Results, backbone: str, what: str, data: str | None = None) -> str:
    """A panel's title; backbone and data set only where the study has several."""
    parts = [what.replace("_", " ")]
    if results.evaluations["backbone"].nunique() > 1:
        parts.insert(0, backbone)
    if data is not None and results.evaluations["data"].nunique() > 1:
        parts.append(data)
    return " · ".join(parts)
