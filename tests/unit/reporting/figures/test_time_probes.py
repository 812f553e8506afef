"""The figure of the probes of time, read back."""

import json

import pytest
from drawn_figures import drawn, lines, titled
from planted_study import plant

from hdc.analysis.measures import time_probe
from hdc.analysis.results import read_results
from hdc.reporting.tables.time_probes import NONE


def test_a_line_is_a_run_by_level_and_the_random_network_is_shaded(tmp_path):
    study = plant(tmp_path)
    picture = drawn(study)["time_probes"]
    panel = titled(picture, "order")
    found = lines(panel)
    for run in ("hdc", "random_init"):
        means = [
            time_probe("order", level).summary(read_results(study), ["ablation"])["mean"][run]
            for level in ("layer2", "layer3", "layer4")
        ]
        assert found[run][1] == pytest.approx([100 * mean for mean in means])
    assert found["chance"][1] == [50, 50]
    [shaded] = panel.collections
    assert shaded.get_datalim(panel.transData).y1 == pytest.approx(max(found["random_init"][1]))


def test_a_study_of_before_draws_nothing_and_says_why(tmp_path):
    study = plant(tmp_path)
    for path in tmp_path.glob("runs/**/evaluate.json"):
        record = json.loads(path.read_text())
        del record["metrics"]["time_probes"], record["metrics"]["time_videos"]
        path.write_text(json.dumps(record))
    picture = drawn(study)["time_probes"]
    assert not picture.drawn and picture.caption == NONE
