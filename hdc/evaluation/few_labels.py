"""Probes with few labels: how good is a linear probe if only some training videos have one?"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float

from hdc.evaluation.linear_probes import classify_once
from hdc.runtime.seeding import generator

Features = Float[np.ndarray, "_ dim"]


def few_label_draws(
    labels: Sequence[str] | np.ndarray,
    *,
    shares: Sequence[float],
    videos: Sequence[int],
    draws: int,
) -> Iterator[tuple[str, int, np.ndarray]]:
    """How many have a label, as `1%` or `10 videos`; the draw's number; the rows that have one.

    Every label keeps at least one video. A draw orders the videos of a label once and takes the
    first of them, so fewer are part of more; it depends on nothing else, so that all runs get the
    same videos.
    """
    labels = np.asarray(labels)
    for draw in range(draws):
        orders = {
            str(label): generator(0, "few labels", draw, str(label)).permutation(
                np.flatnonzero(labels == label)
            )
            for label in sorted(set(labels))
        }
        for share in shares:
            # Rounded first: 0.07 * 100 is a little more than 7.
            counts = [max(1, math.ceil(round(share * len(order), 9))) for order in orders.values()]
            taken = [order[:count] for order, count in zip(orders.values(), counts, strict=True)]
            yield f"{100 * share:g}%", draw, np.sort(np.concatenate(taken))
        for count in videos:
            taken = [order[:count] for order in orders.values()]
            yield f"{count} videos", draw, np.sort(np.concatenate(taken))


def few_label_outcomes(
    features: Features,
    labels: np.ndarray,
    tested: Features,
    truth: np.ndarray,
    *,
    shares: Sequence[float],
    videos: Sequence[int],
    draws: int,
    strength: float,
    iterations: int,
) -> dict[str, tuple[Bool[np.ndarray, "draw video"], list[int]]]:
    """By how many have a label: who of the tested is right in each draw, and the labels used.

    The probe's strength is given, as a handful of labels cannot choose it.
    """
    right: dict[str, list[np.ndarray]] = {}
    used: dict[str, list[int]] = {}
    for name, _, rows in few_label_draws(labels, shares=shares, videos=videos, draws=draws):
        predicted = classify_once(
            features[rows], labels[rows], tested, strength=strength, iterations=iterations
        )
        right.setdefault(name, []).append(predicted == truth)
        used.setdefault(name, []).append(len(rows))
    return {name: (np.stack(outcomes), used[name]) for name, outcomes in right.items()}
