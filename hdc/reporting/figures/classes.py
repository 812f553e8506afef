"""The figures of single classes: how often each is recognized, and what it is taken for."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from hdc.analysis.number_formats import sentence
from hdc.analysis.results import BASE, Results, record_path
from hdc.analysis.video_outcomes import read_outcomes
from hdc.reporting.captions import by_labels
from hdc.reporting.figures.heat_map import color_bar, heat_map
from hdc.reporting.figures.style import Picture, panel_title, shortened, small_multiples, text_width

MOST_CLASSES = 60  # with more only the ends of the list are shown, or no names
SHOWN_ENDS = 15  # best and worst classes
MOST_CONFUSIONS = 3  # told in the caption
POINTS = 6.5  # font size of classes
CELL = 0.13  # inches
NONE = ""  # what a video that could not be read was taken for


def class_accuracy(results: Results) -> Picture:
    """Accuracy of each class by run, fine-tuned: one panel a backbone and data set."""
    predictions = read_predictions(results, results.evaluations)
    tables = {
        (backbone, data): accuracies(rows)
        for (backbone, data), rows in predictions.groupby(["backbone", "data"], observed=True)
    }
    shown = {where: _ends(table) for where, table in tables.items()}
    figure, panels = small_multiples(len(shown), **_sizes(list(shown.values())))
    for ((backbone, data), table), panel in zip(shown.items(), panels, strict=False):
        image = _draw(panel, table)
        panel.set_title(panel_title(results, backbone, "", data) or data)
    if shown:
        color_bar(figure, image, panels, "videos of the class that are recognized")
    cut = any(len(table) > MOST_CLASSES for table in tables.values())
    caption = (
        f"{sentence(by_labels(results, 'top-1'))} of each class, over the test videos "
        f"of all seeds and splits that have predictions; sorted by {BASE}, or by the first run "
        "where that has none. A video that could not be read is wrong."
    ) + (f" Of many classes the {SHOWN_ENDS} best and the {SHOWN_ENDS} worst." if cut else "")
    return Picture("class_accuracy", "Accuracy by class", caption + _absent(shown), figure)


def confusion(results: Results) -> Picture:
    """Which class is taken for which by one run: one panel a data set."""
    drawn = {}
    for data, rows in results.evaluations.groupby("data", observed=True):
        for _, of_run in rows.groupby(["backbone", "ablation"], observed=True):
            if len(predictions := read_predictions(results, of_run)):
                drawn[data] = predictions
                break
    tables = {data: _confused(predictions) for data, predictions in drawn.items()}
    shares = {data: table.div(table.sum(axis=1), axis=0) for data, table in tables.items()}
    shares = {data: table.drop(columns=NONE, errors="ignore") for data, table in shares.items()}
    figure, panels = small_multiples(len(shares), **_sizes(list(shares.values())))
    for (data, table), panel in zip(shares.items(), panels, strict=False):
        image = _draw(panel, table)
        panel.set(xlabel=_axis("predicted", table), ylabel=_axis("true", table))
        panel.set_title(_title(drawn[data], data))
    if shares:
        color_bar(figure, image, panels, "videos of the true class")
    caption = (
        f"Confusion matrix of the {by_labels(results, 'classifier')} over all seeds and splits "
        "that have predictions; every row is divided by the videos of its class. "
    ) + " ".join(_confusions(data, table) for data, table in tables.items())
    return Picture("confusion", "What is taken for what", caption + _absent(shares), figure)


def read_predictions(results: Results, evaluations: pd.DataFrame) -> pd.DataFrame:
    """Backbone, data, ablation, label and predicted: a row a test video of some evaluations.

    Those without a record of fine-tuning or without predictions have no rows.
    """
    columns = ["backbone", "data", "ablation", "label", "predicted"]
    frames = []
    for row in evaluations.itertuples(index=False):
        outcomes = read_outcomes(results, row, "finetune")
        if record_path(row, "finetune") in results.records and outcomes is not None:
            frames.append(
                outcomes.assign(backbone=row.backbone, data=row.data, ablation=row.ablation)
            )
    table = pd.concat(frames)[columns] if frames else pd.DataFrame(columns=columns)
    kinds = {column: evaluations[column].dtype for column in columns[:3]}
    return table.astype(kinds).reset_index(drop=True)


def accuracies(predictions: pd.DataFrame) -> pd.DataFrame:
    """Share of each class's videos that is recognized, by run, the best of the first on top."""
    right = predictions["label"].eq(predictions["predicted"])
    table = (
        right.groupby([predictions["label"], predictions["ablation"]], observed=True)
        .mean()
        .unstack()
    )
    return table.sort_values(table.columns[0], ascending=False, kind="stable")


def _confused(predictions: pd.DataFrame) -> pd.DataFrame:
    """How many videos of each class were taken for which; the last column: for none."""
    counts = pd.crosstab(predictions["label"], predictions["predicted"])
    names = sorted((set(counts.index) | set(counts.columns)) - {NONE})
    return counts.reindex(index=names, columns=[*names, NONE], fill_value=0)


def _confusions(data: str, table: pd.DataFrame) -> str:
    """The most frequent confusions on a data set, and how many videos have no prediction."""
    videos = table.sum(axis=1)
    wrong = table.drop(columns=NONE).stack()
    wrong = wrong[[true != predicted for true, predicted in wrong.index]]
    most = wrong[wrong > 0].sort_values(ascending=False, kind="stable").head(MOST_CONFUSIONS)
    listed = [
        f"{true} as {predicted} ({count:,} of {videos[true]:,})"
        for (true, predicted), count in most.items()
    ]
    text = f"Most frequent on {data}: {', '.join(listed)}." if listed else f"None on {data}."
    if lost := int(table[NONE].sum()):
        text += f" Not readable: {lost:,} of {videos.sum():,}."
    return text


def _ends(table: pd.DataFrame) -> pd.DataFrame:
    """All classes, or the best and the worst of many with a gap between."""
    if len(table) <= MOST_CLASSES:
        return table
    gap = pd.DataFrame(np.nan, index=["⋮"], columns=table.columns)
    return pd.concat([table.head(SHOWN_ENDS), gap, table.tail(SHOWN_ENDS)])


def _sizes(tables: list[pd.DataFrame]) -> dict[str, float]:
    """The size of a panel that the largest of some tables fits in, with its names."""
    width, height = [CELL], [CELL]
    for table in tables:
        named = [list(map(shortened, names)) for names in (table.index, table.columns)]
        aside, below = [text_width(_legible(names), POINTS) for names in named]
        cell = CELL if max(table.shape) <= MOST_CLASSES else CELL / 3
        width.append(max(cell * table.shape[1], 1.2) + aside + 0.5)
        height.append(cell * len(table) + below + 0.6)
    return {"width": max(width), "height": max(height)}


def _draw(panel: Axes, table: pd.DataFrame) -> AxesImage:
    """The heat map of a table, with the names that are legible."""
    rows, columns = (
        _legible([shortened(name) for name in names]) for names in (table.index, table.columns)
    )
    image = heat_map(panel, table.to_numpy(dtype=float), rows, columns, points=POINTS)
    return image


def _legible(names: list[str]) -> list[str]:
    """Names, or none if there are too many."""
    return names if len(names) <= MOST_CLASSES else []


def _axis(what: str, table: pd.DataFrame) -> str:
    """What an axis of the confusion matrix shows; how many classes where they have no names."""
    many = len(table) > MOST_CLASSES
    return f"{what} (the {len(table)} classes by name)" if many else what


def _title(predictions: pd.DataFrame, data: str) -> str:
    """What one panel of confusions is of."""
    first: Any = predictions.iloc[0]
    return f"{first.ablation} · {first.backbone} · {data}"


def _absent(drawn: dict) -> str:
    """Why a figure is empty."""
    return "" if drawn else " No run has both a record of fine-tuning and predictions.csv."
