import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from hdc.evaluation.few_labels import few_label_draws, few_label_outcomes

LABELS = np.array(["x"] * 200 + ["y"] * 40 + ["z"] * 4)
ASKED = {"shares": [0.01, 0.1], "videos": [10]}


def test_every_label_keeps_its_share_and_at_least_one_video():
    counts = {
        name: [int((LABELS[rows] == label).sum()) for label in "xyz"]
        for name, _, rows in few_label_draws(LABELS, **ASKED, draws=1)
    }
    assert counts == {"1%": [2, 1, 1], "10%": [20, 4, 1], "10 videos": [10, 10, 4]}


def test_a_share_is_not_rounded_up_by_a_binary_fraction():
    ((_, _, rows),) = few_label_draws(["x"] * 100, shares=[0.07], videos=[], draws=1)
    assert len(rows) == 7


def test_draws_differ_and_fewer_labels_are_part_of_more():
    found = {
        (name, draw): set(rows) for name, draw, rows in few_label_draws(LABELS, **ASKED, draws=3)
    }
    assert found["1%", 0] <= found["10%", 0]
    assert found["10%", 0] != found["10%", 1]


def test_outcomes_are_sklearns():
    random = np.random.default_rng(0)
    features = random.standard_normal((244, 5)).astype(np.float32)
    features[LABELS == "x", 0] += 2
    tested, truth = features[::3], LABELS[::3]
    settings = {"strength": 0.1, "iterations": 200, "draws": 2}
    found = few_label_outcomes(features, LABELS, tested, truth, **ASKED, **settings)
    for name, draw, rows in few_label_draws(LABELS, **ASKED, draws=2):
        scaler = StandardScaler().fit(features[rows])
        plain = LogisticRegression(C=0.1, max_iter=200)
        plain.fit(scaler.transform(features[rows]), LABELS[rows])
        right, used = found[name]
        assert right[draw].tolist() == (plain.predict(scaler.transform(tested)) == truth).tolist()
        assert used[draw] == len(rows)


def test_a_single_label_is_predicted_as_such():
    features = np.zeros((4, 2), dtype=np.float32)
    labels = np.array(["only"] * 4)
    found = few_label_outcomes(
        features, labels, features, labels, shares=[0.5], videos=[], draws=1, strength=1.0,
        iterations=9,
    )  # fmt: skip
    assert found["50%"][0].all() and list(found) == ["50%"]
    assert pytest.approx(found["50%"][1]) == [2]
