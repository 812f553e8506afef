"""Nearest neighbors in feature space: recall at k, average precision and the weighted kNN vote.

Features are read in blocks, so that beside the gallery itself little memory is used: at most
about 0.5 GB whatever its size. Cosines that agree to 9 decimals are ties, and of those the lower
row of the gallery comes first.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from sklearn.neighbors import NearestNeighbors

from hdc.runtime.errors import InputError

Labels = Sequence[str] | np.ndarray

QUERY_BLOCK, GALLERY_BLOCK = 4096, 16384  # rows whose unit vectors are held at a time
RANKING_BLOCK = 2**23  # pairs of query and entry that are ranked at a time
DECIMALS = 9  # finer than any meaning, coarser than the rounding of sums in float64


def nearest(
    queries: Float[np.ndarray, "query dim"], gallery: Float[np.ndarray, "entry dim"], *, count: int
) -> tuple[Float[np.ndarray, "query rank"], Int[np.ndarray, "query rank"]]:
    """Cosine similarity and gallery row of each query's nearest entries, the nearest first.

    At most `count`, fewer if the gallery is smaller. The search is exact. A row of zeros has
    cosine 0 with every other. Raises InputError if a feature is not finite.
    """
    count = min(count, len(gallery))
    similarity = np.full((len(queries), count), -np.inf)
    rows = np.full(similarity.shape, len(gallery))
    for first, entries in _unit_blocks(gallery, GALLERY_BLOCK, of="gallery"):
        for start, units in _unit_blocks(queries, QUERY_BLOCK, of="queries"):
            block = slice(start, start + len(units))
            cosines, places = _nearest_of_block(units, entries, count)
            merged = (
                np.hstack([similarity[block], cosines]),
                np.hstack([rows[block], first + places]),
            )
            similarity[block], rows[block] = _ordered(*merged, count)
    return similarity, rows


def average_precision(
    queries: Float[np.ndarray, "query dim"],
    query_labels: Labels,
    gallery: Float[np.ndarray, "entry dim"],
    gallery_labels: Labels,
) -> Float64[np.ndarray, " query"]:
    """Average precision of each query's ranking of the whole gallery by cosine.

    That is the mean, over the entries with the query's label, of the precision at the entry's rank:
    the share of that label among the entries down to it. 0 if no entry has the label. A mean over
    queries is the mAP. Raises InputError if a feature is not finite.

    Source: Manning, Raghavan, Schütze 2008, Introduction to Information Retrieval, section 8.4.
    """
    labels = np.concatenate([np.asarray(query_labels), np.asarray(gallery_labels)])
    numbers = np.unique(labels, return_inverse=True)[1]
    query_numbers, gallery_numbers = np.split(numbers, [len(queries)])
    averages = np.zeros(len(queries))
    ranks = np.arange(1, len(gallery) + 1)
    for start, units in _unit_blocks(
        queries, max(1, RANKING_BLOCK // max(1, len(gallery))), of="queries"
    ):
        block = slice(start, start + len(units))
        right = gallery_numbers[_ranking(units, gallery)] == query_numbers[block, None]
        precision = right.cumsum(axis=1) / ranks
        averages[block] = (precision * right).sum(axis=1) / np.maximum(1, right.sum(axis=1))
    return averages


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


def _unit_blocks(
    table: Float[np.ndarray, "row dim"], size: int, *, of: str
) -> Iterator[tuple[int, Float64[np.ndarray, "row wider"]]]:
    """First row and unit vectors of each `size` rows of a table, which is `queries` or `gallery`.

    Two columns are added, one for either: there, a row of zeros has its 1. So it is a unit vector,
    too, and at right angles to every one of the other table.
    """
    own_column = table.shape[1] + ("queries", "gallery").index(of)
    for start in range(0, len(table), size):
        block = table[start : start + size]
        units = np.zeros((len(block), table.shape[1] + 2))
        units[:, :-2] = block
        lengths = np.sqrt(np.einsum("ij,ij->i", units, units))[:, None]  # float64: no overflow
        if not np.isfinite(lengths).all():
            row = start + int(np.flatnonzero(~np.isfinite(lengths))[0])
            raise InputError(
                f"expected finite features, found NaN or infinity in row {row} of the {of}; "
                "the encoder that made them may have diverged"
            )
        units[lengths[:, 0] == 0, own_column] = 1
        units /= np.where(lengths == 0, 1, lengths)
        yield start, units


def _nearest_of_block(
    units: Float64[np.ndarray, "query dim"], entries: Float64[np.ndarray, "entry dim"], count: int
) -> tuple[Float64[np.ndarray, "query rank"], Int[np.ndarray, "query rank"]]:
    """Cosine and place of the nearest `count` entries or fewer, in no order that counts."""
    search = NearestNeighbors(algorithm="brute").fit(entries)
    distances, places = search.kneighbors(units, min(count + 1, len(entries)))
    similarity = np.round(1 - distances**2 / 2, DECIMALS)  # unit length: |a - b|^2 = 2 - 2 cos
    if similarity.shape[1] <= count:
        return similarity, places
    # Where the last place is a tie, the search keeps any of those that share it.
    tied = np.flatnonzero(similarity[:, count - 1] == similarity[:, count])
    step = max(1, RANKING_BLOCK // len(entries))
    for some in (tied[start : start + step] for start in range(0, len(tied), step)):
        cosines = _cosines(units[some], entries)
        places[some, :count] = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        similarity[some, :count] = np.take_along_axis(cosines, places[some, :count], axis=1)
    return similarity[:, :count], places[:, :count]


def _ordered(
    similarity: Float64[np.ndarray, "query found"], rows: Int[np.ndarray, "query found"], count: int
) -> tuple[Float64[np.ndarray, "query rank"], Int[np.ndarray, "query rank"]]:
    """The best `count` of each query, the most similar first and of ties the lower row."""
    order = np.lexsort((rows, -similarity))[:, :count]
    return np.take_along_axis(similarity, order, axis=1), np.take_along_axis(rows, order, axis=1)


def _ranking(
    units: Float64[np.ndarray, "query wider"], gallery: Float[np.ndarray, "entry dim"]
) -> Int[np.ndarray, "query entry"]:
    """All rows of the gallery by falling cosine with each query."""
    cosines = np.empty((len(units), len(gallery)))
    for first, entries in _unit_blocks(gallery, GALLERY_BLOCK, of="gallery"):
        cosines[:, first : first + len(entries)] = _cosines(units, entries)
    return np.argsort(-cosines, axis=1, kind="stable")


def _cosines(
    units: Float64[np.ndarray, "query dim"], entries: Float64[np.ndarray, "entry dim"]
) -> Float64[np.ndarray, "query entry"]:
    """Cosines of unit vectors, ties made equal."""
    return np.round(units @ entries.T, DECIMALS)
