import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, log_loss, top_k_accuracy_score

from hdc.evaluation.classification import (
    accuracies,
    averaged,
    by_label,
    clip_accuracies,
    confusion,
    mean_loss,
    prediction_table,
)


@pytest.fixture
def split():
    videos = ["t.avi", "a.avi", "b.avi", "c.avi", "broken.avi"]
    labels = ["x", "x", "y", "z", "x"]
    parts = ["train", "test", "test", "test", "test"]
    return pd.DataFrame({"video": videos, "label": labels, "part": parts})


@pytest.fixture
def scores():
    rows = {"a.avi": [0.7, 0.2, 0.1], "b.avi": [0.5, 0.4, 0.1], "c.avi": [0.1, 0.2, 0.7]}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["x", "y", "z"])


def test_one_row_a_test_video_and_an_unusable_one_is_wrong(split, scores):
    table = prediction_table(split, scores)
    assert table.video.tolist() == ["a.avi", "b.avi", "c.avi", "broken.avi"]
    assert table.predicted.tolist() == ["x", "x", "z", ""]
    assert np.isnan(table.score_x.iloc[3])
    assert accuracies(table) == {"top1": 2 / 4, "top5": 3 / 4}
    assert by_label(table) == {"x": 1 / 2, "y": 0.0, "z": 1.0}


def test_top5_by_hand():
    labels = [f"l{i}" for i in range(8)]
    split = pd.DataFrame({"video": labels, "label": labels, "part": "test"})
    scores = pd.DataFrame([np.arange(8.0)] * 8, index=labels, columns=labels)
    found = accuracies(prediction_table(split, scores))
    assert found == {"top1": 1 / 8, "top5": 5 / 8}  # labels 3 to 7 score among the best five


def test_confusion_is_sklearns_and_counts_the_unusable(split, scores):
    found = confusion(prediction_table(split, scores))
    plain = confusion_matrix(["x", "y", "z"], ["x", "x", "z"], labels=["x", "y", "z"])
    assert found["labels"] == ["x", "y", "z"]
    assert np.array_equal(np.array(found["counts"])[:, :3], plain)
    assert [row[3] for row in found["counts"]] == [1, 0, 0]


def test_the_two_averages_by_hand():
    """One clip is sure of the first label, two lean to the second: the averages disagree."""
    scores = np.log(np.array([[[0.98, 0.02], [0.4, 0.6], [0.4, 0.6]]]))
    of_probabilities = averaged(scores, "probabilities")
    assert of_probabilities[0].tolist() == pytest.approx([(0.98 + 0.8) / 3, (0.02 + 1.2) / 3])
    odds = (0.98 * 0.4 * 0.4 / (0.02 * 0.6 * 0.6)) ** (1 / 3)  # a geometric mean
    assert averaged(scores, "logits")[0, 0] == pytest.approx(odds / (1 + odds))
    sharp = np.array([[[0.0, 9.0], [2.0, 0.0], [2.0, 0.0]]])
    assert averaged(sharp, "probabilities").argmax() == 0
    assert averaged(sharp, "logits").argmax() == 1


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_loss_is_sklearns(average):
    random = np.random.default_rng(0)
    scores, targets = random.standard_normal((7, 3, 4)), random.integers(0, 4, 7)
    plain = log_loss(targets, averaged(scores, average), labels=range(4))
    assert mean_loss(scores, targets.tolist(), average) == pytest.approx(plain)


def test_clip_accuracies_are_sklearns_and_clips_of_unusable_videos_are_wrong():
    random = np.random.default_rng(0)
    scores, labels = random.standard_normal((9, 4, 7)), [f"l{i}" for i in range(7)]
    own = random.integers(0, 7, 9)
    found = clip_accuracies(scores, [labels[i] for i in own], labels, videos=12)
    for k, name in ((1, "clip_top1"), (5, "clip_top5")):
        plain = top_k_accuracy_score(
            np.repeat(own, 4), scores.reshape(-1, 7), k=k, labels=range(7), normalize=False
        )
        assert found[name] == pytest.approx(plain / (12 * 4))


def test_ties_go_to_the_label_that_stands_first():
    """A network that says the same of all labels is no better than chance in any rank."""
    labels = [f"l{i}" for i in range(10)]
    split = pd.DataFrame({"video": labels, "label": labels, "part": "test"})
    equal = pd.DataFrame(np.full((10, 10), 0.1), index=labels, columns=labels)
    assert accuracies(prediction_table(split, equal)) == {"top1": 0.1, "top5": 0.5}
    found = clip_accuracies(np.zeros((10, 2, 10)), labels, labels, videos=10)
    assert found == {"clip_top1": 0.1, "clip_top5": 0.5}
