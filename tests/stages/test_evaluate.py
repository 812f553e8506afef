import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from hdc.evaluate import judgements, read_features
from hdc.evaluation.frozen_features import Judge
from hdc.runtime.errors import InputError
from hdc.settings.evaluation import Evaluate

SETTINGS = Evaluate(
    recall_at=[1, 5], neighbours=5, neighbour_temperature=0.07, probe_strengths=[1.0],
    probe_iterations=200, few_label_shares=[0.1], few_label_videos=[3], few_label_draws=2,
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
    assert set(found) == {"label", "shape", "size"}  # every video has a background of its own
    assert found["label"]["accuracy"] == found["shape"]["accuracy"] == 1.0
    assert found["label"]["chance"] == 0.5
    assert found["size"]["r2"] > 0.95


def test_an_unusable_test_video_is_in_every_denominator(planted):
    index, split, table = planted
    index = index.assign(
        motion=np.tile(["up", "up", "down", "down"], 20),
        motion_axis=np.tile(["y", "x", "x", "y"], 20),
    )
    table[:, 2] = 4 * (index.motion == "up")
    usable = [row for row in range(80) if row not in (50, 60, 70)]  # three test videos are not
    judge = Judge(index.iloc[usable].reset_index(drop=True), split, SETTINGS)
    metrics, _ = judgements(judge, ["layer4"], lambda _: table[usable], ["layer4"])
    assert metrics["linear"]["layer4"]["label"]["accuracy"] == 27 / 30
    outcomes = judge.table().set_index("video")
    assert len(outcomes) == 30
    unusable = outcomes.loc[["050.avi", "060.avi", "070.avi"]].drop(columns=["label", "group"])
    size = "linear_layer4_size"
    assert unusable[size].isna().all() and (unusable.drop(columns=size) == 0).all(axis=None)
    parts = {
        "retrieval_layer4_r1": metrics["retrieval"]["layer4"]["r1"],
        "retrieval_layer4_r5": metrics["retrieval"]["layer4"]["r5"],
        "average_precision_layer4": metrics["mean_average_precision"]["layer4"],
        "knn_layer4": metrics["knn"]["layer4"],
        "linear_layer4_label": metrics["linear"]["layer4"]["label"]["accuracy"],
        "linear_layer4_shape": metrics["linear"]["layer4"]["shape"]["accuracy"],
        "linear_layer4_motion": metrics["linear"]["layer4"]["motion"]["accuracy"],
        "linear_layer4_motion_axis": metrics["linear"]["layer4"]["motion_axis"]["accuracy"],
        "left_out_seen_layer4_shape": metrics["left_out"]["layer4"]["shape"]["seen"],
        "left_out_seen_layer4_motion": metrics["left_out"]["layer4"]["motion"]["seen"],
        "left_out_unseen_layer4_shape": metrics["left_out"]["layer4"]["shape"]["unseen"],
        "left_out_unseen_layer4_motion": metrics["left_out"]["layer4"]["motion"]["unseen"],
        "few_labels_layer4_10%": metrics["few_labels"]["layer4"]["10%"]["accuracy"],
        "few_labels_layer4_3 videos": metrics["few_labels"]["layer4"]["3 videos"]["accuracy"],
    }
    assert set(outcomes) - {"label", "group", size} == set(parts)
    for column, number in parts.items():
        assert outcomes[column].sum() / 30 == pytest.approx(number)
        assert number <= 27 / 30


def test_mean_average_precision_and_single_classes(planted):
    index, split, table = planted
    judge = Judge(index, split, SETTINGS)
    metrics, _ = judgements(judge, ["layer4"], lambda _: table, ["layer4"])
    units = table / np.linalg.norm(table, axis=1, keepdims=True)
    labels = index.label.to_numpy()
    plain = [
        average_precision_score(labels[:50] == labels[row], units[:50] @ units[row])
        for row in range(50, 80)
    ]
    assert metrics["mean_average_precision"]["layer4"] == pytest.approx(np.mean(plain))
    first = judge.table().retrieval_layer4_r1
    of_x = first[judge.outcomes.label == "x"].mean()
    assert metrics["per_class"]["r1"]["x"] == pytest.approx(of_x)


def test_controls_are_probed_and_not_searched(planted):
    index, split, table = planted
    tables = {"layer4": table, "layer4.spatial_max": table, "layer4.still": 0 * table}
    metrics, found = judgements(Judge(index, split, SETTINGS), list(tables), tables.get, ["layer4"])
    assert set(metrics["retrieval"]) == set(found) == {"layer4", "layer4.spatial_max"}
    assert set(metrics["linear"]) == {"layer4", "layer4.still"}
    assert metrics["linear"]["layer4.still"]["label"]["accuracy"] == 0.5  # nothing to be read
    assert set(metrics["few_labels"]) == {"layer4"}


def test_a_quantity_that_wraps_around(planted):
    """Near 0 and near 1 are neighbors: a line through the number itself reads neither."""
    index, split, table = planted
    index = index.assign(phase_x=np.random.default_rng(1).random(80))
    turns = 2 * np.pi * index.phase_x.to_numpy()
    table[:, 3], table[:, 4] = np.cos(turns), np.sin(turns)
    judge = Judge(index, split, SETTINGS)
    assert judge.probes("layer4", table)["phase_x"]["r2"] > 0.95
    error = judge.table().linear_layer4_phase_x.to_numpy() - index.phase_x[50:].to_numpy()
    assert (np.abs((error + 0.5) % 1 - 0.5) < 0.1).all()


def test_direction_is_read_within_its_axis(planted):
    index, split, table = planted
    index = index.assign(
        motion_axis=np.tile(["turn", "turn", "size", "size"], 20),
        motion_direction=np.tile(["forward", "backward"], 40),
    )
    table[:, 5] = np.tile([1, -1, -1, 1], 20)  # forward and backward swap from axis to axis
    found = Judge(index, split, SETTINGS).probes("layer4", table)["motion_direction"]
    assert found["accuracy"] == 1.0 and found["chance"] == pytest.approx(0.5, abs=0.02)
    assert found["within"] == {"turn": 1.0, "size": 1.0}


def test_backgrounds_that_the_test_part_lacks_are_read_on_held_out_videos(planted):
    index, split, table = planted
    index = index.assign(background=[f"b{row % 3}" for row in range(40)] + ["new"] * 40)
    table[:40, 5] = np.arange(40) % 3
    judge = Judge(index, split, SETTINGS)
    assert judge.probes("layer4", table)["background"]["accuracy"] == 1.0
    assert "linear_layer4_background" not in judge.table()


def test_chance_by_hand(planted):
    index, split, _ = planted
    judge = Judge(index, split, SETTINGS)
    assert judge.retrieval_chance() == pytest.approx(0.5)
    entries = len(judge.gallery)  # one half of each label
    ks = SETTINGS.recall_at
    misses = {f"r{k}": math.comb(entries // 2, k) / math.comb(entries, k) for k in ks}
    expected = {name: 1 - miss for name, miss in misses.items()}
    assert judge.recall_chance() == pytest.approx(expected)


def test_refuses_missing_features(tmp_path):
    with pytest.raises(InputError, match=r"expected features, found none; run hdc\.embed first"):
        read_features(tmp_path / "features.safetensors", 3)
