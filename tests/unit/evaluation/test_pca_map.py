import numpy as np
import pandas as pd
import pytest

from hdc.evaluation.pca_map import feature_map


@pytest.fixture
def index():
    names = [f"{row}.avi" for row in range(12)]
    return pd.DataFrame({"video": names, "label": "x", "group": names, "shape": list("ab") * 6})


def test_the_map_is_that_of_the_singular_vectors_of_centered_unit_rows(index):
    table = np.random.default_rng(0).standard_normal((12, 5)).astype(np.float32)
    rows = [1, 3, 4, 6, 8, 9, 11]
    places, shares = feature_map(table, index, rows)
    units = table[rows].astype(float)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    left, values, _ = np.linalg.svd(units - units.mean(axis=0))
    plain = left[:, :2] * values[:2]
    found = places[["first", "second"]].to_numpy()
    for axis in (0, 1):  # a direction has no sign
        sign = np.sign(plain[:, axis] @ found[:, axis])
        assert found[:, axis] == pytest.approx(sign * plain[:, axis], abs=1e-4)
    assert shares == pytest.approx((values**2 / (values**2).sum())[:2].tolist())
    assert places.video.tolist() == [f"{row}.avi" for row in rows]
    assert list(places) == ["video", "label", "shape", "first", "second"]


def test_too_little_for_a_plane_is_still_drawn(index):
    places, shares = feature_map(np.ones((12, 5), np.float32), index, [2, 5])
    assert (places[["first", "second"]].to_numpy() == 0).all() and shares == [0, 0]
    places, shares = feature_map(np.ones((12, 5), np.float32), index, [2])
    assert len(places) == 1 and shares == [0, 0]
