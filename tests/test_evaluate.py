import numpy as np
import pandas as pd
import pytest

from hdc.errors import InputError
from hdc.evaluate import Judge, read_features
from hdc.leaks import require_unseen
from hdc.settings import Evaluate

SETTINGS = Evaluate(
    recall_at=[1, 5], neighbours=5, neighbour_temperature=0.07, probe_strengths=[1.0],
    probe_iterations=200,
)  # fmt: skip


@pytest.fixture
def planted():
    """Features whose first columns tell the label and the size, never the background."""
    rng = np.random.default_rng(0)
    parts = ["train"] * 40 + ["val"] * 10 + ["test"] * 30
    videos = [f"{i:03d}.avi" for i in range(80)]
    labels = np.tile(["x", "y"], 40)
    split = pd.DataFrame({"video": videos, "part": parts, "label": labels, "group": videos})
    index = split[["video", "label", "group"]].assign(
        path="", frames=9, fps=25.0, width=8, height=8, seconds=1.0, sha256=videos,
        shape=labels, size=rng.random(80), background=np.arange(80),
    )  # fmt: skip
    table = rng.standard_normal((80, 6)).astype(np.float32)
    table[:, 0] = 4 * (labels == "x")
    table[:, 1] = 4 * index["size"]
    return index, split, table


def test_probes_of_label_and_factors(planted):
    index, split, table = planted
    found = Judge(index, split, SETTINGS).probes("layer4", table)
    assert set(found) == {"label", "shape", "size"}  # no background: those of test are not in train
    assert found["label"]["accuracy"] == found["shape"]["accuracy"] == 1.0
    assert found["label"]["chance"] == 0.5
    assert found["size"]["r2"] > 0.95


def test_an_unusable_test_video_is_in_every_denominator(planted):
    index, split, table = planted
    broken = [row for row in range(80) if row not in (50, 60, 70)]  # three test videos
    judge = Judge(index.iloc[broken].reset_index(drop=True), split, SETTINGS)
    recall, knn = judge.neighbours("layer4", table[broken])
    accuracy = judge.probes("layer4", table[broken])["label"]["accuracy"]
    assert accuracy == 27 / 30
    assert recall["r5"] <= 27 / 30 and knn <= 27 / 30
    outcomes = judge.outcomes.set_index("video")
    assert len(outcomes) == 30
    assert (outcomes.loc[["050.avi", "060.avi", "070.avi"], "linear_layer4_label"] == 0).all()
    assert outcomes.loc["050.avi"].filter(like="size").isna().all()


def test_outcomes_are_what_the_metrics_average(planted):
    index, split, table = planted
    judge = Judge(index, split, SETTINGS)
    recall, knn = judge.neighbours("layer4", table)
    assert judge.outcomes.retrieval_layer4_r1.mean() == recall["r1"]
    assert judge.outcomes.knn_layer4.mean() == knn


def test_chance_by_hand(planted):
    index, split, _ = planted
    assert Judge(index, split, SETTINGS).retrieval_chance() == pytest.approx(0.5)


def test_an_encoder_that_saw_a_test_video_is_refused(planted, tmp_path):
    index, split, _ = planted
    encoder = tmp_path / "encoder.safetensors"
    seen = index[["video", "sha256"]]
    seen[:50].to_csv(tmp_path / "videos.csv", index=False)
    require_unseen(encoder, index, split)
    seen[:52].to_csv(tmp_path / "videos.csv", index=False)
    with pytest.raises(InputError, match=r"found 2 of 30 in .*, such as 050\.avi"):
        require_unseen(encoder, index, split)


def test_refuses_missing_features(tmp_path):
    with pytest.raises(InputError, match=r"expected features, found none; run hdc\.embed first"):
        read_features(str(tmp_path / "features.safetensors"), 3)
