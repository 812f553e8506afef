"""Probes of known factors that need more than a classifier of all videos.

Which direction within the motions that only order tells apart; a factor whose values the test part
does not share; a factor read where a value of another was left out of the probe's training.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from hdc.evaluation.linear_probes import classify, classify_once

Features = Float[np.ndarray, "_ dim"]
ByPart = dict[str, Any]  # train, val and test -> one row or value a video

WITHIN = {"motion_direction": "motion_axis"}  # factor -> the factor within whose values it is read
# Factor -> that of which one value at a time is left out. For shape all motions of an axis go: a
# half of the pairs would let the motion that a video has predict a wrong shape.
LEFT_OUT = {"shape": "motion_axis", "motion": "shape"}
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
        labels = {part: np.asarray(truth[part])[rows] for part, rows in chosen.items()}
        if len(set(labels["train"])) > 1:
            answers = classify(some, labels, strengths=strengths, iterations=iterations).predicted
        else:
            answers = np.repeat(labels["train"][:1], len(labels["test"]))
        predicted[chosen["test"]] = answers
        accuracies[str(value)] = float(np.mean(answers == labels["test"]))
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
    labels = {part: truth[chosen] for part, chosen in rows.items()}
    if len(set(labels["train"])) < 2 or not (len(labels["val"]) and len(labels["test"])):
        return {}
    read = classify(
        {part: features[chosen] for part, chosen in rows.items()},
        labels,
        strengths=strengths,
        iterations=iterations,
    )
    fitted = np.concatenate([labels["train"], labels["val"]])
    chance = np.unique(fitted, return_counts=True)[1].max() / len(fitted)
    accuracy = np.mean(read.predicted == labels["test"])
    return {"accuracy": float(accuracy), "chance": float(chance), "strength": read.strength}


def classify_left_out(
    features: ByPart, truth: ByPart, groups: ByPart, *, strength: float, iterations: int
) -> dict[str, np.ndarray]:
    """Whether a factor is read where the probe's training left out a value of another factor.

    For each value of `groups` a probe is fitted on the train + val videos of all others and judges
    the test videos of that value (`unseen`). Each probe sees every value of `truth` as often as the
    data hold it with the groups that are left, so that no group tells it a wrong one. `seen` is the
    same with as many training videos of all groups. Returns who is right in either case; a test
    video of a group that train and val lack is wrong in both.
    """
    fitted = np.concatenate([features["train"], features["val"]])
    labels = np.concatenate([truth["train"], truth["val"]])
    group = np.concatenate([groups["train"], groups["val"]])
    values = sorted(set(group.tolist()))
    # In turn among the videos of a pair, so that each share left out holds all pairs alike; drawn,
    # since an order of videos may hide other factors.
    drawn = np.random.default_rng(0).permutation(len(labels))
    turn = np.empty(len(labels), int)
    turn[drawn] = _turns(list(zip(labels[drawn], group[drawn], strict=True))) % len(values)
    judged_group, judged_truth = np.asarray(groups["test"]), np.asarray(truth["test"])
    right = {name: np.zeros(len(judged_truth), bool) for name in ("seen", "unseen")}
    for number, value in enumerate(values):
        judged = judged_group == value
        if not judged.any() or len(values) < 2:
            continue
        for name, rows in (("unseen", group != value), ("seen", turn != number)):
            predicted = classify_once(
                fitted[rows],
                labels[rows],
                features["test"][judged],
                strength=strength,
                iterations=iterations,
            )
            right[name][judged] = predicted == judged_truth[judged]
    return right


def _turns(values: Sequence[Any]) -> np.ndarray:
    """For each video how many before it have its value."""
    seen: dict[Any, int] = {}
    turns = []
    for value in values:
        turns.append(seen.get(value, 0))
        seen[value] = turns[-1] + 1
    return np.array(turns, dtype=int)
