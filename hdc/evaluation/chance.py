"""What retrieval finds by chance: with neighbors drawn at random from the gallery."""

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped


def hit_by_chance(
    same: Shaped[np.ndarray, " query"], *, entries: int, k: int
) -> Float[np.ndarray, " query"]:
    """How likely one of `k` different entries of the gallery, drawn at random, has the label.

    `same`: how many of the gallery's `entries` have each query's label. Hypergeometric: 1 less the
    share of draws that take all k from the others.
    """
    drawn = np.arange(min(k, entries))
    misses = (entries - np.asarray(same, dtype=float))[:, None]
    return 1 - np.prod(np.clip((misses - drawn) / (entries - drawn), 0, None), axis=1)


def recorded_chance(record: dict[str, Any], k: int) -> float | None:
    """R@k by chance as an evaluation recorded it; None where it did not."""
    metrics = record["metrics"]
    return metrics.get("retrieval_chance", {}).get(
        f"r{k}", metrics.get("chance") if k == 1 else None
    )


def chance_of_equal_classes(record: dict[str, Any], k: int) -> float | None:
    """R@k by chance if all classes of the gallery were of the mean size; None where unknown.

    For records that have the chance of R@1 and the size of the gallery, and no more. It is right
    where classes are of one size, and too high otherwise: the chance of a hit rises ever less with
    the size of a class.
    """
    share, entries = record["metrics"].get("chance"), record["protocol"].get("gallery_videos")
    if share is None or not entries:
        return None
    return float(hit_by_chance(np.array([share * entries]), entries=entries, k=k)[0])
