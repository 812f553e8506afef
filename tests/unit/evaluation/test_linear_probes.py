import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from hdc.evaluation.linear_probes import classify, explained, is_numeric, regress

PARTS = {"train": 120, "val": 40, "test": 60}


@pytest.fixture
def data():
    """Features of which two columns tell the label and the value, among noise."""
    rng = np.random.default_rng(0)
    features, labels, values = {}, {}, {}
    for part, count in PARTS.items():
        table = rng.standard_normal((count, 12)).astype(np.float32)
        labels[part] = np.where(table[:, 0] + 0.5 * rng.standard_normal(count) > 0.6, "up", "down")
        values[part] = table[:, 1] + 0.5 * rng.standard_normal(count)
        features[part] = 5 + 3 * table
    return features, labels, values


def scaled(features):
    both = np.concatenate([features["train"], features["val"]])
    scaler = StandardScaler().fit(both)
    return scaler.transform(both), scaler.transform(features["test"])


def test_classify_is_sklearn_with_the_strength_that_val_likes(data):
    features, labels, _ = data
    read = classify(features, labels, strengths=[1e-6, 0.1], iterations=500)
    assert read.strength == 0.1
    both, test = scaled(features)
    plain = LogisticRegression(C=0.1, max_iter=500)
    plain.fit(both, np.concatenate([labels["train"], labels["val"]]))
    assert (read.predicted == plain.predict(test)).all()
    assert np.mean(read.predicted == labels["test"]) > 0.65


def test_the_score_on_val_is_of_a_probe_that_has_not_seen_val(data):
    features, labels, values = data
    scaler = StandardScaler().fit(features["train"])
    train, val = scaler.transform(features["train"]), scaler.transform(features["val"])
    plain = LogisticRegression(C=0.1, max_iter=500).fit(train, labels["train"])
    read = classify(features, labels, strengths=[0.1], iterations=500)
    assert read.validation == plain.score(val, labels["val"])
    ridge = Ridge(alpha=1.0).fit(train, values["train"])
    read = regress(features, values, strengths=[1.0])
    assert read.validation == pytest.approx(ridge.score(val, values["val"]))


def test_regress_is_sklearn(data):
    features, _, values = data
    read = regress(features, values, strengths=[1e-6, 1.0])
    assert read.strength == 1.0
    both, test = scaled(features)
    plain = Ridge(alpha=1.0).fit(both, np.concatenate([values["train"], values["val"]]))
    np.testing.assert_allclose(read.predicted, plain.predict(test))


def test_the_test_part_decides_nothing(data):
    features, labels, _ = data
    flipped = labels | {"test": labels["test"][::-1]}
    settings = {"strengths": [1e-3, 1.0], "iterations": 200}
    plain, swapped = (classify(features, each, **settings) for each in (labels, flipped))
    assert (plain.predicted == swapped.predicted).all() and plain[1:] == swapped[1:]


def test_explained_is_r2():
    true, predicted = [1.0, 2.0, 4.0], [1.5, 2.0, 3.0]
    assert explained(predicted, true) == pytest.approx(r2_score(true, predicted))


def test_names_are_classified_and_quantities_regressed():
    assert is_numeric(pd.Series([0.5, 1.0]))
    assert not is_numeric(pd.Series(["a", "b"])) and not is_numeric(pd.Series([1, 2]))
