"""The figure of feature space: the test videos of some runs in a plane, colored by factor."""

import math
from functools import partial
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.api.types import is_numeric_dtype

from hdc.analysis.results import Results, factors_of, record_path
from hdc.reporting.figures.style import Picture, color_and_marker, shortened, small_multiples
from hdc.runtime.errors import InputError
from hdc.study.record_files import RecordFile
from hdc.study.stages import STAGES

FIRST = ("label", "shape", "motion")  # factors that are looked at before others
MOST_LABELS, MOST_VALUES = 10, 12  # as many are told apart by color and mark
MOST_SCALES, MOST_FACTORS, MOST_RUNS = 2, 4, 6
MAP = STAGES["evaluate"].outputs["map"]
OWN_COLUMNS = ("video", "first", "second")  # of map.csv; the others are what is known of a video
SCALE_COLORS = mpl.colormaps["cividis"].resampled(20)
PANEL, ENTRY = 2.4, 0.19  # inches: a panel's side, a line of a legend
LONGEST_VALUE = 16  # characters in a legend
LEGEND: dict[str, Any] = {
    "handletextpad": 0.2,
    "columnspacing": 0.8,
    "borderpad": 0,
    "fontsize": 7.5,
}
MANY_POINTS = 2000  # from here on pixels are smaller than shapes

Maps = dict[str, tuple[pd.DataFrame, list[float] | None]]  # run -> places, shares of variance


def feature_map(results: Results) -> Picture:
    """Where test videos lie in feature space: a row a run, a column a factor."""
    where, maps, factors = "", {}, {}
    for (data, backbone), rows in results.evaluations.groupby(["data", "backbone"], observed=True):
        maps = read_maps(results, rows)
        factors = chosen_factors(maps, factors_of(results, data))
        if factors:
            where = f" {backbone} on {data}; of each run the first seed and split."
            where += _left_out(rows, maps)
            maps = dict(list(maps.items())[:MOST_RUNS])
            break
    figure = _draw(maps, factors) if factors else small_multiples(0)[0]
    caption = (
        "Test videos in the plane in which the features of the last level, at unit length, differ "
        f"most: their first two principal components.{where}"
        if factors
        else "No run has a map of feature space (map.csv) with a factor of few values or a scale."
    )
    return Picture("feature_map", "Map of feature space", caption, figure)


def read_maps(results: Results, evaluations: pd.DataFrame) -> Maps:
    """The maps of all runs that have one, each of its first seed and split."""
    maps: Maps = {}
    for row in evaluations.itertuples(index=False):
        record = results.records.get(record_path(row, "evaluate"))
        if row.ablation in maps or record is None:
            continue
        first = next((places for places, _ in maps.values()), None)
        reader = partial(_read_map, record=record, first=first)
        places = results.read(f"{row.folder}/{MAP}", reader)
        if places is not None:
            maps[row.ablation] = places, record["metrics"].get("map_shares")
    return maps


def _read_map(
    file: RecordFile, *, record: dict[str, Any], first: pd.DataFrame | None
) -> pd.DataFrame:
    """A map; raises InputError unless it fits its record, and the `first` one that was read."""
    with file.open("rb") as content:
        table = pd.read_csv(content, dtype={"label": str}, keep_default_na=False, na_values=[""])
    expected = [*OWN_COLUMNS, "label"] if first is None else list(first)
    if not set(expected) <= set(table):
        raise InputError(f"expected columns {', '.join(expected)}, found {', '.join(table):.80}")
    known = record["metrics"].get("linear", {}).values()
    scales = {name for factors in known for name, scores in factors.items() if "r2" in scores}
    scales |= set() if first is None else set(first.select_dtypes("number"))
    for name in scales & set(table) | {"first", "second"}:
        if not is_numeric_dtype(table[name]) or np.isinf(table[name]).any():
            raise InputError(f"expected numbers in column {name}, found others")
    if not table[["first", "second"]].notna().all(axis=None):
        raise InputError("expected a place for each video, found blanks")
    protocol = record["protocol"]
    usable = protocol.get("test_videos", len(table)) - protocol.get("unusable_test_videos", 0)
    if len(table) != usable:
        raise InputError(f"expected a row for each of {usable:,} videos, found {len(table):,}")
    return table[expected] if first is not None else table


def chosen_factors(maps: Maps, kinds: dict[str, str]) -> dict[str, list | None]:
    """The factors to show: each with its values, or None for one on a scale.

    `kinds` says how each is scored. A factor that follows from one already chosen is left out: a
    kind of motion from the motion.
    """
    if not maps:
        return {}
    places = pd.concat([places for places, _ in maps.values()])
    names = [name for name in places if name not in OWN_COLUMNS]
    values: dict[str, list | None] = {}
    for name in sorted(names, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST)):
        most = MOST_LABELS if name == "label" else MOST_VALUES
        follows = name not in FIRST and any(
            places.groupby(chosen)[name].nunique().max() == 1 for chosen in values
        )
        if kinds.get(name) != "r2" and 2 <= places[name].nunique() <= most and not follows:
            values[name] = sorted(places[name].dropna().unique())
    scales = [name for name in names if kinds.get(name) == "r2"][:MOST_SCALES]
    return dict(list((values | dict.fromkeys(scales)).items())[:MOST_FACTORS])


def _draw(maps: Maps, factors: dict[str, list | None]) -> Figure:
    """Panels of all runs and factors, and a row of legends below them."""
    lines = max(math.ceil(len(values or ()) / 2) for values in factors.values())
    below = max(lines * ENTRY, 0.4)
    size = (max(PANEL * len(factors), 4.6), PANEL * len(maps) + below + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    heights = [PANEL] * len(maps) + [below]
    *panels, legends = figure.subplots(
        len(heights), len(factors), squeeze=False, height_ratios=heights
    )
    limits = {name: _limits(maps, name) for name, values in factors.items() if values is None}
    for across, (run, (places, shares)) in zip(panels, maps.items(), strict=True):
        for panel, (name, values) in zip(across, factors.items(), strict=True):
            _scatter(panel, places, name, values, limits.get(name))
            panel.set_xlabel(_axis("first", shares, 0))
        across[0].set_ylabel(f"{shortened(run)}\n{_axis('second', shares, 1)}")
    for head, foot, (name, values) in zip(panels[0], legends, factors.items(), strict=True):
        head.set_title(name.replace("_", " "))
        foot.set_axis_off()
        if values is not None:
            handles, labels = head.get_legend_handles_labels()
            foot.legend(handles, labels, loc="upper center", ncols=2, **LEGEND)
        else:
            bar = foot.inset_axes((0.1, 0.7, 0.8, min(1.0, 0.1 / below)))
            figure.colorbar(head.collections[0], cax=bar, orientation="horizontal")
            bar.grid(False)
    return figure


def _left_out(evaluations: pd.DataFrame, maps: Maps) -> str:
    """Which runs have no row in the figure, and why."""
    lacking = [run for run in evaluations["ablation"].unique() if run not in maps]
    reasons = {"room": list(maps)[MOST_RUNS:], "a map": lacking}
    return "".join(
        f" Not drawn, for want of {what}: {', '.join(runs)}."
        for what, runs in reasons.items()
        if runs
    )


def _scatter(
    panel: Axes,
    places: pd.DataFrame,
    name: str,
    values: list | None,
    limits: tuple[float, float] | None,
) -> None:
    """The videos of one run by one factor, each value with its color and mark, or on a scale."""
    look: dict[str, Any] = {"s": 9, "linewidths": 0, "rasterized": len(places) > MANY_POINTS}
    if values is None:
        known = places.dropna(subset=name)
        ends = dict(zip(("vmin", "vmax"), limits, strict=True)) if limits else {}
        panel.scatter(
            known["first"], known["second"], c=known[name], cmap=SCALE_COLORS, **ends, **look
        )
    for number, value in enumerate(values or ()):
        some = places[places[name] == value]
        style = color_and_marker(number) | look
        label = shortened(str(value), LONGEST_VALUE)
        panel.scatter(some["first"], some["second"], label=label, **style)
    panel.set_axisbelow(True)
    panel.set_aspect("equal", adjustable="datalim")
    panel.locator_params(nbins=4)


def _limits(maps: Maps, name: str) -> tuple[float, float]:
    """The ends of a factor over all maps, so that a color means the same in each."""
    ends = [(places[name].min(), places[name].max()) for places, _ in maps.values()]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _axis(name: str, shares: list[float] | None, place: int) -> str:
    """What an axis shows, with its share of the variance if the record tells."""
    return f"{name} ({100 * shares[place]:.0f} % of variance)" if shares else name
