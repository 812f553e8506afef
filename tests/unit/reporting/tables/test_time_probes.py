"""The table of the probes of time, of planted outcomes that were written down by video."""

import json

import numpy as np
import pandas as pd
import pytest
from planted_study import TIMED, plant

from hdc.analysis.bootstrap import bootstrap_difference
from hdc.analysis.measures import named
from hdc.analysis.results import read_results
from hdc.analysis.run_differences import DRAWS
from hdc.analysis.video_outcomes import Outcomes
from hdc.reporting.tables.all import all_tables
from hdc.reporting.tables.time_probes import NONE, time_probes_table


def table_of(study):
    return time_probes_table(Outcomes(read_results(study)))


def row(table, ablation, level):
    numbers = table.numbers
    [place] = np.flatnonzero((numbers.ablation == ablation) & (numbers.level == level))
    return numbers.iloc[place], table.text.iloc[place]


def written(study, ablation, column):
    """Outcomes by split, (seed, video), as they stand in the files."""
    runs = study.parent / f"runs/r3d18/{ablation}"
    return [
        np.stack(
            [
                pd.read_csv(runs / f"seed{seed}/{place}/outcomes.csv")[column].dropna().to_numpy()
                for seed in (0, 1)
            ]
        )
        for place in ("synthetic-split1/synthetic/split1", "synthetic-split2/synthetic/split2")
    ]


def test_the_floor_and_chance_stand_beside_each_probe(tmp_path):
    study = plant(tmp_path)
    table = table_of(study)
    for level in ("layer2", "layer4"):
        for probe in ("direction", "order"):
            column = f"time_{level}_{probe}"
            own, floor = (written(study, run, column) for run in ("hdc", "random_init"))
            assert own[0].shape == (2, TIMED)
            found, text = row(table, "hdc", level)
            accuracy, at_floor = np.mean(own), np.mean(floor)
            assert found[f"time_{probe}"] == pytest.approx(accuracy)
            assert found[f"time_{probe}_random_init"] == pytest.approx(at_floor)
            assert found[f"time_{probe}_chance"] == 0.5
            gap = bootstrap_difference(own, floor, seed=DRAWS, groups=groups())
            assert found[f"time_{probe}_difference"] == pytest.approx(gap.mean)
            two_way = [found[f"time_{probe}_difference_two_way_{end}"] for end in ("low", "high")]
            assert two_way == pytest.approx([gap.low, gap.high])
            shown = f"{100 * at_floor:.1f} (Δ {100 * gap.mean:+.1f} ["
            assert text[f"{probe}: random_init (%)"].startswith(shown)
            assert text[f"{probe}: chance (%)"] == "50.0"


def groups():
    """Of the first TIMED videos, five to a group, in each split."""
    return [[f"g{place // 5}" for place in range(TIMED)]] * 2


def test_the_random_network_is_its_own_floor(tmp_path):
    found, text = row(table_of(plant(tmp_path)), "random_init", "layer4")
    assert found.time_direction == found.time_direction_random_init
    assert pd.isna(found.time_direction_difference)
    assert "Δ" not in text["direction: random_init (%)"]


def test_one_seed_has_a_difference_and_no_interval(tmp_path):
    _, text = row(table_of(plant(tmp_path, seeds=(0,))), "hdc", "layer4")
    assert "Δ +" in text["direction: random_init (%)"]
    assert "[" not in text["direction: random_init (%)"]


def test_label_still_and_shuffled_stand_beside(tmp_path):
    found, _ = row(table_of(plant(tmp_path)), "hdc", "layer3")
    assert (found.linear, found.linear_still, found.linear_shuffled) == pytest.approx(
        (0.51, 0.2, 0.25)
    )


def test_videos_are_counted_in_the_caption(tmp_path):
    caption = table_of(plant(tmp_path)).caption
    assert (
        "Direction and order on synthetic: 40 test videos, 2 of which look alike in all versions; "
        "20 of 200 drawn videos too short; 12.5 % of frames look like the one before." in caption
    )
    assert "Speed on" not in caption and caption.count("drawn videos") == 1


def test_records_that_lack_the_probes_are_missing_beside_others(tmp_path):
    study = plant(tmp_path)
    forget(study, "random_init")
    _, text = row(table_of(study), "random_init", "layer4")
    assert text["direction (%)"].startswith("missing [")
    assert row(table_of(study), "hdc", "layer4")[1]["direction: random_init (%)"] == "n/a"


def test_a_study_of_before_has_no_rows_and_says_so(tmp_path):
    study = plant(tmp_path)
    forget(study, "*")
    table = table_of(study)
    assert not len(table.text) and table.caption == NONE
    assert "time_probes" in [table.name for table in all_tables(read_results(study))]


def test_a_study_without_the_random_network_has_no_floor(tmp_path):
    found, text = row(table_of(plant(tmp_path, ablations=("hdc", "coupled"))), "hdc", "layer4")
    assert pd.isna(found.time_direction_random_init)
    assert text["direction: random_init (%)"] == "n/a"


def test_a_comparison_may_name_a_probe_of_time(tmp_path):
    results = read_results(plant(tmp_path))
    assert named(results, "time_direction").of_some


def test_outcomes_with_another_mean_than_recorded_are_left_out(tmp_path):
    study = plant(tmp_path)
    path = next(study.parent.glob("runs/r3d18/hdc/seed0/**/outcomes.csv"))
    table = pd.read_csv(path)
    table.loc[:9, "time_layer4_direction"] = np.nan
    table.to_csv(path, index=False)
    results = read_results(study)
    time_probes_table(Outcomes(results))
    [reason] = results.damaged.values()
    assert "in column time_layer4_direction, as recorded" in reason


def forget(study, ablation):
    """Records as they were before there were probes of time."""
    for path in study.parent.glob(f"runs/r3d18/{ablation}/**/evaluate.json"):
        record = json.loads(path.read_text())
        del record["metrics"]["time_probes"], record["metrics"]["time_videos"]
        path.write_text(json.dumps(record))
