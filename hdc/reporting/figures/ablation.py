"""The figure of the ablations: how far each run is from the method, with dots and intervals."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hdc.analysis.measure import Measure
from hdc.analysis.results import BASE
from hdc.analysis.run_differences import Difference
from hdc.analysis.video_outcomes import Outcomes
from hdc.reporting.captions import by_labels
from hdc.reporting.figures.style import FEWEST_SEEDS, ONE_SEED, Picture, shortened, small_multiples
from hdc.reporting.tables.ablation import ablation_measures, differences

SEEDS = {"color": "#000000", "linewidth": 1.2, "capsize": 3, "fmt": "none", "zorder": 3}
BOTH = {"color": "#9FC5E8", "linewidth": 6, "solid_capstyle": "butt", "zorder": 2}
DOT = {"color": "#0072B2", "marker": "o", "linestyle": "none", "markersize": 5, "zorder": 4}
TITLE = f"Differences to {BASE}"
ACROSS = "worse ← points → better"  # more is better in every measure drawn
ROW, HEAD, PANEL, LABELS, NAME = 0.27, 0.75, 1.75, 1.9, 0.3  # inches


def ablation_figure(outcomes: Outcomes) -> Picture:
    """Differences of every run to `hdc`, a panel a measure, a row of panels a backbone and data."""
    results = outcomes.results
    measures = [measure for measure in ablation_measures(results) if measure.visible]
    runs = results.evaluations[["backbone", "data", "ablation"]].drop_duplicates()
    if not (runs["ablation"] == BASE).any():
        said = f"This study has no run {BASE} to compare with."
        return Picture("ablation", TITLE, said, small_multiples(0, none=said)[0], drawn=False)
    runs = runs[runs["ablation"] != BASE]
    groups = [
        (f"{backbone}, {data}", rows)
        for (backbone, data), rows in runs.groupby(["backbone", "data"], observed=True)
        if len(rows)
    ]
    if not groups:
        return Picture("ablation", TITLE, f"No run but {BASE}.", small_multiples(0)[0])
    heights = [HEAD + ROW * len(rows) + NAME * (len(groups) > 1) for _, rows in groups]
    size = (LABELS + PANEL * len(measures), sum(heights) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    parts = figure.subfigures(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    kinds: set[str] = set()
    for (title, rows), part in zip(groups, parts, strict=True):
        panels = part.subplots(1, len(measures), squeeze=False)[0]
        for measure, panel in zip(measures, panels, strict=True):
            kinds |= _draw(panel, outcomes, measure, rows)
            if panel is not panels[0]:
                panel.set_yticklabels([])
        if len(groups) > 1:
            part.suptitle(title, fontweight="bold", fontsize="medium")
    _legend(figure, panels[0], kinds)
    return Picture("ablation", TITLE, _caption(kinds, by_labels(results, "top-1")), figure)


def _draw(panel: Axes, outcomes: Outcomes, measure: Measure, rows: pd.DataFrame) -> set[str]:
    """One measure's differences, the first run on top; returns what is drawn beside the means."""
    kinds: set[str] = set()
    for place, gap in enumerate(differences(outcomes, measure, rows)):
        if gap is None or gap.paired is None:
            panel.text(0, place, "missing", ha="center", va="center", fontsize=7.5)
            continue
        kinds |= _draw_spread(panel, place, gap)
        panel.plot([100 * gap.paired.mean], [place], **DOT)
    panel.axvline(0, color="black", linewidth=0.8, zorder=2.5)
    panel.set_yticks(range(len(rows)), rows["ablation"].map(shortened))
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.margins(x=0.08)
    panel.locator_params(axis="x", nbins=4)  # with more, long numbers touch
    panel.set_title(measure.title.removesuffix(" (%)"))
    panel.set_xlabel(ACROSS)
    return kinds


def _draw_spread(panel: Axes, place: int, gap: Difference) -> set[str]:
    """What is known of other seeds: each by itself if they are few, otherwise both intervals."""
    paired, two_way, kinds = gap.paired, gap.two_way, set()
    if 1 < paired.seeds < FEWEST_SEEDS:
        values = [100 * value for value in gap.by_seed]
        panel.plot(values, [place] * len(values), linestyle="none", **ONE_SEED)
        return {"each seed"}
    if two_way is not None and two_way.low is not None:
        panel.plot([100 * two_way.low, 100 * two_way.high], [place, place], **BOTH)
        kinds.add("both")
    if paired.low is not None:
        ends = [[100 * (paired.mean - paired.low)], [100 * (paired.high - paired.mean)]]
        panel.errorbar([100 * paired.mean], [place], xerr=ends, **SEEDS)
        kinds.add("seeds")
    return kinds


def _legend(figure: Figure, panel: Axes, kinds: set[str]) -> None:
    """What dot, line and band mean, for those that are drawn."""
    mean = "mean over seeds" if kinds else "difference, 1 seed"
    entries = [(panel.plot([], [], **DOT)[0], mean)]
    if "each seed" in kinds:
        entries.append((panel.plot([], [], linestyle="none", **ONE_SEED)[0], "each seed"))
    if "seeds" in kinds:
        entries.append((panel.errorbar([], [], xerr=[[], []], **SEEDS), "95 % over seeds"))
    if "both" in kinds:
        entries.append((panel.plot([], [], **BOTH)[0], "95 % over seeds and test videos"))
    handles, labels = zip(*entries, strict=True)
    figure.legend(handles, labels, loc="outside lower center", ncols=len(entries))


def _caption(kinds: set[str], top1: str) -> str:
    """How to read it."""
    words = [
        f"Each run less {BASE}, seed by seed, in percentage points: {top1}, and frozen "
        f"features of the last level. Right of the line a run is better than {BASE}."
    ]
    if "each seed" in kinds:
        words.append(
            f"Rings: the seeds themselves where there are fewer than {FEWEST_SEEDS}, of which no "
            "interval says more."
        )
    if "seeds" in kinds:
        words.append("Line: over seeds (Student t), for other seeds on these test videos.")
    if "both" in kinds:
        words.append(
            "Band: over seeds and test videos (two-way bootstrap), for other test videos, too. It "
            "draws from the seeds there are and does not widen for being few, as the line does; so "
            "where it is the narrower one it is too narrow."
        )
    if not kinds:
        words.append("One seed: there is no interval, and nothing is tested.")
    words.append("Which differences are tested says the table of declared comparisons.")
    return " ".join(words)
