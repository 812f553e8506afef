"""From the scores of clips to a verdict on every test video: predictions, accuracies, confusion."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.special import log_softmax, softmax

Scores = Float[np.ndarray, "video clip label"]


def averaged(scores: Scores, average: str) -> Float[np.ndarray, "video label"]:
    """Label probabilities of each video out of its clips' scores before softmax.

    `probabilities`: the mean of the clips' softmax; `logits`: the softmax of their mean.
    """
    if average == "logits":
        return softmax(scores.mean(axis=1), axis=1)
    return softmax(scores, axis=2).mean(axis=1)


def mean_loss(scores: Scores, targets: Sequence[int], average: str) -> float:
    """Mean over videos of -log of the probability of the correct label, in nats."""
    if average == "logits":
        logs = log_softmax(scores.mean(axis=1), axis=1)
    else:
        logs = np.log(np.maximum(averaged(scores, average), np.finfo(np.float64).tiny))
    return float(-logs[np.arange(len(targets)), targets].mean())


def prediction_table(split: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Columns video, label, predicted and score_<label>, one row per test video of the split.

    `scores` has a row per usable test video; the others stay empty.
    """
    test = split[split.part == "test"]
    scores = scores.reindex(test.video)
    usable = scores.notna().all(axis=1).to_numpy()
    best = np.asarray(scores.columns)[np.nan_to_num(scores.to_numpy(), nan=-1.0).argmax(axis=1)]
    table = {"video": test.video.to_numpy(), "label": test.label.to_numpy()}
    table["predicted"] = np.where(usable, best, "")
    numbers = {f"score_{label}": scores[label].to_numpy() for label in scores.columns}
    return pd.DataFrame(table | numbers)


def accuracies(predictions: pd.DataFrame) -> dict[str, float]:
    """Top-1 and top-5 over all test videos; one without a prediction is wrong in both."""
    columns = [column for column in predictions if column.startswith("score_")]
    scores = predictions[columns].to_numpy(dtype=float)
    usable = predictions.predicted.to_numpy() != ""
    correct = _numbers(predictions.label, [column.removeprefix("score_") for column in columns])
    top1 = predictions.predicted.to_numpy() == predictions.label.to_numpy()
    top5 = usable & (_rank(scores, correct) < 5)
    return {"top1": float(top1.mean()), "top5": float(top5.mean())}


def clip_accuracies(
    scores: Scores, correct_labels: Sequence[str], labels: Sequence[str], *, videos: int
) -> dict[str, float]:
    """Top-1 and top-5 of single clips over all test videos, of which there are `videos`.

    `correct_labels`: of the videos that have scores. Every clip of one without is wrong.
    """
    clips = scores.shape[1]
    flat = scores.reshape(-1, scores.shape[2]).astype(float)
    rank = _rank(flat, np.repeat(_numbers(pd.Series(correct_labels), labels), clips))
    count = videos * clips
    return {
        "clip_top1": float((rank < 1).sum() / count),
        "clip_top5": float((rank < 5).sum() / count),
    }


def by_label(predictions: pd.DataFrame) -> dict[str, float]:
    """Top-1 of the test videos of each label; one without a prediction is wrong."""
    right = predictions.predicted == predictions.label
    return {
        str(label): float(share) for label, share in right.groupby(predictions.label).mean().items()
    }


def confusion(predictions: pd.DataFrame) -> dict[str, Any]:
    """How many test videos of each label were given which: `counts`, correct label by row.

    The last column counts the videos without a prediction.
    """
    labels = [
        column.removeprefix("score_") for column in predictions if column.startswith("score_")
    ]
    counts = pd.crosstab(predictions.label, predictions.predicted)
    counts = counts.reindex(index=labels, columns=[*labels, ""], fill_value=0)
    return {"labels": labels, "counts": counts.to_numpy().tolist()}


def _numbers(correct_labels: pd.Series, labels: Sequence[str]) -> Int[np.ndarray, " row"]:
    return correct_labels.map({label: number for number, label in enumerate(labels)}).to_numpy()


def _rank(
    scores: Float[np.ndarray, "row label"], correct: Int[np.ndarray, " row"]
) -> Int[np.ndarray, " row"]:
    """How many labels come before the correct one; ties go to the label that stands first, as in
    argmax. NaN compares false."""
    correct_scores = scores[np.arange(len(scores)), correct][:, None]
    earlier = np.arange(scores.shape[1]) < correct[:, None]
    return ((scores > correct_scores) | ((scores == correct_scores) & earlier)).sum(axis=1)
