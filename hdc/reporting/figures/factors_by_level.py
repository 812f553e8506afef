"""The figure of what linear probes read from each level, by factor."""

from collections.abc import Iterable

import pandas as pd

from hdc.analysis.measure import ROWS, Measure
from hdc.analysis.measures import probes
from hdc.analysis.results import Results, levels_of
from hdc.reporting.captions import chances
from hdc.reporting.figures.style import (
    CHANCE,
    Picture,
    finish,
    line_looks,
    panel_title,
    small_multiples,
    title_width,
)
from hdc.reporting.tables.build import with_levels

LEAST_SPAN = (-0.1, 0.5)  # of R²: on a scale of its own, noise about 0 would look like a finding


def factors(results: Results) -> Picture:
    """What a linear probe reads from each level: one panel a factor, one line a run."""
    rows = with_levels(results)
    drawn = [
        (backbone, data, measure, values)
        for measure in probes(results)
        for (backbone, data), values in _by_panel(measure, results, rows)
    ]
    titles = [
        panel_title(results, backbone, measure.title.replace("_", " "), data).replace(" · ", "\n")
        for backbone, data, measure, _ in drawn
    ]
    lines = [line for title in titles for line in title.split("\n")]
    figure, panels = small_multiples(len(drawn), width=max(2.5, title_width(lines)))
    looks = line_looks(results)
    for (backbone, data, measure, values), title, panel in zip(drawn, titles, panels, strict=False):
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
        panel.set_title(title)
    finish(figure, panels[: len(drawn)], "", "")
    caption = (
        "Linear probes of the label and of the factors that the videos were made from, by level, "
        "mean over seeds. Factors on a scale are scored by R². Dotted: chance, which is 0 for R²."
    )
    return Picture("factors", "What each level knows", caption, figure)


def _by_panel(measure: Measure, results: Results, rows: pd.DataFrame) -> Iterable:
    """The means of a factor, one group a backbone and data set that has it."""
    means = measure.summary(results, [*ROWS, "level"], rows)["mean"].dropna()
    return means.groupby(level=["backbone", "data"], observed=True)
