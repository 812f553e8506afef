"""Nearest neighbours in feature space: recall at k and the weighted kNN classifier."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

Labels = Sequence[str] | np.ndarray


def nearest(
    queries: Float[np.ndarray, "query dim"], gallery: Float[np.ndarray, "entry dim"], *, count: int
) -> tuple[Float[np.ndarray, "query rank"], Int[np.ndarray, "query rank"]]:
    """Cosine similarity and gallery row of each query's nearest entries, the nearest first.

    At most `count`, fewer if the gallery is smaller. The search is exact.
    """
    search = NearestNeighbors(n_neighbors=min(count, len(gallery)), algorithm="brute")
    search.fit(normalize(gallery))
    distances, rows = search.kneighbors(normalize(queries))
    return 1 - distances**2 / 2, rows  # rows have unit length: |a - b|^2 = 2 - 2 cos


def hits(
    neighbours: Int[np.ndarray, "query rank"],
    query_labels: Labels,
    gallery_labels: Labels,
    *,
    k: int,
) -> Bool[np.ndarray, " query"]:
    """Whether any of a query's `k` nearest has its label.

    Source: VCOP (Xu et al., CVPR 2019), section 4.4.
    """
    right = np.asarray(gallery_labels)[neighbours[:, :k]] == np.asarray(query_labels)[:, None]
    return right.any(axis=1)


def vote(
    similarity: Float[np.ndarray, "query rank"],
    neighbours: Int[np.ndarray, "query rank"],
    gallery_labels: Labels,
    *,
    k: int,
    temperature: float,
) -> list[str]:
    """The label with the most votes among a query's `k` nearest, each weighing exp(cosine / t).

    Source: Wu et al. 2018 (arXiv 1805.01978), section 3.4.
    """
    names, numbers = np.unique(np.asarray(gallery_labels), return_inverse=True)
    weights = np.exp((similarity[:, :k] - 1) / temperature)  # less 1: same order, no overflow
    votes = np.zeros((len(neighbours), len(names)))
    for rank in range(weights.shape[1]):
        np.add.at(votes, (np.arange(len(votes)), numbers[neighbours[:, rank]]), weights[:, rank])
    return names[votes.argmax(axis=1)].tolist()
