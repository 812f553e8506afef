"""The figure of what fine-tuned accuracy costs: pretraining time, and work of the network."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from hdc.analysis.measure import ROWS
from hdc.analysis.number_formats import sentence
from hdc.analysis.recorded_terms import terms_of, views_of
from hdc.analysis.results import Results, by_seed, cells, over_seeds, record_path
from hdc.reporting.captions import by_labels
from hdc.reporting.figures.style import (
    FEWEST_SEEDS,
    Picture,
    finish,
    line_looks,
    panel_title,
    small_multiples,
)

LOGARITHMIC_FROM = 10  # times: with more between the ends, the axis is logarithmic
COSTS = {"seconds": "pretraining (s)", "work": "multiply-adds of clips seen"}


def accuracy_and_cost(results: Results) -> Picture:
    """Fine-tuned top-1 against two costs of pretraining: a mark a run, a line where untrained."""
    table = costs(results).dropna(subset="mean")
    drawn = [
        (backbone, data, cost, rows)
        for (backbone, data), rows in table.groupby(level=["backbone", "data"], observed=True)
        for cost in COSTS
        if (rows[cost] > 0).any()
    ]
    figure, panels = small_multiples(len(drawn), width=3.8, height=3.0, columns=len(COSTS))
    looks = line_looks(results)
    for (backbone, data, cost, rows), panel in zip(drawn, panels, strict=False):
        for (*_, run), row in rows.iterrows():
            _mark(panel, run, row, row[cost], looks[run])
        trained = rows[cost][rows[cost] > 0]
        if trained.max() > LOGARITHMIC_FROM * trained.min():
            panel.set_xscale("log")
        else:
            panel.ticklabel_format(axis="x", style="sci", scilimits=(-2, 5), useMathText=True)
        panel.margins(0.1)
        low, high = panel.get_ylim()
        panel.set_ylim(max(0, low), min(100, high))
        panel.set_title(panel_title(results, backbone, "", data))
    finish(figure, panels[: len(drawn)], "", by_labels(results, "top-1 (%)"))
    for (_, _, cost, _), panel in zip(drawn, panels, strict=False):
        panel.set_xlabel(COSTS[cost])
    caption = (
        f"{sentence(by_labels(results, 'top-1'))} against what pretraining cost: seconds of the "
        "job, and multiply-adds a clip times the clips that the encoder was shown, forward only. "
        f"Mean over seeds, with bars of 95 %; of fewer than {FEWEST_SEEDS} seeds a bar from one to "
        "the other. A horizontal line is a run that was not trained here."
    )
    return Picture("accuracy_and_cost", "Accuracy and cost", caption, figure)


def costs(results: Results) -> pd.DataFrame:
    """Per run the summary of top-1, with the mean `seconds` and `work` of its pretraining.

    Both are 0 where nothing was trained, and NaN where no record tells. `low` and `high` are the
    ends of the interval, or the seeds themselves where they are two.
    """
    seeds = by_seed(cells(results, "finetune", ("metrics", "top1")), ROWS)
    table = over_seeds(seeds)
    few = table["seeds"].between(2, FEWEST_SEEDS - 1)
    for end, least in (("low", "min"), ("high", "max")):
        ends = seeds["value"].groupby(ROWS, observed=True).agg(least)
        table[end] = table[end].mask(few, ends)
    trained = cells(results, "pretrain", ("metrics", "steps"))["value"].ne(0)
    rows = cells(results, "pretrain", ("seconds",))
    rows["value"] = rows["value"].where(trained, 0.0)
    table["seconds"] = over_seeds(by_seed(rows, ROWS))["mean"]
    records = [
        results.records.get(record_path(row, "pretrain"), {})
        for row in rows.itertuples(index=False)
    ]
    rows["value"] = pd.Series([_work(record) for record in records], rows.index, dtype=float)
    table["work"] = over_seeds(by_seed(rows, ROWS))["mean"]
    return table


def _work(record: dict[str, Any]) -> float | None:
    """Multiply-adds of all clips that a pretraining showed its encoder, if its record tells."""
    try:
        settings, metrics = record["settings"], record["metrics"]
        clips = metrics["steps"] * settings["pretrain"]["batch_size"] * _views(settings)
        return float(clips * metrics["multiply_adds"])
    except (KeyError, TypeError):
        return None


def _views(settings: dict[str, Any]) -> int:
    """Views of each video that a step embeds: those in a pair, or the one that has a label."""
    if settings["pretrain"].get("labels"):
        return 1
    return len({name for term in terms_of(settings).values() for name in views_of(term)})


def _mark(panel: Axes, run: str, row: pd.Series, cost: float, look: dict[str, Any]) -> None:
    """One run: its mean at its cost with its interval, or a line across if it cost nothing."""
    if cost == 0:
        line = {key: look[key] for key in ("color", "linestyle", "linewidth", "zorder")}
        panel.axhline(100 * row["mean"], label=run, **line)
    elif cost > 0:
        ends = 100 * (row["mean"] - row["low"]), 100 * (row["high"] - row["mean"])
        known = None if pd.isna(row["low"]) else [[ends[0]], [ends[1]]]
        mark = {key: look[key] for key in ("color", "marker", "zorder")}
        panel.errorbar(
            cost,
            100 * row["mean"],
            known,
            label=run,
            linestyle="none",
            capsize=2,
            elinewidth=1,
            markersize=6,
            **mark,
        )
