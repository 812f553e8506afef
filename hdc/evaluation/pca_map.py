"""A map of feature space: the two directions in which test videos differ most."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from hdc.data.index import factor_columns

DECIMALS = 4  # of a plot
SAME = 1e-9  # rows that differ by less are equal up to rounding: a point


def feature_map(
    table: Float[np.ndarray, "video _"], index: pd.DataFrame, rows: list[int]
) -> tuple[pd.DataFrame, list[float]]:
    """Where some `rows` of the index lie in the plane, and the shares of variance of its axes.

    Principal components of features of unit length, as retrieval sees them, fitted on those rows
    alone. Not UMAP or t-SNE: distances here mean what they seem to, and machines agree on them.
    A row has video, label, every known factor and the coordinates `first` and `second`.
    """
    facts = index.iloc[rows][["video", "label", *factor_columns(index)]].reset_index(drop=True)
    units = normalize(table[rows].astype(float))
    places, shares = np.zeros((len(rows), 2)), [0.0, 0.0]
    if np.ptp(units, axis=0).max() > SAME:
        analysis = PCA(min(2, *units.shape), svd_solver="full").fit(units)
        coordinates = analysis.transform(units)
        places[:, : coordinates.shape[1]] = coordinates
        shares[: coordinates.shape[1]] = analysis.explained_variance_ratio_.tolist()
    return facts.assign(first=places[:, 0], second=places[:, 1]).round(DECIMALS), shares
