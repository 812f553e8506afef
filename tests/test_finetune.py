import numpy as np
import pandas as pd
import pytest

from hdc.finetune import accuracies, prediction_table


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


def test_top5_by_hand():
    labels = [f"l{i}" for i in range(8)]
    split = pd.DataFrame({"video": labels, "label": labels, "part": "test"})
    scores = pd.DataFrame([np.arange(8.0)] * 8, index=labels, columns=labels)
    found = accuracies(prediction_table(split, scores))
    assert found == {"top1": 1 / 8, "top5": 5 / 8}  # labels 3 to 7 score among the best five


def test_the_same_seed_gives_the_same_predictions_with_dropout(call, root, tiny, tmp_path):
    """Dropout draws from torch's own generator, whose seed differs from process to process."""
    shared = ("scale=smoke", "data=synthetic_smoke", "backbone=r3d18", "ablation=hdc", "seed=0")
    shared += (f"prepared={tiny}", "split=1")
    encoder = tmp_path / "encoder.safetensors"
    call("hdc.pretrain", *shared, "pretrain.epochs=0", f"output_dir={tmp_path}",
         "pretrain.batch_size=4", cwd=root, check=True)  # fmt: skip
    quick = ("finetune.batch_size=4", "finetune.dropout=0.5", f"encoder={encoder}")
    for name in ("one", "two"):
        words = (*shared, *quick, f"output_dir={tmp_path / name}")
        call("hdc.finetune", *words, cwd=root, check=True)
    first, second = ((tmp_path / name / "predictions.csv").read_bytes() for name in ("one", "two"))
    assert first == second
