"""The figure of how few labels do: accuracy of linear probes against the labels they were told."""

from typing import Any

import pandas as pd

from hdc.analysis.measure import ROWS
from hdc.analysis.results import Results, by_seed, over_seeds, record_path
from hdc.reporting.captions import chances
from hdc.reporting.figures.style import (
    CHANCE,
    Picture,
    finish,
    line_looks,
    panel_title,
    small_multiples,
)

ALL = "all"
CAPTION = (
    "Linear probes of the label on frozen features of the last level, against the share of the "
    "training videos that have a label (logarithmic): mean over draws of the labels, then over "
    "seeds. Every class keeps at least one, so of small classes the least share is more than it "
    "is called. At 100 % all training videos have one. Dotted: chance."
)


def few_labels(results: Results) -> Picture:
    """Accuracy against labels, one panel a backbone and data set, one line a run."""
    curves = label_curves(results)
    shown = list(curves.groupby(["backbone", "data"], observed=True))
    figure, panels = small_multiples(len(shown), width=4.6, height=3.4, none="no records to draw")
    looks = line_looks(results)
    for ((backbone, data), rows), panel in zip(shown, panels, strict=False):
        for run, curve in rows.groupby("ablation", observed=True):
            curve = curve.sort_values("share")
            panel.plot(100 * curve["share"], 100 * curve["accuracy"], label=run, **looks[run])
        for chance in chances(results, "label", data)[:1]:
            panel.axhline(100 * chance, label="chance", **CHANCE)
        ticks = rows.groupby("amount")["share"].mean().sort_values()
        ticks = ticks[~(100 * ticks).round(2).duplicated()]
        panel.set_xscale("log")
        panel.set_xticks(100 * ticks, [f"{100 * share:.3g}" for share in ticks])
        panel.set_xticks([], minor=True)
        panel.set_title(panel_title(results, backbone, "", data) or data)
    finish(figure, panels[: len(shown)], "labelled training videos (%)", "accuracy (%)")
    return Picture("few_labels", "Few labels", CAPTION, figure, drawn=bool(len(curves)))


def label_curves(results: Results) -> pd.DataFrame:
    """Columns of ROWS, amount, share of labels and accuracy: a row an amount of labels and run."""
    rows = results.evaluations
    records = [
        results.records.get(record_path(row, "evaluate")) for row in rows.itertuples(index=False)
    ]
    amounts = dict.fromkeys(name for record in records for name in _recorded(record))
    frames = []
    for amount in (*amounts, ALL) if amounts else ():
        values = rows.assign(
            value=pd.Series([_accuracy(record, amount) for record in records], rows.index, float),
            missing="",
        )
        shares = rows.assign(
            value=pd.Series([_share(record, amount) for record in records], rows.index, float),
            missing="",
        )
        found = pd.DataFrame(
            {
                "accuracy": over_seeds(by_seed(values, ROWS))["mean"],
                "share": over_seeds(by_seed(shares, ROWS))["mean"],
            }
        )
        frames.append(found.dropna().reset_index().assign(amount=amount))
    empty = pd.DataFrame(columns=[*ROWS, "accuracy", "share", "amount"])
    return pd.concat(frames, ignore_index=True) if frames else empty


def _recorded(record: dict[str, Any] | None) -> dict[str, Any]:
    """What a record has of few labels at its last level, by amount."""
    found = (record or {}).get("metrics", {})
    return found.get("few_labels", {}).get(found["levels"][-1], {}) if found else {}


def _accuracy(record: dict[str, Any] | None, amount: str) -> float | None:
    if record is None:
        return None
    if amount == ALL:
        metrics = record["metrics"]
        return metrics["linear"].get(metrics["levels"][-1], {}).get("label", {}).get("accuracy")
    return _recorded(record).get(amount, {}).get("accuracy")


def _share(record: dict[str, Any] | None, amount: str) -> float | None:
    """The labels of an amount as a share of the training videos."""
    if record is None or amount == ALL:
        return None if record is None else 1.0
    labels, videos = _recorded(record).get(amount, {}).get("labels"), _training_videos(record)
    return labels / videos if labels and videos else None


def _training_videos(record: dict[str, Any]) -> int:
    """How many videos could have a label; 0: the record does not tell."""
    counts = record["metrics"].get("videos", {})
    return record["protocol"].get("gallery_videos") or counts.get("train", 0) + counts.get("val", 0)
