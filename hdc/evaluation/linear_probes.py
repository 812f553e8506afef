"""Linear probes on frozen features: how well can a label or a factor be read off them?"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

Features = Float[np.ndarray, "_ dim"]


class Read(NamedTuple):
    """What a probe says of part `test`, and how it was chosen.

    Attributes:
        predicted: for each row.
        strength: the chosen inverse L2 penalty.
        validation: its score on val, fitted on train alone: accuracy or R2. What settings of a run
            may be chosen by.
    """

    predicted: np.ndarray
    strength: float
    validation: float


def classify(
    features: dict[str, Features],
    labels: dict[str, np.ndarray],
    *,
    strengths: Sequence[float],
    iterations: int,
) -> Read:
    """Predictions for part `test` by logistic regression.

    `features` and `labels` are by part: train, val and test. The inverse L2 penalty with the best
    accuracy on val (the strongest penalty among equals) is fitted anew on train + val.
    """

    def fit(strength: float, *parts: str) -> Pipeline:
        model = LogisticRegression(C=strength, max_iter=iterations)
        return _fit(model, *_joined(features, labels, parts))

    accuracies = {
        strength: np.mean(fit(strength, "train").predict(features["val"]) == labels["val"])
        for strength in sorted(strengths)
    }
    best = max(accuracies, key=lambda strength: accuracies[strength])
    predicted = fit(best, "train", "val").predict(features["test"])
    return Read(predicted, best, float(accuracies[best]))


def classify_once(
    features: Features,
    labels: Sequence[str] | np.ndarray,
    tested: Features,
    *,
    strength: float,
    iterations: int,
) -> np.ndarray:
    """Predictions for `tested` by one logistic regression; of a single label, that label."""
    if len(set(labels)) == 1:
        return np.repeat(np.asarray(labels)[:1], len(tested))
    model = LogisticRegression(C=strength, max_iter=iterations)
    return _fit(model, features, np.asarray(labels)).predict(tested)


def regress(
    features: dict[str, Features], values: dict[str, np.ndarray], *, strengths: Sequence[float]
) -> Read:
    """Predictions for part `test` by ridge regression; else as `classify`, by R2.

    `values` are numbers, or rows of several that are predicted together.
    """

    def fit(strength: float, *parts: str) -> Pipeline:
        return _fit(Ridge(alpha=1 / strength), *_joined(features, values, parts))

    scores = {
        strength: explained(fit(strength, "train").predict(features["val"]), values["val"])
        for strength in sorted(strengths)
    }
    best = max(scores, key=lambda strength: scores[strength])
    return Read(fit(best, "train", "val").predict(features["test"]), best, scores[best])


def explained(predicted: ArrayLike, true: ArrayLike) -> float:
    """R2: the share of the variance of `true` that `predicted` explains; below 0 if it is worse
    than the mean of `true`. The variance of rows of several numbers is the sum of theirs."""
    true = np.asarray(true)
    residual = np.sum((true - np.asarray(predicted)) ** 2)
    return float(1 - residual / np.sum((true - true.mean(axis=0)) ** 2))


def on_circle(
    values: Float[np.ndarray, " row"], period: float
) -> Float[np.ndarray, "row coordinate"]:
    """Cosine and sine of a quantity that wraps around after `period`: a line cannot predict it."""
    turns = 2 * np.pi * np.asarray(values) / period
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def off_circle(
    coordinates: Float[np.ndarray, "row coordinate"], period: float
) -> Float[np.ndarray, " row"]:
    """The quantity, 0 to `period`, whose cosine and sine are nearest to the coordinates."""
    cosine, sine = np.asarray(coordinates).T
    return np.arctan2(sine, cosine) / (2 * np.pi) % 1 * period


def is_numeric(values: pd.Series) -> bool:
    """Whether a factor is a quantity, to be regressed; names are to be classified."""
    return pd.api.types.is_float_dtype(values)


def _joined(features: dict, targets: dict, parts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.concatenate([features[part] for part in parts]),
        np.concatenate([np.asarray(targets[part]) for part in parts]),
    )


def _fit(model: LogisticRegression | Ridge, features: np.ndarray, targets: np.ndarray) -> Pipeline:
    with warnings.catch_warnings():
        # The number of iterations is a setting and part of the protocol.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # A video a class is what few labels can mean.
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")
        return make_pipeline(StandardScaler(), model).fit(features, targets)
