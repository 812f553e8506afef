"""Probes of time on planted features: what is there is found, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from chance import require_chance, tolerance

from hdc.evaluation.frozen_features import Judge
from hdc.evaluation.judgements import time_versions
from hdc.evaluation.time_probes import table_rows, time_metrics
from hdc.settings.evaluation import Evaluate

PARTS = ["train"] * 200 + ["val"] * 60 + ["test"] * 140
ASKED = [row for row in range(400) if row % 4]  # 150, 45 and 105 videos
LONG = [row for row in ASKED if row % 2]
STRIDES = [1, 2, 4]


@pytest.fixture
def judge():
    videos = [f"{row:03d}.avi" for row in range(400)]
    labels = np.tile(["x", "y"], 200)
    split = pd.DataFrame({"video": videos, "part": PARTS, "label": labels, "group": videos})
    # The last test video cannot be used: it is in no row of features.
    index = split[split.video != "399.avi"][["video", "label", "group"]].assign(
        path="", frames=99, fps=25.0, width=8, height=8, seconds=1.0, sha256=videos[:-1]
    )
    settings = Evaluate(
        recall_at=[1], neighbours=5, neighbour_temperature=0.07, probe_strengths=[0.01, 1.0],
        probe_iterations=200, few_label_shares=[], few_label_videos=[], few_label_draws=1,
    )  # fmt: skip
    return Judge(index, split, settings)


def facts(asked=ASKED, long=LONG, alike=()):
    asked, long = ([row for row in rows if row < 399] for rows in (asked, long))
    known = {"rows": asked, "alike": list(alike), "repeated_frames": 0.25}
    probes = {"direction": known, "order": known, "speed": known | {"rows": long}}
    return {"drawn": 320, "strides": STRIDES, "probes": probes}


def features(facts, cues=None, seed=0):
    """Tables of noise in which a video looks alike in all versions, but for some cues."""
    rng = np.random.default_rng(seed)
    tables = {"layer4": rng.standard_normal((399, 8))}
    for probe, suffixes in time_versions(STRIDES).items():
        rows = facts["probes"][probe]["rows"]
        for number, suffix in enumerate(suffixes):
            if suffix:
                noise = rng.standard_normal((len(rows), 8)) * 0.1
                tables[f"layer4{suffix}"] = tables["layer4"][rows] + noise
                tables[f"layer4{suffix}"][:, 3] += (cues or {}).get(probe, 0.0) * number
    return tables


def test_a_planted_cue_is_found_by_its_probe_alone(judge):
    known = facts()
    for cue in ("direction", "order", "speed"):
        tables = features(known, {cue: 20.0})
        found = time_metrics(judge, tables.get, ["layer4"], known)["time_probes"]["layer4"]
        assert found[cue]["accuracy"] > 0.97
        for probe in found.keys() - {cue}:
            answers = 2 * 104  # two rows of a video may be wrong together
            assert abs(found[probe]["accuracy"] - found[probe]["chance"]) < tolerance(0.5, answers)


def test_features_that_know_nothing_give_chance(judge):
    rng, known = np.random.default_rng(1), facts()
    tables = {name: rng.standard_normal(table.shape) for name, table in features(known).items()}
    found = time_metrics(judge, tables.get, ["layer4"], known)["time_probes"]["layer4"]
    assert {probe: scores["chance"] for probe, scores in found.items()} == {
        "direction": 1 / 2, "speed": 1 / 3, "order": 1 / 2
    }  # fmt: skip
    outcomes = judge.table()
    for probe in ("direction", "order"):
        require_chance(outcomes[f"time_layer4_{probe}"].dropna(), 0.5)
    require_chance(outcomes["time_layer4_speed"].dropna(), 1 / 3)


def test_videos_alike_both_ways_are_right_half_the_time_and_counted(judge):
    """Whatever a probe says of two equal rows, it is right of one."""
    static = [row for row in ASKED if row >= 300][:40]
    known = facts(alike=[1, *static])
    tables = features(known, {"direction": 20.0})
    places = np.searchsorted(known["probes"]["direction"]["rows"], static)
    tables["layer4.reversed"][places] = tables["layer4"][static]
    metrics = time_metrics(judge, tables.get, ["layer4"], known)
    assert metrics["time_videos"]["direction"]["alike"] == 40
    outcomes = judge.table().set_index("video")["time_layer4_direction"]
    assert (outcomes[[f"{row:03d}.avi" for row in static]] == 0.5).all()
    accuracy = metrics["time_probes"]["layer4"]["direction"]["accuracy"]
    assert 0.97 * 64 / 104 + 20 / 104 <= accuracy <= 64 / 104 + 20 / 104


def test_only_videos_that_were_asked_have_an_outcome(judge):
    known = facts()
    metrics = time_metrics(judge, features(known, {"speed": 3.0}).get, ["layer4"], known)
    outcomes = judge.table().set_index("video")
    for probe, rows in (("direction", ASKED), ("speed", LONG)):
        column = outcomes[f"time_layer4_{probe}"]
        tested = [f"{row:03d}.avi" for row in rows if 260 <= row < 399]
        assert column.dropna().index.tolist() == tested  # no outcome for 399, which is unusable
        recorded = metrics["time_probes"]["layer4"][probe]["accuracy"]
        assert recorded == pytest.approx(column[tested].mean())
    assert set(outcomes["time_layer4_speed"].dropna().round(6)) <= {0, 0.333333, 0.666667, 1}
    assert metrics["time_videos"]["speed"] == {
        "drawn": 320, "too_short": 320 - len(known["probes"]["speed"]["rows"]), "tested": 69,
        "alike": 0, "repeated_frames": 0.25, "strides": STRIDES,
    }  # fmt: skip


def test_a_probe_without_videos_in_some_part_is_left_out_and_counted(judge):
    known = facts(long=[row for row in LONG if row < 200])
    metrics = time_metrics(judge, features(known).get, ["layer4"], known)
    assert set(metrics["time_probes"]["layer4"]) == {"direction", "order"}
    assert metrics["time_videos"]["speed"]["tested"] == 0
    assert "time_layer4_speed" not in judge.table()


def test_which_tables_have_rows_of_some_videos_alone():
    rows = table_rows(["a", "b"], facts(long=[]))
    assert rows == {f"{level}.{name}": 299 for level in "ab" for name in ("reversed", "swapped")}
