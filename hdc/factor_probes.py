"""Probes of known factors that need more than a classifier of all videos.

Which direction within the motions that only order tells apart; a factor whose values the test part
does not share; a factor read in combinations that the probe has not seen.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from hdc.probes import classify, classify_once

Features = Float[np.ndarray, "_ dim"]
ByPart = dict[str, Any]  # train, val and test -> one row or value a video

WITHIN = {"motion_direction": "motion_axis"}  # factor -> the factor within whose values it is read
COMBINED = ("shape", "motion")  # the factors whose pairs make the label
EVERY = 5  # videos: one in this many is judged where the test part cannot be


def classify_within(
    features: ByPart, truth: ByPart, within: ByPart, *, strengths: Sequence[float], iterations: int
) -> tuple[np.ndarray, dict[str, float]]:
    """Predictions for part `test` by a probe of its own for each value of another factor.

    Returns them with the accuracy for each value. A test video of a value that train or val lack
    has the prediction None.
    """
    predicted = np.full(len(truth["test"]), None, dtype=object)
    accuracies = {}
    for value in sorted(set(within["train"]) & set(within["val"])):
        chosen = {part: np.asarray(within[part]) == value for part in truth}
        if not chosen["test"].any():
            continue
        some = {part: features[part][rows] for part, rows in chosen.items()}
        own = {part: np.asarray(truth[part])[rows] for part, rows in chosen.items()}
        if len(set(own["train"])) > 1:
            found = classify(some, own, strengths=strengths, iterations=iterations).predicted
        else:
            found = np.repeat(own["train"][:1], len(own["test"]))
        predicted[chosen["test"]] = found
        accuracies[str(value)] = float(np.mean(found == own["test"]))
    return predicted, accuracies


def classify_held_out(
    features: Features,
    truth: Sequence[Any] | np.ndarray,
    *,
    strengths: Sequence[float],
    iterations: int,
) -> dict[str, float]:
    """Accuracy of a factor on videos of the training part that the probe did not see.

    Of each value one video in five is judged, another chooses the strength. For factors of which
    the test part has other values. Empty if too few videos share a value.
    """
    truth = np.asarray(truth)
    turn = _turns(truth.tolist()) % EVERY
    rows = {"train": turn < EVERY - 2, "val": turn == EVERY - 2, "test": turn == EVERY - 1}
    own = {part: truth[each] for part, each in rows.items()}
    if len(set(own["train"])) < 2 or not (len(own["val"]) and len(own["test"])):
        return {}
    read = classify(
        {part: features[each] for part, each in rows.items()},
        own,
        strengths=strengths,
        iterations=iterations,
    )
    fitted = np.concatenate([own["train"], own["val"]])
    chance = np.unique(fitted, return_counts=True)[1].max() / len(fitted)
    accuracy = np.mean(read.predicted == own["test"])
    return {"accuracy": float(accuracy), "chance": float(chance), "strength": read.strength}


def classify_combinations(
    features: ByPart, truth: ByPart, others: ByPart, *, strength: float, iterations: int
) -> dict[str, np.ndarray]:
    """How much worse a factor is read in combinations with another that the probe has not seen.

    Half of the pairs of values train one probe, the other half another, each with half of the
    values of either factor in turn; a test video is judged by the probe that has not seen its pair
    (`unseen`). `seen` is the same with as many training videos of every pair. Returns who is right
    in either case. train + val are fitted on.
    """
    fitted = np.concatenate([features["train"], features["val"]])
    own = np.concatenate([truth["train"], truth["val"]])
    other = np.concatenate([others["train"], others["val"]])
    fit_half = _checkerboard(own, other, own, other)
    test_half = _checkerboard(truth["test"], others["test"], own, other)
    right = {"unseen": np.zeros(len(test_half), bool), "seen": np.zeros(len(test_half), bool)}
    mixed = _alternating(own, other)
    for half in (0, 1):
        judged = test_half != half
        for name, rows in (("unseen", fit_half == half), ("seen", mixed == half)):
            predicted = classify_once(
                fitted[rows],
                own[rows],
                features["test"][judged],
                strength=strength,
                iterations=iterations,
            )
            right[name][judged] = predicted == np.asarray(truth["test"])[judged]
    return right


def _checkerboard(
    first: np.ndarray, second: np.ndarray, all_first: np.ndarray, all_second: np.ndarray
) -> np.ndarray:
    """0 or 1 for each pair of values, like the colors of a chessboard."""
    rows = {value: number for number, value in enumerate(sorted(set(all_first)))}
    columns = {value: number for number, value in enumerate(sorted(set(all_second)))}
    return np.array(
        [(rows[a] + columns[b]) % 2 for a, b in zip(first, second, strict=True)], dtype=int
    )


def _alternating(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """0 or 1 for each video, in turn among the videos of one pair of values."""
    return _turns(list(zip(first, second, strict=True))) % 2


def _turns(values: Sequence[Any]) -> np.ndarray:
    """For each video how many before it have its value."""
    seen: dict[Any, int] = {}
    turns = []
    for value in values:
        turns.append(seen.get(value, 0))
        seen[value] = turns[-1] + 1
    return np.array(turns, dtype=int)
